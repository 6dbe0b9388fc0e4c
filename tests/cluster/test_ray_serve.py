"""Ray Serve's objects on a real API server, with KubeRay's real operator: all but what runs in the pods."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.api_server import ApiServer, SimulatedNode
from tests.operators import kuberay
from tests.ray_dashboard import dashboard
from tests.unit.manifests import manifests
from tests.unit.ray_stack import SECRETS, ray_settings
from tests.unit.recording import record
from toolchain.problems import ToolchainError, Unavailable

IN = ("--namespace", "inference")
NODES = (
    SimulatedNode(name="ray-plain"),
    SimulatedNode(name="ray-gpu", gpus={"nvidia.com/gpu": 4}, labels={"inference/accelerator": "cuda"}),
)


@pytest.fixture(scope="module", autouse=True)
def operator(api_server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """KubeRay on a cluster with a node that has GPUs, and one that has none."""
    log = tmp_path_factory.mktemp("kuberay") / "operator.log"
    api_server.apply(*(node.manifest() for node in NODES))
    try:
        with kuberay(api_server, log, "--use-kubernetes-proxy"):
            yield
    except (ToolchainError, Unavailable) as error:
        pytest.skip(f"no KubeRay: {error}")
    finally:
        api_server.kubectl("delete", "node", *(node.name for node in NODES))


@pytest.fixture(scope="module")
def served(api_server: ApiServer, operator: None) -> Iterator[None]:
    """Two replicas of two GPUs each, and a third while there are many requests."""
    del operator
    with pytest.MonkeyPatch.context() as monkeypatch:
        settings = ray_settings(
            replicas=2, accelerator={"kind": "cuda", "count": 2}, autoscaling={"maxReplicas": 3}, priority="high"
        )
        objects = manifests(record(settings, stack="onprem", monkeypatch=monkeypatch, secrets=SECRETS))
    kinds = ("Namespace", "RuntimeClass", "PriorityClass")
    ours = [one for one in objects if one["kind"] in kinds and one["metadata"]["name"] not in ("storage", "gateway")]
    inside = [one for one in objects if one["metadata"].get("namespace") == "inference"]
    api_server.apply(*ours, *inside)
    yield
    api_server.kubectl("delete", "--ignore-not-found", "--timeout=60s", "rayservice/chat", *IN)
    named = [f"{one['kind']}/{one['metadata']['name']}" for one in ours]
    api_server.kubectl("delete", "--ignore-not-found", "--timeout=60s", *named)


def pods(api_server: ApiServer, part: str) -> list[dict[str, Any]]:
    return api_server.get("pods", *IN, "--selector", f"app.kubernetes.io/component={part}")["items"]


def until(true: Callable[[], object], *, seconds: int = 60) -> None:
    give_up = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < give_up, "it took too long"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def running(api_server: ApiServer, served: None) -> None:
    """All pods are there, and Ready."""
    del served
    until(lambda: len(pods(api_server, "engine")) == 2)
    api_server.await_condition("condition=Ready", "pods", "--all", *IN)


@pytest.mark.usefixtures("running")
def test_workers_run_where_the_gpus_are_and_the_head_where_there_are_none(api_server: ApiServer) -> None:
    assert {pod["spec"]["nodeName"] for pod in pods(api_server, "engine")} == {"ray-gpu"}
    assert {pod["spec"]["nodeName"] for pod in pods(api_server, "head")} == {"ray-plain"}


@pytest.mark.usefixtures("running")
def test_containers_of_the_operators_own_pass_restricted_pod_security(api_server: ApiServer) -> None:
    labels = api_server.get("namespace", "inference")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    (head,) = pods(api_server, "head")
    assert [container["name"] for container in head["spec"]["containers"]] == ["engine", "autoscaler"]
    for worker in pods(api_server, "engine"):
        assert [one["name"] for one in worker["spec"]["initContainers"]] == ["model", "wait-gcs-ready"]
        (container,) = worker["spec"]["containers"]
        assert "--num-gpus=2" in container["args"][0], "Ray is told of the GPUs that Kubernetes gives it"


@pytest.mark.usefixtures("running")
def test_the_autoscaler_may_change_its_cluster_and_read_no_secret(api_server: ApiServer) -> None:
    account = ("--as=system:serviceaccount:inference:chat", *IN)
    assert api_server.kubectl("auth", "can-i", "patch", "rayclusters.ray.io", *account).strip() == "yes"
    with pytest.raises(AssertionError):
        api_server.kubectl("auth", "can-i", "get", "secrets", *account)


@pytest.mark.usefixtures("running")
def test_the_service_with_the_engines_name_leads_to_its_workers_once_ray_says_that_it_serves(
    api_server: ApiServer,
) -> None:
    (head,) = pods(api_server, "head")
    try:
        with dashboard() as ray:
            where = {"status": {"podIP": ray.address, "podIPs": [{"ip": ray.address}]}}
            pod = f"pod/{head['metadata']['name']}"
            api_server.kubectl("patch", pod, *IN, "--subresource=status", "--type=merge", "-p", json.dumps(where))
            api_server.await_condition("condition=Ready", "rayservice/chat", *IN, seconds=60)
            (asked,) = ray.asked_to_serve
            (secret,) = [
                one
                for one in api_server.get("secrets", *IN)["items"]
                if one["metadata"]["name"].startswith("chat-") and "auth_token" in one["data"]
            ]
            token = base64.b64decode(secret["data"]["auth_token"]).decode()
            assert ray.authorization == {f"Bearer {token}"}
    except PermissionError as error:
        pytest.skip(str(error))
    assert asked["applications"][0]["import_path"] == "ray.serve.llm:build_openai_app"
    service = api_server.get("service", "chat", *IN)
    assert [(port["port"], service["spec"]["type"]) for port in service["spec"]["ports"]] == [(8000, "ClusterIP")]
    slices = api_server.get("endpointslices", *IN, "--selector", "kubernetes.io/service-name=chat")["items"]
    behind = {one["targetRef"]["name"] for slice in slices for one in slice["endpoints"] if one["conditions"]["ready"]}
    assert {pod["metadata"]["name"] for pod in pods(api_server, "engine")} <= behind


@pytest.mark.usefixtures("running")
def test_deleting_it_leaves_no_pod_and_no_service(api_server: ApiServer) -> None:
    api_server.kubectl("delete", "rayservice/chat", *IN, "--timeout=60s")
    until(lambda: not pods(api_server, "engine") and not pods(api_server, "head"))
    until(
        lambda: not api_server.get("services,secrets,roles,rayclusters", *IN, "--selector", "ray.io/cluster")["items"]
    )
