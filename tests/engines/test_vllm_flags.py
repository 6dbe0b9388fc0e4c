"""What an engine of ours tells vLLM is what that version of vLLM understands: compared with its own source."""

import argparse
import re
from typing import Any, get_args

import pytest

from components.engines import vllm_values as values
from components.engines.adapters import Rank
from components.engines.engine import FILES
from components.engines.versions import VLLM_VERSION
from components.engines.vllm import Vllm
from components.engines.vllm_distributed import MASTER_PORT, VllmDistributed
from components.workload.spec import Container, Placement, Pod, Resources
from tests.engines.vllm_source import LOCK, Source, source

EVERYTHING: dict[str, Any] = {
    "accelerator": {"kind": "cuda", "count": 8},
    "loading": "stream",
    "runner": "generate",
    "contextLength": 8192,
    "adapters": [{"name": "contracts", "source": "mlflow://contracts@champion"}],
    "maxAdapterRank": 32,
    "runtimeAdapters": True,
    "gpuMemoryUtilization": 0.85,
    "pipelineParallel": 2,
    "quantization": "awq",
    "dtype": "float16",
    "kvCacheDtype": "fp8",
    "cpuOffload": "1.5Gi",
    "prefixCache": True,
    "chunkedPrefill": True,
    "maxSequences": 64,
    "maxBatchedTokens": 4096,
    "enforceEager": True,
    "speculative": {"method": "draft_model", "tokens": 4, "model": "small"},
    "toolParser": "hermes",
    "reasoningParser": "qwen3",
    "chatTemplate": "{{ messages }}",
    "generationConfig": "vllm",
    "trustRemoteCode": True,
}
OFF = {"prefixCache": False, "chunkedPrefill": False, "maxBatchedTokens": None, "speculative": None}
NOT_OVER_NODES = ("runtimeAdapters", "pipelineParallel")
LWS = {"$(LWS_LEADER_ADDRESS)": "chat-0.chat-0.inference", "$(LWS_WORKER_INDEX)": "1"}
"""What LeaderWorkerSet puts into the arguments of the first worker."""
CPU = {"accelerator": {"kind": "cpu"}, "cpuCache": "8Gi", "resources": {"cpu": "3500m", "memory": "24Gi"}}
PATHS = {"legal-8b": "s3://models/legal/legal-8b/1", "small": "s3://models/general/small/1"}


@pytest.fixture(scope="module")
def vllm() -> Source:
    """The source of the version that engines run."""
    return source()


def engine(**given: Any) -> Vllm:
    return Vllm.model_validate({"kind": "vllm", "name": "legal", "model": "legal-8b", "cluster": "home", **given})


def over_nodes(**given: Any) -> dict[str, list[str]]:
    """Arguments of each group of an engine's pods over two nodes."""
    fields = {"kind": "vllm-distributed", "name": "legal", "model": "legal-8b", "cluster": "home", "nodes": 2}
    ours = VllmDistributed.model_validate({**fields, **given})
    server = Container(name="engine", image="vllm", resources=Resources(), args=ours.workload(PATHS).args)
    groups = ours.groups(Pod(containers=[server]), Placement())
    return {name: [_with_variables(one) for one in group.pod.containers[0].args] for name, group in groups.items()}


def _with_variables(argument: str) -> str:
    for variable, value in LWS.items():
        argument = argument.replace(variable, value)
    return argument


def understood(vllm: Source, **given: Any) -> argparse.Namespace:
    """The arguments for these settings, as vLLM reads them. An unknown flag, or a value of another type, fails."""
    return vllm.parser.parse_args(list(engine(**given).workload(PATHS).args))


def said(read: argparse.Namespace) -> dict[str, Any]:
    """What the arguments changed."""
    return {name: value for name, value in vars(read).items() if value not in (None, False)}


def test_the_source_is_of_the_version_that_the_images_have() -> None:
    assert f"vllm=={VLLM_VERSION.removeprefix('v')} " in LOCK.read_text()


@pytest.mark.parametrize("flag", ["--no-such-flag", "--quantisation=awq", "--max-num-seqs=many", "--no-max-num-seqs"])
def test_what_vllm_does_not_understand_is_noticed(vllm: Source, flag: str) -> None:
    with pytest.raises((argparse.ArgumentError, SystemExit)):
        understood(vllm, extraArgs=[flag])


def test_vllm_understands_every_setting_as_it_is_meant(vllm: Source) -> None:
    read = understood(vllm, **EVERYTHING)
    asked = {
        "model_tag": "s3://models/legal/legal-8b/1",
        "load_format": "runai_streamer",
        "served_model_name": "legal",
        "host": "0.0.0.0",
        "port": 8000,
        "tensor_parallel_size": 4,
        "pipeline_parallel_size": 2,
        "gpu_memory_utilization": 0.85,
        "cpu_offload_gb": 1.5,
        "enforce_eager": True,
        "max_model_len": 8192,
        "runner": "generate",
        "quantization": "awq",
        "dtype": "float16",
        "kv_cache_dtype": "fp8",
        "generation_config": "vllm",
        "trust_remote_code": True,
        "enable_prefix_caching": True,
        "enable_chunked_prefill": True,
        "max_num_seqs": 64,
        "max_num_batched_tokens": 4096,
        "spec_method": "draft_model",
        "spec_tokens": 4,
        "spec_model": "s3://models/general/small/1",
        "enable_auto_tool_choice": True,
        "tool_call_parser": "hermes",
        "reasoning_parser": "qwen3",
        "chat_template": f"{FILES}/chat-template.jinja",
        "shutdown_timeout": 120,
        "enable_lora": True,
        "max_loras": 1,
        "max_lora_rank": "32",
        "config": "/adapters/vllm.yaml",
    }
    assert said(read) == asked


def test_what_is_switched_off_is_switched_off_in_vllm(vllm: Source) -> None:
    read = understood(vllm, **EVERYTHING | OFF)
    assert (read.enable_prefix_caching, read.enable_chunked_prefill) == (False, False)


def test_what_settings_leave_open_is_left_to_vllm(vllm: Source) -> None:
    assert said(understood(vllm)).keys() == {
        "model_tag",
        "load_format",
        "served_model_name",
        "host",
        "port",
        "tensor_parallel_size",
        "gpu_memory_utilization",
        "shutdown_timeout",
    }


def test_without_a_gpu_the_cache_has_its_size_in_bytes_and_weights_come_from_the_node(vllm: Source) -> None:
    read = understood(vllm, **CPU)
    assert (read.kv_cache_memory_bytes, read.tensor_parallel_size) == (8 * 2**30, 1)
    assert (read.gpu_memory_utilization, read.load_format) == (None, None)
    assert understood(vllm, accelerator={"kind": "cpu"}).kv_cache_memory_bytes == 4 * 2**30


@pytest.mark.parametrize("given", [EVERYTHING, CPU], ids=["gpu", "cpu"])
def test_vllm_reads_every_variable_that_it_is_given_for_itself(vllm: Source, given: dict[str, Any]) -> None:
    ours = engine(**given)
    known = vllm.values("vllm/envs.py", "environment_variables")
    mentioned = {name for name in (*ours.workload(PATHS).env, ours.key_variable) if name and name.startswith("VLLM_")}
    assert mentioned <= known
    assert len(mentioned) >= 3


@pytest.mark.parametrize(
    ("path", "name", "ours"),
    [
        ("vllm/config/cache.py", "CacheDType", values.CacheType),
        ("vllm/config/model.py", "ModelDType", values.WeightType),
        ("vllm/config/scheduler.py", "RunnerType", values.Runner),
        ("vllm/model_executor/layers/quantization/__init__.py", "QuantizationMethods", values.Quantization),
    ],
)
def test_vllm_knows_each_of_our_values(vllm: Source, path: str, name: str, ours: object) -> None:
    assert set(get_args(ours)) <= vllm.values(path, name)


def test_vllm_knows_each_way_to_guess(vllm: Source) -> None:
    names = ("MTPModelTypes", "EagleModelTypes", "SpeculativeMethod")
    known = {value for name in names for value in vllm.values("vllm/config/speculative.py", name)}
    assert set(get_args(values.SpeculativeMethod)) <= known


def test_no_quantization_of_ours_is_deprecated(vllm: Source) -> None:
    path = "vllm/model_executor/layers/quantization/__init__.py"
    assert vllm.values(path, "DEPRECATED_QUANTIZATION_METHODS").isdisjoint(get_args(values.Quantization))


def test_on_rocm_exactly_those_quantizations_are_refused_that_vllm_refuses(vllm: Source) -> None:
    supported = vllm.values("vllm/platforms/rocm.py", "supported_quantization")
    assert set(get_args(values.Quantization)) - supported == values.NOT_ON_ROCM


@pytest.mark.parametrize(
    ("path", "name", "ours"),
    [
        ("vllm/tool_parsers/__init__.py", "_TOOL_PARSERS_TO_REGISTER", values.ToolParser),
        ("vllm/reasoning/__init__.py", "_REASONING_PARSERS_TO_REGISTER", values.ReasoningParser),
    ],
)
def test_every_parser_of_vllm_can_be_set_and_no_other(vllm: Source, path: str, name: str, ours: object) -> None:
    assert set(get_args(ours)) == vllm.values(path, name)


def test_every_rank_of_adapters_that_vllm_takes_can_be_set(vllm: Source) -> None:
    ranks = vllm.written("vllm/config/lora.py", "MaxLoRARanks")
    assert {int(one) for one in re.findall(r"\d+", ranks)} == set(get_args(Rank))


def test_images_stream_where_weights_are_streamed(vllm: Source) -> None:
    streamer = "runai-model-streamer[s3"
    assert streamer in vllm.text("docker/Dockerfile")
    assert streamer in vllm.text("requirements/rocm.txt")
    on_cpu = vllm.text("docker/Dockerfile.cpu").partition("AS vllm-openai\n")[2]
    assert 'dist/*.whl)[audio]"' in on_cpu, "the image for cpu is made otherwise than it was: look again"
    assert "runai" not in on_cpu
    streams = {kind: engine(accelerator={"kind": kind}).streams for kind in Vllm.IMAGES}
    assert streams == {"cpu": False, "cuda": True, "rocm": True}


def test_vllm_understands_what_pods_over_several_nodes_are_told_of_each_other(vllm: Source) -> None:
    everything = {name: value for name, value in EVERYTHING.items() if name not in NOT_OVER_NODES}
    arguments = over_nodes(**everything)
    leader, worker = (vllm.parser.parse_args(arguments[group]) for group in ("engine", "worker"))
    assert said(worker).items() - said(leader).items() == {("headless", True)}
    assert said(leader).keys() <= said(worker).keys()
    assert (leader.tensor_parallel_size, leader.pipeline_parallel_size) == (8, 2)
    assert (leader.nnodes, leader.node_rank, leader.master_addr) == (2, 1, "chat-0.chat-0.inference")
    assert leader.distributed_executor_backend == "mp"
    assert leader.distributed_timeout_seconds is not None
    assert leader.model_tag == "s3://models/legal/legal-8b/1"


def test_vllm_computes_over_nodes_without_ray(vllm: Source) -> None:
    assert "mp" in vllm.values("vllm/config/parallel.py", "allowed_backends")
    assert int(vllm.written("vllm/config/parallel.py", "master_port")) == MASTER_PORT
    headless = vllm.text("vllm/entrypoints/cli/serve.py").partition("def run_headless")[2]
    assert "MultiprocExecutor(" in headless, "workers are started otherwise than they were: look again"
