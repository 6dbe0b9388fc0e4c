"""How a new version of an engine takes the place of the old one."""

from collections.abc import Sequence

from components.cluster.settings import ClusterSettings
from components.engines.engine import Engine
from components.engines.operator import OperatorEngine
from components.workload.spec import Update


def update(engine: Engine, cluster: ClusterSettings, engines: Sequence[Engine]) -> Update:
    """One replica more first, where a GPU is certainly free for it; else one of the old ones makes room.

    A GPU is certainly free on a node that has enough even when every replica of all `engines` of the cluster which
    might run there does. An operator makes all replicas anew before it takes the old ones away.
    """
    request = engine.accelerator
    if not request.gpus:
        return "surge"
    more = engine.most_replicas if isinstance(engine, OperatorEngine) else 1
    room = 0
    for node in cluster.candidates(request, engine.node_selector):
        taken = sum(
            other.accelerator.gpus * other.most_replicas for other in engines if _may_run_on(other, node.name, cluster)
        )
        room += max(0, node.capacity.accelerator.advertised - taken) // request.gpus
    return "surge" if room >= more else "in-place"


def _may_run_on(engine: Engine, node: str, cluster: ClusterSettings) -> bool:
    if not engine.accelerator.gpus or not engine.most_replicas:
        return False
    return any(node == one.name for one in cluster.candidates(engine.accelerator, engine.node_selector))
