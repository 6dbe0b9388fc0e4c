"""How a new version of an engine takes the place of the old one."""

from collections import Counter
from collections.abc import Mapping, Sequence

from components.cluster.settings import ClusterSettings
from components.engines.engine import Engine
from components.workload.spec import Update


def updates(engines: Sequence[Engine], cluster: ClusterSettings) -> Mapping[str, Update]:
    """By engine: one replica more first, where a GPU is certainly free for it; else one of the old ones makes room.

    A GPU is certainly free on a node that has enough even when every replica of all `engines` of the cluster which
    might run there does. What is added at once, and on how many nodes each, the engine says.
    """
    nodes = {engine.name: _nodes(engine, cluster) for engine in engines}
    taken = Counter[str]()
    for engine in engines:
        # Pods of one replica are all on different nodes.
        taken.update(dict.fromkeys(nodes[engine.name], engine.accelerator.gpus * engine.most_replicas))

    def is_free(engine: Engine) -> bool:
        wanted = engine.accelerator.gpus
        return not wanted or engine.surge * engine.pods_each <= sum(
            min(engine.surge, max(0, has - taken[node]) // wanted) for node, has in nodes[engine.name].items()
        )

    return {engine.name: "surge" if is_free(engine) else "in-place" for engine in engines}


def _nodes(engine: Engine, cluster: ClusterSettings) -> Mapping[str, int]:
    """GPUs of each node that it might run on, by its name; none for an engine that needs no GPU."""
    if not engine.accelerator.gpus:
        return {}
    nodes = cluster.candidates(engine.accelerator, engine.node_selector)
    return {node.name: node.capacity.accelerator.advertised for node in nodes}
