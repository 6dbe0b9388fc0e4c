"""What the target eks costs an hour: told at each preview, and printed by `make cost`."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

import pulumi

from components.aws import prices
from components.aws.cost import Estimate, Machines, Switched, estimate, table
from components.aws.machines import desired, root_gib
from components.cluster.settings import ClusterSettings
from components.engines import AnyEngine
from components.node.settings import NodeGroup
from components.section import byte_count
from stacks.settings import Settings

_GB = 2**30
"""Amazon's price list says GB and counts GiB."""


def tell_of_cost(settings: Settings) -> None:
    """At preview, where somebody can still change their mind."""
    pulumi.log.info(said(settings))


def said(settings: Settings) -> str:
    """The estimate with its heading."""
    found = cost(settings)
    return f"estimated cost in {found.region}, at list prices of {prices.DATE}\n{table(found)}"


def cost(settings: Settings) -> Estimate:
    """Of the whole stack, from its settings alone."""
    machines = [one for cluster in settings.clusters for one in _machines(cluster, settings.deployed)]
    switched = [one for cluster in settings.clusters for one in _switched(cluster, settings)]
    return estimate(
        settings.aws,
        clusters=len(settings.clusters),
        machines=machines,
        stored=_stored(settings, [model.name for model in settings.models]),
        switched=switched,
    )


def _machines(cluster: ClusterSettings, engines: Sequence[AnyEngine]) -> Iterator[Machines]:
    on = {one.name: one.replicas for one in engines if one.cluster == cluster.name}
    used = _used(cluster, engines, on)
    for group in cluster.node_groups:
        least = _least(cluster, group)
        # Of a group without GPUs nobody knows how much is needed: what there is to begin with.
        begin = desired(group, minded=_minded(cluster))
        needed = used[group.name] if group.accelerator.advertised else begin
        yield Machines(
            what=f"{cluster.name}: {group.name}",
            instance_type=group.instance_type,
            least=least,
            now=min(max(least, needed), group.size) if _minded(cluster) else least,
            most=group.size,
            disk=root_gib(group, cluster),
            spot=group.buy == "spot",
        )


def _minded(cluster: ClusterSettings) -> bool:
    """Whether something takes away nodes that nobody needs, and adds them again."""
    return cluster.eks.autoscaler != "none"


def _least(cluster: ClusterSettings, group: NodeGroup) -> int:
    """Nodes that stand whoever needs them."""
    if cluster.eks.autoscaler == "karpenter" and group.accelerator.advertised:
        return 0
    return group.min_size if _minded(cluster) else desired(group, minded=False)


def _switched(cluster: ClusterSettings, settings: Settings) -> Iterator[Switched]:
    """Each engine that has no replica, with one in its turn."""
    here = [one for one in settings.deployed if one.cluster == cluster.name]
    on = {one.name: one.replicas for one in here}
    without = _used(cluster, here, on)
    for engine in here:
        group = _group(cluster, engine)
        if engine.replicas or not group or not engine.accelerator.gpus:
            continue
        least = _least(cluster, group)
        there = max(least, without[group.name])
        others = any(one.replicas and _group(cluster, one) == group for one in here)
        yield Switched(
            engine=engine.name,
            instance_type=group.instance_type,
            kept=0 if others else least,
            added=max(0, _used(cluster, here, {**on, engine.name: 1})[group.name] - there),
            weights=_stored(settings, engine.reads),
        )


def _used(cluster: ClusterSettings, engines: Sequence[AnyEngine], replicas: Mapping[str, int]) -> dict[str, int]:
    """Nodes of each group that so many replicas take: the largest first, each where there is still room."""
    free: dict[str, list[int]] = {group.name: [] for group in cluster.node_groups}
    for engine in sorted(engines, key=lambda one: -one.accelerator.gpus):
        group = _group(cluster, engine)
        gpus = engine.accelerator.gpus
        if not group or not gpus:
            continue
        nodes = free[group.name]
        for _ in range(replicas.get(engine.name, 0) * engine.pods_each):
            room = next((index for index, left in enumerate(nodes) if left >= gpus), None)
            if room is None:
                nodes.append(group.accelerator.advertised)
                room = len(nodes) - 1
            nodes[room] -= gpus
    return {name: len(nodes) for name, nodes in free.items()}


def _group(cluster: ClusterSettings, engine: AnyEngine) -> NodeGroup | None:
    """The first that its pods may run on."""
    fitting = cluster.candidates(engine.accelerator, engine.node_selector)
    return next((shape.capacity for shape in fitting if isinstance(shape.capacity, NodeGroup)), None)


def _stored(settings: Settings, names: Sequence[str]) -> Decimal:
    """GB of these models, of those whose size is known."""
    sizes = [byte_count(model.size) for model in settings.models if model.name in names and model.size]
    return (Decimal(sum(sizes)) / _GB).quantize(Decimal("0.1"))
