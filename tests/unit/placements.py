"""Clusters as a reading would have found them, for tests of what is shown of them."""

from collections.abc import Sequence

from placement.model import Amounts, Cluster, Node, Pod, Workload

REASON = (
    "0/2 nodes are available: 1 Insufficient nvidia.com/gpu, 1 node(s) didn't match Pod's node affinity/selector. "
    "preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."
)
GIB = 2**30


def node(name: str, *, gpus: int = 0, kind: str = "cpu", product: str | None = None, taint: str = "") -> Node:
    """A node of 32 CPUs and 128 GiB."""
    has = Amounts(gpus=gpus, cpu=32_000, memory=128 * GIB)
    return Node(name=name, has=has, kind=kind, product=product, taints=(f"{taint}=true:NoSchedule",) if taint else ())


def workload(app: str, wanted: int = 1, *, gpus: int = 0, part: str = "engine", problem: str | None = None) -> Workload:
    """Something whose pods ask for 4 CPUs and 16 GiB each."""
    return Workload(
        app=app,
        namespace="inference",
        part=part,
        wanted=wanted,
        asks=Amounts(gpus=gpus, cpu=4_000, memory=16 * GIB),
        accelerator="cuda" if gpus else None,
        problem=problem,
    )


def pods(of: Workload, *nodes: str | None, reason: str = REASON) -> list[Pod]:
    """A pod for each place; None for one that fits nowhere."""
    return [
        Pod(
            name=f"{of.app}-{index}",
            namespace=of.namespace,
            app=of.app,
            asks=of.asks,
            phase="Running" if place else "Pending",
            node=place,
            reason=None if place else reason,
        )
        for index, place in enumerate(nodes)
    ]


def cluster(name: str, nodes: Sequence[Node], *placed: tuple[Workload, Sequence[Pod]]) -> Cluster:
    """A cluster with these workloads and their pods."""
    return Cluster(
        name=name,
        nodes=nodes,
        workloads=[one for one, _ in placed],
        pods=[pod for _, theirs in placed for pod in theirs],
    )


def crowded() -> Cluster:
    """A cluster of two nodes in which one engine runs, one does not fit, and one is off."""
    legal, large = workload("legal", gpus=2), workload("judge-large", gpus=4)
    chat, judge = workload("chat", 2), workload("judge", 0, gpus=1)
    return cluster(
        "home",
        [node("cuda-1", gpus=4, kind="cuda", product="rtx-4090", taint="cuda-inference"), node("cpu-1")],
        (legal, pods(legal, "cuda-1")),
        (chat, pods(chat, "cpu-1", "cpu-1")),
        (large, pods(large, None)),
        (judge, []),
    )
