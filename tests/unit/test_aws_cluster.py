"""A cluster at Amazon, as Pulumi's engine would be asked for it."""

import json
import sys
from datetime import date
from typing import Any

import pulumi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.aws.karpenter_rights import Where, rights
from components.aws.names import shortened
from components.aws.versions import ADDONS, AMI_RELEASES, KUBERNETES, is_over, supported
from components.cluster.settings import Eks
from tests.unit.amazon import ACCOUNT
from tests.unit.eks_stack import all_of, document, eks_of, inputs, made, needs, one_of
from tests.unit.mistakes import put, told
from tests.unit.recording import RANDOM, Recording, record, stack_settings

PLATFORM = "arn:aws:iam::123456789012:role/platform"


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Recording:
    """The shipped stack."""
    return made(monkeypatch)


def test_the_api_server_answers_in_the_vpc_and_to_the_named_networks_alone(stack: Recording) -> None:
    network = inputs(stack, "Cluster")["vpcConfig"]
    assert network["endpointPrivateAccess"] is True
    assert network["endpointPublicAccess"] is True
    assert network["publicAccessCidrs"] == ["203.0.113.0/24"]


def test_without_named_networks_there_is_no_public_address(monkeypatch: pytest.MonkeyPatch) -> None:
    network = inputs(made(monkeypatch, lambda settings: eks_of(settings).pop("publicAccess")), "Cluster")["vpcConfig"]
    assert network["endpointPublicAccess"] is False
    assert "publicAccessCidrs" not in network


def test_the_whole_internet_is_no_network_to_administer_from() -> None:
    (said,) = told(put("clusters", 0, "eks", "publicAccess", to=["0.0.0.0/0"]), stack="eks")
    assert said.startswith("inference:clusters[0].eks.publicAccess[0] is everybody: name the networks of those who")


def test_secrets_in_etcd_and_logs_are_encrypted_with_a_key_that_is_rotated(stack: Recording) -> None:
    cluster, key, logs = (
        inputs(stack, "Cluster"),
        inputs(stack, "Key"),
        inputs(stack, "LogGroup", "eks-control-plane-logs"),
    )
    assert cluster["encryptionConfig"]["resources"] == ["secrets"]
    assert cluster["encryptionConfig"]["provider"]["keyArn"] == logs["kmsKeyId"]
    assert key["enableKeyRotation"] is True


def test_the_key_is_for_the_account_and_for_the_clusters_own_logs(stack: Recording) -> None:
    account, logs = document(inputs(stack, "Key")["policy"])["Statement"]
    assert account["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    assert logs["Principal"] == {"Service": "logs.us-east-1.amazonaws.com"}
    group = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/eks/eks-eks/cluster"
    assert logs["Condition"] == {"ArnEquals": {"kms:EncryptionContext:aws:logs:arn": group}}


def test_logs_have_an_end_and_are_there_before_the_cluster_makes_its_own(stack: Recording) -> None:
    logs, cluster = inputs(stack, "LogGroup", "eks-control-plane-logs"), one_of(stack, "Cluster")
    assert logs["name"] == "/aws/eks/eks-eks/cluster"
    assert logs["retentionInDays"] == 90
    assert inputs(stack, "Cluster")["enabledClusterLogTypes"] == ["api", "audit", "authenticator"]
    assert "LogGroup eks-control-plane-logs" in needs(stack, cluster)


def test_who_may_administer_is_an_entry_of_eks_and_no_config_map(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = made(monkeypatch, lambda settings: eks_of(settings).update(administrators=[PLATFORM]))
    assert inputs(recording, "Cluster")["accessConfig"] == {
        "authenticationMode": "API",
        "bootstrapClusterCreatorAdminPermissions": True,
    }
    assert inputs(recording, "AccessEntry")["principalArn"] == PLATFORM
    policy = inputs(recording, "AccessPolicyAssociation")
    assert policy["policyArn"].endswith("/AmazonEKSClusterAdminPolicy")
    assert policy["accessScope"] == {"type": "cluster"}
    assert not [one for one in recording.kubernetes() if one.object["metadata"]["name"] == "aws-auth"]


def test_pods_come_to_roles_by_the_clusters_own_issuer(stack: Recording) -> None:
    provider = inputs(stack, "OpenIdConnectProvider")
    assert provider["url"].startswith("https://oidc.eks.us-east-1.amazonaws.com/id/")
    assert provider["clientIdLists"] == ["sts.amazonaws.com"]


def test_the_kubeconfig_is_a_secret_without_a_key_in_it(stack: Recording) -> None:
    provider = next(one for one in stack.resources if one.name == "eks-provider")
    assert provider.object["kubeconfig"] == "(secret)"
    kubeconfig = json.loads(provider.inputs["kubeconfig"]["value"])
    (user,) = kubeconfig["users"]
    assert user["user"]["exec"]["command"] == "aws"
    assert user["user"]["exec"]["args"][:4] == ["--region", "us-east-1", "eks", "get-token"]
    assert RANDOM not in json.dumps(kubeconfig)


def test_whatever_network_the_cluster_has_pods_are_kept_apart_by_policies(stack: Recording) -> None:
    assert json.loads(inputs(stack, "Addon", "eks-vpc-cni")["configurationValues"])["enableNetworkPolicy"] == "true"


def test_every_add_on_is_of_a_version_that_settings_may_change(monkeypatch: pytest.MonkeyPatch) -> None:
    def newer(settings: dict[str, Any]) -> None:
        eks_of(settings)["addons"] = {"coredns": "v9.0.0-eksbuild.1"}

    recording = made(monkeypatch, newer)
    versions = {one["addonName"]: one.get("addonVersion") for one in (plain_of(recording))}
    assert versions.pop("coredns") == "v9.0.0-eksbuild.1"
    assert versions.pop("metrics-server") is None, "nobody has seen a version of it: Amazon chooses"
    assert versions == {name: version for name, version in ADDONS["1.35"].items() if name != "coredns"}


def plain_of(recording: Recording) -> list[dict[str, Any]]:
    return [inputs(recording, "Addon", one.name) for one in all_of(recording, "Addon")]


def test_nodes_start_with_a_network_and_end_before_it(stack: Recording) -> None:
    for group in all_of(stack, "NodeGroup"):
        before = needs(stack, group)
        assert {"Addon eks-vpc-cni", "Addon eks-kube-proxy", "Cluster eks-control-plane"} <= before
        assert not {"Addon eks-coredns", "Addon eks-aws-ebs-csi-driver"} & before


def test_all_in_the_cluster_comes_after_its_nodes_and_disks_and_goes_before_them(stack: Recording) -> None:
    claims = [one for one in stack.kubernetes() if one.object["kind"] in ("Deployment", "Job", "PersistentVolumeClaim")]
    assert claims
    for one in claims:
        assert {
            "NodeGroup eks-cpu-compute",
            "NodeGroup eks-gpu-vllm",
            "Addon eks-aws-ebs-csi-driver",
            "StorageClass eks-storage-class",
        } <= needs(stack, one), one.name


def test_volumes_are_encrypted_and_in_the_zone_of_their_pod(stack: Recording) -> None:
    (storage,) = [one.object for one in stack.kubernetes() if one.object["kind"] == "StorageClass"]
    assert storage["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true"
    assert storage["parameters"] == {"type": "gp3", "encrypted": "true"}
    assert storage["volumeBindingMode"] == "WaitForFirstConsumer"


def test_everything_says_whose_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def tagged(settings: dict[str, Any]) -> None:
        settings["aws"]["tags"] = {"team": "ml"}

    recording = made(monkeypatch, tagged)
    ours = {"inference:stack": "eks", "team": "ml"}
    provider = next(one for one in recording.resources if one.type == "pulumi:providers:aws")
    assert json.loads(provider.object["defaultTags"])["tags"] == ours
    for template in all_of(recording, "LaunchTemplate"):
        for one in template.object["tagSpecifications"]:
            assert ours.items() <= one["tags"].items()
    volumes = json.loads(inputs(recording, "Addon", "eks-aws-ebs-csi-driver")["configurationValues"])
    cluster = {"inference:cluster": inputs(recording, "Cluster")["name"]}
    assert volumes["controller"]["extraVolumeTags"] == ours | cluster


def test_only_the_account_of_the_settings_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = made(monkeypatch, lambda settings: settings["aws"].update(account=ACCOUNT))
    provider = next(one for one in recording.resources if one.type == "pulumi:providers:aws")
    assert json.loads(provider.object["allowedAccountIds"]) == [ACCOUNT]


def test_two_stacks_of_one_account_have_clusters_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {inputs(made(monkeypatch, stack=stack), "Cluster")["name"] for stack in ("eks", "other.eks")}
    assert len(names) == 2
    assert all(len(name) <= 100 and "." not in name for name in names)


def test_pod_identity_takes_the_place_of_the_issuer(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = made(monkeypatch, lambda settings: settings["aws"].update(identity="pod-identity"))
    accounts = {one.object["serviceAccount"] for one in all_of(recording, "PodIdentityAssociation")}
    assert {"aws-node", "ebs-csi-controller-sa"} <= accounts
    assert not [one.name for one in all_of(recording, "Addon") if one.object.get("serviceAccountRoleArn")]


@pytest.mark.parametrize(
    ("version", "on", "extended", "over"),
    [
        ("1.35", date(2027, 3, 27), False, False),
        ("1.35", date(2027, 3, 28), False, True),
        ("1.35", date(2027, 3, 28), True, False),
        ("1.33", date(2026, 11, 22), False, True),
        ("1.20", date(2026, 11, 22), True, True),
        ("1.99", date(2030, 1, 1), False, False),
    ],
)
def test_support_ends_after_its_last_day(version: str, on: date, extended: bool, over: bool) -> None:
    assert is_over(version, on, extended=extended) is over


def test_a_version_out_of_support_is_refused_with_those_that_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795305600")  # 2026-11-22
    (said,) = told(put("clusters", 0, "eks", "version", to="1.33"), stack="eks")
    assert said == (
        "inference:clusters[0].eks.version 1.33 is out of standard support at Amazon; there are: 1.36, 1.35, 1.34; "
        "or set extendedSupport: true, at Amazon's extra charge"
    )
    extended = put("clusters", 0, "eks", to={"version": "1.33", "extendedSupport": True})
    assert told(extended, stack="eks") == []


def test_time_that_passes_makes_a_version_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1806278400")  # 2027-03-29
    (said,) = told(stack="eks")
    assert "1.35 is out of standard support at Amazon; there are: 1.36;" in said


def test_a_rehearsal_asks_nobody_for_support(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1806278400")
    assert told(put("rehearsal", to=True), stack="eks") == []


def test_the_versions_that_we_know_go_together() -> None:
    assert Eks().version in supported(date(2026, 11, 22))
    assert {release.rpartition(".")[0] for release in AMI_RELEASES.values()} <= set(KUBERNETES)
    assert set(ADDONS) <= set(KUBERNETES)
    assert all(proxy["kube-proxy"].startswith(f"v{version}.") for version, proxy in ADDONS.items())


@given(st.text(min_size=1, max_size=200), st.integers(32, 128))
def test_a_name_keeps_within_amazons_limits(name: str, limit: int) -> None:
    short = shortened(name, limit)
    assert len(short) <= limit
    assert all(one.isascii() and (one.isalnum() or one == "-") for one in short)


@given(st.text(min_size=1, max_size=200), st.text(min_size=1, max_size=200))
def test_two_names_stay_two(one: str, other: str) -> None:
    assert (one == other) == (shortened(one, 32) == shortened(other, 32))


def test_what_karpenter_may_do_fits_a_role_and_is_bound_to_its_cluster() -> None:
    where = Where(region="us-east-1", account=ACCOUNT, cluster="eks-eks")
    found = rights(
        where, node_role=f"arn:aws:iam::{ACCOUNT}:role/nodes", queue=f"arn:aws:sqs:us-east-1:{ACCOUNT}:eks-eks"
    )
    assert sum(len(json.dumps(one, separators=(",", ":"))) for one in found.values()) < 10240
    for statement in (one for policy in found.values() for one in policy["Statement"]):
        for action in statement["Action"]:
            if action.startswith(("ec2:Terminate", "ec2:Delete", "ec2:CreateTags", "ec2:CreateLaunchTemplate")):
                assert "kubernetes.io/cluster/eks-eks" in json.dumps(statement["Condition"])
        assert not [action for action in statement["Action"] if "*" in action]


def test_without_the_package_for_aws_the_program_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "stacks.eks", raising=False)
    monkeypatch.setitem(sys.modules, "pulumi_aws", None)
    with pytest.raises(pulumi.RunError, match=r"needs the package pulumi-aws\. Get it with: .*requirements-eks\.lock"):
        record(stack_settings("eks"), stack="eks", monkeypatch=monkeypatch)
