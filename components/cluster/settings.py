"""Settings of a cluster, and what can be known of it before it exists."""

from collections.abc import Iterator
from functools import cached_property
from typing import Annotated

from pydantic import Field, PositiveInt, StringConstraints

from components.accelerators import ACCELERATORS, PRODUCT_LABEL, AcceleratorRequest
from components.node.settings import ContainerRuntime, Host, NodeGroup, NodeShape, SimulatedHost, shapes
from components.node.versions import K3S
from components.section import Labels, Name, Section, rule


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
    drain_seconds: Annotated[PositiveInt, Field(le=86400)] = 600
    """How long pods may take to leave a node before an upgrade, or before it is removed, stops with an error."""


class ClusterSettings(Section):
    """One Kubernetes cluster and its machines: `nodes` over SSH, `simulated` ones, or `nodeGroups` in a cloud."""

    name: Name
    """What engines and the store call it."""
    nodes: tuple[Host, ...] = ()
    """Hosts over SSH: target `onprem`."""
    simulated: tuple[SimulatedHost, ...] = ()
    """Nodes of an embedded control plane: target `dev`."""
    node_groups: tuple[NodeGroup, ...] = ()
    """Groups of like machines: target `eks`."""

    @property
    def machines(self) -> tuple[Host | SimulatedHost | NodeGroup, ...]:
        """Every machine or group of machines, in the order of the settings."""
        return (*self.nodes, *self.simulated, *self.node_groups)

    @cached_property
    def shapes(self) -> tuple[NodeShape, ...]:
        """Every node that the cluster will have."""
        return tuple(shape for machine in self.machines for shape in shapes(machine))

    def candidates(self, request: AcceleratorRequest, labels: Labels) -> Iterator[NodeShape]:
        """The nodes whose accelerator, product and labels fit, whatever is free on them."""
        for shape in self.shapes:
            accelerator = shape.capacity.accelerator
            gpus = accelerator.count if accelerator.kind == request.kind and request.gpus else 0
            if gpus < request.gpus or (request.product and shape.labels.get(PRODUCT_LABEL) != request.product):
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

    def gpus(self) -> dict[str, int]:
        """All GPUs of the cluster by resource name."""
        total: dict[str, int] = {}
        for shape in self.shapes:
            resource = ACCELERATORS[shape.capacity.accelerator.kind].resource
            if resource:
                total[resource] = total.get(resource, 0) + shape.capacity.accelerator.count
        return total
