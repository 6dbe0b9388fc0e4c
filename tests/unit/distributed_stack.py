"""Settings of a small stack with vLLM over several nodes, on hosts: some with GPUs, one without."""

from typing import Any

from tests.unit.ray_stack import MODEL, host


def distributed_settings(*, hosts: int = 2, gpus: int = 4, **engine: Any) -> dict[str, Any]:
    """A stack in which one model over two nodes is all that is served."""
    accelerator = {"kind": "cuda", "product": "h100", "count": gpus}
    nodes = [
        host("plain", 31, role="server"),
        *(host(f"gpu-{number}", 40 + number, accelerator=accelerator, taint="gpu-only") for number in range(hosts)),
    ]
    fields = {"nodes": 2, "accelerator": {"kind": "cuda", "count": 4}, "resources": {"memory": "64Gi"}, **engine}
    return {
        "target": "onprem",
        "clusters": [{"name": "home", "nodes": nodes}],
        "store": {"kind": "minio", "node": "plain", "size": "100Gi"},
        "models": [{"name": "chat-400b", "domain": "general", "source": MODEL, "size": "160Gi"}],
        "engines": [{"name": "chat", "kind": "vllm-distributed", "model": "chat-400b", "cluster": "home", **fields}],
    }
