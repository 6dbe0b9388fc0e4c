"""Settings of a small stack with KServe on hosts: one with GPUs, one without."""

from typing import Any

from tests.unit.ray_stack import host

MODEL = "s3://models/risk@2026-11"


def kserve_settings(**engine: Any) -> dict[str, Any]:
    """A stack in which KServe is all that serves."""
    nodes = [
        host("plain", 31, role="server"),
        host("gpu", 32, accelerator={"kind": "cuda", "product": "l40s", "count": 2}, taint="gpu-only"),
    ]
    fields = {"runtime": "mlserver", "modelFormat": "sklearn", "clients": ["evaluation"], **engine}
    return {
        "target": "onprem",
        "clusters": [{"name": "home", "nodes": nodes}],
        "store": {"kind": "minio", "node": "plain", "size": "100Gi"},
        "models": [{"name": "risk-1", "domain": "financial", "source": MODEL, "size": "1Gi"}],
        "engines": [{"name": "risk", "kind": "kserve", "model": "risk-1", "cluster": "home", **fields}],
    }
