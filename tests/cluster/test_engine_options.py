"""Engines with all that their settings offer, on a real API server: accepted, and placed where they can run."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.api_server import ApiServer
from tests.unit.manifests import manifests
from tests.unit.recording import record, stack_settings

ENGINES: list[dict[str, Any]] = [
    {
        "name": "everything",
        "kind": "vllm",
        "model": "legal-8b",
        "accelerator": {"kind": "cuda", "count": 2},
        "contextLength": 8192,
        "pipelineParallel": 2,
        "quantization": "awq",
        "kvCacheDtype": "fp8",
        "cpuOffload": "2Gi",
        "prefixCache": False,
        "speculative": {"method": "ngram", "tokens": 4},
        "toolParser": "hermes",
        "reasoningParser": "qwen3",
        "chatTemplate": "{% for message in messages %}\n  {{ message['content'] }} é\n{% endfor %}\n",
        "adapters": [{"name": "contracts", "model": "legal-8b"}],
        "runtimeAdapters": True,
    },
    {"name": "small", "kind": "vllm", "model": "legal-8b", "accelerator": {"kind": "cpu"}, "cpuCache": "2Gi"},
    {
        "name": "vulkan",
        "kind": "llamacpp",
        "model": "chat-gguf",
        "file": "chat-q4_k_m.gguf",
        "accelerator": {"kind": "rocm"},
        "backend": "vulkan",
        "flashAttention": True,
    },
]
PLACES = {"everything": "cuda-1", "small": "cpu-1", "vulkan": "rocm-1"}


@pytest.fixture(scope="module")
def applied(api_server: ApiServer) -> Iterator[None]:
    """A stack of these engines, applied with strict field validation."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        settings = stack_settings("dev") | {"engines": [{**one, "cluster": "dev"} for one in ENGINES], "gateway": None}
        objects = manifests(record(settings, stack="dev", monkeypatch=monkeypatch))
    api_server.apply(*objects)
    yield
    # Namespaces first: a pod can only end while its node is there.
    namespaces = [one["metadata"]["name"] for one in objects if one["kind"] == "Namespace"]
    api_server.kubectl("delete", "namespace", "--timeout=60s", *namespaces)
    others = [one for one in objects if "namespace" not in one["metadata"] and one["kind"] != "Namespace"]
    names = [f"{one['kind']}/{one['metadata']['name']}" for one in others]
    api_server.kubectl("delete", "--timeout=60s", "--ignore-not-found", *names)


@pytest.mark.usefixtures("applied")
def test_engines_with_all_options_are_accepted_and_run_where_their_accelerator_is(api_server: ApiServer) -> None:
    for name in PLACES:
        api_server.await_condition("condition=Available", f"deployment/{name}", "--namespace", "inference")
    pods = api_server.get("pods", "--namespace", "inference")["items"]
    assert {pod["metadata"]["labels"]["app.kubernetes.io/name"]: pod["spec"]["nodeName"] for pod in pods} == PLACES


@pytest.mark.usefixtures("applied")
def test_a_chat_template_is_kept_letter_by_letter(api_server: ApiServer) -> None:
    kept = api_server.get("configmap", "everything-config", "--namespace", "inference")
    assert kept["data"] == {"chat-template.jinja": ENGINES[0]["chatTemplate"]}
