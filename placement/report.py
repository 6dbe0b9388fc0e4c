"""A rehearsal as text: engines, nodes, and what does not fit with the scheduler's own reason."""

from collections import Counter
from collections.abc import Sequence

from placement.model import ENGINE, Amounts, Cluster, Misfit, Node, Workload, counted
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
    misfit = f"{missing} of {counted(wanted, 'pod')} {'does' if missing == 1 else 'do'} not fit"
    verdict = misfit if missing else f"everything fits, {counted(wanted, 'pod')}"
    where = f"{counted(nodes, 'node')} in {counted(len(clusters), 'cluster')}"
    return f"{stack}: {verdict}; {used} of {counted(there, 'GPU')} used; {where}"


def title(workload: Workload) -> str:
    """The name, and what it does where that is not to serve models: `litellm (gateway)`."""
    return workload.app if workload.part in (ENGINE, "") else f"{workload.app} ({workload.part})"


def needs(workload: Workload) -> str:
    """What one pod asks for, for example `2 cuda GPUs, 4 CPUs, 16 GiB`."""
    asks = workload.asks
    kind = f"{workload.accelerator} GPU" if workload.accelerator else "GPU"
    gpus = f"{counted(asks.gpus, kind)}, " if asks.gpus else ""
    cpus = f"{asks.cpu / 1000:g} {'CPU' if asks.cpu == 1000 else 'CPUs'}"
    return f"{gpus}{cpus}, {gibibytes(asks.memory)} GiB"


def lacking(misfit: Misfit) -> str:
    """What of a workload is nowhere, for example `1 of 2 pods, each asks for 4 cuda, 8 CPUs, 64 GiB`."""
    return f"{misfit.count} of {counted(misfit.workload.wanted, 'pod')}, each asks for {needs(misfit.workload)}"


def _workloads(cluster: Cluster, style: Style) -> list[str]:
    rows = [
        (title(workload), _replicas(cluster, workload), _where(cluster, workload), _gpus(cluster, workload))
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
    would = f"would need {needs(workload)}"
    if not workload.trial:
        return would
    if workload.trial.node:
        return f"{would}; would fit on {workload.trial.node}"
    return f"{would}; would not fit: {workload.trial.reason}"


def _gpus(cluster: Cluster, workload: Workload) -> str:
    if not (workload.asks.gpus and workload.wanted):
        return ""
    placed = len(cluster.placed(workload)) * workload.asks.gpus
    return f"{placed}/{workload.wanted * workload.asks.gpus} {workload.accelerator or ''}"


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
    return f"{gibibytes(used.memory)} of {gibibytes(has.memory)} GiB"


def gibibytes(count: int) -> str:
    """Bytes as GiB, with one digit behind the point where it says something."""
    return f"{round(count / 2**30, 1):g}"
