"""What Amazon went on making after an update was killed is found by its name or its tags; nothing else is taken."""

from typing import Any, cast

import boto3  # pyright: ignore[reportMissingTypeStubs]
import pytest
from moto import mock_aws

from components.aws.adoption import named, settled, tagged

REGION = "us-east-1"
PREFIX = "urn:pulumi:eks::inference::inference:aws:EksCluster$"


def noted(kind: str, called: str, /, **inputs: object) -> dict[str, Any]:
    """A resource as an update notes it before it is made."""
    return {"urn": f"{PREFIX}{kind}::{called}", "type": kind, "custom": True, "inputs": inputs}


def creating(resource: dict[str, Any]) -> dict[str, Any]:
    return {"type": "creating", "resource": resource}


@pytest.mark.parametrize(
    ("kind", "inputs", "identity"),
    [
        ("aws:eks/cluster:Cluster", {"name": "eks-eks"}, "eks-eks"),
        ("aws:eks/nodeGroup:NodeGroup", {"clusterName": "eks-eks", "nodeGroupName": "gpu"}, "eks-eks:gpu"),
        ("aws:eks/addon:Addon", {"clusterName": "eks-eks", "addonName": "vpc-cni"}, "eks-eks:vpc-cni"),
        ("aws:iam/role:Role", {"name": "eks-vllm"}, "eks-vllm"),
        ("aws:s3/bucketVersioning:BucketVersioning", {"bucket": "models"}, "models"),
        ("aws:ec2/vpc:Vpc", {"cidrBlock": "10.0.0.0/16"}, None),
        ("aws:iam/role:Role", {}, None),
    ],
)
def test_ids_are_made_of_names_as_the_provider_makes_them(
    kind: str, inputs: dict[str, str], identity: str | None
) -> None:
    assert named(noted(kind, "it", **inputs)) == identity


def test_what_has_an_id_joins_the_state_and_all_else_stays_pending() -> None:
    cluster = noted("aws:eks/cluster:Cluster", "control-plane", name="eks-eks")
    gateway = noted("aws:ec2/natGateway:NatGateway", "nat")
    password = noted("random:index/randomPassword:RandomPassword", "password")
    before = {"resources": [], "pending_operations": [creating(one) for one in (cluster, gateway, password)]}

    done = settled(before, named)

    assert done.deployment["resources"] == [{**cluster, "id": "eks-eks"}]
    assert done.deployment["pending_operations"] == [creating(gateway), creating(password)]
    assert done.taken == {"control-plane": "eks-eks"}
    assert done.unknown == ("nat",)


def test_a_deletion_that_was_killed_is_not_taken_for_a_creation() -> None:
    cluster = noted("aws:eks/cluster:Cluster", "control-plane", name="eks-eks")
    before = {"resources": [], "pending_operations": [{"type": "deleting", "resource": cluster}]}

    assert settled(before, named).deployment == before


@pytest.fixture
def ec2(monkeypatch: pytest.MonkeyPatch) -> Any:
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(variable, "somebody")
    with mock_aws():
        yield client("ec2")


def client(service: str) -> Any:
    return cast(Any, boto3).client(service, region_name=REGION)


def vpc(ec2: Any, **tags: str) -> str:
    pairs = [{"Key": key.replace("_", ":"), "Value": value} for key, value in tags.items()]
    made = ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=[{"ResourceType": "vpc", "Tags": pairs}])
    return made["Vpc"]["VpcId"]


def test_a_vpc_is_found_by_the_tags_of_the_stack_and_its_own_name(ec2: Any) -> None:
    ours = vpc(ec2, inference_stack="eks", Name="eks-vpc")
    vpc(ec2, inference_stack="other", Name="eks-vpc")
    vpc(ec2, inference_stack="eks", Name="eks-other")
    resource = noted("aws:ec2/vpc:Vpc", "network", tags={"Name": "eks-vpc"})

    assert tagged(resource, "eks", client, known=[]) == ours
    assert tagged(resource, "eks", client, known=[ours]) is None


def test_where_two_would_fit_none_is_taken(ec2: Any) -> None:
    vpc(ec2, inference_stack="eks", Name="eks-vpc")
    vpc(ec2, inference_stack="eks", Name="eks-vpc")

    assert tagged(noted("aws:ec2/vpc:Vpc", "network", tags={"Name": "eks-vpc"}), "eks", client, known=[]) is None
