"""vLLM's server: what its settings are to it wherever it runs, in one pod or over several."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, PositiveInt, StringConstraints

from components.accelerators import AcceleratorRequest
from components.engines.adapters import Adapter, Rank, lora_flags
from components.engines.engine import FILES, LoadingKind, Workload
from components.engines.gpu_memory import Demand
from components.engines.model_engine import ModelEngine
from components.engines.scaling import Signals
from components.engines.speculation import Speculation
from components.engines.vllm_rules import (
    can_offload,
    has_a_streamer,
    has_gpus,
    is_enough_for_a_step,
    is_for_text,
    works_on_rocm,
)
from components.engines.vllm_values import (
    WEIGHT_BITS,
    CacheType,
    Quantization,
    ReasoningParser,
    Runner,
    ToolParser,
    WeightType,
)
from components.section import Name, Quantity, byte_count, rule

PORT = 8000
HOME = "/scratch/home"
OFFLINE = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
"""vLLM asks and tells nobody outside."""
CHAT_TEMPLATE = "chat-template.jinja"


class VllmServer(ModelEngine):
    """Settings of vLLM's OpenAI-compatible server."""

    KEY_VARIABLE = "VLLM_API_KEY"
    SIGNALS: ClassVar[Signals] = {"queue": "vllm:num_requests_waiting", "cache": "vllm:kv_cache_usage_perc"}

    accelerator: AcceleratorRequest = AcceleratorRequest(kind="cuda")
    """What one replica computes on."""
    loading: Annotated[LoadingKind | None, AfterValidator(has_a_streamer)] = None
    """Weights straight from the object store into the GPU, or from a verified copy on the node. When not set, they are
    streamed to GPUs, and copied for `cpu`."""
    runner: Runner | None = None
    """`pooling` for embeddings and scores; what the model is made for when not set."""
    context_length: PositiveInt | None = None
    """Longest prompt plus answer, in tokens; the model's own limit when not set."""
    adapters: tuple[Adapter, ...] = ()
    """LoRA adapters, which requests name as they name models; a pod without one of them says why in its status."""
    max_adapter_rank: Rank = 16
    """Highest rank of any adapter."""
    gpu_memory_utilization: Annotated[float, Field(ge=0.01, le=1), AfterValidator(has_gpus)] = 0.9
    """Share of the GPU's memory that vLLM takes."""
    quantization: Annotated[Quantization | None, AfterValidator(works_on_rocm)] = None
    """How the weights are quantized; as the model's own configuration says when not set."""
    dtype: WeightType = "auto"
    """Type of weights that are not quantized, and of what is computed; `auto` is as the model says."""
    kv_cache_dtype: Annotated[CacheType, AfterValidator(works_on_rocm)] = "auto"
    """Type of the key-value cache: one of 8 bits holds twice the tokens; `auto` is as the model says."""
    cpu_offload: Annotated[Quantity | None, AfterValidator(can_offload)] = Field(default=None, examples=["8Gi"])
    """Weights of each GPU that stay in the replica's memory, and are read from there for every token."""
    prefix_cache: bool | None = None
    """Reuse what was computed for the same beginning of a prompt; as vLLM does for the model when not set."""
    chunked_prefill: bool | None = None
    """Read long prompts in parts, between the tokens of other answers; as vLLM does for the model when not set."""
    max_sequences: PositiveInt | None = None
    """Requests that are computed at the same time; what vLLM takes for the hardware when not set."""
    max_batched_tokens: Annotated[PositiveInt | None, AfterValidator(is_enough_for_a_step)] = None
    """Tokens that a step computes for all requests; what vLLM takes for the hardware when not set."""
    enforce_eager: bool = False
    """Do without compiled graphs: starts sooner and needs less GPU memory, but answers slower."""
    speculative: Annotated[Speculation | None, AfterValidator(is_for_text)] = None
    """Guess several tokens ahead."""
    tool_parser: Annotated[ToolParser | None, AfterValidator(is_for_text)] = None
    """How the model writes calls of tools; requests may then leave it to the model whether to call one."""
    reasoning_parser: Annotated[ReasoningParser | None, AfterValidator(is_for_text)] = None
    """How the model marks its reasoning, which answers then hold apart."""
    chat_template: (
        Annotated[
            str,
            StringConstraints(min_length=1, max_length=200_000),
            rule("a Jinja template of 1 to 200000 characters", example="{{ messages[-1].content }}"),
        ]
        | None
    ) = None
    """Text of the Jinja template that makes a prompt of messages; the model's own when not set."""
    generation_config: Literal["auto", "vllm"] = "auto"
    """Sampling where a request says nothing: as the model's files say, or `vllm` for that of vLLM itself."""
    trust_remote_code: bool = False
    """Run Python code that lies among the model's files. It can do all that the engine can: only for code that
    somebody has read at the pinned revision."""

    @property
    def uses(self) -> Mapping[tuple[str | int, ...], Name]:
        """Its model, and the one that guesses."""
        guessing = self.speculative and self.speculative.model
        return {**super().uses, **({("speculative", "model"): guessing} if guessing else {})}

    @property
    def loads(self) -> Sequence[Name]:
        """Its own, and the one that guesses."""
        guessing = self.speculative and self.speculative.model
        return (self.model, guessing) if guessing else (self.model,)

    @property
    def lora_adapters(self) -> Sequence[Adapter]:
        """As its settings say."""
        return self.adapters

    @property
    @abstractmethod
    def stages(self) -> int:
        """Parts that the model's layers are split into; the GPUs of a part split each layer among them."""

    @property
    def all_gpus(self) -> int:
        """Of one replica."""
        return self.accelerator.gpus * self.pods_each

    @property
    def streams(self) -> bool:
        """As its settings say, or where there is a streamer."""
        return self.loading == "stream" if self.loading else bool(self.accelerator.gpus)

    @property
    def demand(self) -> Demand:
        """One request of the longest context must fit, or it does not start."""
        return Demand(
            weight_bits=WEIGHT_BITS.get(self.quantization, 32 if self.dtype == "float32" else 16),
            cache_bits=8 if self.kv_cache_dtype.startswith("fp8") else 16,
            tokens=self.context_length,
            share=self.gpu_memory_utilization,
            gpus=self.all_gpus,
        )

    def workload(self, models: Mapping[Name, str]) -> Workload:
        """Flags as in `vllm serve --help`; `tests/engines/test_vllm_flags.py` compares each with vLLM's source."""
        return Workload(
            image=self.chosen_image,
            args=(
                models[self.model],
                *(["--load-format=runai_streamer"] if self.streams else []),
                f"--served-model-name={self.name}",
                "--host=0.0.0.0",
                f"--port={PORT}",
                *self._hardware_flags(),
                *self._model_flags(),
                *self._scheduling_flags(models),
                *self._answer_flags(),
                # After SIGTERM it takes no more requests, and ends those that it has.
                f"--shutdown-timeout={self.drain_seconds}",
                *lora_flags(self.adapters, self.max_adapter_rank, runtime=self.loads_adapters),
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
                **OFFLINE,
                **({"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True"} if self.loads_adapters else {}),
            },
            files={CHAT_TEMPLATE: self.chat_template} if self.chat_template else {},
            # Tensor parallel workers exchange data through shared memory.
            shared_memory="2Gi",
        )

    def _hardware_flags(self) -> Iterator[str]:
        yield f"--tensor-parallel-size={max(1, self.all_gpus) // self.stages}"
        if self.stages > 1:
            yield f"--pipeline-parallel-size={self.stages}"
        if self.accelerator.gpus:
            yield f"--gpu-memory-utilization={self.gpu_memory_utilization:g}"
        if self.cpu_offload:
            yield f"--cpu-offload-gb={byte_count(self.cpu_offload) / 2**30:g}"
        if self.enforce_eager:
            yield "--enforce-eager"

    def _model_flags(self) -> Iterator[str]:
        yield from _value("--max-model-len", self.context_length)
        yield from _value("--runner", self.runner)
        yield from _value("--quantization", self.quantization)
        yield from _value("--dtype", self.dtype, unless="auto")
        yield from _value("--kv-cache-dtype", self.kv_cache_dtype, unless="auto")
        yield from _value("--generation-config", self.generation_config, unless="auto")
        if self.trust_remote_code:
            yield "--trust-remote-code"

    def _scheduling_flags(self, models: Mapping[Name, str]) -> Iterator[str]:
        yield from _switch("enable-prefix-caching", self.prefix_cache)
        yield from _switch("enable-chunked-prefill", self.chunked_prefill)
        yield from _value("--max-num-seqs", self.max_sequences)
        yield from _value("--max-num-batched-tokens", self.max_batched_tokens)
        if guess := self.speculative:
            yield f"--spec-method={guess.method}"
            yield f"--spec-tokens={guess.tokens}"
            yield from _value("--spec-model", models[guess.model] if guess.model else None)

    def _answer_flags(self) -> Iterator[str]:
        if self.tool_parser:
            yield "--enable-auto-tool-choice"
            yield f"--tool-call-parser={self.tool_parser}"
        yield from _value("--reasoning-parser", self.reasoning_parser)
        if self.chat_template:
            yield f"--chat-template={FILES}/{CHAT_TEMPLATE}"


def _value(flag: str, value: object, *, unless: object = None) -> Iterator[str]:
    if value not in (None, unless):
        yield f"{flag}={value}"


def _switch(name: str, on: bool | None) -> Iterator[str]:
    if on is not None:
        yield f"--{name}" if on else f"--no-{name}"
