"""What parts beside a cluster must know of its nodes, and of the network that they are in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

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


class Subnets(Protocol):
    """A VPC, and its subnets by zone."""

    @property
    def vpc_id(self) -> pulumi.Output[str]:
        """Its ID."""
        ...

    @property
    def private(self) -> Mapping[str, pulumi.Output[str]]:
        """Where nodes are."""
        ...

    @property
    def public(self) -> Mapping[str, pulumi.Output[str]]:
        """Where load balancers for the internet are."""
        ...
