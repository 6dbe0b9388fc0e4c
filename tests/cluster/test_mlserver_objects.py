"""MLServer and TorchServe on a real API server."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.api_server import ApiServer
from tests.unit.manifests import manifests
from tests.unit.recording import record, stack_settings

LONGEST = "x" * 40
"""No name is longer; keys and annotations that are made of it must still be short enough."""
ENGINES: list[dict[str, Any]] = [
    {
        "kind": "mlserver",
        "name": "tabular",
        "cluster": "dev",
        "replicas": 2,
        "models": [
            {"model": "legal-8b", "name": LONGEST, "runtime": "sklearn"},
            {"model": "chat-gguf", "runtime": "xgboost", "batching": {"maxSize": 8, "maxSeconds": 0.01}},
        ],
    },
    {
        "kind": "torchserve",
        "name": "vision",
        "cluster": "dev",
        "unmaintained": "accept",
        "accelerator": {"kind": "cuda"},
        "models": [{"model": "images", "file": "densenet.mar"}],
    },
]
NAMES = ("tabular", "vision")


@pytest.fixture(scope="module")
def applied(api_server: ApiServer) -> Iterator[list[dict[str, Any]]]:
    """Every object of the dev stack with these engines alone, applied with strict field validation."""
    settings: dict[str, Any] = {**stack_settings("dev"), "engines": ENGINES, "gateway": None}
    settings["models"].append({"name": "images", "source": f"hf://org/repo@{1:040}", "files": ["*.mar"]})
    with pytest.MonkeyPatch.context() as monkeypatch:
        objects = manifests(record(settings, stack="dev", monkeypatch=monkeypatch))
    api_server.apply(*objects)
    yield objects
    namespaces = [one["metadata"]["name"] for one in objects if one["kind"] == "Namespace"]
    api_server.kubectl("delete", "namespace", "--timeout=60s", *namespaces)
    others = [one for one in objects if "namespace" not in one["metadata"]]
    names = [f"{one['kind']}/{one['metadata']['name']}" for one in others]
    api_server.kubectl("delete", "--timeout=60s", "--ignore-not-found", *names)


def test_both_are_accepted_as_restricted_pods_and_become_ready(
    api_server: ApiServer, applied: list[dict[str, Any]]
) -> None:
    assert set(NAMES) <= {one["metadata"]["name"] for one in applied if one["kind"] == "Deployment"}
    for name in NAMES:
        api_server.await_condition("condition=Available", f"deployment/{name}", "--namespace", "inference")
    pods = api_server.get("pods", "--namespace", "inference")["items"]
    nodes = sorted((pod["metadata"]["labels"]["app.kubernetes.io/name"], pod["spec"]["nodeName"]) for pod in pods)
    assert nodes == [("tabular", "cpu-1"), ("tabular", "cpu-1"), ("vision", "cuda-1")]


def test_every_file_that_a_pod_mounts_is_in_its_config_map(
    api_server: ApiServer, applied: list[dict[str, Any]]
) -> None:
    del applied
    pod = api_server.get("pods", "--namespace", "inference", "--selector=app.kubernetes.io/name=tabular")["items"][0]
    (files,) = [one["configMap"] for one in pod["spec"]["volumes"] if one["name"] == "files"]
    held = api_server.get("configmap", files["name"], "--namespace", "inference")["data"]
    assert {item["key"] for item in files["items"]} == set(held)
    assert f"{LONGEST}/model-settings.json" in {item["path"] for item in files["items"]}


def test_the_ports_of_their_services_are_those_of_their_pods(
    api_server: ApiServer, applied: list[dict[str, Any]]
) -> None:
    del applied
    services = {name: api_server.get("service", name, "--namespace", "inference") for name in NAMES}
    ports = {name: {one["name"]: one["port"] for one in each["spec"]["ports"]} for name, each in services.items()}
    assert ports == {
        "tabular": {"http": 8080, "grpc": 8081, "metrics": 8082},
        "vision": {"http": 8080, "metrics": 8082},
    }
