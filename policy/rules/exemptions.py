"""What may do what a rule forbids, each with the reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from policy.rules.resource import Resource


@dataclass(frozen=True, kw_only=True)
class Exemption:
    """Objects that one or more rules do not look at."""

    rules: Sequence[str]
    kind: str
    """Of a Kubernetes object; the whole type of any other resource."""
    name: str
    """In the cluster; of any other resource, in the program. `*` stands for what settings put there."""
    namespace: str = ""
    reason: str


def _device_plugin(name: str, *rules: str, reason: str) -> Exemption:
    return Exemption(rules=rules, namespace="accelerators", kind="DaemonSet", name=name, reason=reason)


def _karpenter(what: str, *, reason: str) -> Exemption:
    kind, name = "aws:iam/rolePolicy:RolePolicy", f"*-karpenter-{what}"
    return Exemption(rules=("narrow-iam-policies",), kind=kind, name=name, reason=reason)


_SOCKETS = "meets the kubelet at a socket, in a directory of the host that belongs to root"

EXEMPTIONS = (
    _device_plugin("nvidia", "no-host-access", "no-root", reason=_SOCKETS),
    _device_plugin("nvidia-*-slices", "no-host-access", "no-root", reason=_SOCKETS),
    _device_plugin(
        "nvidia-mig",
        *("no-host-access", "no-root", "no-added-privileges"),
        reason=f"{_SOCKETS}; must look at MIG instances that are not its own, for which NVIDIA's chart adds SYS_ADMIN",
    ),
    _karpenter(
        "machines", reason="no machine has a name before it is rented: bound to the tags of its cluster instead"
    ),
    _karpenter("discovery", reason="prices and the list of instance profiles know no single resource"),
    _device_plugin("amd", "no-host-access", "no-root", reason=f"{_SOCKETS}; finds GPUs in the kernel's own files"),
    Exemption(
        rules=("data-is-kept",),
        kind="aws:rds/instance:Instance",
        name="*-database",
        reason="cannot stay in a VPC that goes: a last snapshot stays, and it is protected until the settings say not",
    ),
    Exemption(
        rules=("data-is-kept",),
        kind="aws:efs/fileSystem:FileSystem",
        name="*-files",
        reason="has copies of models that are in the bucket, and nothing else",
    ),
)


def exempted(rule: str, resource: Resource) -> Exemption | None:
    """What lets the resource do what the rule forbids."""
    kind = resource.kind if resource.is_kubernetes else resource.type
    name = resource.object_name if resource.is_kubernetes else resource.name
    place = (resource.namespace, kind)
    return next(
        (
            one
            for one in EXEMPTIONS
            if rule in one.rules and (one.namespace, one.kind) == place and fnmatchcase(name, one.name)
        ),
        None,
    )
