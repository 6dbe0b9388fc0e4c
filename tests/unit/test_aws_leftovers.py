"""What controllers left behind in an account is found, named, and deleted only when asked to; moto is the account."""

import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import boto3  # pyright: ignore[reportMissingTypeStubs]
import pytest
from moto.server import ThreadedMotoServer

from components.aws.leftovers import made_for
from components.aws.leftovers.__main__ import main

REGION = "us-east-1"
OURS = {"kubernetes.io/cluster/eks": "owned"}
BALANCER = {"elbv2.k8s.aws/cluster": "eks", "service.k8s.aws/stack": "gateway/litellm"}
CLAIM = {**OURS, "kubernetes.io/created-for/pvc/namespace": "gateway", "kubernetes.io/created-for/pvc/name": "chats"}
INTERFACE = {"cluster.k8s.amazonaws.com/name": "eks", "node.k8s.amazonaws.com/instance_id": "i-0123456789abcdef0"}


@dataclass(frozen=True, kw_only=True)
class Account:
    """An account with a VPC."""

    vpc: str
    subnets: tuple[str, ...]

    def client(self, service: str) -> Any:
        return cast(Any, boto3).client(service, region_name=REGION)

    @property
    def ec2(self) -> Any:
        return self.client("ec2")

    def load_balancer(self, name: str, tags: Mapping[str, str]) -> str:
        made = self.client("elbv2").create_load_balancer(
            Name=name, Subnets=list(self.subnets), Type="network", Tags=listed(tags)
        )
        return made["LoadBalancers"][0]["LoadBalancerArn"]

    def group(self, name: str, tags: Mapping[str, str]) -> str:
        made = self.ec2.create_security_group(
            GroupName=name, Description=name, VpcId=self.vpc, TagSpecifications=specification("security-group", tags)
        )
        return made["GroupId"]

    def volume(self, tags: Mapping[str, str]) -> str:
        made = self.ec2.create_volume(
            AvailabilityZone=f"{REGION}a", Size=20, TagSpecifications=specification("volume", tags)
        )
        return made["VolumeId"]

    def interface(self, tags: Mapping[str, str]) -> str:
        made = self.ec2.create_network_interface(
            SubnetId=self.subnets[0],
            Description="aws-K8S-i-0123456789abcdef0",
            TagSpecifications=specification("network-interface", tags),
        )
        return made["NetworkInterface"]["NetworkInterfaceId"]

    def load_balancers(self) -> set[str]:
        return {one["LoadBalancerArn"] for one in self.client("elbv2").describe_load_balancers()["LoadBalancers"]}

    def volumes(self) -> set[str]:
        return {one["VolumeId"] for one in self.ec2.describe_volumes()["Volumes"]}

    def groups(self) -> set[str]:
        return {one["GroupId"] for one in self.ec2.describe_security_groups()["SecurityGroups"]}

    def interfaces(self) -> set[str]:
        return {one["NetworkInterfaceId"] for one in self.ec2.describe_network_interfaces()["NetworkInterfaces"]}


def listed(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def specification(kind: str, tags: Mapping[str, str]) -> list[dict[str, object]]:
    return [{"ResourceType": kind, "Tags": listed(tags)}] if tags else []


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def account(server: str, monkeypatch: pytest.MonkeyPatch) -> Account:
    """An empty one, which AWS's clients of this process find."""
    urllib.request.urlopen(urllib.request.Request(f"{server}/moto-api/reset", method="POST"), timeout=10)
    for name, value in {
        "AWS_ENDPOINT_URL": server,
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": "unchecked",
        "AWS_CONFIG_FILE": "/dev/null",
    }.items():
        monkeypatch.setenv(name, value)
    ec2: Any = cast(Any, boto3).client("ec2", region_name=REGION)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = tuple(
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{index}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"][
            "SubnetId"
        ]
        for index, zone in enumerate("ab")
    )
    return Account(vpc=vpc, subnets=subnets)


def leftovers(*options: str) -> int:
    return main(["--region", REGION, "--cluster", "eks", "--wait", "0", *options])


@pytest.mark.usefixtures("account")
def test_where_nothing_is_left_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert leftovers() == 0
    assert capsys.readouterr() == ("", "")


def test_a_load_balancer_is_named_with_the_service_it_was_made_for_and_with_what_to_do_next(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    arn = account.load_balancer("k8s-gateway-litellm", BALANCER)

    assert leftovers("--vpc", account.vpc) == 1

    said = capsys.readouterr().err
    assert f"load balancer {arn} (made for gateway/litellm)" in said
    command = f"python -m components.aws.leftovers --region {REGION} --cluster eks --vpc {account.vpc} --delete"
    assert command in said
    assert "pulumi destroy" in said
    assert account.load_balancers() == {arn}


def test_a_security_group_is_named_with_the_network_interface_that_uses_it(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    group = account.group("k8s-traffic-eks", BALANCER)
    interface = account.interface({})
    account.ec2.modify_network_interface_attribute(NetworkInterfaceId=interface, Groups=[group])

    assert leftovers() == 1
    assert f"security group {group} (k8s-traffic-eks; made for gateway/litellm; used by {interface})" in (
        capsys.readouterr().err
    )


def test_a_volume_is_named_with_its_claim_and_holds_up_no_destroy(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    volume = account.volume(CLAIM)

    assert leftovers() == 0
    assert f"volume {volume} (20 GiB; of the claim gateway/chats)" in capsys.readouterr().err
    assert account.volumes() == {volume}


def test_network_interfaces_are_looked_for_only_once_nodes_are_gone(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    interface = account.interface(INTERFACE)

    assert leftovers("--after", "applications") == 0
    assert leftovers("--after", "nodes") == 1
    assert f"network interface {interface} (aws-K8S-i-0123456789abcdef0; " in capsys.readouterr().err


def test_all_of_it_is_deleted_when_asked_for_and_nothing_of_others_is_touched(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    others = {
        account.load_balancer("somebody", {"elbv2.k8s.aws/cluster": "other"}),
        account.group("eks-cluster-sg-eks", {**OURS, "aws:eks:cluster-name": "eks"}),
        account.group("theirs", {"kubernetes.io/cluster/eks": "shared"}),
        account.volume({"kubernetes.io/cluster/other": "owned"}),
        account.volume({}),
        account.interface({"cluster.k8s.amazonaws.com/name": "other"}),
    }
    ours = {
        account.load_balancer("k8s-gateway-litellm", BALANCER),
        account.group("k8s-traffic-eks", BALANCER),
        account.volume(CLAIM),
        account.interface(INTERFACE),
    }

    def there() -> set[str]:
        return account.load_balancers() | account.groups() | account.volumes() | account.interfaces()

    assert leftovers("--delete") == 0
    assert there() & ours == set()
    assert there() >= others
    assert capsys.readouterr().err.count("deleted: ") == 4
    assert leftovers() == 0


def test_a_group_that_rules_of_the_clusters_own_group_name_is_taken_out_of_them_and_deleted(account: Account) -> None:
    own = account.group("eks-cluster-sg-eks", {"aws:eks:cluster-name": "eks"})
    left = account.group("k8s-traffic-eks", BALANCER)
    account.ec2.authorize_security_group_ingress(
        GroupId=own,
        IpPermissions=[{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 90, "UserIdGroupPairs": [{"GroupId": left}]}],
    )

    assert leftovers("--delete") == 0
    assert left not in account.groups()
    assert account.ec2.describe_security_groups(GroupIds=[own])["SecurityGroups"][0]["IpPermissions"] == []


def test_what_cannot_be_deleted_is_named_with_the_reason_of_amazon(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    elbv2 = account.client("elbv2")
    group = elbv2.create_target_group(
        Name="k8s-gateway", Protocol="TCP", Port=4000, VpcId=account.vpc, Tags=listed(BALANCER)
    )["TargetGroups"][0]["TargetGroupArn"]
    elbv2.create_listener(
        LoadBalancerArn=account.load_balancer("somebody", {"team": "ml"}),
        Protocol="TCP",
        Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
    )

    assert leftovers("--delete") == 1
    said = capsys.readouterr().err
    assert f"target group {group} (made for gateway/litellm; used by " in said
    assert "could not be deleted: An error occurred (ResourceInUse)" in said


def test_without_credentials_it_says_what_to_do(
    account: Account, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    del account
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    assert leftovers() == 1
    assert "Next: see to credentials and region" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("tags", "ours"),
    [
        ({"kubernetes.io/cluster/eks": "owned"}, True),
        ({"kubernetes.io/cluster/eks": "shared"}, False),
        ({"kubernetes.io/cluster/eks-2": "owned"}, False),
        ({"ebs.csi.aws.com/cluster-name": "eks"}, True),
        ({"kubernetes.io/cluster/eks": "owned", "aws:eks:cluster-name": "eks"}, False),
        ({"inference:cluster": "eks", "inference:stack": "eks"}, True),
        ({"inference:stack": "eks"}, False),
        ({}, False),
    ],
)
def test_only_what_has_a_tag_of_this_cluster_is_taken_for_a_leftover_of_it(tags: dict[str, str], ours: bool) -> None:
    assert made_for("eks", tags) is ours
