"""Images of the engines by accelerator. Digests are added by `make pin`; one that was never seen is never written."""

from components.accelerators import Kind
from components.node.settings import Architecture

# renovate: datasource=docker depName=vllm/vllm-openai
VLLM_VERSION = "v0.30.0"
"""Published for CUDA (`vllm-openai`), ROCm (`vllm-openai-rocm`) and CPU (`vllm-openai-cpu`) under the same tag.
2026-11-21; the one for CPU was seen in use for amd64 and arm64, 2026-11-22."""
VLLM: dict[Kind, str] = {
    "cpu": f"docker.io/vllm/vllm-openai-cpu:{VLLM_VERSION}",
    "cuda": f"docker.io/vllm/vllm-openai:{VLLM_VERSION}",
    "rocm": f"docker.io/vllm/vllm-openai-rocm:{VLLM_VERSION}",
}
VLLM_DISTRIBUTED: dict[Kind, str] = {kind: image for kind, image in VLLM.items() if kind != "cpu"}
"""A model that needs several nodes needs their GPUs."""
VLLM_ARCHITECTURES: dict[Kind, tuple[Architecture, ...]] = {
    "cpu": ("amd64", "arm64"),
    "cuda": ("amd64", "arm64"),
    "rocm": ("amd64",),
}

# renovate: datasource=docker depName=ghcr.io/ggml-org/llama.cpp versioning=regex:^server-b(?<major>\d+)$
LLAMACPP_BUILD = "b11312"
"""Build number of llama.cpp. 2026-11-21."""
LLAMACPP: dict[Kind, str] = {
    "cpu": f"ghcr.io/ggml-org/llama.cpp:server-{LLAMACPP_BUILD}",
    "cuda": f"ghcr.io/ggml-org/llama.cpp:server-cuda-{LLAMACPP_BUILD}",
    "rocm": f"ghcr.io/ggml-org/llama.cpp:server-rocm-{LLAMACPP_BUILD}",
}
LLAMACPP_VULKAN = f"ghcr.io/ggml-org/llama.cpp:server-vulkan-{LLAMACPP_BUILD}"
"""Tags of this form were seen for b10621, b11382 and b11515, but not for this build. 2026-11-22."""
LLAMACPP_ARCHITECTURES: dict[Kind, tuple[Architecture, ...]] = {
    "cpu": ("amd64", "arm64"),
    "cuda": ("amd64", "arm64"),
    "rocm": ("amd64",),
}
"""As listed in llama.cpp's docs/docker.md."""

# renovate: datasource=docker depName=nvcr.io/nvidia/tritonserver versioning=regex:^(?<major>\d+)\.(?<minor>\d+)-py3$
TRITON_TAG = "26.07-py3"
"""Triton 2.71.0. 2026-11-22, its release notes at docs.nvidia.com/deeplearning/triton-inference-server."""
TRITON: dict[Kind, str] = {
    "cpu": f"nvcr.io/nvidia/tritonserver:{TRITON_TAG}",
    "cuda": f"nvcr.io/nvidia/tritonserver:{TRITON_TAG}",
}
TRITON_ARCHITECTURES: dict[Kind, tuple[Architecture, ...]] = {"cpu": ("amd64", "arm64"), "cuda": ("amd64", "arm64")}
# renovate: datasource=docker depName=nvcr.io/nvidia/tritonserver versioning=regex:^(?<major>\d+)\.(?<minor>\d+)-trtllm
TRITON_TENSORRTLLM_TAG = "26.07-trtllm-python-py3"
"""Triton 2.71.0 with TensorRT-LLM 1.2.1. 2026-11-22, NVIDIA's tutorials for Triton."""
TRITON_TENSORRTLLM: dict[Kind, str] = {"cuda": f"nvcr.io/nvidia/tritonserver:{TRITON_TENSORRTLLM_TAG}"}
TRITON_TENSORRTLLM_ARCHITECTURES: dict[Kind, tuple[Architecture, ...]] = {"cuda": ("amd64", "arm64")}

# renovate: datasource=docker depName=seldonio/mlserver
MLSERVER_VERSION = "1.7.1"
"""Newest release on PyPI that is not a candidate. 2026-11-22."""
MLSERVER: dict[Kind, str] = {"cpu": f"docker.io/seldonio/mlserver:{MLSERVER_VERSION}"}
"""With every runtime."""
MLSERVER_OF_ONE: dict[str, str] = {
    runtime: f"{MLSERVER['cpu']}-{runtime}" for runtime in ("sklearn", "xgboost", "lightgbm", "catboost", "mlflow")
}
"""With a single runtime, and several GB smaller; tags as MLServer's RELEASE.md says."""
MLSERVER_ARCHITECTURES: dict[Kind, tuple[Architecture, ...]] = {"cpu": ("amd64",)}
"""Its Dockerfile installs Miniforge for x86_64."""

TORCHSERVE_VERSION = "0.12.0"
"""The last release, of 2024-09-30; its repository says that there will be no other. 2026-11-22."""
TORCHSERVE: dict[Kind, str] = {
    "cpu": f"docker.io/pytorch/torchserve:{TORCHSERVE_VERSION}-cpu",
    "cuda": f"docker.io/pytorch/torchserve:{TORCHSERVE_VERSION}-gpu",
}
TORCHSERVE_ARCHITECTURES: dict[Kind, tuple[Architecture, ...]] = {"cpu": ("amd64",), "cuda": ("amd64",)}

# renovate: datasource=docker depName=ghcr.io/speaches-ai/speaches
SPEACHES_VERSION = "0.9.0-rc.3"
"""The newest published, for want of a release that can be probed: 0.8.3 asks for its key at /health too. 2026-11-22,
https://github.com/speaches-ai/speaches/issues/623 and the tags of its repository."""
SPEACHES: dict[Kind, str] = {
    "cpu": f"ghcr.io/speaches-ai/speaches:{SPEACHES_VERSION}-cpu",
    "cuda": f"ghcr.io/speaches-ai/speaches:{SPEACHES_VERSION}-cuda",
}
SPEACHES_ARCHITECTURES: dict[Kind, tuple[Architecture, ...]] = {"cpu": ("amd64", "arm64"), "cuda": ("amd64",)}
"""Both are published for both, in .github/workflows/docker-build-and-push.yaml; CTranslate2's wheels for arm64 are
without CUDA."""

# renovate: datasource=docker depName=rayproject/ray-llm versioning=docker
RAY_LLM_TAG = "2.58.0-py312-cu130"
"""With vLLM 0.26.0; the newest that was seen in use, with KubeRay 1.7.0. 2026-11-22."""
RAY_VERSION = RAY_LLM_TAG.partition("-")[0]
RAY_LLM: dict[Kind, str] = {"cuda": f"docker.io/rayproject/ray-llm:{RAY_LLM_TAG}"}
RAY_LLM_ARCHITECTURES: dict[Kind, tuple[Architecture, ...]] = {"cuda": ("amd64",)}

KSERVE: dict[Kind, str] = TRITON
"""Of its engines that run Triton; those that run MLServer have `MLSERVER`'s."""
KSERVE_ARCHITECTURES: dict[Kind, tuple[Architecture, ...]] = {"cpu": ("amd64",), "cuda": ("amd64", "arm64")}
"""Triton's is for both, MLServer's for amd64 alone."""
