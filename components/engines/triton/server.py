"""Triton: models for ONNX Runtime, OpenVINO, PyTorch, TensorRT and Python, and ensembles of them, on CPU and CUDA."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from components.engines.engine import FILES, Engine, Workload
from components.engines.settings import listed_models
from components.engines.triton.configuration import ensemble_configuration, model_configuration
from components.engines.triton.fitting import misfits
from components.engines.triton.models import Ensemble, TritonModel
from components.engines.versions import TRITON, TRITON_ARCHITECTURES
from components.section import Name, Quantity

PORTS = {"http": 8000, "grpc": 8001, "metrics": 8002}
REPOSITORY = "/scratch/repository"
"""Where Triton finds its models, laid out when the container starts."""
HERE = Path(__file__).parent


class TritonServer(Engine):
    """Settings of every Triton."""

    PROTOCOL = "v2"

    shared_memory: Quantity = "1Gi"
    """Size of /dev/shm, through which models in Python get their tensors. Part of the memory."""

    def flags(self, models: Sequence[str]) -> Sequence[str]:
        """Flags as in `tritonserver --help`; `models` are all that it loads."""
        return (
            f"--model-repository={REPOSITORY}",
            "--model-control-mode=explicit",
            *(f"--load-model={name}" for name in models),
            *(f"--{name}-port={port}" for name, port in PORTS.items()),
            # After SIGTERM it takes no more requests, and ends those that it has.
            f"--exit-timeout-secs={self.drain_seconds}",
        )

    def serving(self, args: Sequence[str], files: Mapping[str, str]) -> Workload:
        """A server that is started with these arguments. The image's entrypoint stays: it prepares CUDA."""
        return Workload(
            image=self.IMAGES[self.accelerator.kind],
            args=args,
            ports=PORTS,
            health="/v2/health/ready",
            alive="/v2/health/live",
            metrics="/metrics",
            env={
                "HOME": "/scratch",
                "PYTHONDONTWRITEBYTECODE": "1",  # beside models that are there to be read only
            },
            files=files,
            shared_memory=self.shared_memory,
        )


class Triton(TritonServer):
    """NVIDIA's Triton Inference Server, which answers the Open Inference Protocol over HTTP and gRPC.

    It reads models from a verified copy on the node, never from the object store itself: there it wants its own layout,
    with versions by number and a config.pbtxt, and a home of a model has neither; nor would it verify what it reads.
    Which models it serves is said here alone: its calls to load and unload models, which would let any client run code
    in it, are closed, as are those to shared memory, logging and tracing.
    """

    IMAGES = TRITON
    ARCHITECTURES = TRITON_ARCHITECTURES

    kind: Literal["triton"]
    """Which engine."""
    models: tuple[TritonModel, ...] = Field(
        min_length=1, examples=[[{"model": "resnet18", "backend": "onnxruntime", "maxBatchSize": 8}]]
    )
    """What it serves."""
    ensembles: tuple[Ensemble, ...] = ()
    """Pipelines of these models, each one request."""

    @model_validator(mode="after")
    def _fits_together(self) -> "Triton":
        found = misfits(self.models, self.ensembles, gpus=self.accelerator.gpus)
        errors = [
            InitErrorDetails(
                type=PydanticCustomError("value_error", "{error}", {"error": message}), loc=place, input=None
            )
            for place, message in found
        ]
        if errors:
            raise ValidationError.from_exception_data("Triton", errors)
        return self

    @property
    def uses(self) -> Mapping[tuple[str | int, ...], Name]:
        """Every model that is listed."""
        return listed_models(self.models)

    def workload(self, models: Mapping[Name, str]) -> Workload:
        """A repository of links to the models' own files, and of what settings say of them."""
        gpus = self.accelerator.gpus
        served = {one.served: models[one.model] for one in self.models} | dict.fromkeys(
            (one.name for one in self.ensembles), ""
        )
        configurations = {
            **{one.served: model_configuration(one, gpus=gpus) for one in self.models if one.backend},
            **{one.name: ensemble_configuration(one) for one in self.ensembles},
        }
        return self.serving(
            args=(
                *("sh", f"{FILES}/repository.sh", REPOSITORY, FILES),
                *(f"{name}={directory}" for name, directory in served.items()),
                *("--", "sh", f"{FILES}/serve.sh"),
                *self.flags(list(served)),
                # Else it would make batches of up to 4 for models whose settings say that they have none.
                "--backend-config=default-max-batch-size=0",
                f"--allow-gpu-metrics={str(bool(gpus)).lower()}",
                *self.extra_args,
            ),
            files={
                **{name: (HERE / name).read_text(encoding="utf-8") for name in ("repository.sh", "serve.sh")},
                **{f"{name}.pbtxt": text for name, text in configurations.items()},
            },
        )
