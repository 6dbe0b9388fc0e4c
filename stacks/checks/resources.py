"""CPU and memory: requests within limits, and within what some node has."""

from collections.abc import Iterator, Sequence

from components.accelerators import AcceleratorRequest
from components.cluster.settings import ClusterSettings
from components.engines.operator import OperatorEngine
from components.node.settings import NodeShape
from components.section import byte_count
from components.workload.spec import Resources, cpu_count
from stacks.drafts import Draft, readable
from stacks.problems import Place, Problem


def one_of_each(cluster: ClusterSettings) -> ClusterSettings:
    """The cluster with one node of each group: what none of them can run, no number of them can."""
    groups = tuple(group.model_copy(update={"size": 1}) for group in cluster.node_groups)
    return cluster.model_copy(update={"node_groups": groups})


def room(pods: Sequence[Resources], nodes: Sequence[NodeShape]) -> tuple[str, str] | None:
    """What a pod with these containers asks for, and the most that any of the nodes has of it. None if it fits one."""
    cpu = sum(cpu_count(one.cpu) for one in pods)
    memory = sum(byte_count(one.memory) for one in pods)
    if any(cpu <= node.capacity.cpu and memory <= byte_count(node.capacity.memory) for node in nodes):
        return None
    cpus = max(node.capacity.cpu for node in nodes)
    if cpu > cpus:
        return f"asks for {cpu:f} CPUs", str(cpus)
    wanted = " + ".join(one.memory for one in pods)
    largest = max(nodes, key=lambda node: byte_count(node.capacity.memory)).capacity
    if memory > byte_count(largest.memory):
        return f"asks for {wanted} of memory", largest.memory
    return f"asks for {cpu:f} CPUs and {wanted} of memory on one node", "only one of the two"


def hold_requests_within_limits(draft: Draft) -> Iterator[Problem]:
    """Kubernetes refuses a request above its limit."""
    for place, engine in readable(draft.engines, "resources"):
        yield from _limits((*place, "resources"), engine.resources)
    for place, engine in readable(draft.engines, "kind", "head", "transformer", "explainer"):
        for where, pod in engine.beside.items() if isinstance(engine, OperatorEngine) else ():
            yield from _limits((*place, *where), pod.resources)
    gateway = draft.gateway.value
    if gateway and draft.gateway.knows("litellm"):
        yield from _limits(("gateway", "litellm", "resources"), gateway.litellm.resources)
    if gateway and gateway.open_webui and draft.gateway.knows("openWebui"):
        yield from _limits(("gateway", "openWebui", "resources"), gateway.open_webui.resources)


def of_the_gateway_fit_a_node(draft: Draft) -> Iterator[Problem]:
    """In every cluster that has engines, on the nodes that are not reserved; on all, where all are."""
    gateway = draft.gateway.value
    if not gateway or draft.gateway.broken:
        return
    pods = {"litellm": [gateway.litellm.resources]}
    if chat := gateway.open_webui:
        pods["litellm" if chat.placement == "sidecar" else "openWebui"] = [
            *(pods["litellm"] if chat.placement == "sidecar" else []),
            chat.resources,
        ]
    used = {engine.cluster for _, engine in readable(draft.engines, "cluster")}
    for cluster in draft.clusters or ():
        if cluster.value and cluster.whole and cluster.machines and cluster.name in used:
            nodes = free_nodes(one_of_each(cluster.value))
            for name, containers in pods.items():
                if lacking := room(containers, nodes):
                    message = f'{lacking[0]}; the largest node for it in "{cluster.name}" has {lacking[1]}'
                    yield Problem(place=("gateway", name, "resources"), message=message)


def free_nodes(cluster: ClusterSettings) -> list[NodeShape]:
    """Nodes for pods that are meant for none in particular."""
    taints = cluster.tolerated(AcceleratorRequest(), {})
    return [node for node in cluster.shapes if node.capacity.taint is None or node.capacity.taint in taints]


def _limits(place: Place, resources: Resources) -> Iterator[Problem]:
    if resources.cpu_limit and cpu_count(resources.cpu_limit) < cpu_count(resources.cpu):
        yield Problem(place=(*place, "cpuLimit"), message=f"is less than cpu ({resources.cpu})")
    if resources.memory_limit and byte_count(resources.memory_limit) < byte_count(resources.memory):
        yield Problem(place=(*place, "memoryLimit"), message=f"is less than memory ({resources.memory})")
