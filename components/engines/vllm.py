"""vLLM: high-throughput LLM serving on CUDA and ROCm."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from components.accelerators import AcceleratorRequest
from components.engines.adapters import CONFIG, Adapter, Rank
from components.engines.engine import LoadingKind, ModelEngine, Workload, option
from components.engines.gpu_memory import Demand
from components.engines.versions import VLLM, VLLM_ARCHITECTURES
from components.section import Name

PORT = 8000
HOME = "/scratch/home"


class Vllm(ModelEngine):
    """vLLM's OpenAI-compatible server."""

    IMAGES = VLLM
    ARCHITECTURES = VLLM_ARCHITECTURES
    KEY_VARIABLE = "VLLM_API_KEY"

    kind: Literal["vllm"]
    """Which engine."""
    accelerator: AcceleratorRequest = AcceleratorRequest(kind="cuda")
    """What one replica computes on."""
    loading: LoadingKind = "stream"
    """Weights straight from the object store into the GPU, or from a verified copy on the node."""
    context_length: PositiveInt | None = None
    """Longest prompt plus answer, in tokens; the model's own limit when not set."""
    adapters: tuple[Adapter, ...] = ()
    """LoRA adapters, which requests name as they name models; a pod without one of them says why in its status."""
    max_adapter_rank: Rank = 16
    """Highest rank of any adapter."""
    runtime_adapters: bool = False
    """Let operators load and unload adapters while it runs, with `kubectl exec`: see docs/operations.md."""
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Share of the GPU's memory that vLLM takes."""

    @property
    def lora_adapters(self) -> Sequence[Adapter]:
        """As its settings say."""
        return self.adapters

    @property
    def loads_adapters(self) -> bool:
        """As its settings say."""
        return self.runtime_adapters

    @property
    def streams(self) -> bool:
        """As its settings say."""
        return self.loading == "stream"

    @property
    def demand(self) -> Demand:
        """One request of the longest context must fit, or it does not start."""
        return Demand(
            weight_bits=16, tokens=self.context_length, share=self.gpu_memory_utilization, gpus=self.accelerator.gpus
        )

    def workload(self, models: Mapping[Name, str]) -> Workload:
        """Flags as in `vllm serve --help`."""
        return Workload(
            image=self.chosen_image,
            args=(
                models[self.model],
                *(["--load-format=runai_streamer"] if self.streams else []),
                f"--served-model-name={self.name}",
                "--host=0.0.0.0",
                f"--port={PORT}",
                f"--tensor-parallel-size={self.accelerator.count}",
                f"--gpu-memory-utilization={self.gpu_memory_utilization:g}",
                *option("--max-model-len", self.context_length),
                # After SIGTERM it takes no more requests, and ends those that it has.
                f"--shutdown-timeout={self.drain_seconds}",
                *self._lora_flags(),
                *self.extra_args,
            ),
            ports={"http": PORT},
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
                **({"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True"} if self.runtime_adapters else {}),
            },
            # Tensor parallel workers exchange data through shared memory.
            shared_memory="2Gi",
        )

    def _lora_flags(self) -> Sequence[str]:
        """A file that is written before it starts names the adapters: those that arrived, and no others."""
        if not self.adapters and not self.runtime_adapters:
            return ()
        at_once = max(1, len(self.adapters))
        return (
            "--enable-lora",
            f"--max-loras={at_once}",
            f"--max-lora-rank={self.max_adapter_rank}",
            "--config",
            CONFIG,
        )
