"""Triton on CPU and on GPU, on a real API server: accepted, placed and ready."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.api_server import ApiServer
from tests.unit.manifests import manifests
from tests.unit.recording import record
from tests.unit.triton_pair import triton_pair

NAMESPACES = ("storage", "inference", "gateway")


@pytest.fixture(scope="module")
def nodes(api_server: ApiServer) -> Iterator[dict[str, str]]:
    """By pod of the pair, the node that the scheduler chose, once all of them are available."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        objects = manifests(record(triton_pair(), stack="dev", monkeypatch=monkeypatch))
    api_server.apply(*objects)
    for name in ("triton-cpu", "triton-gpu"):
        api_server.await_condition("condition=Available", f"deployment/{name}", "--namespace", "inference")
    pods = api_server.get("pods", "--namespace", "inference")["items"]
    yield {pod["metadata"]["name"]: pod["spec"]["nodeName"] for pod in pods}
    # Namespaces first: a pod can only end while its node is there.
    api_server.kubectl("delete", "namespace", "--timeout=60s", *NAMESPACES)
    others = [one for one in objects if "namespace" not in one["metadata"]]
    names = [f"{one['kind']}/{one['metadata']['name']}" for one in others]
    api_server.kubectl("delete", "--timeout=60s", "--ignore-not-found", *names)


def of(nodes: dict[str, str], engine: str) -> list[str]:
    return sorted(node for pod, node in nodes.items() if pod.startswith(engine))


def test_the_cpu_pair_shares_out_over_the_nodes_that_are_kept_for_it(nodes: dict[str, str]) -> None:
    assert of(nodes, "triton-cpu") == ["cpu-compute-1", "cpu-compute-2"]


def test_the_gpu_one_is_on_the_node_with_the_gpu(nodes: dict[str, str]) -> None:
    assert of(nodes, "triton-gpu") == ["gpu-1"]


def test_a_model_configuration_and_the_scripts_are_where_the_start_looks_for_them(
    api_server: ApiServer, nodes: dict[str, str]
) -> None:
    del nodes
    for name in ("triton-cpu", "triton-gpu"):
        (container,) = deployment(api_server, name)["containers"]
        assert {"/etc/engine": "files", "/models": "models"}.items() <= {
            one["mountPath"]: one["name"] for one in container["volumeMounts"] if one.get("readOnly")
        }.items()
        data = api_server.get("configmap", f"{name}-config", "--namespace", "inference")["data"]
        assert set(data) == {"repository.sh", "serve.sh", "resnet18_imagenette.pbtxt"}


def test_its_root_is_read_only_and_its_namespace_is_restricted(api_server: ApiServer, nodes: dict[str, str]) -> None:
    del nodes
    labels = api_server.get("namespace", "inference")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    (container,) = deployment(api_server, "triton-gpu")["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"]


def deployment(api_server: ApiServer, name: str) -> Any:
    return api_server.get("deployment", name, "--namespace", "inference")["spec"]["template"]["spec"]
