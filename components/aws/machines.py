"""How many machines a group has, and how large their disks are. Nothing here needs Pulumi's package for AWS."""

from math import ceil

from components.cluster.settings import ClusterSettings
from components.node.settings import NodeGroup
from components.section import byte_count

_GIB = 2**30


def desired(group: NodeGroup, *, minded: bool) -> int:
    """Nodes to begin with; where no autoscaler minds the group, nodes at all times."""
    if group.desired_size is not None:
        return group.desired_size
    if not minded:
        return group.size
    return group.min_size if group.accelerator.kind != "cpu" else max(group.min_size, 1)


def root_gib(group: NodeGroup, settings: ClusterSettings) -> int:
    """Size of a node's disk, in GiB. Images for GPUs take 10 to 30 of them each, and two are there in an update."""
    if group.root_disk:
        return ceil(byte_count(group.root_disk) / _GIB)
    cache = ceil(byte_count(settings.cache.size) / _GIB) if settings.cache else 0
    return cache + (100 if group.accelerator.kind == "cpu" else 200)
