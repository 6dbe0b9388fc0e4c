"""The VPC, as Pulumi's engine would be asked for it."""

import json
from typing import Any

import pulumi
import pulumi_aws as aws
import pytest

from components.aws.network import Network
from components.aws.settings import NetworkSettings
from tests.unit.manifests import plain
from tests.unit.recording import Recording, Registration, recorded

REGION = "eu-central-1"
EXISTING = {
    "vpc": "vpc-0123456789abcdef0",
    "cidr": "10.20.0.0/16",
    "privateSubnets": {"a": "subnet-aaaaaaaa", "b": "subnet-bbbbbbbb"},
    "publicSubnets": {"a": "subnet-cccccccc"},
}


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What these settings ask for, and a node that waits for the network."""

    def make(**settings: Any) -> Recording:
        def program() -> dict[str, Any]:
            opts = pulumi.ResourceOptions(provider=aws.Provider("aws", region=REGION))
            wanted = NetworkSettings.model_validate(settings)
            made = Network("network", wanted, region=REGION, clusters=["home", "lab"], opts=opts)
            zone, subnet = next(iter(made.private.items()))
            after = opts.merge(pulumi.ResourceOptions(depends_on=made.ready))
            aws.ec2.Instance("node", subnet_id=subnet, availability_zone=zone, opts=after)
            return {"vpc": made.vpc_id, "cidr": made.cidr, "private": made.private, "public": made.public}

        return recorded(program, monkeypatch=monkeypatch, stack="site")

    return make


def of_kind(recording: Recording, kind: str) -> dict[str, dict[str, Any]]:
    """Inputs of all resources `aws:…:KIND`, by name."""
    return {one.name: plain(one.inputs) for one in recording.resources if one.type.endswith(f":{kind}")}


def named(recording: Recording, kind: str, name: str) -> Registration:
    (found,) = [one for one in recording.resources if one.type.endswith(f":{kind}") and one.name == name]
    return found


def before(recording: Recording, resource: Registration) -> set[str]:
    """Type and name of all that is there before a resource, and still when it is destroyed."""
    known = {one.urn: one for one in recording.resources}
    found: set[str] = set()
    waiting = [resource]
    while waiting:
        for urn in waiting.pop().dependencies:
            if urn in known and urn not in found:
                found.add(urn)
                waiting.append(known[urn])
    return {f"{known[urn].type.rpartition(':')[2]} {known[urn].name}" for urn in found}


def ways(recording: Recording) -> dict[str, tuple[str, str]]:
    """Where a subnet's packets for the internet go, by the subnet: to a kind of gateway, and which."""
    routes = {
        route["routeTableId"]: (kind, route[kind])
        for route in of_kind(recording, "Route").values()
        for kind in ("gatewayId", "natGatewayId")
        if kind in route and route["destinationCidrBlock"] == "0.0.0.0/0"
    }
    joined = of_kind(recording, "RouteTableAssociation").values()
    return {one["subnetId"]: routes[one["routeTableId"]] for one in joined if one["routeTableId"] in routes}


def test_each_zone_has_a_subnet_for_nodes_and_one_for_load_balancers(network: Any) -> None:
    subnets = of_kind(network(zones=("a", "b", "c")), "Subnet")
    zones = {name: (one["availabilityZone"], one["cidrBlock"]) for name, one in subnets.items()}
    assert zones == {
        "network-private-a": ("eu-central-1a", "10.0.0.0/18"),
        "network-private-b": ("eu-central-1b", "10.0.64.0/18"),
        "network-private-c": ("eu-central-1c", "10.0.128.0/18"),
        "network-public-a": ("eu-central-1a", "10.0.192.0/22"),
        "network-public-b": ("eu-central-1b", "10.0.196.0/22"),
        "network-public-c": ("eu-central-1c", "10.0.200.0/22"),
    }


def test_nothing_gets_a_public_address_by_itself(network: Any) -> None:
    assert {one["mapPublicIpOnLaunch"] for one in of_kind(network(), "Subnet").values()} == {False}


def test_nodes_find_their_cluster_by_name(network: Any) -> None:
    vpc = of_kind(network(), "Vpc")["network"]
    assert (vpc["enableDnsSupport"], vpc["enableDnsHostnames"]) == (True, True)


def test_what_amazon_puts_into_every_vpc_lets_nothing_through(network: Any) -> None:
    made = network()
    group = of_kind(made, "DefaultSecurityGroup")["network-default"]
    assert (group["ingress"], group["egress"]) == ([], [])
    assert of_kind(made, "DefaultRouteTable")["network-default"]["routes"] == []


def test_load_balancers_find_their_subnets_by_tags(network: Any) -> None:
    subnets = of_kind(network(), "Subnet")
    of_clusters = {"kubernetes.io/cluster/home": "shared", "kubernetes.io/cluster/lab": "shared"}
    assert subnets["network-private-a"]["tags"] == {
        "Name": "site-private-a",
        "kubernetes.io/role/internal-elb": "1",
        **of_clusters,
    }
    assert subnets["network-public-b"]["tags"] == {
        "Name": "site-public-b",
        "kubernetes.io/role/elb": "1",
        **of_clusters,
    }


@pytest.mark.parametrize(("nat", "gateways"), [("one", ["a", "a", "a"]), ("each", ["a", "b", "c"])])
def test_nodes_go_out_by_the_nat_that_the_settings_say(network: Any, nat: str, gateways: list[str]) -> None:
    made = network(nat=nat, zones=("a", "b", "c"))
    inside = [f"network-private-{zone}-id" for zone in "abc"]
    out = {subnet: ("natGatewayId", f"network-nat-{zone}-id") for subnet, zone in zip(inside, gateways, strict=True)}
    internet = {f"network-public-{zone}-id": ("gatewayId", "network-internet-id") for zone in "abc"}
    assert ways(made) == out | internet
    assert len(of_kind(made, "Eip")) == len(set(gateways))
    nats = of_kind(made, "NatGateway")
    assert {one["subnetId"] for one in nats.values()} == {f"network-public-{zone}-id" for zone in gateways}


def test_without_nat_nothing_private_reaches_the_internet(network: Any) -> None:
    made = network(nat="none")
    assert {subnet for subnet in ways(made) if "private" in subnet} == set()
    assert not of_kind(made, "NatGateway")
    assert not of_kind(made, "Eip")


def test_another_nat_changes_routes_and_no_route_table(network: Any) -> None:
    tables = [of_kind(network(nat=nat), "RouteTable") for nat in ("one", "each", "none")]
    assert tables[0] == tables[1] == tables[2]


def test_s3_is_asked_by_a_route_from_every_private_subnet(network: Any) -> None:
    endpoints = of_kind(network(), "VpcEndpoint")
    assert list(endpoints) == ["network-s3"]
    s3 = endpoints["network-s3"]
    assert (s3["serviceName"], s3["vpcEndpointType"]) == ("com.amazonaws.eu-central-1.s3", "Gateway")
    assert s3["routeTableIds"] == ["network-private-a-id", "network-private-b-id"]


def test_other_services_answer_in_every_zone_at_their_usual_names_and_to_the_vpc_alone(network: Any) -> None:
    made = network(endpoints=("s3", "ecr", "sts", "logs", "ec2", "eks-auth"))
    others = {name: one for name, one in of_kind(made, "VpcEndpoint").items() if name != "network-s3"}
    assert {one["serviceName"].removeprefix("com.amazonaws.eu-central-1.") for one in others.values()} == {
        *("ecr.api", "ecr.dkr", "sts", "logs", "ec2", "eks-auth")
    }
    for one in others.values():
        assert one["vpcEndpointType"] == "Interface"
        assert one["privateDnsEnabled"] is True
        assert one["subnetIds"] == ["network-private-a-id", "network-private-b-id"]
        assert one["securityGroupIds"] == ["network-endpoints-id"]
    (rule,) = of_kind(made, "SecurityGroupIngressRule").values()
    assert (rule["cidrIpv4"], rule["ipProtocol"], rule["fromPort"], rule["toPort"]) == ("10.0.0.0/16", "tcp", 443, 443)
    (group,) = of_kind(made, "SecurityGroup").values()
    assert "egress" not in group


def test_connections_are_recorded_for_as_long_as_the_settings_say(network: Any) -> None:
    made = network(flowLogDays=30)
    (group,) = of_kind(made, "LogGroup").values()
    assert (group["name"], group["retentionInDays"]) == ("/inference/site/network-flow-logs", 30)
    (log,) = of_kind(made, "FlowLog").values()
    assert (log["vpcId"], log["trafficType"]) == ("network-id", "ALL")


def test_the_role_that_records_may_write_into_its_group_and_nothing_else(network: Any) -> None:
    made = network()
    (policy,) = of_kind(made, "RolePolicy").values()
    writing, looking = json.loads(policy["policy"])["Statement"]
    assert writing["Resource"].endswith("/inference/site/network-flow-logs:*")
    assert writing["Action"] == ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    assert looking["Action"] == "logs:DescribeLogGroups"


def test_the_role_that_records_is_for_this_account_and_region_alone(network: Any) -> None:
    (role,) = of_kind(network(), "Role").values()
    (statement,) = json.loads(role["assumeRolePolicy"])["Statement"]
    assert statement["Principal"] == {"Service": "vpc-flow-logs.amazonaws.com"}
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "123456789012"},
        "ArnLike": {"aws:SourceArn": "arn:aws:ec2:us-east-1:123456789012:vpc-flow-log/*"},
    }


def test_nothing_is_recorded_when_the_settings_say_null(network: Any) -> None:
    made = network(flowLogDays=None)
    assert not of_kind(made, "FlowLog") | of_kind(made, "LogGroup") | of_kind(made, "Role")


def test_everything_that_can_have_a_name_has_one_of_the_stacks(network: Any) -> None:
    made = network(endpoints=("s3", "sts"))
    untagged = ("Route", "RouteTableAssociation", "RolePolicy", "Instance", "Provider", "Network")
    ours = [
        one for one in made.resources if one.type.startswith("aws:") and one.type.rpartition(":")[2] not in untagged
    ]
    assert len(ours) == 20
    assert not [one.name for one in ours if not one.inputs["tags"]["Name"].startswith("site-")]


def test_nodes_come_after_all_their_ways_out_and_go_before_them(network: Any) -> None:
    made = network(endpoints=("s3", "sts"))
    needed = before(made, named(made, "Instance", "node"))
    assert {
        "NatGateway network-nat-a",
        "Route network-private-a",
        "Route network-public",
        "RouteTableAssociation network-private-a",
        "RouteTableAssociation network-public-a",
        "VpcEndpoint network-s3",
        "VpcEndpoint network-sts",
        "SecurityGroupIngressRule network-endpoints-from-vpc",
        "InternetGateway network-internet",
    } <= needed


def test_what_stands_in_a_subnet_goes_before_it_and_the_vpc_goes_last(network: Any) -> None:
    made = network(endpoints=("s3", "sts"))
    for kind, name in (("NatGateway", "network-nat-a"), ("VpcEndpoint", "network-sts")):
        assert {"Vpc network"} < before(made, named(made, kind, name))
    assert "Subnet network-public-a" in before(made, named(made, "NatGateway", "network-nat-a"))
    assert "Subnet network-private-b" in before(made, named(made, "VpcEndpoint", "network-sts"))
    assert before(made, named(made, "Vpc", "network")) == set()


def test_a_nat_gateway_and_its_address_go_before_the_way_to_the_internet(network: Any) -> None:
    made = network()
    for kind in ("NatGateway", "Eip"):
        assert {"InternetGateway network-internet", "Route network-public"} <= before(
            made, named(made, kind, "network-nat-a")
        )


def test_of_an_existing_network_only_tags_are_changed(network: Any) -> None:
    made = network(existing=EXISTING)
    ours = [one for one in made.resources if one.type.startswith("aws:") and one.name != "node"]
    assert {one.type for one in ours} == {"aws:ec2/tag:Tag"}
    tags = {(one["resourceId"], one["key"], one["value"]) for one in of_kind(made, "Tag").values()}
    assert tags == {
        *((subnet, "kubernetes.io/role/internal-elb", "1") for subnet in ("subnet-aaaaaaaa", "subnet-bbbbbbbb")),
        ("subnet-cccccccc", "kubernetes.io/role/elb", "1"),
        *(
            (subnet, f"kubernetes.io/cluster/{cluster}", "shared")
            for subnet in ("subnet-aaaaaaaa", "subnet-bbbbbbbb", "subnet-cccccccc")
            for cluster in ("home", "lab")
        ),
    }


def test_nodes_are_told_the_existing_network_as_if_it_were_ours(network: Any) -> None:
    assert network(existing=EXISTING).outputs["exports"] == {
        "vpc": "vpc-0123456789abcdef0",
        "cidr": "10.20.0.0/16",
        "private": {"eu-central-1a": "subnet-aaaaaaaa", "eu-central-1b": "subnet-bbbbbbbb"},
        "public": {"eu-central-1a": "subnet-cccccccc"},
    }
