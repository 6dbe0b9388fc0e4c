"""The objects that offer GPUs to pods, on a real API server."""

from collections.abc import Iterator
from typing import Any

import pytest

from components.accelerators import NodeAccelerator
from tests.api_server import ApiServer, SimulatedNode
from tests.unit.manifests import manifests
from tests.unit.recording import Recording, record, stack_settings

ACCELERATORS: list[dict[str, Any]] = [
    {"kind": "cuda"},
    {"kind": "cuda", "sharing": {"kind": "timeSlices", "parts": 4}},
    {"kind": "cuda", "sharing": {"kind": "mig", "profile": "1g.10gb", "parts": 7}},
    {"kind": "rocm"},
]


@pytest.fixture(scope="module")
def applied(api_server: ApiServer) -> Iterator[list[dict[str, Any]]]:
    """The device plugins of a cluster with a node of each sort."""
    settings = stack_settings("onprem")
    host = settings["clusters"][0]["nodes"][0]
    hosts = [
        host | {"name": f"node-{n}", "host": f"10.0.0.{n}", "role": "agent" if n else "server", "accelerator": one}
        for n, one in enumerate(ACCELERATORS)
    ]
    settings |= {"clusters": [{"name": "lab", "nodes": hosts}], "engines": [], "store": {"kind": "minio"}}
    with pytest.MonkeyPatch.context() as monkeypatch:
        recording = record(settings, stack="onprem", monkeypatch=monkeypatch, secrets={"sshPrivateKey": "key"})
    found = manifests(_plugins(recording))
    nodes = [SimulatedNode(name=f"node-{n}", labels=_accelerator(n).labels) for n in range(len(ACCELERATORS))]
    api_server.apply(*found, *(node.manifest() for node in nodes))
    yield found
    # Nodes last: a pod can only end while its node is there.
    api_server.kubectl("delete", "namespace/accelerators", "runtimeclass/nvidia", "--timeout=60s")
    api_server.kubectl("delete", *(f"node/{node.name}" for node in nodes))


def _accelerator(number: int) -> NodeAccelerator:
    return NodeAccelerator.model_validate(ACCELERATORS[number])


def _plugins(recording: Recording) -> Recording:
    inside = [one for one in recording.resources if "inference:accelerators:DevicePlugins" in one.parent]
    return Recording(resources=inside)


def test_strict_validation_accepts_every_object(applied: list[dict[str, Any]]) -> None:
    names = {(one["kind"], one["metadata"]["name"]) for one in applied}
    assert {("DaemonSet", name) for name in ("nvidia", "nvidia-4-slices", "nvidia-mig", "amd")} <= names
    assert ("RuntimeClass", "nvidia") in names


@pytest.mark.parametrize("number", range(len(ACCELERATORS)), ids=["whole", "slices", "mig", "rocm"])
def test_each_node_gets_the_one_plugin_that_is_for_it(
    api_server: ApiServer, applied: list[dict[str, Any]], number: int
) -> None:
    del applied
    plugin = _accelerator(number).plugin
    api_server.await_condition("jsonpath={.status.numberReady}=1", f"daemonset/{plugin}", "--namespace=accelerators")
    pods = api_server.get("pods", "--namespace=accelerators")["items"]
    there = [pod for pod in pods if pod["spec"].get("nodeName") == f"node-{number}"]
    assert [pod["metadata"]["labels"]["app.kubernetes.io/name"] for pod in there] == [plugin]
    assert not any(one["securityContext"]["privileged"] for pod in there for one in pod["spec"]["containers"])
