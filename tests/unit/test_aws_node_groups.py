"""Node groups at Amazon, as Pulumi's engine would be asked for them."""

import json
from typing import Any

import pytest

from components.aws.karpenter import EVENTS
from stacks.settings import Settings
from tests.unit.amazon import SECURITY_GROUP
from tests.unit.eks_stack import all_of, autoscale, document, eks_of, group_of, inputs, made, needs, one_of
from tests.unit.manifests import plain
from tests.unit.mistakes import put, told
from tests.unit.recording import Recording, stack_settings

GROUPS = ("cpu-compute", "gpu", "gpu-vllm", "gpu-vllm-large")


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Recording:
    """The shipped stack."""
    return made(monkeypatch)


def autoscaled(by: str) -> Any:
    """A change of the settings."""

    def change(settings: dict[str, Any]) -> None:
        autoscale(settings, by)

    return change


@pytest.mark.parametrize("group", GROUPS)
def test_nodes_have_the_labels_and_the_taint_that_were_rehearsed(stack: Recording, group: str) -> None:
    asked = inputs(stack, "NodeGroup", f"eks-{group}")
    (shape, *_) = [
        one
        for one in Settings.model_validate(stack_settings("eks")).clusters[0].shapes
        if one.labels["eks.amazonaws.com/nodegroup"] == group
    ]
    ours = {
        key: value for key, value in shape.labels.items() if not key.startswith(("kubernetes.io/", "node.", "eks."))
    }
    assert asked["labels"] == ours
    assert asked["labels"]["workload"] == group
    taint = {"key": group, "value": "true", "effect": "NO_SCHEDULE"}
    assert asked.get("taints", []) == ([] if group == "cpu-compute" else [taint])


def test_nodes_run_the_amis_for_their_accelerator_of_one_release(stack: Recording) -> None:
    amis = {group: inputs(stack, "NodeGroup", f"eks-{group}") for group in GROUPS}
    assert {group: ami["amiType"] for group, ami in amis.items()} == {
        "cpu-compute": "AL2023_x86_64_STANDARD",
        "gpu": "AL2023_x86_64_NVIDIA",
        "gpu-vllm": "AL2023_x86_64_NVIDIA",
        "gpu-vllm-large": "AL2023_x86_64_NVIDIA",
    }
    assert {ami["releaseVersion"] for ami in amis.values()} == {"1.35.6-20260714"}


def test_a_judges_machine_is_not_rented_before_it_is_wanted(stack: Recording) -> None:
    assert inputs(stack, "NodeGroup", "eks-gpu-vllm-large")["scalingConfig"] == {
        "minSize": 0,
        "maxSize": 1,
        "desiredSize": 0,
    }


def test_nodes_are_in_the_zones_that_settings_name(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = made(monkeypatch, lambda settings: group_of(settings, "gpu").update(zones=["b"]))
    everywhere = inputs(recording, "NodeGroup", "eks-cpu-compute")["subnetIds"]
    (only,) = inputs(recording, "NodeGroup", "eks-gpu")["subnetIds"]
    assert len(everywhere) == 2
    assert only == everywhere[1]


def test_a_group_may_be_of_several_types_on_spot(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = made(monkeypatch, lambda settings: group_of(settings, "gpu").update(buy="spot"))
    asked = inputs(recording, "NodeGroup", "eks-gpu")
    assert asked["instanceTypes"] == ["g4dn.xlarge", "g4dn.2xlarge"]
    assert asked["capacityType"] == "SPOT"
    assert inputs(recording, "NodeGroup", "eks-gpu-vllm")["capacityType"] == "ON_DEMAND"


def test_a_reservation_is_used_and_nothing_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    reserved = {"reservation": "cr-0123456789abcdef0", "zones": ["a"], "instanceTypes": []}
    recording = made(monkeypatch, lambda settings: group_of(settings, "gpu").update(reserved))
    assert inputs(recording, "LaunchTemplate", "eks-gpu")["capacityReservationSpecification"] == {
        "capacityReservationTarget": {"capacityReservationId": "cr-0123456789abcdef0"}
    }


@pytest.mark.parametrize("group", GROUPS)
def test_no_pod_gets_the_machines_own_role(stack: Recording, group: str) -> None:
    asked = inputs(stack, "LaunchTemplate", f"eks-{group}")["metadataOptions"]
    assert asked == {"httpEndpoint": "enabled", "httpTokens": "required", "httpPutResponseHopLimit": 1}


def test_machines_may_join_and_pull_and_no_more(stack: Recording) -> None:
    attached = {
        one.object["policyArn"].rpartition("/")[2]
        for one in all_of(stack, "RolePolicyAttachment")
        if one.object["role"] == "eks-nodes"
    }
    assert attached == {"AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly"}


def test_disks_are_encrypted_and_have_room_for_images_and_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def cached(settings: dict[str, Any]) -> None:
        settings["clusters"][0]["cache"] = {"size": "100Gi"}
        group_of(settings, "gpu")["rootDisk"] = "333Gi"

    recording = made(monkeypatch, cached)
    disks = {one.name: one.object["blockDeviceMappings"][0]["ebs"] for one in all_of(recording, "LaunchTemplate")}
    assert {disk["encrypted"] for disk in disks.values()} == {"true"}
    assert {disk["volumeType"] for disk in disks.values()} == {"gp3"}
    assert {name: disk["volumeSize"] for name, disk in disks.items()} == {
        "eks-cpu-compute": 200,
        "eks-gpu": 333,
        "eks-gpu-vllm": 300,
        "eks-gpu-vllm-large": 300,
    }


def test_where_every_group_is_reserved_dns_still_has_somewhere_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = made(monkeypatch, lambda settings: group_of(settings, "cpu-compute").update(taint="cpu"))
    values = json.loads(inputs(recording, "Addon", "eks-coredns")["configurationValues"])
    assert {one["key"] for one in values["tolerations"]} == {"cpu", "gpu", "gpu-vllm", "gpu-vllm-large"}


def test_the_device_plugin_runs_on_gpu_nodes_with_the_runtime_of_their_ami(stack: Recording) -> None:
    (plugin,) = [one.object for one in stack.kubernetes() if one.object["kind"] == "DaemonSet"]
    pod = plugin["spec"]["template"]["spec"]
    assert pod["runtimeClassName"] == "nvidia"
    assert pod["nodeSelector"] == {"inference/device-plugin": "nvidia"}
    assert {one["key"] for one in pod["tolerations"]} == {"gpu", "gpu-vllm", "gpu-vllm-large"}
    (runtime,) = [one.object for one in stack.kubernetes() if one.object["kind"] == "RuntimeClass"]
    assert runtime["handler"] == "nvidia"


def test_without_an_autoscaler_settings_say_how_many_nodes_there_are(stack: Recording) -> None:
    assert inputs(stack, "NodeGroup", "eks-cpu-compute")["scalingConfig"]["desiredSize"] == 2
    assert all_of(stack, "Tag") == []


def test_the_cluster_autoscaler_is_told_what_nodes_of_an_empty_group_would_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recording = made(monkeypatch, autoscaled("cluster-autoscaler"))
    prefix = "k8s.io/cluster-autoscaler/node-template"
    tags = {
        one.object["tag"]["key"].removeprefix(f"{prefix}/"): one.object["tag"]["value"]
        for one in all_of(recording, "Tag")
        if one.object.get("autoscalingGroupName") == "eks-eks-gpu-vllm-large"
    }
    assert tags["label/workload"] == "gpu-vllm-large"
    assert tags["label/inference/accelerator"] == "cuda"
    assert tags["taint/gpu-vllm-large"] == "true:NoSchedule"
    assert tags["resources/nvidia.com/gpu"] == "4"
    assert tags["resources/ephemeral-storage"] == "200Gi"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (put("clusters", 0, "nodeGroups", 1, "zones", to=["c"]), "zones c not among the zones of the network"),
        (put("clusters", 0, "nodeGroups", 1, "minSize", to=2), "needs minSize <= desiredSize <= size"),
        (put("clusters", 0, "nodeGroups", 1, "release", to="1.34.9-20260714"), "is of another version of Kubernetes"),
        (
            put("clusters", 0, "nodeGroups", 1, "reservation", to="cr-0123456789abcdef0"),
            "with a reservation, buy is on-demand, there is one instance type and one of `zones`",
        ),
    ],
)
def test_a_group_that_amazon_would_refuse_is_refused_before(change: Any, expected: str) -> None:
    (said,) = told(change, stack="eks")
    assert expected in said


def test_a_group_of_amds_gpus_is_refused() -> None:
    found = told(put("clusters", 0, "nodeGroups", 1, "accelerator", to={"kind": "rocm", "count": 1}), stack="eks")
    assert "nodeGroups[1].accelerator.kind EKS has no AMI for rocm; there are: cuda, cpu" in found[0]


def test_karpenter_rents_the_gpus_and_runs_on_a_group_of_eks(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = made(monkeypatch, autoscaled("karpenter"))
    (managed,) = all_of(recording, "NodeGroup")
    assert managed.name == "eks-cpu-compute"


def test_karpenters_machines_have_the_role_that_eks_lets_in_already(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = made(monkeypatch, autoscaled("karpenter"))
    (managed,) = all_of(recording, "NodeGroup")
    assert managed.object["nodeRoleArn"].endswith(f":role/{inputs(recording, 'InstanceProfile')['role']}")
    assert all_of(recording, "AccessEntry") == []


def test_karpenter_hears_of_all_that_amazon_is_about_to_take_back(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = made(monkeypatch, autoscaled("karpenter"))
    queue = one_of(recording, "Queue")
    targets = all_of(recording, "EventTarget")
    assert len(targets) == len(EVENTS) == len(all_of(recording, "EventRule"))
    assert {one.object["arn"] for one in targets} == {f"arn:aws:sqs:us-east-1:123456789012:{queue.object['name']}"}
    allowed, denied = document(inputs(recording, "QueuePolicy")["policy"])["Statement"]
    assert allowed["Principal"] == {"Service": ["events.amazonaws.com", "sqs.amazonaws.com"]}
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def pools(monkeypatch: pytest.MonkeyPatch, **changed: Any) -> dict[tuple[str, str], dict[str, Any]]:
    """What Karpenter is told once its chart is there, by kind and name; `changed` are settings of the group gpu."""

    def change(settings: dict[str, Any]) -> None:
        autoscale(settings, "karpenter")
        group_of(settings, "gpu").update(changed)

    objects = made(monkeypatch, change).kubernetes()
    found = [plain(one.inputs) for one in objects if "arpenter" in one.object["apiVersion"]]
    return {(one["kind"], one["metadata"]["name"]): one["spec"] for one in found}


def test_karpenter_rents_what_the_groups_say_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    told_of = pools(monkeypatch, size=3, buy="spot", zones=["b"])
    assert sorted(name for kind, name in told_of if kind == "NodePool") == ["gpu", "gpu-vllm", "gpu-vllm-large"]
    pool = told_of["NodePool", "gpu"]
    assert pool["limits"] == {"nvidia.com/gpu": "3"}
    assert told_of["NodePool", "gpu-vllm-large"]["limits"] == {"nvidia.com/gpu": "4"}
    template = pool["template"]
    assert template["metadata"]["labels"]["workload"] == "gpu"
    assert template["spec"]["taints"] == [{"key": "gpu", "value": "true", "effect": "NoSchedule"}]
    assert {one["key"].rpartition("/")[2]: one["values"] for one in template["spec"]["requirements"]} == {
        "instance-type": ["g4dn.xlarge", "g4dn.2xlarge"],
        "zone": ["us-east-1b"],
        "capacity-type": ["spot"],
        "arch": ["amd64"],
    }


def test_karpenter_takes_no_machine_from_under_an_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    for (kind, _), spec in pools(monkeypatch).items():
        if kind == "NodePool":
            assert spec["disruption"]["consolidationPolicy"] == "WhenEmpty"
            assert spec["template"]["spec"]["expireAfter"] == "Never"


def test_karpenters_machines_are_as_those_of_node_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = pools(monkeypatch)["EC2NodeClass", "gpu"]
    assert machine["amiSelectorTerms"] == [{"alias": "al2023@v20260714"}]
    assert machine["metadataOptions"]["httpTokens"] == "required"
    assert machine["metadataOptions"]["httpPutResponseHopLimit"] == 1
    (disk,) = machine["blockDeviceMappings"]
    assert (disk["ebs"]["volumeSize"], disk["ebs"]["encrypted"]) == ("200Gi", True)
    assert machine["securityGroupSelectorTerms"] == [{"id": SECURITY_GROUP}]
    assert machine["tags"]["inference:stack"] == "eks"


def test_a_cluster_of_gpus_alone_has_no_place_for_karpenter() -> None:
    def gpus_alone(settings: Any) -> None:
        autoscale(settings, "karpenter")
        del settings["clusters"][0]["nodeGroups"][0]

    assert any(
        "eks.autoscaler is karpenter, which needs a node group without GPUs" in one
        for one in told(gpus_alone, stack="eks")
    )


def test_karpenter_is_asked_for_as_the_chart_that_it_comes_as() -> None:
    (line,) = told(lambda settings: eks_of(settings).update(autoscaler="karpenter"), stack="eks")
    assert line.endswith("autoscaler is karpenter, which comes as a chart: add {name: karpenter} to inference:charts")


def test_node_groups_need_the_network_that_they_start_in(stack: Recording) -> None:
    before = needs(stack, one_of(stack, "NodeGroup", "eks-gpu"))
    assert {"Subnet network-private-a", "Subnet network-private-b"} <= before
