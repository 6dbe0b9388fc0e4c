"""The objects of the dev stack on a real API server, without Pulumi between."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.api_server import ApiServer
from tests.unit.manifests import manifests
from tests.unit.recording import record, stack_settings

NAMESPACES = ("storage", "inference", "gateway")


@pytest.fixture(scope="module")
def applied(api_server: ApiServer) -> Iterator[list[dict[str, Any]]]:
    """Every object of the dev stack, applied with strict field validation."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        settings = stack_settings("dev")
        settings["store"] |= {"nodePort": 30900, "node": "cpu-1", "path": "/srv/models"}
        settings["gateway"] |= {
            "litellm": {"nodePort": 30400},
            "openWebui": {"nodePort": 30800},
        }
        objects = manifests(record(settings, stack="dev", monkeypatch=monkeypatch))
    api_server.apply(*objects)
    yield objects
    # Namespaces first: a pod can only end while its node is there.
    api_server.kubectl("delete", "namespace", "--timeout=60s", *NAMESPACES)
    others = [manifest for manifest in objects if "namespace" not in manifest["metadata"]]
    names = [f"{manifest['kind']}/{manifest['metadata']['name']}" for manifest in others]
    api_server.kubectl("delete", "--timeout=60s", "--ignore-not-found", *names)


def test_strict_validation_accepts_every_object(applied: list[dict[str, Any]]) -> None:
    assert {"Deployment", "Service", "NetworkPolicy", "Job", "ResourceQuota"} <= {
        manifest["kind"] for manifest in applied
    }


def test_every_pod_passes_restricted_pod_security_and_runs(
    api_server: ApiServer, applied: list[dict[str, Any]]
) -> None:
    for manifest in applied:
        if manifest["kind"] == "Deployment":
            target = f"deployment/{manifest['metadata']['name']}"
            api_server.await_condition("condition=Available", target, "--namespace", manifest["metadata"]["namespace"])
    for namespace in NAMESPACES:
        labels = api_server.get("namespace", namespace)["metadata"]["labels"]
        assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_engines_are_placed_on_nodes_with_their_accelerator(
    api_server: ApiServer, applied: list[dict[str, Any]]
) -> None:
    del applied
    pods = api_server.get("pods", "--namespace", "inference")["items"]
    nodes = {pod["metadata"]["labels"]["app.kubernetes.io/name"]: pod["spec"]["nodeName"] for pod in pods}
    assert nodes == {"legal": "cuda-1", "legal-rocm": "rocm-1", "chat": "cpu-1"}


def test_the_store_gets_its_directory_and_its_buckets(api_server: ApiServer, applied: list[dict[str, Any]]) -> None:
    del applied
    api_server.await_condition("jsonpath={.status.phase}=Bound", "pvc/minio-data", "--namespace", "storage")
    claim = api_server.get("pvc", "minio-data", "--namespace", "storage")
    volume = api_server.get("persistentvolume", claim["spec"]["volumeName"])
    assert volume["spec"]["local"] == {"path": "/srv/models"}
    assert volume["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
    (pod,) = api_server.get("pods", "--namespace", "storage", "--selector", "app.kubernetes.io/name=minio")["items"]
    assert pod["spec"]["nodeName"] == "cpu-1"
    api_server.await_condition("condition=Complete", "job/minio-provision", "--namespace", "storage")


def test_a_namespace_of_ours_refuses_a_privileged_pod(api_server: ApiServer, applied: list[dict[str, Any]]) -> None:
    del applied
    with pytest.raises(AssertionError, match="violates PodSecurity"):
        api_server.kubectl(
            "run", "intruder", "--namespace", "inference", "--image=example.invalid/x:1", "--privileged=true"
        )


def test_the_ports_of_nodes_that_settings_ask_for_are_open_and_no_others(
    api_server: ApiServer, applied: list[dict[str, Any]]
) -> None:
    del applied
    services = [
        service
        for namespace in NAMESPACES
        for service in api_server.get("services", "--namespace", namespace)["items"]
        if service["spec"]["type"] != "ClusterIP"
    ]
    ports = {
        service["metadata"]["name"]: [(port["name"], port["nodePort"]) for port in service["spec"]["ports"]]
        for service in services
    }
    assert ports == {
        "litellm-node-port": [("http", 30400)],
        "open-webui-node-port": [("chat", 30800)],
        "minio-node-port": [("s3", 30900)],
    }
    for namespace in NAMESPACES:
        with pytest.raises(AssertionError, match="exceeded quota"):
            api_server.kubectl("create", "service", "nodeport", "intruder", "--namespace", namespace, "--tcp=80:80")
