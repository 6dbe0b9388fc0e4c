"""A rehearsal as text: engines, nodes, and what does not fit with the scheduler's own reason."""

from collections import Counter
from collections.abc import Sequence

from placement.model import Amounts, Cluster, Misfit, Node, Workload, counted
from placement.text import Style, paragraph, table

_ENGINE_COLUMNS = ("engine", "replicas", "nodes", "GPUs")
_NODE_COLUMNS = ("node", "accelerator", "GPUs used", "CPUs used", "memory used")


def report(stack: str, clusters: Sequence[Cluster], style: Style) -> str:
    """The whole report; every line fits 100 columns."""
    lines = [style.bold(summary(stack, clusters))]
    for cluster in clusters:
        lines += ["", style.bold(f"Cluster {cluster.name}"), *_workloads(cluster, style), "", *_nodes(cluster, style)]
    misfits = [(cluster, misfit) for cluster in clusters for misfit in cluster.misfits()]
    if misfits:
        lines += ["", style.bad("Does not fit")]
        for cluster, misfit in misfits:
            lines += paragraph(f"{misfit.workload.app} in cluster {cluster.name}: {lacking(misfit)}", indent=2)
            lines += paragraph(misfit.reason, indent=4)
    return "\n".join(lines)


def summary(stack: str, clusters: Sequence[Cluster]) -> str:
    """One line: what was placed of what was asked for."""
    wanted = sum(workload.wanted for cluster in clusters for workload in cluster.workloads)
    missing = sum(misfit.count for cluster in clusters for misfit in cluster.misfits())
    nodes = sum(len(cluster.nodes) for cluster in clusters)
    used = sum(cluster.used(node).gpus for cluster in clusters for node in cluster.nodes)
    there = sum(node.has.gpus for cluster in clusters for node in cluster.nodes)
    verdict = "everything fits" if not missing else f"{counted(missing, 'pod')} of {wanted} do not fit"
    if missing == 1:
        verdict = f"1 pod of {wanted} does not fit"
    where = f"{counted(nodes, 'node')} in {counted(len(clusters), 'cluster')}"
    return f"{stack}: {verdict}; {wanted - missing} of {wanted} pods on {where}, {used} of {there} GPUs used"


def needs(asks: Amounts, accelerator: str | None) -> str:
    """What one pod asks for, for example `2 cuda` or nothing."""
    return f"{asks.gpus} {accelerator or 'GPUs'}" if asks.gpus else ""


def lacking(misfit: Misfit) -> str:
    """What of a workload is nowhere, for example `1 of 2 pods, each with 4 cuda`."""
    workload = misfit.workload
    of = f"{misfit.count} of {counted(workload.wanted, 'pod')}"
    return f"{of}, each with {needs(workload.asks, workload.accelerator)}" if workload.asks.gpus else of


def _workloads(cluster: Cluster, style: Style) -> list[str]:
    rows = [
        (workload.app, _replicas(cluster, workload), _where(cluster, workload), _gpus(cluster, workload))
        for workload in cluster.workloads
    ]
    misfits = {misfit.workload.app for misfit in cluster.misfits()}
    bad = [index for index, workload in enumerate(cluster.workloads) if workload.app in misfits]
    return table(_ENGINE_COLUMNS, rows, style, bad)


def _replicas(cluster: Cluster, workload: Workload) -> str:
    return f"{len(cluster.placed(workload))}/{workload.wanted}" if workload.wanted else "off"


def _where(cluster: Cluster, workload: Workload) -> str:
    if not workload.wanted:
        return off(workload)
    nodes = Counter(pod.node or "" for pod in cluster.placed(workload))
    known = [node.name for node in cluster.nodes if node.name in nodes]
    found = ", ".join(f"{name} x{nodes[name]}" if nodes[name] > 1 else name for name in known)
    return found or "does not fit"


def off(workload: Workload) -> str:
    """What is known of something that is off."""
    if not workload.trial:
        return ""
    if workload.trial.node:
        return f"would fit on {workload.trial.node}"
    return f"would not fit: {workload.trial.reason}"


def _gpus(cluster: Cluster, workload: Workload) -> str:
    each = needs(workload.asks, workload.accelerator)
    if not workload.wanted:
        return f"would need {each}" if each else ""
    placed = len(cluster.placed(workload))
    return f"{placed * workload.asks.gpus}/{workload.wanted * workload.asks.gpus} {workload.accelerator}" if each else ""


def _nodes(cluster: Cluster, style: Style) -> list[str]:
    return table(_NODE_COLUMNS, [_node(cluster, node) for node in cluster.nodes], style)


def _node(cluster: Cluster, node: Node) -> tuple[str, ...]:
    used = cluster.used(node)
    return (
        node.name,
        accelerator(node),
        f"{used.gpus} of {node.has.gpus}" if node.has.gpus else "",
        cpus(used, node.has),
        memory(used, node.has),
    )


def accelerator(node: Node) -> str:
    """For example `cuda, rtx-4090`; nothing for a node without."""
    return ", ".join(word for word in (node.kind, node.product) if word)


def cpus(used: Amounts, has: Amounts) -> str:
    """For example `4.5 of 32`."""
    return f"{used.cpu / 1000:g} of {has.cpu / 1000:g}"


def memory(used: Amounts, has: Amounts) -> str:
    """For example `17.5 of 128 GiB`."""
    gibibyte = 2**30
    return f"{round(used.memory / gibibyte, 1):g} of {round(has.memory / gibibyte, 1):g} GiB"
