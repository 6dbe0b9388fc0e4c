"""The eks stack from nothing to running and back, by the real Pulumi engine.

The account is a stand-in that refuses what AWS refuses, and its clusters are real control planes with simulated nodes.
"""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from moto.elbv2.models import elbv2_backends

from tests.e2e.amazon import MOTOS_ACCOUNT, REGION, Amazon, amazon
from tests.standins.aws import STOP
from tests.unit.recording import REPOSITORY, stack_settings
from toolchain import plugins
from toolchain.bring import ensure
from toolchain.catalogue import PULUMI
from toolchain.download import Network

CLUSTER = "eks-eks"
"""The cluster's name at EKS: the stack's, and its own."""
OURS = ("inference", "gateway")
SMALL = {
    "target": "eks",
    "aws": {"tags": {"team": "ml"}},
    "clusters": [
        {
            "name": "eks",
            "nodeGroups": [
                {"name": "cpu", "instanceType": "m6i.xlarge", "cpu": 4, "memory": "16Gi"},
                {
                    "name": "gpu",
                    "instanceType": "g5.xlarge",
                    "cpu": 4,
                    "memory": "16Gi",
                    "accelerator": {"kind": "cuda", "product": "a10g", "count": 1},
                    "taint": "gpu",
                },
            ],
        }
    ],
    "store": {"kind": "s3", "bucket": "small-models", "region": REGION},
    "gateway": None,
    "engines": [],
}
"""An account with as little in it as a stack has."""


@pytest.fixture(scope="module", autouse=True)
def _only_with_the_stand_in() -> None:
    pulumi = ensure([PULUMI], Network(), quiet=True)[0].path
    if plugins.official(plugins.AWS, pulumi):
        pytest.skip("the official provider is there, and would ask the real AWS")


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Amazon]:
    """The stack of `Pulumi.eks.yaml`, previewed, then up with every policy held against it."""
    with amazon(tmp_path_factory.mktemp("state")) as stood:
        stood.deployment.create(stack_settings("eks"))
        previewed = stood.deployment.preview()
        assert previewed["eks-control-plane"] == "create"
        assert stood.account.things() == []
        try:
            stood.deployment.up("--policy-pack", "policy")
            yield stood
        finally:
            stood.deployment.destroy()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Amazon]:
    """A small stack that is not up yet. Its test destroys it."""
    with amazon(tmp_path) as stood:
        stood.deployment.create(SMALL)
        yield stood


def test_every_engine_that_is_on_runs_on_a_node_of_its_group(deployed: Amazon) -> None:
    pods = deployed.api_server(CLUSTER).get("pods", "--namespace", "inference")["items"]
    assert {pod["metadata"]["labels"]["app.kubernetes.io/name"] for pod in pods} == {"vllm"}
    assert {pod["spec"]["nodeName"].rpartition("-")[0] for pod in pods} == {"gpu-vllm"}
    assert {pod["status"]["phase"] for pod in pods} == {"Running"}


def test_every_deployment_of_ours_is_ready(deployed: Amazon) -> None:
    for namespace in OURS:
        found = deployed.api_server(CLUSTER).get("deployments", "--namespace", namespace)["items"]
        assert found
        for one in found:
            assert one["status"].get("readyReplicas", 0) == one["spec"]["replicas"], one["metadata"]["name"]


def test_the_kubeconfig_asks_amazons_program_for_a_token_and_holds_none(deployed: Amazon) -> None:
    kubeconfig = deployed.deployment.outputs()["kubeconfigs"]["eks"]
    assert "get-token" in kubeconfig
    assert "client-key-data" not in kubeconfig


def test_everything_that_can_have_tags_has_those_of_the_stack(deployed: Amazon) -> None:
    tagged = [thing for thing in deployed.account.things() if "tagsAll" in thing.outputs]
    assert len(tagged) > 20
    assert {str(tags_of(thing.outputs).get("inference:stack")) for thing in tagged} == {"eks"}


def tags_of(outputs: Mapping[str, Any]) -> Mapping[str, str]:
    return outputs["tagsAll"]


def test_a_second_up_changes_nothing(deployed: Amazon) -> None:
    deployed.deployment.up("--expect-no-changes")


def test_what_was_just_deployed_has_not_drifted(deployed: Amazon) -> None:
    deployed.deployment.pulumi("preview", "--refresh", "--expect-no-changes")


def test_no_secret_is_in_plain_text_in_the_state(deployed: Amazon) -> None:
    keys = deployed.deployment.outputs()["gatewayKeys"].values()
    files = [path for path in (deployed.deployment.state / ".pulumi").rglob("*") if path.is_file()]
    text = "\n".join(path.read_text(errors="replace") for path in files)
    assert keys
    assert [key for key in keys if key in text] == []


def test_a_destroy_takes_applications_then_nodes_then_the_cluster_then_the_network_and_keeps_buckets(
    tmp_path: Path,
) -> None:
    with amazon(tmp_path) as stood:
        stood.deployment.create(stack_settings("eks"))
        stood.deployment.up()
        stood.account.journal()
        events = stood.deployment.events("destroy", "--yes", "--skip-preview")

        order = Order(events)
        applications = order.of("kubernetes:")
        left, interfaces = order.of_name("eks-applications-gone"), order.of_name("eks-nodes-gone")
        nodes, cluster = order.of("aws:eks/nodeGroup:"), order.of("aws:eks/cluster:")
        ways_out = order.of("aws:ec2/natGateway:", "aws:ec2/vpcEndpoint:", "aws:ec2/route:")
        network = order.of("aws:ec2/subnet:"), order.of("aws:ec2/vpc:")
        for earlier, later in zip(
            (applications, left, nodes, interfaces, cluster, *network),
            (left, nodes, interfaces, cluster, *network),
            strict=False,
        ):
            assert earlier.end < later.begin
        assert nodes.end < ways_out.begin
        assert order.of("aws:iam/openIdConnectProvider:").begin > nodes.end
        assert {thing.type.split("/")[0] for thing in stood.account.things()} == {"aws:s3"}
        assert [thing.identity for thing in stood.account.things("aws:s3/bucket:Bucket")] == ["my-inference-models"]
        assert stood.deployment.resources() == []


class Span:
    """From the first beginning of a deletion to the last end."""

    def __init__(self, begin: int, end: int) -> None:
        self.begin, self.end = begin, end


class Order:
    """When what was deleted, by the number of the event."""

    def __init__(self, events: Sequence[Mapping[str, Any]]) -> None:
        self._steps = [
            (number, kind, event[kind]["metadata"])
            for number, event in enumerate(events)
            for kind in ("resourcePreEvent", "resOutputsEvent")
            if kind in event and event[kind]["metadata"]["op"] == "delete"
        ]

    def of(self, *types: str) -> Span:
        return self._span([(number, kind) for number, kind, one in self._steps if one["type"].startswith(types)])

    def of_name(self, name: str) -> Span:
        return self._span([(number, kind) for number, kind, one in self._steps if one["urn"].endswith(f"::{name}")])

    def _span(self, found: Sequence[tuple[int, str]]) -> Span:
        assert found
        return Span(
            min(number for number, kind in found if kind == "resourcePreEvent"),
            max(number for number, kind in found if kind == "resOutputsEvent"),
        )


def test_what_a_controller_left_behind_stops_a_destroy_by_name_before_any_node_goes(small: Amazon) -> None:
    deployment = small.deployment
    deployment.up()
    balancer = left_behind(small)

    refused = deployment.pulumi("destroy", "--yes", "--skip-preview", check=False)

    assert refused.returncode != 0
    assert f"load balancer {balancer} (made for gateway/litellm)" in refused.stdout + refused.stderr
    assert (
        f"python -m components.aws.leftovers --region {REGION} --cluster {CLUSTER}" in refused.stdout + refused.stderr
    )
    assert len(small.account.things("aws:eks/nodeGroup:NodeGroup")) == 2

    small.client("elbv2").delete_load_balancer(LoadBalancerArn=balancer)
    deployment.destroy()
    assert small.account.things("aws:ec2/vpc:Vpc") == []


def test_what_a_controller_left_behind_goes_with_the_rest_where_the_settings_say_so(small: Amazon) -> None:
    small.deployment.write_settings({**SMALL, "aws": {"deleteLeftovers": True}})
    small.deployment.up()
    left_behind(small)

    small.deployment.destroy()

    assert small.client("elbv2").describe_load_balancers()["LoadBalancers"] == []
    assert small.account.things("aws:ec2/vpc:Vpc") == []


def left_behind(stood: Amazon) -> str:
    """A load balancer of a Service that is gone."""
    ec2 = stood.client("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    tags = {"elbv2.k8s.aws/cluster": CLUSTER, "service.k8s.aws/stack": "gateway/litellm"}
    made = stood.client("elbv2").create_load_balancer(
        Name="k8s-gateway",
        Subnets=[subnet],
        Type="network",
        Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
    )
    arn = made["LoadBalancers"][0]["LoadBalancerArn"]
    # In the stack's own VPC, of which moto knows nothing.
    (vpc,) = stood.account.things("aws:ec2/vpc:Vpc")
    elbv2_backends[MOTOS_ACCOUNT][REGION].load_balancers[arn].vpc_id = vpc.identity
    return arn


def created_once(stood: Amazon) -> None:
    """Fail where anything was made twice, or a thing of ours is not in the state."""
    made = [
        (kind, name)
        for operation, kind, name in stood.account.journal()
        if operation == "create" and ":Default" not in kind  # which change what is there already, as often as asked
    ]
    assert [one for one, times in Counter(made).items() if times > 1] == []
    known = {(resource["type"], resource.get("id")) for resource in stood.deployment.resources()}
    assert {(thing.type, thing.identity) for thing in stood.account.things() if thing.name} <= known


def test_after_a_failure_of_amazons_an_up_makes_what_is_missing_and_nothing_twice(small: Amazon) -> None:
    failing = with_stop(small, "fail aws:eks/nodeGroup:NodeGroup")
    refused = failing.deployment.up(check=False)
    assert refused.returncode != 0
    assert "InsufficientInstanceCapacity" in refused.stdout + refused.stderr

    small.deployment.up()
    small.deployment.up("--expect-no-changes")
    created_once(small)
    small.deployment.destroy()


def with_stop(stood: Amazon, how: str) -> Amazon:
    variables = {**stood.deployment.variables, STOP: how}
    return replace(stood, deployment=replace(stood.deployment, variables=variables))


@pytest.mark.parametrize("at", ["aws:eks/cluster:Cluster", "aws:ec2/subnet:Subnet", "aws:eks/nodeGroup:NodeGroup"])
def test_an_up_that_was_killed_is_repaired_with_nothing_lost_or_made_twice(small: Amazon, at: str) -> None:
    killed = with_stop(small, f"kill {at}").deployment.up(check=False)
    assert killed.returncode < 0

    said = repaired(small)
    small.deployment.up("--expect-no-changes")

    assert "taken into the state as" in said
    created_once(small)
    small.deployment.destroy()
    assert {thing.type.split("/")[0] for thing in small.account.things()} == {"aws:s3"}


def repaired(stood: Amazon) -> str:
    """What `make repair` does, in a directory that is not the repository; what was taken over."""
    deployment = stood.deployment
    deployment.pulumi("cancel", "--yes", check=False)
    adoption = subprocess.run(
        [sys.executable, "-m", "components.aws.adoption", "--stack", deployment.stack],
        cwd=deployment.state,
        env={**deployment.environment, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert adoption.returncode == 0, adoption.stderr
    deployment.pulumi("refresh", "--yes", "--skip-preview", "--clear-pending-creates")
    deployment.up()
    return adoption.stderr


def test_a_destroy_that_was_killed_is_finished_by_the_next(small: Amazon) -> None:
    small.deployment.up()
    process = subprocess.Popen(
        small.deployment.command("destroy", "--yes", "--skip-preview"),
        cwd=REPOSITORY,
        env=small.deployment.environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    try:
        for line in process.stdout:
            if "aws:eks:NodeGroup" in line and "delet" in line:
                break
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    small.deployment.pulumi("cancel", "--yes", check=False)
    small.deployment.destroy()
    assert {thing.type.split("/")[0] for thing in small.account.things()} == {"aws:s3"}
