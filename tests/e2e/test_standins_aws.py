"""The stand-in for AWS's provider: it takes what AWS takes, and refuses what AWS refuses. On the real Pulumi engine."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.small_stacks import SmallStack, made
from tests.standins.aws import HOME, STOP
from tests.standins.aws.account import Account, Thing

PROGRAM = """
import json
import pulumi_aws as aws

generation = pulumi.Config().require_int("generation")
amazon = pulumi.ResourceOptions(provider=aws.Provider(
    "aws", region="eu-central-1", allowed_account_ids=["123456789012"], default_tags={"tags": {"team": "ml"}}))
vpc = aws.ec2.Vpc("vpc", cidr_block="10.0.0.0/16", opts=amazon)
subnets = [aws.ec2.Subnet(f"subnet-{zone}", vpc_id=vpc.id, cidr_block=f"10.0.{index}.0/24",
                          availability_zone=f"eu-central-1{zone}", opts=amazon) for index, zone in enumerate("ab")]
role = aws.iam.Role("role", name="eks-role", assume_role_policy=json.dumps({"Version": "2012-10-17"}), opts=amazon)
cluster = aws.eks.Cluster("cluster", name="small", role_arn=role.arn, version=f"1.3{4 + generation}",
                          vpc_config={"subnet_ids": [subnet.id for subnet in subnets]}, opts=amazon)
nodes = aws.eks.NodeGroup("nodes", cluster_name=cluster.name, node_role_arn=role.arn, instance_types=["m6i.large"],
                          subnet_ids=[subnet.id for subnet in subnets],
                          scaling_config={"min_size": 0, "max_size": 2, "desired_size": 1}, opts=amazon)
pulumi.export("vpc", vpc.id)
pulumi.export("role", role.arn)
pulumi.export("issuer", cluster.identities[0].oidcs[0].issuer)
pulumi.export("tags", vpc.tags_all)
pulumi.export("machines", nodes.resources.apply(lambda found: found[0].autoscaling_groups[0].name))
"""


@pytest.fixture
def stack(tmp_path: Path) -> SmallStack:
    small = made(tmp_path)
    if "aws" in small.official:
        pytest.skip("the official provider is there, and would ask the real AWS")
    small.write(PROGRAM)
    return replace(small, environment={**small.environment, HOME: str(tmp_path / "account")})


def account(stack: SmallStack) -> Account:
    return Account(Path(stack.environment[HOME]))


def test_what_was_made_stays_the_same_changes_in_place_and_goes_in_an_order_that_aws_takes(stack: SmallStack) -> None:
    assert stack.preview().status == 0
    assert account(stack).things() == []

    up = stack.up()
    assert up.status == 0, up.text
    outputs = stack.outputs()
    assert outputs["vpc"].startswith("vpc-")
    assert outputs["role"] == "arn:aws:iam::123456789012:role/eks-role"
    assert outputs["issuer"].startswith("https://oidc.eks.eu-central-1.amazonaws.com/id/")
    assert outputs["tags"] == {"team": "ml"}
    assert outputs["machines"].startswith("eks-small-nodes-")
    assert stack.up("--expect-no-changes").status == 0
    assert stack.up(generation=2).operations() == {"cluster": "update"}

    assert stack.destroy().status == 0
    assert account(stack).things() == []
    gone = [name for operation, _, name in account(stack).journal() if operation == "delete"]
    assert gone.index("nodes") < gone.index("cluster") < gone.index("vpc")


def test_a_misspelt_property_is_refused_by_its_path(stack: SmallStack) -> None:
    stack.write(PROGRAM.replace('"desired_size"', '"desiredsize"'))

    refused = stack.preview()

    assert refused.status != 0
    assert "scalingConfig.desiredsize" in refused.text


def test_a_vpc_with_a_network_interface_in_it_is_not_deleted(stack: SmallStack) -> None:
    assert stack.up().status == 0
    subnet = next(thing for thing in account(stack).things() if thing.name == "subnet-a")
    left = Thing(type="made:ec2:NetworkInterface", identity="eni-0123", inputs={"subnetId": subnet.identity})
    account(stack).put(left)

    refused = stack.destroy()
    assert refused.status != 0
    assert "DependencyViolation" in refused.text
    assert "eni-0123" in refused.text

    account(stack).remove(left.type, left.identity)
    assert stack.destroy().status == 0


def test_a_name_that_is_taken_is_refused(stack: SmallStack) -> None:
    account(stack).put(Thing(type="aws:iam/role:Role", identity="eks-role", inputs={"name": "eks-role"}))

    refused = stack.up()

    assert refused.status != 0
    assert "EntityAlreadyExists" in refused.text


def test_after_a_failure_an_up_makes_only_what_is_missing(stack: SmallStack) -> None:
    failing = replace(stack, environment={**stack.environment, STOP: "fail aws:eks/cluster:Cluster"})
    assert failing.up().status != 0

    assert stack.up().status == 0
    created = [name for operation, _, name in account(stack).journal() if operation == "create"]
    assert len(created) == len(set(created)) == 6


def test_an_engine_that_was_killed_left_behind_what_it_had_asked_for(stack: SmallStack) -> None:
    killed = replace(stack, environment={**stack.environment, STOP: "kill aws:eks/cluster:Cluster"})
    assert killed.up().status != 0
    assert [thing.identity for thing in account(stack).things("aws:eks/cluster:Cluster")] == ["small"]

    stack.cancel()
    assert "pending" in stack.up().text
