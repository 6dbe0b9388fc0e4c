"""What a user is told about a network at Amazon that cannot be."""

from typing import Any

import pytest

from tests.unit.mistakes import Change, put, told

EXISTING = {
    "vpc": "vpc-0123456789abcdef0",
    "cidr": "10.20.0.0/16",
    "privateSubnets": {"a": "subnet-aaaaaaaa", "b": "subnet-bbbbbbbb"},
}


def network(**settings: Any) -> Change:
    return put("aws", to={"network": settings})


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            network(cidr="10.0.0.0/22"),
            'aws.network.cidr "10.0.0.0/22" must be an IPv4 network of /16 to /20, without bits beyond its length',
        ),
        (
            network(cidr="10.0.1.0/16"),
            "aws.network.cidr 10.0.1.0/16 has host bits set",
        ),
        (
            network(cidr="8.8.0.0/16"),
            'aws.network.cidr "8.8.0.0/16" is no private network; take a part of one of: 10.0.0.0/8, 172.16.0.0/12,',
        ),
        (network(zones=["a"]), "aws.network.zones must be a list of 2 to 3 entries"),
        (network(zones=["a", "b", "c", "d"]), "aws.network.zones must be a list of 2 to 3 entries"),
        (network(zones=["a", "b", "a"]), 'aws.network.zones[2] "a" is taken: aws.network.zones[0] has it already'),
        (network(flowLogDays=15), "aws.network.flowLogDays 15 is not one of"),
        (
            network(nat="none"),
            "aws.network.endpoints lacks ecr, ec2, sts: without NAT, nodes and pods have no other way there",
        ),
        (
            put("aws", to={"identity": "pod-identity", "network": {"nat": "none", "endpoints": ["s3", "ecr", "ec2"]}}),
            "aws.network.endpoints lacks eks-auth: without NAT",
        ),
        (
            network(zones=["a", "c"], existing=EXISTING),
            "aws.network.zones says what to make, and an existing network is not changed; leave it out",
        ),
        (
            network(existing={**EXISTING, "publicSubnets": {"a": "subnet-bbbbbbbb"}}),
            'aws.network.existing.publicSubnets.a "subnet-bbbbbbbb" is taken: '
            "aws.network.existing.privateSubnets.b has it already",
        ),
        (
            network(existing={**EXISTING, "privateSubnets": {"a": "subnet-aaaaaaaa"}}),
            "aws.network.existing.privateSubnets must be a mapping of at least 2 entries",
        ),
    ],
)
def test_a_network_that_cannot_be_is_refused_before_anything_is_made(change: Change, expected: str) -> None:
    lines = told(change, stack="eks")
    assert len(lines) == 1, lines
    assert lines[0].startswith(f"inference:{expected}"), lines


@pytest.mark.parametrize(
    "change",
    [
        network(nat="none", endpoints=["s3", "ecr", "ec2", "sts"]),
        network(nat="each", zones=["c", "a", "b"], cidr="172.16.0.0/20"),
        network(cidr="100.64.0.0/16", flowLogDays=None),
        network(existing=EXISTING),
    ],
)
def test_other_networks_are_taken(change: Change) -> None:
    assert told(change, stack="eks") == []
