"""How pods of one cluster come to roles of the account."""

from dataclasses import dataclass
from typing import Literal

import pulumi


@dataclass(frozen=True, kw_only=True)
class Federation:
    """What a role's trust must name."""

    how: Literal["irsa", "pod-identity"]
    cluster: pulumi.Input[str]
    """The cluster's name at EKS."""
    account: pulumi.Input[str]
    """The account's 12 digits."""
    provider_arn: pulumi.Input[str]
    """ARN of the account's OIDC provider for the cluster."""
    issuer: pulumi.Input[str]
    """Its issuer without `https://`, for example `oidc.eks.us-east-1.amazonaws.com/id/0123…`."""
