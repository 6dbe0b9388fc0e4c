"""Roles of pods: a stand-in of the same shape, until the whole one is merged."""

import json
from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi_aws import eks, iam

from components.aws.federation import Federation
from components.storage.policies import Document


class PodRole(pulumi.ComponentResource):
    """A role that the pods of one service account may take."""

    arn: pulumi.Output[str]
    annotations: Mapping[str, pulumi.Input[str]]

    def __init__(
        self,
        name: str,
        *,
        role: str,
        namespace: str,
        account: str,
        policies: Mapping[str, Document],
        federation: Federation,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("inference:aws:PodRole", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        irsa = federation.how == "irsa"
        trust = pulumi.Output.all(arn=federation.provider_arn, issuer=federation.issuer).apply(
            lambda known: json.dumps(_irsa(known, namespace, account) if irsa else _pod_identity())
        )
        made = iam.Role(name, name=role, assume_role_policy=trust, opts=child)
        for key, policy in policies.items():
            iam.RolePolicy(f"{name}-{key}", role=made.id, policy=json.dumps(policy), opts=child)
        if not irsa:
            eks.PodIdentityAssociation(
                name,
                cluster_name=federation.cluster,
                namespace=namespace,
                service_account=account,
                role_arn=made.arn,
                opts=child,
            )
        self.arn = made.arn
        self.annotations = {"eks.amazonaws.com/role-arn": made.arn} if irsa else {}
        self.register_outputs({})


def _irsa(known: dict[str, Any], namespace: str, account: str) -> Document:
    subject = {
        f"{known['issuer']}:sub": f"system:serviceaccount:{namespace}:{account}",
        f"{known['issuer']}:aud": "sts.amazonaws.com",
    }
    return _allow(
        Principal={"Federated": known["arn"]},
        Action="sts:AssumeRoleWithWebIdentity",
        Condition={"StringEquals": subject},
    )


def _pod_identity() -> Document:
    return _allow(Principal={"Service": "pods.eks.amazonaws.com"}, Action=["sts:AssumeRole", "sts:TagSession"])


def _allow(**fields: object) -> Document:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **fields}]}
