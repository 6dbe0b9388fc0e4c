"""What vLLM 0.30.0 takes for some of its flags; `tests/engines/test_vllm_flags.py` compares it with vLLM's source."""

from collections.abc import Mapping
from typing import Literal

Quantization = Literal[
    "awq",
    "awq_marlin",
    "compressed-tensors",
    "experts_int8",
    "fp8",
    "fp8_per_block",
    "fp8_per_tensor",
    "gpt_oss_mxfp4",
    "gptq",
    "gptq_marlin",
    "modelopt",
    "modelopt_fp4",
    "mxfp4",
    "mxfp8",
    "quark",
    "torchao",
]
"""`vllm/model_executor/layers/quantization/__init__.py`, without what is deprecated or for one model only."""
WEIGHT_BITS: Mapping[Quantization | None, float] = {
    **dict.fromkeys(("awq", "awq_marlin", "gptq", "gptq_marlin", "mxfp4", "gpt_oss_mxfp4", "modelopt_fp4"), 4.25),
    **dict.fromkeys(("fp8", "fp8_per_block", "fp8_per_tensor", "experts_int8", "mxfp8", "modelopt"), 8.25),
}
"""Of each parameter, with the scales of its group, where the method alone says it; for estimates."""
NOT_ON_ROCM: frozenset[Quantization] = frozenset({"experts_int8", "gptq_marlin"})
"""Those of them that `vllm/platforms/rocm.py` does not list."""
WeightType = Literal["auto", "float16", "bfloat16", "float32"]
"""`vllm/config/model.py`, without second names."""
CacheType = Literal["auto", "float16", "bfloat16", "fp8", "fp8_e4m3", "fp8_e5m2"]
"""`vllm/config/cache.py`, without what depends on the model's own layers."""
Runner = Literal["generate", "pooling"]
"""`vllm/config/scheduler.py`, without `draft`, which is for vLLM itself."""
SpeculativeMethod = Literal["ngram", "mtp", "draft_model", "eagle", "eagle3"]
"""`vllm/config/speculative.py`, without those for one model only."""
ToolParser = Literal[
    "apertus",
    "cohere_command3",
    "cohere_command4",
    "deepseek_v3",
    "deepseek_v31",
    "deepseek_v32",
    "deepseek_v4",
    "deepseek_v41",
    "dots",
    "ernie45",
    "functiongemma",
    "gemma4",
    "gigachat3",
    "glm45",
    "glm47",
    "granite",
    "granite-20b-fc",
    "granite4",
    "hermes",
    "hunyuan_a13b",
    "hy_v3",
    "hy_v4",
    "inkling",
    "internlm",
    "jamba",
    "k2_horizon",
    "kimi_k2",
    "kimi_k3",
    "lfm2",
    "ling3",
    "llama3_json",
    "llama4_json",
    "llama4_pythonic",
    "longcat",
    "mimo",
    "minicpm5",
    "minimax_m2",
    "minimax_m3",
    "mistral",
    "muse_glimmer",
    "olmo3",
    "openai",
    "phi4_mini_json",
    "poolside_v1",
    "pythonic",
    "qwen3_coder",
    "qwen3_xml",
    "seed_oss",
    "step3",
    "step3p5",
    "xlam",
]
"""All of `vllm/tool_parsers/__init__.py`."""
ReasoningParser = Literal[
    "cohere_command3",
    "cohere_command4",
    "deepseek_r1",
    "deepseek_v3",
    "deepseek_v4",
    "deepseek_v41",
    "ernie45",
    "gemma4",
    "glm45",
    "glm47",
    "granite",
    "holo2",
    "hunyuan_a13b",
    "hy_v3",
    "hy_v4",
    "inkling",
    "k2_horizon",
    "kimi_k2",
    "kimi_k3",
    "ling3",
    "mimo",
    "minimax_m2",
    "minimax_m2_append_think",
    "minimax_m3",
    "mistral",
    "muse_glimmer",
    "nemotron_v3",
    "olmo3",
    "openai_gptoss",
    "poolside_v1",
    "qwen3",
    "seed_oss",
    "step3",
    "step3p5",
]
"""All of `vllm/reasoning/__init__.py`."""
