"""What makes GPUs something that pods can ask for: RuntimeClasses, and a device plugin on every GPU node."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from components.accelerators import ACCELERATORS, PLUGIN_LABEL, Mig, NodeAccelerator, TimeSlices
from components.accelerators.runtime_class import runtime_classes
from components.accelerators.versions import AMD, NVIDIA
from components.workload.application import digest, exceptions
from components.workload.fields import stated
from components.workload.namespace import Namespace, Quota
from components.workload.pod import labels, tolerations
from components.workload.spec import Placement
from toolchain.images import by_digest

NAMESPACE = "accelerators"
SOCKETS = "/var/lib/kubelet/device-plugins"
"""Where kubelets listen for device plugins: https://kubernetes.io/docs/concepts/extend-kubernetes/compute-storage-net/device-plugins."""
CONFIG = "config.yaml"
_REASONS = {
    "CKV_K8S_8": "it has no HTTP; it ends when the driver fails it",
    "CKV_K8S_9": "nothing connects to it but the kubelet, which it calls itself",
    "CKV_K8S_23": "the kubelet's socket directory belongs to root",
    "CKV_K8S_40": "the kubelet's socket directory belongs to root",
}


@dataclass(frozen=True, kw_only=True)
class PluginNode:
    """A node as its device plugin sees it."""

    accelerator: NodeAccelerator
    taint: str | None = None


class DevicePlugins(pulumi.ComponentResource):
    """One DaemonSet for each configuration that nodes of the cluster need, in a namespace of their own."""

    ready: Sequence[pulumi.Resource]
    """What must exist before a node can advertise its GPUs."""

    def __init__(self, name: str, nodes: Sequence[PluginNode], *, opts: pulumi.ResourceOptions | None = None) -> None:
        """`nodes` are all of the cluster: those without GPUs get no plugin."""
        super().__init__("inference:accelerators:DevicePlugins", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        # During an update there are two for each node.
        quota = Quota(pods=2 * len(nodes))
        namespace = Namespace(f"{name}-namespace", NAMESPACE, quota=quota, security="privileged", opts=child)
        self._name, self._inside = name, child.merge(pulumi.ResourceOptions(depends_on=[namespace]))
        # k3s has one of its own with the same name, which this one takes over. It stays when it is forgotten: NVIDIA's
        # operator may have it by then, and pods ask for it.
        kept = child.merge(pulumi.ResourceOptions(retain_on_delete=True))
        classes = runtime_classes(name, (node.accelerator for node in nodes), kept)
        by_plugin: dict[str, list[PluginNode]] = {}
        for node in nodes:
            if node.accelerator.plugin:
                by_plugin.setdefault(node.accelerator.plugin, []).append(node)
        self.ready = [*classes, *(self._daemon_set(plugin, alike, classes) for plugin, alike in by_plugin.items())]
        self.register_outputs({})

    def _metadata(self, plugin: str) -> kubernetes.meta.v1.ObjectMetaArgsDict:
        # What the nodes advertise in the end is looked at by whoever made them, and told with the plugin's own words.
        annotations = {"pulumi.com/skipAwait": "true", **exceptions(_REASONS.items())}
        return {
            "name": plugin,
            "namespace": NAMESPACE,
            "labels": labels(plugin, "device-plugin"),
            "annotations": annotations,
        }

    def _daemon_set(
        self, plugin: str, nodes: Sequence[PluginNode], after: Sequence[pulumi.Resource]
    ) -> kubernetes.apps.v1.DaemonSet:
        accelerator = nodes[0].accelerator
        settings = configuration(accelerator)
        before = [*after, *([self._config(plugin, settings)] if settings else [])]
        own = labels(plugin, "device-plugin")
        pod: kubernetes.core.v1.PodSpecArgsDict = {
            "automount_service_account_token": False,
            "enable_service_links": False,
            "priority_class_name": "system-node-critical",
            "runtime_class_name": ACCELERATORS[accelerator.kind].runtime_class,
            "node_selector": {PLUGIN_LABEL: plugin},
            "tolerations": tolerations(Placement(taints=sorted({node.taint for node in nodes if node.taint}))),
            "security_context": {"seccomp_profile": {"type": "RuntimeDefault"}},
            "containers": [_container(accelerator, configured=bool(settings))],
            "volumes": _volumes(accelerator, plugin if settings else None),
        }
        restart_on = {"inference/config": digest(settings)} if settings else {}
        return kubernetes.apps.v1.DaemonSet(
            f"{self._name}-{plugin}",
            metadata=self._metadata(plugin),
            spec={
                "selector": {"match_labels": own},
                "update_strategy": {"type": "RollingUpdate", "rolling_update": {"max_unavailable": 1}},
                "template": {"metadata": stated({"labels": own, "annotations": restart_on}), "spec": stated(pod)},
            },
            opts=self._inside.merge(pulumi.ResourceOptions(depends_on=before)),
        )

    def _config(self, plugin: str, settings: str) -> kubernetes.core.v1.ConfigMap:
        return kubernetes.core.v1.ConfigMap(
            f"{self._name}-{plugin}",
            metadata={"name": plugin, "namespace": NAMESPACE, "labels": labels(plugin, "device-plugin")},
            data={CONFIG: settings},
            opts=self._inside,
        )


def configuration(accelerator: NodeAccelerator) -> str | None:
    """NVIDIA's configuration file, as its README describes it: JSON, which is YAML too. None where it needs none."""
    if not isinstance(accelerator.sharing, TimeSlices):
        return None
    parts = {"name": ACCELERATORS["cuda"].resource, "replicas": accelerator.sharing.parts}
    sharing = {"timeSlicing": {"failRequestsGreaterThanOne": True, "resources": [parts]}}
    return json.dumps({"version": "v1", "sharing": sharing}, indent=2)


def _container(accelerator: NodeAccelerator, *, configured: bool) -> kubernetes.core.v1.ContainerArgsDict:
    environment = _environment(accelerator) | ({"CONFIG_FILE": f"/config/{CONFIG}"} if configured else {})
    fields: kubernetes.core.v1.ContainerArgsDict = {
        "name": "device-plugin",
        "image": by_digest(NVIDIA if accelerator.kind == "cuda" else AMD),
        "image_pull_policy": "IfNotPresent",
        "env": [{"name": name, "value": value} for name, value in environment.items()],
        "resources": {
            "requests": {"cpu": "50m", "memory": "64Mi"},
            "limits": {"cpu": "500m", "memory": "256Mi"},
        },
        "security_context": _security(accelerator),
        "termination_message_policy": "FallbackToLogsOnError",
        "volume_mounts": [
            {"name": "sockets", "mount_path": SOCKETS},
            *([{"name": "sys", "mount_path": "/sys", "read_only": True}] if accelerator.kind == "rocm" else []),
            *([{"name": "config", "mount_path": "/config"}] if configured else []),
        ],
    }
    return stated(fields)


def _environment(accelerator: NodeAccelerator) -> dict[str, str]:
    if accelerator.kind != "cuda":
        return {}
    if not isinstance(accelerator.sharing, Mig):
        return {"MIG_STRATEGY": "none"}
    # All instances are alike, so that they can be asked for under the one name that whole GPUs have elsewhere.
    return {"MIG_STRATEGY": "single", "NVIDIA_MIG_MONITOR_DEVICES": "all"}


def _security(accelerator: NodeAccelerator) -> kubernetes.core.v1.SecurityContextArgsDict:
    fields: kubernetes.core.v1.SecurityContextArgsDict = {
        "run_as_user": 0,
        "privileged": False,
        "read_only_root_filesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    if isinstance(accelerator.sharing, Mig):  # as in NVIDIA's chart: it must look at instances that are not its own
        return fields | {"capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN"]}}
    return fields | {"allow_privilege_escalation": False}


def _volumes(accelerator: NodeAccelerator, config: str | None) -> list[kubernetes.core.v1.VolumeArgsDict]:
    volumes: list[kubernetes.core.v1.VolumeArgsDict] = [
        {"name": "sockets", "host_path": {"path": SOCKETS, "type": "Directory"}}
    ]
    if accelerator.kind == "rocm":  # which GPUs there are is read from the kernel's own files
        volumes.append({"name": "sys", "host_path": {"path": "/sys", "type": "Directory"}})
    if config:
        volumes.append({"name": "config", "config_map": {"name": config}})
    return volumes
