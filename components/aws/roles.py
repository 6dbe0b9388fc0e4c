"""Names and ARNs of roles that pods take: what anybody may need to know before they are made."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.aws.federation import Federation
from components.aws.names import ROLE_LIMIT, shortened
from components.aws.settings import Aws
from components.storage.object_store import PodIdentity
from components.storage.policies import Document
from components.workload.spec import Peer

SYNC = "models"
"""What the settings call the role of the sync."""
AGENT = Peer(port=80, network="169.254.170.23/32")
"""EKS's agent on each node, as pods of a cluster with IPv4 addresses reach it, which ours are: user guide of EKS,
pod-id-agent-setup.adoc, 2026-11-22."""


@dataclass(frozen=True, kw_only=True)
class Bearer:
    """Pods that are to have a role for the store."""

    namespace: str
    account: str
    """Their service account."""
    may: Document
    federation: Federation
    """Of their cluster."""


def role_name(stack: str, what: str, chosen: Mapping[str, str]) -> str:
    """The one that was chosen, or `<stack>-<what>`: shortened where that is too long, and still unlike others."""
    return chosen.get(what) or shortened(f"{stack}-{what}", ROLE_LIMIT)


def role_arn(account: str, name: str) -> str:
    """For example `arn:aws:iam::123456789012:role/my-triton-s3-read`."""
    return f"arn:aws:iam::{account}:role/{name}"


def told(aws: Aws, stack: str, what: str) -> PodIdentity:
    """What a service account says of a role, as far as the settings alone know: what goes into Git."""
    name = role_name(stack, what, aws.roles)
    annotated = aws.account if aws.identity == "irsa" else None
    if not annotated:
        return PodIdentity(named=f"{aws.identity} {name}")
    annotations = service_account_annotations(role_arn(annotated, name))
    return PodIdentity(named=f"{aws.identity} {name}", annotations=annotations)


def service_account_annotations(arn: pulumi.Input[str]) -> Mapping[str, pulumi.Input[str]]:
    """What EKS's webhook looks for: it mounts a token of its own, also where pods ask for none of Kubernetes'."""
    return {"eks.amazonaws.com/role-arn": arn, "eks.amazonaws.com/sts-regional-endpoints": "true"}


def peers(*ways: str) -> tuple[Peer, ...]:
    """Where pods get what shows who they are; STS answers at the port that S3 does."""
    return (AGENT,) if "pod-identity" in ways else ()
