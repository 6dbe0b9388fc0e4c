"""Triton with TensorRT-LLM: a compiled LLM behind its tokenizer, with in-flight batching, on CUDA."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, StringConstraints

from components.accelerators import AcceleratorRequest
from components.engines.engine import FILES, Workload
from components.engines.triton.models import ServedName
from components.engines.triton.server import HERE, REPOSITORY, TritonServer
from components.engines.versions import TRITON_TENSORRTLLM, TRITON_TENSORRTLLM_ARCHITECTURES
from components.section import Name, Quantity, rule

APP = "/app"
"""Where the image has the backend's models and tools: dockerfile/Dockerfile.triton.trt_llm_backend of its source."""
LLM = "tensorrt_llm"
PIPELINE = ("preprocessing", LLM, "postprocessing", "ensemble")
Directory = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*([./][A-Za-z0-9_-]+)*$", max_length=200),
    rule("a directory: letters, digits, _ - and single . and /", example="engine"),
]
Parameter = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_./-]+$", max_length=200),
    rule("letters, digits, _ . / and -", example="max_utilization"),
]


class TritonTensorRtLlm(TritonServer):
    """TensorRT-LLM's in-flight batcher in Triton: requests for `ensemble` carry text, and text comes back.

    The model is what `trtllm-build` made, for this very image and GPU, with its tokenizer. TensorRT-LLM
    1.2.1 in the image has this backend, and has since given it up: models as they come from a hub are for vLLM.
    """

    IMAGES = TRITON_TENSORRTLLM
    ARCHITECTURES = TRITON_TENSORRTLLM_ARCHITECTURES

    kind: Literal["triton-tensorrtllm"]
    """Which engine."""
    accelerator: AcceleratorRequest = AcceleratorRequest(kind="cuda")
    """What one replica computes on; the model must have been built for as many GPUs."""
    model: Name
    """One of `models`: its `rank0.engine`, config.json and, without `tokenizer`, the tokenizer's files."""
    directory: Directory | None = None
    """Where among the model's files the engine is; beside the others when not set."""
    tokenizer: Name | None = None
    """One of `models`, with the tokenizer's files; `model` when not set."""
    shared_memory: Quantity = "4Gi"
    """Size of /dev/shm, through which GPUs and tokenizers exchange tensors. Part of the memory."""
    max_batch_size: Annotated[PositiveInt, Field(le=4096)] = 64
    """Requests that are taken together at most; the engine itself was built for a number of its own."""
    streaming: bool = True
    """Tokens as they come, for requests with `stream: true`; only whole answers otherwise."""
    batching: Literal["inflight_fused_batching", "V1"] = "inflight_fused_batching"
    """Requests join and leave a running batch, or (`V1`) wait for a whole one."""
    kv_cache_fraction: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Share of the GPU's memory, beside weights, for keys and values of earlier tokens."""
    kv_cache_reuse: bool = False
    """Requests that begin alike share keys and values; the engine was built with paged context attention."""
    chunked_context: bool = False
    """Take in long prompts piece by piece; the same."""
    max_queue_delay_microseconds: NonNegativeInt = 0
    """How long a request may wait for others."""
    max_queue_size: NonNegativeInt = 0
    """Requests that may wait; more are refused. 0 for any number."""
    tokenizers: Annotated[PositiveInt, Field(le=256)] = 1
    """Processes that turn text to tokens, and as many that turn tokens to text."""
    parameters: dict[ServedName, Parameter] = Field(
        default_factory=dict[str, str], examples=[{"batch_scheduler_policy": "max_utilization"}]
    )
    """Further ones of the backend, as in docs/model_config.md of tensorrtllm_backend; one that it has not fails."""

    @property
    def uses(self) -> Mapping[tuple[str | int, ...], Name]:
        """The engine, and the tokenizer if that is elsewhere."""
        used: dict[tuple[str | int, ...], Name] = {("model",): self.model}
        return used | {("tokenizer",): self.tokenizer} if self.tokenizer else used

    @property
    def wanted(self) -> str:
        """The file without which it cannot be served."""
        return f"{self.directory}/rank0.engine" if self.directory else "rank0.engine"

    def workload(self, models: Mapping[Name, str]) -> Workload:
        """The backend's own four models, filled in by its own tool, and one process for each GPU."""
        return self.serving(
            args=(
                *("sh", f"{FILES}/tensorrtllm.sh", REPOSITORY, APP),
                *(f"{name}={_substitutions(filled)}" for name, filled in self._templates(models).items()),
                "--",
                *self._processes(),
            ),
            files={name: (HERE / name).read_text(encoding="utf-8") for name in ("tensorrtllm.sh", "serve.sh")},
        )

    def _processes(self) -> tuple[str, ...]:
        serve = ("sh", f"{FILES}/serve.sh")
        common = ("--disable-auto-complete-config",)
        first = (*serve, *self.flags(PIPELINE), *common)
        if self.accelerator.count == 1:
            return (*first, *self.extra_args)
        # As launch_triton_server.py does: the others load nothing but their part of the LLM.
        args = [
            "mpirun",
            "-n",
            "1",
            *first,
            "--backend-config=python,shm-region-prefix-name=prefix0_",
            *self.extra_args,
        ]
        for rank in range(1, self.accelerator.count):
            region = f"--backend-config=python,shm-region-prefix-name=prefix{rank}_"
            args += [":", "-n", "1", *serve, *self.flags([LLM]), *common, region]
        return tuple(args)

    def _templates(self, models: Mapping[Name, str]) -> Mapping[str, Mapping[str, object]]:
        tokenizer = models[self.tokenizer or self.model]
        engine = f"{models[self.model]}/{self.directory}" if self.directory else models[self.model]
        batch = {"triton_max_batch_size": self.max_batch_size}
        queue = {
            "max_queue_delay_microseconds": self.max_queue_delay_microseconds,
            "max_queue_size": self.max_queue_size,
        }
        logits = {"logits_datatype": "TYPE_FP32"}
        return {
            "preprocessing": {
                **batch,
                **queue,
                "tokenizer_dir": tokenizer,
                "engine_dir": engine,
                "preprocessing_instance_count": self.tokenizers,
            },
            LLM: {
                **batch,
                **queue,
                **logits,
                "triton_backend": "tensorrtllm",
                "engine_dir": engine,
                "tokenizer_dir": tokenizer,
                "decoupled_mode": self.streaming,
                "batching_strategy": self.batching,
                "kv_cache_free_gpu_mem_fraction": f"{self.kv_cache_fraction:g}",
                "enable_kv_cache_reuse": self.kv_cache_reuse,
                "enable_chunked_context": self.chunked_context,
                "exclude_input_in_output": True,
                "encoder_input_features_data_type": "TYPE_FP16",
                "prompt_embedding_table_data_type": "TYPE_FP16",
                **self.parameters,
            },
            "postprocessing": {
                **batch,
                "tokenizer_dir": tokenizer,
                "skip_special_tokens": True,
                "postprocessing_instance_count": self.tokenizers,
            },
            "ensemble": {**batch, **logits},
        }


def _substitutions(values: Mapping[str, object]) -> str:
    """As fill_template.py takes them: `key:value,key:value`, with what separates them escaped."""

    def written(value: object) -> str:
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return re.sub(r"([\\,:])", r"\\\1", text)

    return ",".join(f"{key}:{written(value)}" for key, value in values.items())
