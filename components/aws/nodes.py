"""What parts beside a cluster must know of its nodes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi

from components.aws.federation import Federation


@dataclass(frozen=True, kw_only=True)
class Nodes:
    """The nodes of one cluster at Amazon."""

    federation: Federation
    security_group: pulumi.Input[str]
    """EKS's own, which every node of a managed group has."""
    role: pulumi.Input[str]
    """Name of the role that they have."""
    autoscaling_groups: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])
    """By the name of the node group; none for nodes of Karpenter's."""
    ready: tuple[pulumi.Resource, ...] = ()
    """Once they are there."""
