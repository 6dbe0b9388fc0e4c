"""Settings of a small stack with Ray Serve on hosts: one with GPUs, one without."""

from typing import Any

from tests.unit.recording import RANDOM, stack_settings

SECRETS = {"sshPrivateKey": f"{RANDOM}-private-key"}
MODEL = "hf://example/chat@0000000000000000000000000000000000000001"


def host(name: str, number: int, **given: Any) -> dict[str, Any]:
    """One that is not there."""
    return {
        "name": name,
        "host": f"192.168.1.{number}",
        "user": "ops",
        "hostKey": stack_settings("onprem")["clusters"][0]["nodes"][0]["hostKey"],
        "role": "agent",
        "cpu": 32,
        "memory": "128Gi",
        **given,
    }


def ray_settings(*, gpus: int = 4, **engine: Any) -> dict[str, Any]:
    """A stack in which Ray Serve is all that serves."""
    nodes = [
        host("plain", 31, role="server"),
        host("gpu", 32, accelerator={"kind": "cuda", "product": "l40s", "count": gpus}, taint="gpu-only"),
    ]
    return {
        "target": "onprem",
        "clusters": [{"name": "home", "nodes": nodes}],
        "store": {"kind": "minio", "node": "plain", "size": "100Gi"},
        "models": [{"name": "chat-8b", "domain": "general", "source": MODEL, "size": "16Gi"}],
        "engines": [{"name": "chat", "kind": "ray-serve", "model": "chat-8b", "cluster": "home", **engine}],
    }
