"""llama.cpp: GGUF models on CPU, CUDA and ROCm."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import PositiveInt, ValidationInfo, field_validator

from components.engines.engine import ModelFile, Workload
from components.engines.gpu_memory import Demand
from components.engines.model_engine import ModelEngine
from components.engines.scaling import Signals
from components.engines.settings import GgufFile
from components.engines.versions import LLAMACPP, LLAMACPP_ARCHITECTURES, LLAMACPP_VULKAN
from components.section import Name

PORT = 8080
ALL_LAYERS = 999
"""More layers than any model has: llama.cpp puts all of them on the GPU."""
ON_OFF: Mapping[bool | None, str] = {True: "on", False: "off"}
DRAIN = f"""\
busy() {{
    curl -sf -H "Authorization: Bearer $LLAMA_API_KEY" http://localhost:{PORT}/metrics |
        grep -Eq '^llamacpp:requests_(processing|deferred) [1-9]'
}}
while busy; do sleep 0.5; done
"""
"""Asked to stop, it would drop the requests that it has. Its images have curl for their own health check."""


class LlamaCpp(ModelEngine):
    """llama.cpp's OpenAI-compatible server; reads one GGUF file from the node's cache."""

    IMAGES = LLAMACPP
    ARCHITECTURES = LLAMACPP_ARCHITECTURES
    KEY_VARIABLE = "LLAMA_API_KEY"
    SIGNALS: ClassVar[Signals] = {"queue": "llamacpp:requests_deferred"}

    kind: Literal["llamacpp"]
    """Which engine."""
    file: GgufFile
    """The GGUF file among the model's files; of a split model, its first part."""
    context_length: PositiveInt | None = None
    """Tokens of context over all slots; the model's own limit when not set."""
    slots: PositiveInt = 1
    """Requests served at the same time, which share the context."""
    memory_map: bool = True
    """Map the file instead of reading it; switch it off on unified memory such as Strix Halo."""
    flash_attention: bool | None = None
    """Compute attention in one pass, without a matrix of all pairs of tokens; llama.cpp decides when not set."""
    backend: Literal["vulkan"] | None = None
    """Compute with Vulkan in place of ROCm, for GPUs that ROCm does not know."""

    @field_validator("backend")
    @classmethod
    def _is_given_its_device(cls, backend: str | None, others: ValidationInfo) -> str | None:
        request = others.data.get("accelerator")
        if backend and request and request.kind != "rocm":
            raise ValueError(
                f"vulkan is for accelerator.kind rocm, whose pods get /dev/dri, not {request.kind}: remove it"
            )
        return backend

    @property
    def demand(self) -> Demand:
        """Weights as they are in the file; the whole context is there from the start."""
        return Demand(weight_bits=None, tokens=self.context_length, gpus=self.accelerator.gpus)

    @property
    def opens(self) -> Mapping[tuple[str | int, ...], ModelFile]:
        """The GGUF file."""
        return {("file",): ModelFile(model=self.model, file=self.file)}

    def workload(self, models: Mapping[Name, str]) -> Workload:
        """Flags as in `llama-server --help`, each of which `tests/hosts/test_inference.py` tries."""
        return Workload(
            image=(self.image or LLAMACPP_VULKAN) if self.backend else self.chosen_image,
            args=(
                *_option("--model", f"{models[self.model]}/{self.file}"),
                *_option("--alias", self.name),
                *_option("--host", "0.0.0.0"),
                *_option("--port", PORT),
                "--metrics",
                *_option("--parallel", self.slots),
                *_option("--ctx-size", self.context_length),
                *_option("--n-gpu-layers", ALL_LAYERS if self.accelerator.gpus else None),
                *_option("--load-mode", None if self.memory_map else "none"),
                *_option("--flash-attn", ON_OFF.get(self.flash_attention)),
                *self.extra_args,
            ),
            ports={"http": PORT},
            health="/health",
            metrics="/metrics",
            drain=("sh", "-c", DRAIN),
        )


def _option(flag: str, value: object) -> tuple[str, ...]:
    """The flag and its value, or nothing for None. It knows no `--flag=value`."""
    return () if value is None else (flag, str(value))
