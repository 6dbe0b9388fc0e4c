"""Settings of a cluster, and what can be known of it before it exists."""

from collections.abc import Iterator
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated

from pydantic import BeforeValidator, Field, PositiveInt, StringConstraints

from components.accelerators import ACCELERATORS, PRODUCT_LABEL, AcceleratorRequest, NodeAccelerator
from components.aws.settings import Eks
from components.node.settings import (
    ContainerRuntime,
    Host,
    HostName,
    NodeGroup,
    NodeShape,
    SimulatedHost,
    shapes,
    textual,
)
from components.node.versions import K3S
from components.section import Labels, Name, Quantity, Section, rule


class Rotation(Section):
    """New secrets for clusters over SSH, made whenever a number here becomes another one."""

    tokens: PositiveInt = 1
    """What servers and agents join with; all servers must be up. Snapshots of before need the old ones."""
    certificates: PositiveInt = 1
    """Those of all nodes, and the administrator's kubeconfig; k3s renews them by itself in their last months."""


class K3s(Section):
    """Kubernetes on hosts over SSH."""

    version: Annotated[
        str,
        StringConstraints(pattern=r"^v1\.[0-9]{2}\.[0-9]{1,2}\+k3s[0-9]{1,2}$"),
        rule("a release of k3s", example=K3S),
    ] = K3S
    """Release to run. A change upgrades servers first, one node at a time, around running pods."""
    container_runtime: ContainerRuntime = "containerd"
    """What runs containers: k3s's own containerd, or the distribution's package `docker.io`, installed for it."""
    volumes: Annotated[
        str,
        StringConstraints(pattern=r"^(/[A-Za-z0-9_][A-Za-z0-9._-]*){2,}$", max_length=200),
        rule("an absolute path of two or more parts", example="/srv/volumes"),
    ] = "/var/lib/inference-volumes"
    """Where hosts keep volumes, models among them: outside of what k3s removes when it is uninstalled."""
    purge_data: bool = False
    """Remove the volumes from a host when it is given back. An `up` must have seen it before the `destroy`."""
    drain_seconds: Annotated[PositiveInt, Field(le=86400)] = 600
    """How long pods may take to leave a node before an upgrade, or before it is removed, stops with an error."""
    rotation: Rotation = Rotation()
    """New tokens and certificates; pods run on, and nodes take turns."""


class ModelCache(Section):
    """A directory of every node that its engines share: each model once, verified at every start of an engine."""

    path: Annotated[
        str,
        StringConstraints(pattern=r"^(/[A-Za-z0-9_][A-Za-z0-9._-]*){2,}$", max_length=200),
        rule("an absolute path of two or more parts", example="/srv/model-cache"),
    ] = "/var/lib/inference-models"
    """Made on hosts over SSH, and removed with them; elsewhere it must be there and belong to user 10001."""
    size: Quantity = Field(examples=["500Gi"])
    """Most that all models in it may take; those used least recently go, and none that is in use."""


class ClusterSettings(Section):
    """One Kubernetes cluster and its machines: `nodes` over SSH, `simulated` ones, or `nodeGroups` in a cloud."""

    name: Name
    """What engines and the store call it."""
    nodes: tuple[Host, ...] = ()
    """Hosts over SSH: target `onprem`."""
    endpoint: Annotated[IPv4Address | IPv6Address | HostName | None, BeforeValidator(textual)] = Field(
        default=None, examples=["192.168.1.10"]
    )
    """Load balancer or virtual IP in front of the servers among `nodes`; the first server's own address if not set."""
    simulated: tuple[SimulatedHost, ...] = ()
    """Nodes of an embedded control plane: target `dev`."""
    node_groups: tuple[NodeGroup, ...] = ()
    """Groups of like machines: target `eks`."""
    eks: Eks = Eks()
    """Kubernetes at Amazon: target `eks`."""
    cache: ModelCache | None = None
    """Where nodes keep models; when not set, each pod has copies of its own, which go with it."""

    @property
    def machines(self) -> tuple[Host | SimulatedHost | NodeGroup, ...]:
        """Every machine or group of machines, in the order of the settings."""
        return (*self.nodes, *self.simulated, *self.node_groups)

    @property
    def address(self) -> str | None:
        """A host that answers at ports of its nodes, as in a URL; None where machines have no known address."""
        server = next((str(host.host) for host in self.nodes if host.role == "server"), None)
        return f"[{server}]" if server and ":" in server else server

    @cached_property
    def shapes(self) -> tuple[NodeShape, ...]:
        """Every node that the cluster will have."""
        return tuple(shape for machine in self.machines for shape in shapes(machine))

    def taints(self, host: Host) -> list[str]:
        """The host's taint, as `KEY=true:EFFECT`.

        Where every node is reserved, servers are so by preference alone: k3s's own DNS and volumes tolerate no taint of
        ours, and would have nowhere to run.
        """
        every = all(node.taint for node in self.nodes)
        effect = "PreferNoSchedule" if every and host.role == "server" else "NoSchedule"
        return [f"{host.taint}=true:{effect}"] if host.taint else []

    def candidates(self, request: AcceleratorRequest, labels: Labels) -> Iterator[NodeShape]:
        """The nodes whose accelerator, product and labels fit, whatever is free on them."""
        for shape in self.shapes:
            if _offers(shape.capacity.accelerator, request) < request.gpus:
                continue
            if request.product and shape.labels.get(PRODUCT_LABEL) != request.product:
                continue
            if all(shape.labels.get(key) == value for key, value in labels.items()):
                yield shape

    def tolerated(self, request: AcceleratorRequest, labels: Labels) -> tuple[str, ...]:
        """Taints that such a pod must tolerate.

        A pod that asks for a GPU or names a node's labels is meant for that node. All others tolerate taints only
        where no node is free of them, as in a homelab whose two nodes are both reserved.
        """
        fitting = list(self.candidates(request, labels))
        untainted = any(shape.capacity.taint is None for shape in fitting)
        if not request.gpus and not labels and untainted:
            return ()
        return tuple(sorted({shape.capacity.taint for shape in fitting if shape.capacity.taint}))

    def groups(self, request: AcceleratorRequest) -> tuple[int, ...]:
        """Host groups that own the devices on the nodes which the request may land on."""
        found = {group for shape in self.candidates(request, {}) for group in shape.capacity.accelerator.groups}
        return tuple(sorted(found)) if request.gpus else ()

    @property
    def shares(self) -> bool:
        """Whether any of its nodes shares its GPUs."""
        return any(shape.capacity.accelerator.sharing for shape in self.shapes)

    def gpus(self) -> dict[str, int]:
        """All GPUs of the cluster, or parts of them, by resource name."""
        total: dict[str, int] = {}
        for shape in self.shapes:
            resource = ACCELERATORS[shape.capacity.accelerator.kind].resource
            if resource:
                total[resource] = total.get(resource, 0) + shape.capacity.accelerator.advertised
        return total


def _offers(accelerator: NodeAccelerator, request: AcceleratorRequest) -> int:
    """GPUs of the sort that is asked for: whole ones, or parts."""
    fits = accelerator.kind == request.kind and request.gpus and request.shared == bool(accelerator.sharing)
    return accelerator.advertised if fits else 0
