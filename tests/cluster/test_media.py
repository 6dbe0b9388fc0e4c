"""ComfyUI, Speaches and an engine from any image on a real API server, with its scheduler and simulated nodes."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.api_server import ApiServer
from tests.unit.manifests import manifests
from tests.unit.recording import record, stack_settings

CUDA = {"kind": "cuda", "count": 1, "sharing": {"kind": "timeSlices", "parts": 2}}
PART = {"kind": "cuda", "shared": True}
SMALL = {"cpu": "1", "memory": "2Gi"}
ENGINES: list[dict[str, Any]] = [
    {"name": "legal", "kind": "vllm", "model": "legal-8b", "accelerator": PART},
    {
        "name": "paint",
        "kind": "comfyui",
        "image": "registry.invalid/comfyui:0.3.64",
        "accelerator": PART,
        "models": [{"model": "painter", "folder": "checkpoints"}],
        "clients": ["studio"],
        "writableRoot": "its extensions write beside themselves",
    },
    {
        "name": "speech",
        "kind": "speaches",
        "models": [
            {"model": "whisper", "repository": "Systran/faster-whisper-small", "task": "transcription"},
            {"model": "voice", "repository": "speaches-ai/piper-en_US-amy-low", "task": "speech"},
        ],
    },
    {
        "name": "reranker",
        "kind": "custom",
        "image": "registry.invalid/reranker:1.4.0",
        "protocol": "openai",
        "mode": "embedding",
        "models": ["legal-8b"],
        "args": ["--model", "{model:legal-8b}"],
        "env": {"LOG_LEVEL": "info"},
        "secretEnv": {"LICENCE": {"secret": "vendor", "key": "licence"}},
        "apiKeyVariable": "SERVER_KEY",
        "health": "/ready",
        "alive": "/live",
        "metrics": "/metrics",
        "drain": ["/bin/drain"],
        "sharedMemory": "1Gi",
        "architectures": ["arm64"],
    },
]


@pytest.fixture(scope="module")
def applied(api_server: ApiServer) -> Iterator[list[dict[str, Any]]]:
    """Every object of a stack with these engines, applied with strict field validation; the engines are Available."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        settings = stack_settings("dev")
        cluster = settings["clusters"][0]
        cluster["simulated"] = [
            {"name": "gpu", "cpu": 32, "memory": "128Gi", "accelerator": CUDA, "taint": "cuda-inference"},
            {"name": "plain", "cpu": 16, "memory": "64Gi"},
            {"name": "arm", "cpu": 16, "memory": "64Gi", "arch": "arm64"},
        ]
        settings["models"] += [
            {"name": name, "source": f"hf://org/{name}@{0:040}", "size": "1Gi"}
            for name in ("painter", "whisper", "voice")
        ]
        settings["engines"] = [{"cluster": "dev", "resources": SMALL, **engine} for engine in ENGINES]
        objects = manifests(record(settings, stack="dev", monkeypatch=monkeypatch))
    api_server.apply(*objects)
    api_server.await_condition(
        "condition=Available", *(f"deployment/{one['name']}" for one in ENGINES), "--namespace", "inference"
    )
    yield objects
    namespaces = [one["metadata"]["name"] for one in objects if one["kind"] == "Namespace"]
    # Namespaces first: a pod can only end while its node is there.
    api_server.kubectl("delete", "namespace", "--timeout=60s", *namespaces)
    others = [one for one in objects if "namespace" not in one["metadata"] and one["kind"] != "Namespace"]
    names = [f"{one['kind']}/{one['metadata']['name']}" for one in others]
    api_server.kubectl("delete", "--timeout=60s", "--ignore-not-found", *names)


def test_all_are_placed_and_ready_in_a_namespace_that_enforces_restricted_pods(
    api_server: ApiServer, applied: list[dict[str, Any]]
) -> None:
    del applied
    labels = api_server.get("namespace", "inference")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    pods = api_server.get("pods", "--namespace", "inference")["items"]
    nodes = {pod["metadata"]["labels"]["app.kubernetes.io/name"]: pod["spec"]["nodeName"] for pod in pods}
    assert nodes == {"legal": "gpu", "paint": "gpu", "speech": "plain", "reranker": "arm"}


def test_comfyui_shares_a_gpu_with_vllm(api_server: ApiServer, applied: list[dict[str, Any]]) -> None:
    del applied
    node = api_server.get("node", "gpu")
    assert node["status"]["allocatable"]["nvidia.com/gpu"] == "2"
    for name in ("legal", "paint"):
        (pod,) = api_server.get("pods", "-n", "inference", f"--selector=app.kubernetes.io/name={name}")["items"]
        assert pod["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"


def test_the_gateway_may_reach_speech_and_not_comfyui(api_server: ApiServer, applied: list[dict[str, Any]]) -> None:
    del applied
    let_in = {
        name: {
            peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
            for rule in api_server.get("networkpolicy", name, "-n", "inference")["spec"]["ingress"]
            for peer in rule["from"]
        }
        for name in ("speech", "paint")
    }
    assert let_in == {"speech": {"gateway"}, "paint": {"studio"}}


def test_the_start_script_and_the_model_folders_are_mounted_where_the_servers_look(
    api_server: ApiServer, applied: list[dict[str, Any]]
) -> None:
    del applied
    for name, file in (("speech", "speaches.sh"), ("paint", "extra_model_paths.yaml")):
        assert set(api_server.get("configmap", f"{name}-config", "-n", "inference")["data"]) == {file}
        (pod,) = api_server.get("pods", "-n", "inference", f"--selector=app.kubernetes.io/name={name}")["items"]
        (container,) = pod["spec"]["containers"]
        assert f"/etc/engine/{file}" in " ".join([*container["command"], *container["args"]])
        assert {"name": "files", "mountPath": "/etc/engine", "readOnly": True} in container["volumeMounts"]
