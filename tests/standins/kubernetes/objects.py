"""What can be said of an object without asking the API server: its name, its kind, and which changes replace it."""

import re
from collections.abc import Mapping
from typing import Any, cast

from tests.standins import wire
from tests.standins.kubernetes.api import Object
from tests.standins.wire import Properties, Wire

AUTONAMED = "pulumi.com/autonamed"
_SUFFIX_BYTES = 4

_SELECTED = ("spec.selector",)
_VOLUME_SOURCES = (
    *("awsElasticBlockStore", "azureDisk", "azureFile", "cephfs", "cinder", "csi", "fc", "flexVolume", "flocker"),
    *("gcePersistentDisk", "glusterfs", "hostPath", "iscsi", "local", "nfs", "photonPersistentDisk", "portworxVolume"),
    *("quobyte", "rbd", "scaleIO", "storageos", "vsphereVolume"),
)
_REPLACED_ON: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("apps", "DaemonSet"): _SELECTED,
    ("apps", "Deployment"): _SELECTED,
    ("apps", "StatefulSet"): (
        *_SELECTED,
        *("spec.podManagementPolicy", "spec.revisionHistoryLimit", "spec.serviceName", "spec.volumeClaimTemplates"),
    ),
    ("batch", "Job"): (*_SELECTED, "spec.completions", "spec.parallelism", "spec.template"),
    ("policy", "PodDisruptionBudget"): (),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): ("roleRef",),
    ("rbac.authorization.k8s.io", "RoleBinding"): ("roleRef",),
    ("storage.k8s.io", "StorageClass"): ("parameters", "provisioner"),
    ("", "PersistentVolume"): tuple(f"spec.{source}" for source in _VOLUME_SOURCES),
    ("", "PersistentVolumeClaim"): (
        *_SELECTED,
        *("spec.accessModes", "spec.storageClassName", "spec.volumeName"),
    ),
    ("", "Pod"): ("spec",),
    ("", "ResourceQuota"): ("spec.scopes",),
    ("", "Secret"): ("type",),
    ("", "Service"): ("spec.clusterIP",),
}
"""Fields whose change means another object, as the official provider lists them."""
_CONTENT = {"ConfigMap": ("data", "binaryData"), "Secret": ("data", "stringData")}
"""Fields that replace too, unless the provider is told that they may change in place."""


def replaced_on(manifest: Object, *, mutable: bool) -> tuple[str, ...]:
    """Paths whose change replaces the object; `mutable` for ConfigMaps and Secrets that may change in place."""
    group = manifest["apiVersion"].rpartition("/")[0]
    kind = manifest["kind"]
    content = _CONTENT.get(kind, ()) if not group and (not mutable or manifest.get("immutable") is True) else ()
    return ("apiVersion", "kind", "metadata.name", "metadata.namespace", *_REPLACED_ON.get((group, kind), ()), *content)


def is_below(path: str, field: str) -> bool:
    """Whether a changed path is the field or inside it."""
    return path == field or path.startswith((f"{field}.", f"{field}[")) or field.startswith(f"{path}.")


def named(inputs: Properties, *, resource: str, old: Properties, seed: bytes) -> Properties:
    """The inputs with a name: the given one, else the one it had, else the resource's with a random suffix."""
    metadata = wire.revealed(inputs.get("metadata") or {})
    if not isinstance(metadata, dict) or metadata.get("name") or metadata.get("generateName"):
        return inputs
    before = wire.revealed(old.get("metadata") or {})
    kept = isinstance(before, dict) and AUTONAMED in cast(dict[str, Any], before.get("annotations") or {})
    name = before["name"] if isinstance(before, dict) and kept else f"{resource}-{seed[:_SUFFIX_BYTES].hex()}"
    annotations: dict[str, Wire] = {**cast(dict[str, Wire], metadata.get("annotations") or {}), AUTONAMED: "true"}
    renamed: Wire = {**metadata, "name": name, "annotations": annotations}
    return {**inputs, "metadata": renamed}


def is_autonamed(inputs: Properties) -> bool:
    """Whether the provider made up its name."""
    metadata = cast(dict[str, Any], wire.revealed(inputs.get("metadata") or {}))
    return AUTONAMED in (metadata.get("annotations") or {})


def kind_of(token: str) -> tuple[str, str]:
    """API version and kind of a resource type: `kubernetes:core/v1:Pod` gives `("v1", "Pod")`."""
    match = re.fullmatch(r"kubernetes:(?P<api>[^:]+):(?P<kind>[^:]+)", token)
    if not match:
        raise ValueError(f"{token} is not a type of Kubernetes object")
    return match["api"].removeprefix("core/"), match["kind"].removesuffix("Patch")


def annotation(manifest: Object, name: str) -> str | None:
    """The value of `pulumi.com/<name>`."""
    metadata: Object = manifest.get("metadata") or {}
    annotations: dict[str, str] = metadata.get("annotations") or {}
    return annotations.get(f"pulumi.com/{name}")


def state_of(live: Object, inputs: Properties) -> Properties:
    """The object as it goes into the state: what was secret in the inputs, and every Secret's data, stays secret."""
    state: Properties = dict(live)
    state["metadata"] = {key: value for key, value in live.get("metadata", {}).items() if key != "managedFields"}
    hidden = {name for name, value in inputs.items() if _holds_secret(value)}
    if live.get("kind") == "Secret":
        hidden |= {"data", "stringData"}
        if "stringData" in inputs:
            state["stringData"] = wire.revealed(inputs["stringData"])
    return {name: wire.secret(value) if name in hidden else value for name, value in state.items()}


def refreshed(inputs: Wire, live: Wire) -> Wire:
    """The inputs with the values that they have on the server, and without fields that are gone from there."""
    if _holds_secret(inputs):
        return inputs
    if isinstance(inputs, dict) and isinstance(live, dict):
        return {name: refreshed(value, live[name]) for name, value in inputs.items() if name in live}
    if isinstance(inputs, list) and isinstance(live, list) and len(inputs) == len(live):
        return [refreshed(one, other) for one, other in zip(inputs, live, strict=True)]
    return live


def _holds_secret(value: Wire) -> bool:
    if isinstance(value, dict):
        return wire.is_secret(value) or any(_holds_secret(item) for item in value.values())
    return isinstance(value, list) and any(_holds_secret(item) for item in value)
