"""A node that exists only in an embedded control plane: same capacity, labels and taints, no machine."""

import pulumi
import pulumi_kubernetes as kubernetes

from components.accelerators import ACCELERATORS
from components.node.settings import NodeShape

VOLUMES_PER_NODE = 3
"""Local volumes that a simulated node offers, each as large as its disk: local storage does not enforce sizes."""
PODS_PER_NODE = "110"
"""The kubelet's default."""


class SimulatedNode(pulumi.ComponentResource):
    """A Node object that kwok keeps Ready, and local volumes on it for the scheduler to bind."""

    def __init__(
        self, name: str, shape: NodeShape, *, storage_class: str, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("inference:node:SimulatedNode", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        # A node's status is read only when the node is created; a changed size means a new node.
        replaced = child.merge(pulumi.ResourceOptions(replace_on_changes=["status"], delete_before_replace=True))
        taint = shape.capacity.taint
        # The SDK's Node has no status to set, which is where a node says what it has.
        pulumi.CustomResource(
            "kubernetes:core/v1:Node",
            name,
            {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {
                    "name": shape.name,
                    "annotations": {"kwok.x-k8s.io/node": "fake"},
                    "labels": {
                        **shape.labels,
                        "kubernetes.io/hostname": shape.name,
                        "kubernetes.io/os": "linux",
                        "kubernetes.io/arch": shape.capacity.arch,
                    },
                },
                "spec": {"taints": [{"key": taint, "value": "true", "effect": "NoSchedule"}]} if taint else {},
                "status": {"allocatable": _resources(shape), "capacity": _resources(shape)},
            },
            opts=replaced,
        )
        for index in range(VOLUMES_PER_NODE):
            _volume(f"{name}-volume-{index}", shape, storage_class=storage_class, opts=child)
        self.register_outputs({})


def _resources(shape: NodeShape) -> dict[str, str]:
    capacity = shape.capacity
    resources = {
        "cpu": str(capacity.cpu),
        "memory": capacity.memory,
        "ephemeral-storage": capacity.disk,
        "pods": PODS_PER_NODE,
    }
    gpu = ACCELERATORS[capacity.accelerator.kind].resource
    return resources | ({gpu: str(capacity.accelerator.advertised)} if gpu else {})


def _volume(name: str, shape: NodeShape, *, storage_class: str, opts: pulumi.ResourceOptions) -> None:
    on_this_node: kubernetes.core.v1.NodeSelectorTermArgsDict = {
        "match_expressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [shape.name]}]
    }
    kubernetes.core.v1.PersistentVolume(
        name,
        metadata={"name": name},
        spec={
            "access_modes": ["ReadWriteOnce"],
            "capacity": {"storage": shape.capacity.disk},
            "local": {"path": f"/simulated/{name}"},
            "node_affinity": {"required": {"node_selector_terms": [on_this_node]}},
            "persistent_volume_reclaim_policy": "Retain",
            "storage_class_name": storage_class,
            "volume_mode": "Filesystem",
        },
        opts=opts,
    )
