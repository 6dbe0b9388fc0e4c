"""What runs, in plain data: containers, volumes, placement, and who may talk to whom."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Literal

import pulumi
from pydantic import Field, StringConstraints

from components.section import Quantity, Section, rule

CpuQuantity = Annotated[
    str,
    StringConstraints(pattern=r"^([1-9][0-9]*m|[1-9][0-9]*(\.[0-9]+)?)$", max_length=10),
    rule("a number of CPUs, or of thousandths with m behind it", example="500m"),
]


NodePort = Annotated[int, Field(ge=30000, le=32767)]
"""A port that every node of a cluster answers at: the range that Kubernetes keeps for it."""


class Resources(Section):
    """CPU and memory of one replica."""

    cpu: CpuQuantity = "2"
    """Logical CPUs it is promised."""
    memory: Quantity = "8Gi"
    """Memory it is promised."""
    cpu_limit: CpuQuantity | None = None
    """Logical CPUs it may use at most; what it is promised when not set."""
    memory_limit: Quantity | None = None
    """Memory it may use at most; what it is promised when not set."""


def cpu_count(quantity: CpuQuantity) -> Decimal:
    """The CPUs in a Kubernetes quantity: `cpu_count("500m") == Decimal("0.5")`."""
    return Decimal(quantity[:-1]) / 1000 if quantity.endswith("m") else Decimal(quantity)


@dataclass(frozen=True, kw_only=True)
class SecretKey:
    """One key of a Kubernetes Secret in the pod's own namespace."""

    secret: pulumi.Input[str]
    key: str


@dataclass(frozen=True, kw_only=True)
class Scratch:
    """An empty directory that lives as long as the pod."""

    size: Quantity
    memory: bool = False
    """Keep it in RAM; counts towards the memory limit."""


@dataclass(frozen=True, kw_only=True)
class ConfigFiles:
    """The files of a ConfigMap."""

    config_map: pulumi.Input[str]
    paths: Mapping[str, str] = field(default_factory=dict[str, str])
    """Where each key is, in folders; all of them by their names when there are none."""


@dataclass(frozen=True, kw_only=True)
class SecretFiles:
    """The keys of a Secret as files."""

    secret: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A persistent volume claim."""

    claim: pulumi.Input[str]
    read_only: bool = False
    """Leave its files' owners alone, too."""


Volume = Scratch | ConfigFiles | SecretFiles | Claim


@dataclass(frozen=True, kw_only=True)
class Health:
    """Where a container answers for itself."""

    port: int
    path: str | None = None
    """Asked for over HTTP; where there is none, a connection is answer enough."""
    ready_path: str | None = None
    """Path of the readiness probe where it differs."""
    starts_ready: bool = False
    """Its start is over when it is ready, not when it is alive."""
    startup_seconds: int = 120
    """How long the first answer may take before the container is restarted."""
    tls: bool = False
    """Asked over HTTPS; the kubelet trusts any certificate."""


@dataclass(frozen=True, kw_only=True)
class Container:
    """One container. Its root is read-only: what it writes goes to mounts."""

    name: str
    image: str
    resources: Resources
    command: Sequence[str] = ()
    args: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    secret_env: Mapping[str, SecretKey] = field(default_factory=dict[str, SecretKey])
    ports: Mapping[str, int] = field(default_factory=dict[str, int])
    mounts: Mapping[str, str] = field(default_factory=dict[str, str])
    """Volume name by mount path."""
    read_only: Sequence[str] = ()
    """Those of the mount paths that it may not write to."""
    health: Health | None = None
    devices: Mapping[str, int] = field(default_factory=dict[str, int])
    """Extended resources, for example `{"nvidia.com/gpu": 1}`."""
    writable_root: str | None = None
    """Why its root must be writable: an exception, shown on the object."""
    drain: Sequence[str] = ()
    """Command that returns when no request is left: it is asked to stop only then."""
    working_directory: str | None = None
    """The image's own when not set."""
    sidecar: bool = False
    """Among the init containers: begun in its turn, and kept running beside what follows until the pod ends."""


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where pods may and must run."""

    node_selector: Mapping[str, str] = field(default_factory=dict[str, str])
    taints: Sequence[str] = ()
    """Keys of taints `KEY=true:NoSchedule` to tolerate."""
    groups: Sequence[int] = ()
    """Host groups that own the devices, by number."""
    runtime_class: str | None = None
    lost_node_seconds: int | None = None
    """How long pods wait for a node that does not answer before others take their place; Kubernetes' 300 if not set."""


@dataclass(frozen=True, kw_only=True)
class ImageUser:
    """A user that an image has, in place of ours, which no image knows: an exception, shown on the object."""

    number: int
    why: str


@dataclass(frozen=True, kw_only=True)
class Pod:
    """A pod of one or more containers."""

    containers: Sequence[Container]
    init_containers: Sequence[Container] = ()
    volumes: Mapping[str, Volume] = field(default_factory=dict[str, Volume])
    placement: Placement = field(default_factory=Placement)
    grace_seconds: int = 60
    """Time that running requests get when the pod is asked to stop."""
    priority: str | None = None
    """Its PriorityClass."""
    api_token: bool = False
    """Whether it has a token for Kubernetes' API, as its service account."""
    user: ImageUser | None = None


@dataclass(frozen=True, kw_only=True)
class Peer:
    """One end of an allowed connection: pods in a namespace, addresses of a network, or any address at all."""

    port: int | None
    """None for all of them, of any protocol."""
    namespace: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    protocol: Literal["TCP", "UDP"] = "TCP"
    network: str | None = None
    """Addresses in CIDR notation, where it is no pod."""


Update = Literal["surge", "in-place", "recreate"]
"""How a new version replaces the old one: one more first; within what is there (every GPU taken); stop, then start."""
