"""The VPC of a stack's clusters: a stand-in of the same shape, until the whole one is merged."""

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network

import pulumi
from pulumi_aws import ec2

from components.aws.settings import NetworkSettings


class Network(pulumi.ComponentResource):
    """Private subnets, by zone."""

    vpc_id: pulumi.Output[str]
    cidr: str | pulumi.Output[str]
    private: Mapping[str, pulumi.Output[str]]
    """By zone's name."""
    public: Mapping[str, pulumi.Output[str]]
    ready: tuple[pulumi.Resource, ...]
    """What nodes need before they start."""

    def __init__(
        self,
        name: str,
        settings: NetworkSettings,
        *,
        region: str,
        clusters: Sequence[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("inference:aws:Network", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        shared = {f"kubernetes.io/cluster/{cluster}": "shared" for cluster in clusters}
        vpc = ec2.Vpc(name, cidr_block=settings.cidr, opts=child)
        parts = IPv4Network(settings.cidr).subnets(prefixlen_diff=2)
        subnets = {
            f"{region}{zone}": ec2.Subnet(
                f"{name}-private-{zone}",
                vpc_id=vpc.id,
                cidr_block=str(part),
                availability_zone=f"{region}{zone}",
                tags=shared,
                opts=child,
            )
            for zone, part in zip(settings.zones, parts, strict=False)
        }
        self.vpc_id, self.cidr = vpc.id, settings.cidr
        self.private = {zone: subnet.id for zone, subnet in subnets.items()}
        self.public = {}
        self.ready = tuple(subnets.values())
        self.register_outputs({})
