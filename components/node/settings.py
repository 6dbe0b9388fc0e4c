"""Settings of hosts and node groups, and the one shape in which the rest of the program sees them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveInt, StringConstraints, model_validator

from components.accelerators import NodeAccelerator
from components.aws.settings import ZoneLetter
from components.node.keys import HostKey
from components.node.versions import K3S_DOWNLOADS
from components.section import PORT, LabelKey, Labels, Name, Quantity, Section, rule


def textual(value: object) -> object:
    """Refuse numbers, which Python would take for an address."""
    if isinstance(value, int | float):
        raise ValueError("must be an IP address or a host name, in quotes")
    return value


HostName = Annotated[
    str,
    StringConstraints(
        pattern=r"^([A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?\.)*([0-9][-0-9]*)?[A-Za-z]([-A-Za-z0-9]*[A-Za-z0-9])?$",
        max_length=253,
    ),
    rule("an IP address or a host name", example="gpu-1.lan"),
]
"""A name as in RFC 1123. Its last part has a letter, so that a mistyped address is not taken for a name."""

UserName = Annotated[
    str, StringConstraints(pattern=r"^[a-z_][a-z0-9_-]{0,31}$"), rule("the name of a Unix account", example="ops")
]

ContainerRuntime = Literal["containerd", "docker"]
Architecture = Literal["amd64", "arm64"]


class Capacity(Section):
    """What a machine has. Used to rehearse placement; checked against the real host before anything is installed."""

    arch: Architecture = "amd64"
    """Instruction set; ROCm images exist for `amd64` only."""
    cpu: Annotated[PositiveInt, Field(le=4096)] = 16
    """Logical CPUs."""
    memory: Quantity = "64Gi"
    """Memory; on machines such as Strix Halo and Jetson, the GPU shares it."""
    disk: Quantity = "1Ti"
    """Space for volumes."""
    accelerator: NodeAccelerator = NodeAccelerator(kind="cpu")
    """GPUs of the machine; none when not set."""
    taint: LabelKey | None = Field(default=None, examples=["rocm-inference"])
    """Key of a taint `KEY=true:NoSchedule`: only what asks for this node's accelerator or labels runs here.

    Where all nodes of a cluster have one, its servers take k3s's own pods all the same."""
    labels: Labels = Field(default_factory=dict[str, str])
    """Kubernetes labels, which `nodeSelector` of an engine may name."""


class Login(Section):
    """Where and as whom to log in over SSH."""

    host: Annotated[IPv4Address | IPv6Address | HostName, BeforeValidator(textual)]
    """Its IP address or host name; no two hosts of a stack share one."""
    port: Annotated[int, Field(ge=1, le=65535)] = 22
    """Port of its SSH server."""
    user: UserName
    """Who logs in; on a node, someone who may use `sudo` without a password."""
    host_key: HostKey
    """The host's public SSH key. Get it with: `ssh-keyscan [-p PORT] -t ed25519 HOST`."""


class Host(Login, Capacity):
    """A machine reachable over SSH."""

    name: Name
    """The node's name in Kubernetes."""
    jump: Login | None = None
    """A host to connect through, with the same private key."""
    role: Literal["server", "agent"] = "agent"
    """What k3s runs here. A cluster has 1 server, or 3 for high availability; servers run pods too."""


class SimulatedHost(Capacity):
    """A node that exists only in an embedded control plane."""

    name: Name
    """The node's name in Kubernetes."""


InstanceType = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9-]+\.[a-z0-9-]+$"),
    rule("an EC2 instance type", example="g5.xlarge"),
]


class NodeGroup(Capacity):
    """A group of like machines in a cloud."""

    name: Name
    """The group's name; its nodes are numbered behind it in a rehearsal."""
    instance_type: InstanceType
    """EC2 instance type; `cpu`, `memory` and `accelerator` say what it has."""
    instance_types: tuple[InstanceType, ...] = Field(default=(), max_length=19, examples=[["g5.2xlarge"]])
    """Further types with as much or more of all, taken where there is none of the first."""
    size: Annotated[PositiveInt, Field(le=1000)] = 1
    """Most nodes in the group; a rehearsal has all of them."""
    min_size: Annotated[NonNegativeInt, Field(le=1000)] = 0
    """Fewest nodes."""
    desired_size: Annotated[NonNegativeInt, Field(le=1000)] | None = None
    """Nodes there are, or to begin with where an autoscaler minds the group.

    When not set: `size`; with an autoscaler, `minSize`, and one where there are no GPUs."""
    zones: tuple[ZoneLetter, ...] = Field(default=(), max_length=3, examples=[["a", "b"]])
    """Zones of the network to have nodes in; all of them when empty."""
    buy: Literal["on-demand", "spot"] = "on-demand"
    """Spot costs less, and Amazon takes it back at two minutes' notice."""
    reservation: (
        Annotated[
            str,
            StringConstraints(pattern=r"^cr-[0-9a-f]{8,17}$"),
            rule("a capacity reservation's ID", example="cr-0123456789abcdef0"),
        ]
        | None
    ) = None
    """Capacity that you have reserved, of one type in one zone."""
    root_disk: Quantity | None = Field(default=None, examples=["300Gi"])
    """Each node's disk, for images and models; when not set, 100Gi, with GPUs 200Gi, and the cluster's cache."""
    release: (
        Annotated[
            str,
            StringConstraints(pattern=r"^1\.[0-9]{2}\.[0-9]{1,2}-20[0-9]{6}$"),
            rule("a release of EKS's AMIs", example="1.35.6-20260714"),
        ]
        | None
    ) = None
    """Release of EKS's AMI, as https://github.com/awslabs/amazon-eks-ami/releases lists them; ours when not set."""

    @model_validator(mode="after")
    def _sizes_in_order(self) -> Self:
        wanted = self.min_size if self.desired_size is None else self.desired_size
        if not self.min_size <= wanted <= self.size:
            raise ValueError("needs minSize <= desiredSize <= size")
        return self

    @model_validator(mode="after")
    def _reserved_whole(self) -> Self:
        if self.reservation and (self.buy == "spot" or self.instance_types or len(self.zones) != 1):
            raise ValueError("with a reservation, buy is on-demand, there is one instance type and one of `zones`")
        return self


Url = Annotated[
    str,
    StringConstraints(pattern=rf"^https?://[A-Za-z0-9.-]+{PORT}(/[A-Za-z0-9._~/%+-]*)?$", max_length=500),
    rule("an http or https address", example="http://mirror.lan/k3s"),
]


Version = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+:~-]*$", max_length=100),
    rule("a version", example="1.20.0-1"),
]


class Drivers(Section):
    """GPU drivers of the hosts. Whatever is installed is held: only a change here moves it."""

    install: bool = True
    """Install them; if not, hosts with GPUs have to have them, and it is only proven that they work."""
    cuda: Version | None = Field(default=None, examples=["600.10-1"])
    """Version of the package `nvidia-open`; the newest there is at the first `up` if not set."""
    container_toolkit: Version | None = Field(default=None, examples=["1.20.0-1"])
    """Version of `nvidia-container-toolkit`; the newest if not set."""
    amdgpu: Version = "latest"
    """A release below https://repo.radeon.com/amdgpu/ whose `amdgpu-dkms` is installed."""


class Mirror(Section):
    """Where a closed network keeps what would come from the internet."""

    images: Url | None = Field(default=None, examples=["http://registry.lan:5000"])
    """A registry that has the images of every registry, for k3s to ask first."""
    apt: Url | None = Field(default=None, examples=["http://mirror.lan/apt"])
    """Has the vendors' repositories `nvidia-driver`, `nvidia-toolkit` and `amdgpu`, flat, each with its `key.asc`."""
    charts: Url | None = Field(default=None, examples=["http://mirror.lan/charts"])
    """A Helm repository that has every chart of `inference:charts`, for Argo CD to ask in the place of all others."""
    k3s: Url | None = Field(default=None, examples=["http://mirror.lan/k3s"])
    """Has `VERSION/k3s`, `k3s-arm64`, `install.sh` and `sha256sum-ARCH.txt`, as k3s's releases."""

    def lookups(self) -> tuple[str, ...]:
        """Names that a host must be able to resolve."""
        return tuple(urlsplit(url).hostname or "" for url in (self.k3s or K3S_DOWNLOADS, self.images, self.apt) if url)


@dataclass(frozen=True, kw_only=True)
class NodeShape:
    """One schedulable node as the platform sees it, wherever it comes from."""

    name: str
    capacity: Capacity
    labels: dict[str, str] = field(default_factory=dict[str, str])
    """Ours, the user's, and those that every kubelet or cloud sets by itself."""


def shapes(machine: Host | SimulatedHost | NodeGroup) -> Iterator[NodeShape]:
    """The nodes that a host or a node group becomes."""
    labels = {"kubernetes.io/os": "linux", "kubernetes.io/arch": machine.arch} | machine.labels
    if isinstance(machine, NodeGroup):
        labels["eks.amazonaws.com/nodegroup"] = machine.name
        labels["node.kubernetes.io/instance-type"] = machine.instance_type
    else:
        labels["kubernetes.io/hostname"] = machine.name
    labels |= machine.accelerator.labels
    count = machine.size if isinstance(machine, NodeGroup) else 1
    for index in range(count):
        name = f"{machine.name}-{index}" if isinstance(machine, NodeGroup) else machine.name
        yield NodeShape(name=name, capacity=machine, labels=labels)
