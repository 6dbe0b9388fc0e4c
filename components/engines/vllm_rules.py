"""What of vLLM's settings cannot go together. Each rule looks at settings that stand above its own in the model."""

from pydantic import ValidationInfo

from components.accelerators import AcceleratorRequest
from components.engines.vllm_values import NOT_ON_ROCM
from components.section import Quantity, byte_count
from components.workload.spec import Resources


def has_a_streamer(loading: str | None, others: ValidationInfo) -> str | None:
    """Only the images for GPUs come with Run:ai's model streamer."""
    if loading == "stream" and _kind(others) == "cpu":
        raise ValueError("vLLM's image for cpu has no streamer: set `cache`, or leave it out")
    return loading


def has_gpus(share: float, others: ValidationInfo) -> float:
    """On a CPU it would be a share of the whole machine's memory, not of the replica's."""
    if _kind(others) == "cpu":
        raise ValueError("is for GPUs, and this runs on cpu: remove it; cpuCache is the size of the cache there")
    return share


def can_offload(weights: Quantity | None, others: ValidationInfo) -> Quantity | None:
    """What does not stay on a GPU is in the replica's memory."""
    request = _accelerator(others)
    if weights and request and not request.gpus:
        raise ValueError("is for GPUs, and this runs on cpu: remove it")
    if weights and request:
        _fits(weights, request.gpus, others)
    return weights


def is_on_cpu(cache: Quantity | None, others: ValidationInfo) -> Quantity | None:
    """A GPU's cache is in its own memory."""
    if cache and _kind(others) not in ("cpu", None):
        raise ValueError("is for cpu; on a GPU the cache is what gpuMemoryUtilization leaves: remove it")
    if cache:
        _fits(cache, 1, others)
    return cache


def divides_the_gpus(stages: int, others: ValidationInfo) -> int:
    """All stages have the same number of GPUs."""
    request = _accelerator(others)
    if stages == 1 or not request:
        return stages
    if not request.gpus:
        raise ValueError("is for GPUs, and this runs on cpu: remove it")
    if request.gpus % stages:
        remedy = f"set accelerator.count to a multiple of {stages}"
        raise ValueError(f"{request.gpus} GPUs cannot be split into {stages} equal stages: {remedy}")
    return stages


def divides_the_gpus_of_all_nodes(stages: int | None, others: ValidationInfo) -> int | None:
    """Here a stage may be on several nodes, or several on one."""
    request, nodes = _accelerator(others), others.data.get("nodes")
    if stages and request and nodes and nodes * request.gpus % stages:
        gpus = nodes * request.gpus
        raise ValueError(
            f"{gpus} GPUs, {request.gpus} on each of {nodes} nodes, cannot be split into {stages} equal stages: "
            f"set a divisor of {gpus}, or leave it out for a stage on each node"
        )
    return stages


def works_on_rocm(method: str | None, others: ValidationInfo) -> str | None:
    """As vLLM says: see `NOT_ON_ROCM`, and docs/features/quantization/quantized_kvcache.md of vLLM for `fp8_e5m2`."""
    if _kind(others) == "rocm" and (method in NOT_ON_ROCM or method == "fp8_e5m2"):
        remedy = {"gptq_marlin": "set gptq", "fp8_e5m2": "set fp8_e4m3"}.get(method, "remove it")
        raise ValueError(f"vLLM has no {method} on rocm: {remedy}")
    return method


def is_enough_for_a_step(tokens: int | None, others: ValidationInfo) -> int | None:
    """Every running request computes a token in a step; a prompt that is not cut must fit into one."""
    sequences, longest = others.data.get("max_sequences"), others.data.get("context_length")
    if tokens and sequences and tokens < sequences:
        raise ValueError(f"is less than maxSequences; set at least {sequences}")
    if tokens and longest and tokens < longest and others.data.get("chunked_prefill") is False:
        raise ValueError(f"is less than contextLength, and chunkedPrefill is off; set at least {longest}")
    return tokens


def is_for_text(given: object, others: ValidationInfo) -> object:
    """A pooling model writes nothing."""
    if given is not None and others.data.get("runner") == "pooling":
        raise ValueError("is for models that write, and `runner: pooling` is for those that do not: remove one of both")
    return given


def _accelerator(others: ValidationInfo) -> AcceleratorRequest | None:
    """None where it is wrong itself."""
    return others.data.get("accelerator")


def _kind(others: ValidationInfo) -> str | None:
    request = _accelerator(others)
    return request.kind if request else None


def _fits(size: Quantity, times: int, others: ValidationInfo) -> None:
    resources: Resources | None = others.data.get("resources")
    limit = resources and (resources.memory_limit or resources.memory)
    if limit and byte_count(size) * times >= byte_count(limit):
        all_of_it = f"{times} times {size}" if times > 1 else size
        raise ValueError(f"{all_of_it} leaves nothing of the replica's memory, {limit}: raise resources.memory")
