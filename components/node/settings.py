"""Settings of hosts and node groups, and the one shape in which the rest of the program sees them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, Literal

from pydantic import Field, PositiveInt, StringConstraints

from components.accelerators import ACCELERATOR_LABEL, PRODUCT_LABEL, NodeAccelerator
from components.section import LabelKey, Labels, Name, Quantity, Section, rule

HostKey = Annotated[
    str,
    StringConstraints(
        pattern=r"^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) AAAA[A-Za-z0-9+/]+={0,3}( [ -~]*)?$",
        max_length=2048,
    ),
    rule("a public key as ssh-keyscan prints it: type and base64", example="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA"),
]
"""An OpenSSH public host key: type and base64, as `ssh-keyscan` prints them after the host."""

HostName = Annotated[
    str,
    StringConstraints(
        pattern=r"^[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?)*$",
        max_length=253,
    ),
    rule("an IP address or a host name", example="192.168.1.20"),
]
Architecture = Literal["amd64", "arm64"]


class Capacity(Section):
    """What a machine has. Used to rehearse placement; checked against the real host before anything is installed."""

    arch: Architecture = "amd64"
    cpu: PositiveInt = 16
    """Logical CPUs."""
    memory: Quantity = "64Gi"
    disk: Quantity = "1Ti"
    """Space for volumes."""
    accelerator: NodeAccelerator = NodeAccelerator(kind="cpu")
    taint: LabelKey | None = Field(default=None, examples=["rocm-inference"])
    """Key of a taint `KEY=true:NoSchedule`: only what asks for this node's accelerator or labels runs here."""
    labels: Labels = Field(default_factory=dict[str, str])


class Host(Capacity):
    """A machine reachable over SSH."""

    name: Name
    host: IPv4Address | IPv6Address | HostName
    port: Annotated[int, Field(ge=1, le=65535)] = 22
    user: Annotated[
        str, StringConstraints(pattern=r"^[a-z_][a-z0-9_-]{0,31}$"), rule("the name of a Unix account", example="ops")
    ]
    host_key: HostKey
    """The host's public SSH key. Get it with: `ssh-keyscan -t ed25519 HOST`."""
    role: Literal["server", "agent"] = "agent"


class SimulatedHost(Capacity):
    """A node that exists only in an embedded control plane."""

    name: Name


class NodeGroup(Capacity):
    """A group of like machines in a cloud."""

    name: Name
    instance_type: Annotated[
        str,
        StringConstraints(pattern=r"^[a-z0-9-]+\.[a-z0-9-]+$"),
        rule("an EC2 instance type", example="g5.xlarge"),
    ]
    size: PositiveInt = 1
    """Most nodes in the group; a rehearsal has all of them."""


@dataclass(frozen=True, kw_only=True)
class NodeShape:
    """One schedulable node as the platform sees it, wherever it comes from."""

    name: str
    capacity: Capacity
    labels: dict[str, str] = field(default_factory=dict[str, str])


def shapes(machine: Host | SimulatedHost | NodeGroup) -> Iterator[NodeShape]:
    """The nodes that a host or a node group becomes."""
    labels = dict(machine.labels)
    labels[ACCELERATOR_LABEL] = machine.accelerator.kind
    if machine.accelerator.product:
        labels[PRODUCT_LABEL] = machine.accelerator.product
    count = machine.size if isinstance(machine, NodeGroup) else 1
    for index in range(count):
        name = f"{machine.name}-{index}" if isinstance(machine, NodeGroup) else machine.name
        yield NodeShape(name=name, capacity=machine, labels=labels)
