"""A Triton on CPU nodes and one on a GPU node with the same model; both kinds of nodes are kept for it."""

from typing import Any

from tests.unit.recording import stack_settings

BUCKET = "my-triton-models"
REVISION = "0123456789abcdef0123456789abcdef01234567"
MODEL = "resnet18_imagenette"


def triton_pair() -> dict[str, Any]:
    """Settings of a dev stack with the two."""
    gpu = {"accelerator": {"kind": "cuda"}, "nodeSelector": {"workload": "gpu"}, "replicas": 1}
    cpu = {"nodeSelector": {"workload": "cpu-compute"}, "replicas": 2}
    return {
        **stack_settings("dev"),
        "clusters": [
            {
                "name": "dev",
                "simulated": [
                    *(_node(f"cpu-compute-{n}", "cpu-compute") for n in (1, 2)),
                    _node("gpu-1", "gpu", accelerator={"kind": "cuda", "product": "t4", "count": 1}),
                    {"name": "any-1"},
                ],
            }
        ],
        "store": {"kind": "minio", "bucket": BUCKET, "size": "100Gi"},
        "models": [
            {
                "name": "resnet18-imagenette",
                "domain": "vision",
                "source": f"hf://example/resnet18-imagenette@{REVISION}",
                "size": "100Mi",
            }
        ],
        "engines": [
            _triton("triton-cpu", **cpu, resources=_resources("2", "4Gi", "4", "8Gi")),
            _triton("triton-gpu", **gpu, resources=_resources("4", "8Gi", "8", "16Gi")),
        ],
    }


def _node(name: str, workload: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "cpu": 8, "memory": "32Gi", "labels": {"workload": workload}, "taint": workload, **fields}


def _triton(name: str, **fields: Any) -> dict[str, Any]:
    served = {"model": "resnet18-imagenette", "name": MODEL, "backend": "onnxruntime", "maxBatchSize": 8}
    return {
        "name": name,
        "kind": "triton",
        "cluster": "dev",
        "models": [served],
        "clients": ["vision"],
        "sharedMemory": "256Mi",
        **fields,
    }


def _resources(cpu: str, memory: str, cpu_limit: str, memory_limit: str) -> dict[str, str]:
    return {"cpu": cpu, "memory": memory, "cpuLimit": cpu_limit, "memoryLimit": memory_limit}
