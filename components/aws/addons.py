"""What EKS itself installs in a cluster: its add-ons in pinned versions, with roles of their own."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi_aws import eks, iam

from components.aws.federation import Federation
from components.aws.identity import PodRole
from components.aws.names import ROLE_LIMIT, shortened
from components.aws.settings import AddOn, Eks
from components.aws.versions import ADDONS
from components.cluster.settings import ClusterSettings

BEFORE_NODES: Sequence[AddOn] = ("vpc-cni", "kube-proxy", "eks-pod-identity-agent")
"""Run on every node, none of which would be Ready without the first."""
ON_NODES: Sequence[AddOn] = ("coredns", "aws-ebs-csi-driver", "metrics-server")
"""Are healthy only once there are nodes."""
NAMESPACE = "kube-system"
_ACCOUNTS: Mapping[str, tuple[str, str]] = {
    "vpc-cni": ("aws-node", "arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy"),
    "aws-ebs-csi-driver": (
        "ebs-csi-controller-sa",
        "arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy",
    ),
}
"""Service account and Amazon's own policy of those that call Amazon:
https://docs.aws.amazon.com/eks/latest/userguide/add-ons-iam.html. Nodes have neither."""


class AddOns(pulumi.ComponentResource):
    """Some of EKS's add-ons."""

    def __init__(
        self,
        name: str,
        which: Sequence[AddOn],
        settings: ClusterSettings,
        *,
        federation: Federation,
        tags: Mapping[str, str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`tags` are for the volumes that are made for claims."""
        super().__init__("inference:aws:AddOns", name, None, opts)
        self._federation, self._child = federation, pulumi.ResourceOptions(parent=self)
        for addon in which:
            role, attached = self._role(f"{settings.name}-{addon}", addon)
            configuration = configured(addon, settings, tags)
            eks.Addon(
                f"{settings.name}-{addon}",
                cluster_name=federation.cluster,
                addon_name=addon,
                addon_version=version(addon, settings.eks),
                configuration_values=json.dumps(configuration, sort_keys=True) if configuration else None,
                service_account_role_arn=role if federation.how == "irsa" else None,
                resolve_conflicts_on_create="OVERWRITE",
                resolve_conflicts_on_update="OVERWRITE",
                opts=self._child.merge(pulumi.ResourceOptions(depends_on=attached)),
            )
        self.register_outputs({})

    def _role(self, name: str, addon: AddOn) -> tuple[pulumi.Output[str] | None, Sequence[pulumi.Resource]]:
        """Its ARN, and what must be there before the add-on."""
        if addon not in _ACCOUNTS:
            return None, ()
        account, policy = _ACCOUNTS[addon]
        role = PodRole(
            name,
            role=shortened(f"{pulumi.get_stack()}-{name}", ROLE_LIMIT),
            namespace=NAMESPACE,
            account=account,
            policies={},
            federation=self._federation,
            opts=self._child,
        )
        attached = iam.RolePolicyAttachment(
            f"{name}-policy",
            role=role.arn.apply(lambda arn: arn.rsplit("/", 1)[-1]),
            policy_arn=policy,
            opts=self._child,
        )
        return role.arn, (role, attached)


def version(addon: AddOn, settings: Eks) -> str | None:
    """The version to run; None leaves it to Amazon."""
    return settings.addons.get(addon) or ADDONS.get(settings.version, {}).get(addon)


def configured(addon: AddOn, settings: ClusterSettings, tags: Mapping[str, str]) -> dict[str, Any]:
    """What differs from the add-on's own choice."""
    tolerations = {"tolerations": _tolerations(settings)} if all(one.taint for one in settings.node_groups) else {}
    match addon:
        case "vpc-cni":
            return {"enableNetworkPolicy": "true"}
        case "aws-ebs-csi-driver":
            return {"controller": {"extraVolumeTags": dict(tags), **tolerations}}
        case "coredns" | "metrics-server":
            return dict(tolerations)
        case _:
            return {}


def _tolerations(settings: ClusterSettings) -> list[dict[str, str]]:
    """Where every group is reserved, what belongs to nobody still has to run somewhere."""
    taints = sorted({group.taint for group in settings.node_groups if group.taint})
    return [{"key": taint, "operator": "Equal", "value": "true", "effect": "NoSchedule"} for taint in taints]
