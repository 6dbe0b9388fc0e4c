"""Nodes, pods and what was asked for, as one reading of a cluster found them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

ENGINE = "engine"
"""The part, as in the label `app.kubernetes.io/component`, of what serves models."""


@dataclass(frozen=True, kw_only=True)
class Amounts:
    """What a node has or a pod asks for."""

    gpus: int = 0
    cpu: int = 0
    """Thousandths of a logical CPU."""
    memory: int = 0
    """Bytes."""

    def __add__(self, other: "Amounts") -> "Amounts":
        return Amounts(gpus=self.gpus + other.gpus, cpu=self.cpu + other.cpu, memory=self.memory + other.memory)


@dataclass(frozen=True, kw_only=True)
class Node:
    """A machine of a cluster."""

    name: str
    has: Amounts
    """What pods may use of it."""
    kind: str | None = None
    """Kind of accelerator, for example `cuda`."""
    product: str | None = None
    """Product of the accelerator, for example `rtx-4090`."""
    taints: Sequence[str] = ()
    """As `kubectl describe` writes them, for example `cuda-inference=true:NoSchedule`."""
    ready: bool = True


@dataclass(frozen=True, kw_only=True)
class Pod:
    """A pod, where it is, or why it is nowhere."""

    name: str
    namespace: str
    app: str
    """What it is a replica of: its label `app.kubernetes.io/name`, else its own name."""
    ours: bool = True
    """Whether a stack of ours made it."""
    asks: Amounts = Amounts()
    phase: str = "Pending"
    """Kubernetes' own word, or `Terminating`."""
    node: str | None = None
    reason: str | None = None
    """Why the scheduler has not placed it, in its own words."""

    @property
    def placed(self) -> bool:
        """Whether it runs, or has run to its end, on a node."""
        return self.node is not None and self.phase not in ("Failed", "Terminating")

    @property
    def decided(self) -> bool:
        """Whether the scheduler has said its word."""
        return self.node is not None or self.reason is not None

    @property
    def occupies(self) -> bool:
        """Whether it uses what it asks for."""
        return self.phase not in ("Succeeded", "Failed")


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Where one replica of something that is off would go if it were on, or why nowhere."""

    node: str | None
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What was asked for: so many pods of one kind."""

    app: str
    namespace: str
    part: str
    """What it does: the label `app.kubernetes.io/component`, for example `engine` or `gateway`."""
    wanted: int
    """Pods; 0 for what is off."""
    asks: Amounts = Amounts()
    """What each pod asks for."""
    accelerator: str | None = None
    """Kind of the GPUs that each pod asks for."""
    problem: str | None = None
    """Why pods could not even be made, in Kubernetes' own words."""
    trial: Trial | None = None
    """Set by a rehearsal for what is off."""

    def has(self, pod: Pod) -> bool:
        """Whether the pod is one of its replicas."""
        return (pod.namespace, pod.app) == (self.namespace, self.app)


@dataclass(frozen=True, kw_only=True)
class Misfit:
    """Pods that are nowhere, all for the same reason."""

    workload: Workload
    count: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """One reading of one cluster."""

    name: str
    nodes: Sequence[Node] = ()
    workloads: Sequence[Workload] = ()
    pods: Sequence[Pod] = ()
    """All of them, also those of others: they use the nodes too."""

    def replicas(self, workload: Workload) -> tuple[Pod, ...]:
        """The pods of a workload that are to stay."""
        return tuple(pod for pod in self.pods if workload.has(pod) and pod.phase not in ("Failed", "Terminating"))

    def placed(self, workload: Workload) -> tuple[Pod, ...]:
        """The pods of a workload that have a node."""
        return tuple(pod for pod in self.replicas(workload) if pod.placed)

    def on(self, node: Node) -> tuple[Pod, ...]:
        """The pods that occupy a node."""
        return tuple(pod for pod in self.pods if pod.node == node.name and pod.occupies)

    def used(self, node: Node) -> Amounts:
        """What the pods on a node ask for, together."""
        return sum((pod.asks for pod in self.on(node)), Amounts())

    def misfits(self) -> tuple[Misfit, ...]:
        """What does not fit, with Kubernetes' own reasons."""
        return tuple(misfit for workload in self.workloads for misfit in self._misfits(workload))

    def _misfits(self, workload: Workload) -> Iterable[Misfit]:
        waiting = [pod for pod in self.replicas(workload) if not pod.placed]
        reasons = [pod.reason or "The scheduler has not said why." for pod in waiting]
        unmade = workload.wanted - len(self.replicas(workload))
        reasons += [workload.problem or "The pod was not made, and Kubernetes does not say why."] * max(unmade, 0)
        for reason in dict.fromkeys(reasons):
            yield Misfit(workload=workload, count=reasons.count(reason), reason=reason)


def counted(count: int, what: str) -> str:
    """`1 pod`, `2 pods`."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
