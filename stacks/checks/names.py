"""Names: unique where they must be, and free."""

from collections.abc import Iterable, Iterator
from typing import Any

from components.engines.operator import OperatorEngine
from components.node.settings import NodeGroup
from stacks.drafts import Draft, Part, readable
from stacks.problems import PREFIX, Place, Problem, echo, path

_TAKEN = {
    "default": "service account",
    "default-deny": "network policy",
    "allow-dns": "network policy",
}
"""What every namespace of engines has already, under names that an engine's own objects would have too."""


def are_unique(draft: Draft) -> Iterator[Problem]:
    """Clusters, models, and engines over the whole stack: a request to the gateway names nothing else."""
    for section in (draft.clusters, draft.models, draft.engines):
        yield from _twice(section or ())


def of_machines_are_unique(draft: Draft) -> Iterator[Problem]:
    """Within a cluster; the nodes of a group are called after it."""
    for cluster in draft.clusters or ():
        yield from _twice(cluster.machines)
        groups = [machine for _, machine in readable(cluster.machines, "name") if isinstance(machine, NodeGroup)]
        for place, machine in readable(cluster.machines, "name"):
            group, _, number = machine.name.rpartition("-")
            if any(group == other.name and number.isdecimal() and int(number) < other.size for other in groups):
                message = f'"{machine.name}" is the name of a node in the group "{group}"'
                yield Problem(place=(*place, "name"), message=message)


def joined_with_the_cluster_are_unique(draft: Draft) -> Iterator[Problem]:
    """Pulumi knows engines and nodes as CLUSTER-NAME: `a-b` and `c` must not meet `a` and `b-c`."""
    engines = ((place, engine.cluster, engine.name) for place, engine in readable(draft.engines, "cluster", "name"))
    yield from _same_joined(engines)
    yield from _same_joined(
        (place, cluster.name, machine.name)
        for cluster in draft.clusters or ()
        for place, machine in readable(cluster.machines, "name")
        if cluster.name
    )


def are_not_taken_by_kubernetes(draft: Draft) -> Iterator[Problem]:
    """An engine's service account, network policy and Service carry its name."""
    for place, engine in readable(draft.engines, "name"):
        if what := _TAKEN.get(engine.name):
            message = f'"{engine.name}" is taken: the engines\' namespace has a {what} of this name; choose another'
            yield Problem(place=(*place, "name"), message=message)


def are_not_taken_by_another_engines_pods(draft: Draft) -> Iterator[Problem]:
    """An operator's engine has objects of further names: `NAME-head`."""
    taken = {
        name: engine.name
        for _, engine in readable(draft.engines, "name", "kind", "replicas")
        if isinstance(engine, OperatorEngine)
        for name in engine.further_names
    }
    for place, engine in readable(draft.engines, "name"):
        if other := taken.get(engine.name):
            message = f'"{engine.name}" is taken: pods of engine "{other}" are called so; choose another'
            yield Problem(place=(*place, "name"), message=message)


def _twice(parts: Iterable[Part[Any]]) -> Iterator[Problem]:
    first: dict[str, Place] = {}
    for part in parts:
        if part.name in first:
            holder = path(first[part.name]).removeprefix(PREFIX)
            message = f"{echo(part.name)} is taken: {holder} has it already"
            yield Problem(place=(*part.place, "name"), message=message)
        elif part.name is not None:
            first[part.name] = part.place


def _same_joined(named: Iterable[tuple[Place, str, str]]) -> Iterator[Problem]:
    seen: dict[str, tuple[str, str]] = {}
    for place, cluster, name in named:
        other = seen.setdefault(f"{cluster}-{name}", (cluster, name))
        if other != (cluster, name):
            both = f'"{name}" in "{cluster}" and "{other[1]}" in "{other[0]}"'
            message = f"{both} would both be called {cluster}-{name}; rename one"
            yield Problem(place=(*place, "name"), message=message)
