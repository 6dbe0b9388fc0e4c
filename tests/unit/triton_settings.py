"""Settings of a Triton, what its pod runs, and how Triton reads its configuration."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from google.protobuf import text_format

from components.engines.engine import Workload
from components.engines.triton.server import Triton
from components.engines.triton.tensorrtllm import TritonTensorRtLlm

ModelConfig: Any = import_module("tritonclient.grpc.model_config_pb2").ModelConfig
"""What Triton reads a config.pbtxt into."""
IMAGE = {"name": "image", "type": "FP32", "dims": [3, 224, 224]}
SCORES = {"name": "scores", "type": "FP32", "dims": [10]}
RESNET: Mapping[str, Any] = {
    "model": "resnet18",
    "name": "resnet18_imagenette",
    "backend": "onnxruntime",
    "maxBatchSize": 8,
    "inputs": [IMAGE],
    "outputs": [SCORES],
}
STEP = {"model": "resnet18_imagenette", "inputMap": {"image": "picture"}, "outputMap": {"scores": "answer"}}
PIPELINE: Mapping[str, Any] = {
    "name": "pipeline",
    "inputs": [{**IMAGE, "name": "picture"}],
    "outputs": [{**SCORES, "name": "answer"}],
    "steps": [STEP],
}
CUDA = {"kind": "cuda"}


def engine(*models: Mapping[str, Any], **changed: Any) -> dict[str, Any]:
    """Settings of a Triton on the dev stack's cluster."""
    fields: dict[str, Any] = {"name": "vision", "kind": "triton", "cluster": "dev", "models": list(models or [RESNET])}
    return {**fields, **changed}


def trtllm(**changed: Any) -> dict[str, Any]:
    return {"name": "llm", "kind": "triton-tensorrtllm", "cluster": "dev", "model": "llama", **changed}


def workload(fields: Mapping[str, Any], **directories: str) -> Workload:
    """What its pod runs, with these models."""
    if fields["kind"] == "triton":
        triton = Triton.model_validate(fields)
        return triton.workload({one.model: directories.get(one.model, f"/models/{one.model}") for one in triton.models})
    return TritonTensorRtLlm.model_validate(fields).workload(directories)


def parsed(text: str) -> Any:
    """A config.pbtxt, as strictly as Triton reads it."""
    return text_format.Parse(text, ModelConfig())
