"""How a new version of an engine takes the place of the old one."""

from collections.abc import Sequence

from components.cluster.settings import ClusterSettings
from components.engines.engine import Engine
from components.workload.spec import Update


def update(engine: Engine, cluster: ClusterSettings, engines: Sequence[Engine]) -> Update:
    """One replica more first, where a GPU is certainly free for it; else one of the old ones makes room.

    A GPU is certainly free on a node that has enough even when every replica of all `engines` of the cluster which
    might run there does.
    """
    request = engine.accelerator
    if not request.gpus:
        return "surge"
    for node in cluster.candidates(request, engine.node_selector):
        taken = sum(
            other.accelerator.gpus * other.replicas for other in engines if _may_run_on(other, node.name, cluster)
        )
        if taken + request.gpus <= node.capacity.accelerator.advertised:
            return "surge"
    return "in-place"


def _may_run_on(engine: Engine, node: str, cluster: ClusterSettings) -> bool:
    if not engine.accelerator.gpus or not engine.replicas:
        return False
    return any(node == one.name for one in cluster.candidates(engine.accelerator, engine.node_selector))
