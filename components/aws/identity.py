"""Roles that pods take by their service account, in place of keys. Only the target eks imports this."""

import json
from collections.abc import Mapping
from dataclasses import replace

import pulumi
import pulumi_aws as aws

from components.aws import policies
from components.aws.federation import Federation
from components.aws.roles import SYNC, Bearer, peers, role_name, service_account_annotations
from components.storage.object_store import ObjectStore, PodIdentity
from components.storage.policies import Document


class PodRole(pulumi.ComponentResource):
    """A role that pods with one service account of one cluster may take, and nobody else."""

    arn: pulumi.Output[str]
    annotations: Mapping[str, pulumi.Input[str]]
    """Of the service account; none with Pod Identity, where EKS keeps who is who."""

    def __init__(
        self,
        name: str,
        *,
        role: str,
        namespace: str,
        account: str,
        policies: Mapping[str, pulumi.Input[Document]],
        federation: Federation,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`role` is its name, `account` the service account's, and `policies` are what it may do, by name."""
        super().__init__("inference:aws:PodRole", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        made = aws.iam.Role(
            name,
            name=role,
            description=f"Pods with the service account {account} in {namespace}",
            assume_role_policy=_trust(federation, namespace, account),
            opts=child,
        )
        rights = [
            aws.iam.RolePolicy(
                f"{name}-{what}", name=what, role=made.name, policy=pulumi.Output.json_dumps(document), opts=child
            )
            for what, document in policies.items()
        ]
        if federation.how == "pod-identity":
            aws.eks.PodIdentityAssociation(
                name,
                cluster_name=federation.cluster,
                namespace=namespace,
                service_account=account,
                role_arn=made.arn,
                opts=child.merge(pulumi.ResourceOptions(depends_on=rights)),
            )
        self.arn = made.arn
        self.annotations = service_account_annotations(made.arn) if federation.how == "irsa" else {}
        self.register_outputs({"arn": self.arn})


def identified(
    name: str,
    store: ObjectStore,
    bearers: Mapping[str, Bearer],
    *,
    chosen: Mapping[str, str],
    opts: pulumi.ResourceOptions | None = None,
) -> ObjectStore:
    """The store, with a role for each of those who read from it or write to it; `SYNC` is the sync.

    `chosen` are names of roles from the settings.
    """
    identities: dict[str, PodIdentity] = {}
    roles: list[PodRole] = []
    for who, bearer in bearers.items():
        called = role_name(pulumi.get_stack(), who, chosen)
        role = PodRole(
            f"{name}-{who}",
            role=called,
            namespace=bearer.namespace,
            account=bearer.account,
            policies={"store": bearer.may},
            federation=bearer.federation,
            opts=opts,
        )
        roles.append(role)
        identities[who] = PodIdentity(named=f"{bearer.federation.how} {called}", annotations=role.annotations)
    return replace(
        store,
        identities={who: identity for who, identity in identities.items() if who != SYNC},
        writer_identity=identities.get(SYNC),
        identity_peers=peers(*(one.federation.how for one in bearers.values())),
        ready=(*store.ready, *roles),
    )


def _trust(federation: Federation, namespace: str, account: str) -> pulumi.Output[str]:
    def written(known: Mapping[str, str]) -> str:
        document = (
            policies.irsa_trust(
                provider_arn=known["provider"], issuer=known["issuer"], namespace=namespace, account=account
            )
            if federation.how == "irsa"
            else policies.pod_identity_trust(
                owner=known["owner"], cluster=known["cluster"], namespace=namespace, account=account
            )
        )
        return json.dumps(document)

    return pulumi.Output.all(
        provider=federation.provider_arn,
        issuer=federation.issuer,
        owner=federation.account,
        cluster=federation.cluster,
    ).apply(written)
