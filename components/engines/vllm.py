"""vLLM: high-throughput LLM serving on CUDA and ROCm, and without a GPU for small models."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import ceil
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveInt

from components.engines.engine import Workload
from components.engines.versions import VLLM, VLLM_ARCHITECTURES
from components.engines.vllm_rules import divides_the_gpus, is_on_cpu
from components.engines.vllm_server import VllmServer
from components.section import Name, Quantity, byte_count
from components.workload.spec import cpu_count

CPU_CACHE = "4Gi"
"""For the key-value cache without a GPU: vLLM itself would take a share of the whole machine's memory."""


class Vllm(VllmServer):
    """vLLM's OpenAI-compatible server."""

    IMAGES = VLLM
    ARCHITECTURES = VLLM_ARCHITECTURES

    kind: Literal["vllm"]
    """Which engine."""
    pipeline_parallel: Annotated[PositiveInt, AfterValidator(divides_the_gpus)] = 1
    """Stages that the model's layers are split into; the GPUs of a stage split each layer among them."""
    cpu_cache: Annotated[Quantity | None, AfterValidator(is_on_cpu)] = Field(default=None, examples=["8Gi"])
    """Size of the key-value cache on `cpu`, out of the replica's memory; 4Gi when not set."""
    runtime_adapters: bool = False
    """Let operators load and unload adapters while it runs, with `kubectl exec`: see docs/operations.md."""

    @property
    def stages(self) -> int:
        """As its settings say."""
        return self.pipeline_parallel

    @property
    def loads_adapters(self) -> bool:
        """As its settings say."""
        return self.runtime_adapters

    def workload(self, models: Mapping[Name, str]) -> Workload:
        """As everywhere; without a GPU, as many threads as it may use CPUs."""
        served = super().workload(models)
        return served if self.accelerator.gpus else replace(served, env={**served.env, **self._threads()})

    def _hardware_flags(self) -> Iterator[str]:
        yield from super()._hardware_flags()
        if not self.accelerator.gpus:
            yield f"--kv-cache-memory-bytes={byte_count(self.cpu_cache or CPU_CACHE)}"

    def _threads(self) -> Mapping[str, str]:
        """As many as it may use CPUs: vLLM would bind one to each of the machine's."""
        cpus = ceil(cpu_count(self.resources.cpu_limit or self.resources.cpu))
        return {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": str(cpus)}
