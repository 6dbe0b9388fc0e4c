"""The VPC that a stack's clusters share: made here, or one that is there already."""

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network

import pulumi
import pulumi_aws as aws

from components.aws.addresses import plan
from components.aws.endpoints import Inside, endpoints
from components.aws.flow_logs import flow_logs
from components.aws.settings import ExistingNetwork, NetworkSettings

_EVERYWHERE = "0.0.0.0/0"
_ROLES = {"private": "kubernetes.io/role/internal-elb", "public": "kubernetes.io/role/elb"}
"""By these tags, controllers know where load balancers may stand."""


class Network(pulumi.ComponentResource):
    """Private subnets for nodes, public ones for NAT and load balancers, in each zone.

    On destroy the endpoints, NAT gateways and routes go first, then the subnets, then the VPC.
    """

    vpc_id: pulumi.Output[str]
    cidr: str
    """The VPC's addresses."""
    private: Mapping[str, pulumi.Output[str]]
    """Subnets for nodes, by the zone's whole name."""
    public: Mapping[str, pulumi.Output[str]]
    """Subnets for load balancers for the internet, by the zone's whole name; an existing VPC may have none."""
    ready: tuple[pulumi.Resource, ...]
    """What nodes need from before they start until they are gone, above all their ways out."""

    def __init__(
        self,
        name: str,
        settings: NetworkSettings,
        *,
        region: str,
        clusters: Sequence[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`clusters` are their names at EKS."""
        super().__init__("inference:aws:Network", name, None, opts)
        self._name = name
        self._region = region
        self._clusters = clusters
        self._child = pulumi.ResourceOptions(parent=self)
        if settings.existing:
            self._take(settings.existing)
        else:
            self._make(settings)
        self.register_outputs({"vpc": self.vpc_id, "private": self.private, "public": self.public})

    def _take(self, existing: ExistingNetwork) -> None:
        self.vpc_id = pulumi.Output.from_input(existing.vpc)
        self.cidr = existing.cidr
        self.private = self._whole(_outputs(existing.private_subnets))
        self.public = self._whole(_outputs(existing.public_subnets))
        self.ready = (*self._tag("private", existing.private_subnets), *self._tag("public", existing.public_subnets))

    def _tag(self, kind: str, subnets: Mapping[str, str]) -> list[pulumi.Resource]:
        """For load balancers, on subnets that are not ours."""
        return [
            aws.ec2.Tag(
                "-".join((self._name, kind, zone, *key.split("/")[1:])),
                resource_id=subnet,
                key=key,
                value=value,
                opts=self._child,
            )
            for zone, subnet in subnets.items()
            for key, value in self._for_load_balancers(kind).items()
        ]

    def _make(self, settings: NetworkSettings) -> None:
        vpc = self._vpc(settings)
        addresses = plan(IPv4Network(settings.cidr), settings.zones)
        private = {zone: self._subnet(vpc, "private", zone, one.private) for zone, one in addresses.items()}
        public = {zone: self._subnet(vpc, "public", zone, one.public) for zone, one in addresses.items()}
        outside = self._internet(vpc, public)
        tables, inside = self._ways_out(settings, vpc, private, public, outside)
        stands = Inside(
            vpc=vpc.id,
            cidr=settings.cidr,
            region=self._region,
            subnets=[subnet.id for subnet in private.values()],
            route_tables=[table.id for table in tables],
        )
        asked = endpoints(self._name, settings.endpoints, stands, self._child)
        if settings.flow_log_days:
            flow_logs(self._name, vpc, settings.flow_log_days, self._child)
        self.vpc_id = vpc.id
        self.cidr = settings.cidr
        self.private = self._whole({zone: subnet.id for zone, subnet in private.items()})
        self.public = self._whole({zone: subnet.id for zone, subnet in public.items()})
        self.ready = (*outside, *inside, *asked)

    def _vpc(self, settings: NetworkSettings) -> aws.ec2.Vpc:
        """With the group and the route table that Amazon puts into it empty: nothing of ours uses them."""
        vpc = aws.ec2.Vpc(
            self._name,
            cidr_block=settings.cidr,
            # Without both, nodes cannot register with their cluster.
            enable_dns_support=True,
            enable_dns_hostnames=True,
            tags=self._titled("vpc"),
            opts=self._child,
        )
        aws.ec2.DefaultSecurityGroup(
            f"{self._name}-default",
            vpc_id=vpc.id,
            ingress=[],
            egress=[],
            tags=self._titled("default-closed"),
            opts=self._child,
        )
        aws.ec2.DefaultRouteTable(
            f"{self._name}-default",
            default_route_table_id=vpc.default_route_table_id,
            routes=[],
            tags=self._titled("default-nowhere"),
            opts=self._child,
        )
        return vpc

    def _subnet(self, vpc: aws.ec2.Vpc, kind: str, zone: str, addresses: IPv4Network) -> aws.ec2.Subnet:
        return aws.ec2.Subnet(
            f"{self._name}-{kind}-{zone}",
            vpc_id=vpc.id,
            availability_zone=f"{self._region}{zone}",
            cidr_block=str(addresses),
            # Not in public subnets either: what stands there brings an address of its own.
            map_public_ip_on_launch=False,
            tags={**self._titled(f"{kind}-{zone}"), **self._for_load_balancers(kind)},
            opts=self._child,
        )

    def _internet(self, vpc: aws.ec2.Vpc, public: Mapping[str, aws.ec2.Subnet]) -> list[pulumi.Resource]:
        """The public subnets' way to and from the internet."""
        gateway = aws.ec2.InternetGateway(
            f"{self._name}-internet", vpc_id=vpc.id, tags=self._titled("internet"), opts=self._child
        )
        table = self._route_table(vpc, "public")
        route = aws.ec2.Route(
            f"{self._name}-public",
            route_table_id=table.id,
            destination_cidr_block=_EVERYWHERE,
            gateway_id=gateway.id,
            opts=self._child,
        )
        return [route, *(self._association(f"public-{zone}", subnet, table) for zone, subnet in public.items())]

    def _ways_out(
        self,
        settings: NetworkSettings,
        vpc: aws.ec2.Vpc,
        private: Mapping[str, aws.ec2.Subnet],
        public: Mapping[str, aws.ec2.Subnet],
        outside: Sequence[pulumi.Resource],
    ) -> tuple[list[aws.ec2.RouteTable], list[pulumi.Resource]]:
        """A table for each private subnet, whatever the NAT, so that another setting changes routes alone."""
        zones = {"one": list(public)[:1], "each": list(public), "none": []}[settings.nat]
        nats = {zone: self._nat(zone, public[zone], outside) for zone in zones}
        tables = {zone: self._route_table(vpc, f"private-{zone}") for zone in private}
        routes = [
            aws.ec2.Route(
                f"{self._name}-private-{zone}",
                route_table_id=table.id,
                destination_cidr_block=_EVERYWHERE,
                nat_gateway_id=nats.get(zone, nats[zones[0]]).id,
                opts=self._child,
            )
            for zone, table in tables.items()
            if nats
        ]
        joined = [self._association(f"private-{zone}", private[zone], table) for zone, table in tables.items()]
        return [*tables.values()], [*routes, *joined]

    def _nat(self, zone: str, subnet: aws.ec2.Subnet, outside: Sequence[pulumi.Resource]) -> aws.ec2.NatGateway:
        """It works, and its address can be given back, only while the subnet's way to the internet is there."""
        title = f"nat-{zone}"
        after = self._child.merge(pulumi.ResourceOptions(depends_on=outside))
        address = aws.ec2.Eip(f"{self._name}-{title}", domain="vpc", tags=self._titled(title), opts=after)
        return aws.ec2.NatGateway(
            f"{self._name}-{title}",
            allocation_id=address.id,
            subnet_id=subnet.id,
            tags=self._titled(title),
            opts=after,
        )

    def _route_table(self, vpc: aws.ec2.Vpc, title: str) -> aws.ec2.RouteTable:
        return aws.ec2.RouteTable(f"{self._name}-{title}", vpc_id=vpc.id, tags=self._titled(title), opts=self._child)

    def _association(self, title: str, subnet: aws.ec2.Subnet, table: aws.ec2.RouteTable) -> pulumi.Resource:
        return aws.ec2.RouteTableAssociation(
            f"{self._name}-{title}", subnet_id=subnet.id, route_table_id=table.id, opts=self._child
        )

    def _for_load_balancers(self, kind: str) -> dict[str, str]:
        return {_ROLES[kind]: "1", **{f"kubernetes.io/cluster/{one}": "shared" for one in self._clusters}}

    def _titled(self, what: str) -> dict[str, str]:
        """The name that people see in the console."""
        return {"Name": f"{pulumi.get_stack()}-{what}"}

    def _whole(self, by_zone: Mapping[str, pulumi.Output[str]]) -> dict[str, pulumi.Output[str]]:
        return {f"{self._region}{letter}": subnet for letter, subnet in by_zone.items()}


def _outputs(subnets: Mapping[str, str]) -> dict[str, pulumi.Output[str]]:
    return {zone: pulumi.Output.from_input(subnet) for zone, subnet in subnets.items()}
