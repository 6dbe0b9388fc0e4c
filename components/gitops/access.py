"""What Argo CD's parts may do in Kubernetes: what its own manifests of v3.5.1 give them for one namespace, no more.

There an application set's controller may also read every Secret of the cluster, for sets in other namespaces than Argo
CD's: here there are none.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from components.workload.application import exceptions
from components.workload.fields import stated
from components.workload.pod import labels

Rule = kubernetes.rbac.v1.PolicyRuleArgsDict
LEADER = "58ac56fa.applicationsets.argoproj.io"
"""The lease by which controllers of application sets agree who works."""
_LOOK = ("get", "list", "watch")
_CHANGE = ("create", "update", "patch", "delete")


@dataclass(frozen=True, kw_only=True)
class Access:
    """Rules for one part."""

    here: Sequence[Rule]
    """In Argo CD's own namespace."""
    everywhere: Sequence[Rule] = ()
    """In the whole cluster."""
    wide: Sequence[str] = ()
    """Checks that find this too wide."""
    why: str = ""
    """Why it is so wide all the same."""


def _rule(group: str, resources: Sequence[str], verbs: Sequence[str], *, names: Sequence[str] = ()) -> Rule:
    fields: Rule = {
        "api_groups": [group],
        "resources": list(resources),
        "verbs": list(verbs),
        "resource_names": list(names),
    }
    return stated(fields)


_OBJECTS = ("applications", "applicationsets", "appprojects")
_CONFIGURATION = ("secrets", "configmaps")

CONTROLLER = Access(
    here=(
        _rule("", _CONFIGURATION, _LOOK),
        _rule("argoproj.io", _OBJECTS, (*_LOOK, *_CHANGE)),
        _rule("", ["events"], ("create", "list")),
    ),
    everywhere=(
        _rule("*", ["*"], ["*"]),
        {"non_resource_urls": ["*"], "verbs": ["*"]},
    ),
    wide=("CKV_K8S_49", "CKV_K8S_155", "CKV_K8S_156", "CKV_K8S_157", "CKV_K8S_158"),
    why="it applies whatever stands in Git; AppProjects bound what that may be",
)
SERVER = Access(
    here=(
        _rule("", _CONFIGURATION, (*_LOOK, *_CHANGE)),
        _rule("argoproj.io", _OBJECTS, (*_LOOK, *_CHANGE)),
        _rule("", ["events"], ("create", "list")),
    ),
    everywhere=(
        _rule("*", ["*"], ("get", "patch", "delete")),
        _rule("", ["events"], ["list"]),
        _rule("", ["pods", "pods/log"], ["get"]),
        _rule("batch", ["jobs"], ["create"]),
    ),
    wide=("CKV_K8S_49", "CKV_K8S_155"),
    why="its page shows any object, and changes what the person who is signed in may change",
)
APPLICATION_SETS = Access(
    here=(
        _rule("argoproj.io", ("applications", "applicationsets", "applicationsets/finalizers"), (*_LOOK, *_CHANGE)),
        _rule("argoproj.io", ["appprojects"], _LOOK),
        _rule("argoproj.io", ["applicationsets/status"], ("get", "patch", "update")),
        _rule("", ["events"], ("create", "patch", *_LOOK)),
        _rule("", _CONFIGURATION, _LOOK),
        _rule("coordination.k8s.io", ["leases"], ["create"]),
        _rule("coordination.k8s.io", ["leases"], ("get", "update"), names=[LEADER]),
    ),
)
NOTIFICATIONS = Access(
    here=(
        _rule("argoproj.io", ("applications", "appprojects"), (*_LOOK, "update", "patch")),
        _rule("", _CONFIGURATION, ("list", "watch")),
        _rule("", ["configmaps"], ["get"], names=["argocd-notifications-cm"]),
        _rule("", ["secrets"], ["get"], names=["argocd-notifications-secret"]),
    ),
)


def grant(
    name: str, account: str, part: str, access: Access, *, namespace: str, opts: pulumi.ResourceOptions
) -> list[pulumi.Resource]:
    """Roles and bindings for a service account, all with its name."""
    own = labels(account, part)
    metadata: kubernetes.meta.v1.ObjectMetaArgsDict = {"name": account, "namespace": namespace, "labels": own}
    subjects: list[kubernetes.rbac.v1.SubjectArgsDict] = [
        {"kind": "ServiceAccount", "name": account, "namespace": namespace}
    ]
    role = kubernetes.rbac.v1.Role(name, metadata=metadata, rules=access.here, opts=opts)
    binding = kubernetes.rbac.v1.RoleBinding(
        name,
        metadata=metadata,
        role_ref={"api_group": "rbac.authorization.k8s.io", "kind": "Role", "name": account},
        subjects=subjects,
        opts=opts.merge(pulumi.ResourceOptions(depends_on=[role])),
    )
    if not access.everywhere:
        return [role, binding]
    everywhere: kubernetes.meta.v1.ObjectMetaArgsDict = {"name": account, "labels": own}
    wide = kubernetes.rbac.v1.ClusterRole(
        name,
        metadata=stated({**everywhere, "annotations": exceptions((check, access.why) for check in access.wide)}),
        rules=access.everywhere,
        opts=opts,
    )
    widely = kubernetes.rbac.v1.ClusterRoleBinding(
        name,
        metadata=everywhere,
        role_ref={"api_group": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": account},
        subjects=subjects,
        opts=opts.merge(pulumi.ResourceOptions(depends_on=[wide])),
    )
    return [role, binding, wide, widely]
