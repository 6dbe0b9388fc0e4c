"""Images of the engines by accelerator. Digests are added by `make pin`; one that was never seen is never written."""

from components.accelerators import Kind
from components.node.settings import Architecture

# renovate: datasource=docker depName=vllm/vllm-openai
VLLM_VERSION = "v0.30.0"
"""Published for CUDA (`vllm-openai`) and ROCm (`vllm-openai-rocm`) under the same tag. 2026-11-21."""
VLLM: dict[Kind, str] = {
    "cuda": f"docker.io/vllm/vllm-openai:{VLLM_VERSION}",
    "rocm": f"docker.io/vllm/vllm-openai-rocm:{VLLM_VERSION}",
}
VLLM_ARCHITECTURES: dict[Kind, tuple[Architecture, ...]] = {"cuda": ("amd64", "arm64"), "rocm": ("amd64",)}

# renovate: datasource=docker depName=ghcr.io/ggml-org/llama.cpp versioning=regex:^server-b(?<major>\d+)$
LLAMACPP_BUILD = "b11312"
"""Build number of llama.cpp. 2026-11-21."""
LLAMACPP: dict[Kind, str] = {
    "cpu": f"ghcr.io/ggml-org/llama.cpp:server-{LLAMACPP_BUILD}",
    "cuda": f"ghcr.io/ggml-org/llama.cpp:server-cuda-{LLAMACPP_BUILD}",
    "rocm": f"ghcr.io/ggml-org/llama.cpp:server-rocm-{LLAMACPP_BUILD}",
}
LLAMACPP_ARCHITECTURES: dict[Kind, tuple[Architecture, ...]] = {
    "cpu": ("amd64", "arm64"),
    "cuda": ("amd64", "arm64"),
    "rocm": ("amd64",),
}
"""As listed in llama.cpp's docs/docker.md."""
