"""Triton's pods, field by field, beside a common deployment of it: one model in a bucket, on CPU and on GPU."""

import re
from typing import Any

import pytest

from tests.unit.manifests import manifests
from tests.unit.recording import record
from tests.unit.triton_pair import BUCKET, MODEL, REVISION, triton_pair

REFERENCE: dict[str, dict[str, Any]] = {
    "triton-cpu": {
        "replicas": 2,
        "requests": {"cpu": "2", "memory": "4Gi"},
        "limits": {"cpu": "4", "memory": "8Gi"},
        "nodeSelector": {"workload": "cpu-compute"},
        "tolerated": {"cpu-compute"},
    },
    "triton-gpu": {
        "replicas": 1,
        "requests": {"cpu": "4", "memory": "8Gi", "nvidia.com/gpu": "1"},
        "limits": {"cpu": "8", "memory": "16Gi", "nvidia.com/gpu": "1"},
        "nodeSelector": {"workload": "gpu"},
        "tolerated": {"gpu"},
    },
}
IMAGE = "nvcr.io/nvidia/tritonserver:25.11-py3"
both = pytest.mark.parametrize("name", REFERENCE)


@pytest.fixture(scope="module")
def objects() -> list[dict[str, Any]]:
    """Everything that the stack would make."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        return manifests(record(triton_pair(), stack="dev", monkeypatch=monkeypatch))


def of(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    (found,) = [one for one in objects if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


def pod(objects: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return of(objects, "Deployment", name)["spec"]["template"]["spec"]


def server(objects: list[dict[str, Any]], name: str) -> dict[str, Any]:
    (container,) = pod(objects, name)["containers"]
    return container


@both
def test_replicas_and_resources_are_the_same(objects: list[dict[str, Any]], name: str) -> None:
    reference = REFERENCE[name]
    assert of(objects, "Deployment", name)["spec"]["replicas"] == reference["replicas"]
    assert server(objects, name)["resources"] == {"requests": reference["requests"], "limits": reference["limits"]}


@both
def test_pods_go_to_the_same_nodes(objects: list[dict[str, Any]], name: str) -> None:
    spec, reference = pod(objects, name), REFERENCE[name]
    assert reference["nodeSelector"].items() <= spec["nodeSelector"].items()
    assert {one["key"] for one in spec["tolerations"]} == reference["tolerated"]
    assert {one["effect"] for one in spec["tolerations"]} == {"NoSchedule"}


@both
def test_the_image_is_the_same_in_a_newer_release(objects: list[dict[str, Any]], name: str) -> None:
    repository, tag = server(objects, name)["image"].split(":")
    old_repository, old_tag = IMAGE.split(":")
    assert repository == old_repository
    assert tag.partition("-")[2] == old_tag.partition("-")[2]
    assert tag > old_tag


@both
def test_it_serves_the_same_model_and_no_other(objects: list[dict[str, Any]], name: str) -> None:
    args = server(objects, name)["args"]
    assert "--model-control-mode=explicit" in args
    assert [one for one in args if one.startswith("--load-model")] == [f"--load-model={MODEL}"]


@both
def test_models_come_from_the_same_bucket(objects: list[dict[str, Any]], name: str) -> None:
    """By a verified copy, where the reference gives Triton the bucket itself as its repository."""
    (brings,) = pod(objects, name)["initContainers"]
    assert f"s3://{BUCKET}/vision/resnet18-imagenette/{REVISION}" in brings["args"]
    assert f"{MODEL}=/models/vision/resnet18-imagenette/{REVISION}" in server(objects, name)["args"]


@both
def test_ports_and_probes_are_tritons_own(objects: list[dict[str, Any]], name: str) -> None:
    container = server(objects, name)
    ports = {"http": 8000, "grpc": 8001, "metrics": 8002}
    assert {one["name"]: one["containerPort"] for one in container["ports"]} == ports
    assert {one["name"]: one["port"] for one in of(objects, "Service", name)["spec"]["ports"]} == ports
    probes = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("liveness", "readiness", "startup")}
    assert {kind: probe["path"] for kind, probe in probes.items()} == {
        "liveness": "/v2/health/live",
        "readiness": "/v2/health/ready",
        "startup": "/v2/health/ready",
    }
    assert {probe["port"] for probe in probes.values()} == {8000}


@both
def test_it_has_a_service_account_of_its_own(objects: list[dict[str, Any]], name: str) -> None:
    assert pod(objects, name)["serviceAccountName"] == of(objects, "ServiceAccount", name)["metadata"]["name"] == name


def test_only_a_gpu_pod_asks_for_the_runtime_that_brings_the_driver(objects: list[dict[str, Any]]) -> None:
    assert pod(objects, "triton-gpu")["runtimeClassName"] == "nvidia"
    assert "runtimeClassName" not in pod(objects, "triton-cpu")


@both
def test_clients_reach_http_and_grpc_but_not_metrics(objects: list[dict[str, Any]], name: str) -> None:
    allowed = [
        (rule["from"][0]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], port["port"])
        for rule in of(objects, "NetworkPolicy", name)["spec"]["ingress"]
        for port in rule["ports"]
    ]
    assert allowed == [("vision", 8000), ("vision", 8001)]


def test_the_gateway_knows_of_none_of_them(objects: list[dict[str, Any]]) -> None:
    texts = [
        str(one.get("data")) for one in objects if one["kind"] == "ConfigMap" and "litellm" in one["metadata"]["name"]
    ]
    assert texts
    assert not re.search("triton", "".join(texts))
