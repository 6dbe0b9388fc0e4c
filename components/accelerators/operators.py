"""What the vendors' GPU operators are told, where they serve a cluster's GPUs in place of our device plugins.

Drivers are our nodes' own, and proven before anything comes here; so are MIG instances.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.accelerators import ACCELERATOR_LABEL, ACCELERATORS
from components.accelerators.device_plugin import PluginNode, configuration
from components.accelerators.versions import AMD
from components.workload.pod import labels, tolerations
from components.workload.spec import Placement

WHOLE = "nvidia"
"""The device plugin's configuration for nodes that have no label which names another."""
_CONTAINERD = "/var/lib/rancher/k3s/agent/etc/containerd"
K3S = {
    "CONTAINERD_SOCKET": "/run/k3s/containerd/containerd.sock",
    "CONTAINERD_CONFIG": f"{_CONTAINERD}/config.toml",
    # k3s writes the file above anew whenever it starts, with an import of all that is in this directory.
    "RUNTIME_DROP_IN_CONFIG": f"{_CONTAINERD}/config-v3.toml.d/99-nvidia.toml",
}
"""Where the toolkit finds k3s's containerd. 2026-11-22, https://github.com/NVIDIA/gpu-operator, v26.7.0,
controllers/object_controls.go, which gives it the name of the RuntimeClass by itself."""


def nvidia_values(nodes: Sequence[PluginNode], *, toolkit: bool) -> Mapping[str, Any]:
    """For NVIDIA's chart; `toolkit` says whether the operator has to bring the container toolkit to k3s's nodes."""
    cuda = [node for node in nodes if node.accelerator.kind == "cuda"]
    tolerated = [{"key": ACCELERATORS["cuda"].resource, "operator": "Exists", "effect": "NoSchedule"}, *_taints(cuda)]
    shared = {
        node.accelerator.plugin: settings for node in cuda if (settings := configuration(node.accelerator)) is not None
    }
    return {
        # Argo CD applies definitions by itself, before anything else.
        "operator": {"upgradeCRD": False, "runtimeClass": ACCELERATORS["cuda"].runtime_class},
        "driver": {"enabled": False},
        "toolkit": {"enabled": toolkit, "env": [{"name": key, "value": value} for key, value in K3S.items()]}
        if toolkit
        else {"enabled": False},
        # Pods get GPUs as from our plugin, through the RuntimeClass: the same engine runs with either.
        "cdi": {"enabled": False},
        # All instances of a node are alike, and asked for as whole GPUs are. A step of ours makes them.
        "mig": {"strategy": "single"},
        "migManager": {"enabled": False},
        "devicePlugin": {
            "config": {
                "create": True,
                "name": "device-plugin",
                "default": WHOLE,
                "data": {WHOLE: "version: v1\n", **shared},
            }
        },
        "daemonsets": {"tolerations": tolerated},
        "node-feature-discovery": {"worker": {"tolerations": tolerated}},
    }


def amd_values() -> Mapping[str, Any]:
    """For AMD's chart: the operator alone. Nodes have our label and their driver, so that nothing has to find them."""
    return {
        "upgradeCRD": False,
        "node-feature-discovery": {"enabled": False},
        "installdefaultNFDRule": False,
        "kmm": {"enabled": False, "watch": False},
        "remediation": {"enabled": False, "installCRDs": False},
        # Ours comes after the operator, and goes before it.
        "crds": {"defaultCR": {"install": False}},
    }


def amd_device_config(
    name: str, nodes: Sequence[PluginNode], *, namespace: str, opts: pulumi.ResourceOptions
) -> kubernetes.apiextensions.CustomResource:
    """What AMD's operator does on which nodes: the device plugin, of the version that we would run ourselves."""
    rocm = [node for node in nodes if node.accelerator.kind == "rocm"]
    return kubernetes.apiextensions.CustomResource(
        name,
        api_version="amd.com/v1alpha1",
        kind="DeviceConfig",
        metadata={"name": "inference", "namespace": namespace, "labels": labels("inference", "device-plugin")},
        spec={
            # Its own discovery of nodes misses GPUs that are part of a processor.
            "selector": {ACCELERATOR_LABEL: "rocm"},
            "driver": {"enable": False},
            "devicePlugin": {
                "enableDevicePlugin": True,
                "devicePluginImage": AMD,
                "devicePluginImagePullPolicy": "IfNotPresent",
                "devicePluginTolerations": _taints(rocm),
                "enableNodeLabeller": False,
            },
            # Its images have no version of their own unless one is set.
            "metricsExporter": {"enable": False},
        },
        opts=opts,
    )


def _taints(nodes: Sequence[PluginNode]) -> list[Mapping[str, Any]]:
    return [*tolerations(Placement(taints=sorted({node.taint for node in nodes if node.taint})))]
