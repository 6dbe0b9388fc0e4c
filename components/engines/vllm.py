"""vLLM: high-throughput LLM serving on CUDA and ROCm."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveInt

from components.accelerators import AcceleratorRequest
from components.engines.engine import Engine, Loading, Workload, option
from components.engines.versions import VLLM, VLLM_ARCHITECTURES

PORT = 8000
HOME = "/scratch/home"


class Vllm(Engine):
    """vLLM's OpenAI-compatible server; weights are streamed from the object store."""

    IMAGES = VLLM
    ARCHITECTURES = VLLM_ARCHITECTURES
    LOADING: ClassVar[Loading] = "stream"

    kind: Literal["vllm"]
    """Which engine."""
    accelerator: AcceleratorRequest = AcceleratorRequest(kind="cuda")
    """What one replica computes on."""
    context_length: PositiveInt | None = None
    """Longest prompt plus answer, in tokens; the model's own limit when not set."""
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Share of the GPU's memory that vLLM takes."""

    def workload(self, model_path: str) -> Workload:
        """Flags as in `vllm serve --help`."""
        return Workload(
            image=self.IMAGES[self.accelerator.kind],
            args=(
                f"--model={model_path}",
                "--load-format=runai_streamer",
                f"--served-model-name={self.name}",
                "--host=0.0.0.0",
                f"--port={PORT}",
                f"--tensor-parallel-size={self.accelerator.count}",
                f"--gpu-memory-utilization={self.gpu_memory_utilization:g}",
                *option("--max-model-len", self.context_length),
                *self.extra_args,
            ),
            port=PORT,
            health="/health",
            metrics="/metrics",
            env={
                # Caches of compiled kernels and tokenizers need a home, and PyTorch asks for a user name.
                "HOME": HOME,
                "USER": "vllm",
                "XDG_CACHE_HOME": f"{HOME}/.cache",
                "HF_HUB_OFFLINE": "1",
                "VLLM_NO_USAGE_STATS": "1",
                "DO_NOT_TRACK": "1",
            },
            # Tensor parallel workers exchange data through shared memory.
            shared_memory="2Gi",
        )
