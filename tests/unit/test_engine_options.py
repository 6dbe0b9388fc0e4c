"""Settings of vLLM and llama.cpp: what reaches the server, and what users are told of those that contradict."""

from itertools import pairwise
from typing import Any

import pytest

from components.engines.vllm import Vllm
from tests.unit.manifests import manifests
from tests.unit.mistakes import Change, put, told
from tests.unit.recording import record, stack_settings
from tests.unit.test_engine_placement import llamacpp, vllm

ON_CPU: dict[str, Any] = {"accelerator": {"kind": "cpu"}}
TEMPLATE = "{% for message in messages %}{{ message.content }}{% endfor %}\n"


def options(number: int = 0, **given: Any) -> Change:
    """Further settings of one of the dev stack's engines: 0 is vLLM on CUDA, 1 on ROCm, 2 llama.cpp on CPU."""

    def change(settings: Any) -> None:
        settings["engines"][number] |= given

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            options(accelerator={"kind": "cuda", "count": 2}, pipelineParallel=4),
            "engines[0].pipelineParallel 2 GPUs cannot be split into 4 equal stages: set accelerator.count to",
        ),
        (options(**ON_CPU, pipelineParallel=2), "engines[0].pipelineParallel is for GPUs, and this runs on cpu: rem"),
        (options(**ON_CPU, loading="stream"), "engines[0].loading vLLM's image for cpu has no streamer: set `cache`"),
        (options(**ON_CPU, gpuMemoryUtilization=0.5), "engines[0].gpuMemoryUtilization is for GPUs, and this runs on"),
        (options(**ON_CPU, cpuOffload="2Gi"), "engines[0].cpuOffload is for GPUs, and this runs on cpu: remove it"),
        (options(cpuCache="2Gi"), "engines[0].cpuCache is for cpu; on a GPU the cache is what gpuMemoryUtilization"),
        (
            options(**ON_CPU, cpuCache="16Gi"),
            "engines[0].cpuCache 16Gi leaves nothing of the replica's memory, 16Gi: raise resources.memory",
        ),
        (
            options(accelerator={"kind": "cuda", "count": 2}, cpuOffload="8Gi"),
            "engines[0].cpuOffload 2 times 8Gi leaves nothing of the replica's memory, 16Gi: raise resources.memory",
        ),
        (options(1, quantization="gptq_marlin"), "engines[1].quantization vLLM has no gptq_marlin on rocm: set gptq"),
        (options(1, quantization="experts_int8"), "engines[1].quantization vLLM has no experts_int8 on rocm: remove"),
        (options(1, kvCacheDtype="fp8_e5m2"), "engines[1].kvCacheDtype vLLM has no fp8_e5m2 on rocm: set fp8_e4m3"),
        (
            options(maxSequences=256, maxBatchedTokens=128),
            "engines[0].maxBatchedTokens is less than maxSequences; set at least 256",
        ),
        (
            options(contextLength=8192, chunkedPrefill=False, maxBatchedTokens=4096),
            "engines[0].maxBatchedTokens is less than contextLength, and chunkedPrefill is off; set at least 8192",
        ),
        (
            options(runner="pooling", toolParser="hermes"),
            "engines[0].toolParser is for models that write, and `runner: pooling` is for those that do not",
        ),
        (
            options(speculative={"method": "ngram", "tokens": 4, "model": "legal-8b"}),
            "engines[0].speculative.model cannot go with `method: ngram`, which needs no second model: remove it",
        ),
        (
            options(speculative={"method": "eagle3", "tokens": 4}),
            "engines[0].speculative.model is missing: `method: eagle3` guesses with a second model; it must be one of",
        ),
        (
            options(speculative={"method": "draft_model", "tokens": 4, "model": "legal-1b"}),
            'engines[0].speculative.model "legal-1b" is not a model; there are: legal-8b, chat-gguf',
        ),
        (
            options(toolParser="hermez"),
            'engines[0].toolParser "hermez" is not one of its values; did you mean "hermes"?',
        ),
        (
            options(2, backend="vulkan"),
            "engines[2].backend vulkan is for accelerator.kind rocm, whose pods get /dev/dri, not cpu: remove it",
        ),
    ],
)
def test_settings_that_contradict_one_another_are_told_with_the_remedy(change: Change, expected: str) -> None:
    (found,) = told(change)
    assert found.startswith(f"inference:{expected}")


def test_all_contradictions_of_an_engine_are_told_at_once() -> None:
    change = options(1, quantization="gptq_marlin", kvCacheDtype="fp8_e5m2", pipelineParallel=2, cpuCache="1Gi")
    places = {line.split()[0].rpartition(".")[2] for line in told(change, put("engines", 0, "model", to="legal-9b"))}
    assert places == {"quantization", "kvCacheDtype", "pipelineParallel", "cpuCache", "model"}


def test_an_accelerator_that_an_engine_has_no_image_for_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Vllm, "IMAGES", {kind: image for kind, image in Vllm.IMAGES.items() if kind != "cpu"})
    (found,) = told(options(**ON_CPU))
    assert found == "inference:engines[0].accelerator.kind vllm has no image for cpu; there are: cuda, rocm"


def test_a_chat_template_is_a_file_in_the_pod_and_another_one_restarts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    annotations: list[dict[str, str]] = []
    for template in (TEMPLATE, TEMPLATE.upper()):
        settings = stack_settings("dev")
        settings["engines"][0]["chatTemplate"] = template
        objects = manifests(record(settings, stack="dev", monkeypatch=monkeypatch))
        found = {(one["kind"], one["metadata"]["name"]): one for one in objects}
        assert found["ConfigMap", "legal-config"]["data"] == {"chat-template.jinja": template}
        pod = found["Deployment", "legal"]["spec"]["template"]
        (container,) = pod["spec"]["containers"]
        assert "--chat-template=/etc/engine/chat-template.jinja" in container["args"]
        assert {"name": "files", "mountPath": "/etc/engine", "readOnly": True} in container["volumeMounts"]
        assert {"name": "files", "configMap": {"name": "legal-config"}} in pod["spec"]["volumes"]
        annotations.append(pod["metadata"]["annotations"])
    assert annotations[0] != annotations[1]


def test_a_model_that_guesses_is_brought_and_checked_like_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = stack_settings("dev")
    settings["models"].append({"name": "legal-1b", "domain": "legal", "source": f"hf://example/draft@{'d' * 40}"})
    settings["engines"][0]["speculative"] = {"method": "draft_model", "tokens": 4, "model": "legal-1b"}
    objects = manifests(record(settings, stack="dev", monkeypatch=monkeypatch))
    (deployment,) = [one for one in objects if (one["kind"], one["metadata"]["name"]) == ("Deployment", "legal")]
    pod = deployment["spec"]["template"]["spec"]
    draft = f"s3://inference-models/legal/legal-1b/{'d' * 40}"
    assert [one["args"] for one in pod["initContainers"]][1] == ["check", draft]
    assert f"--spec-model={draft}" in pod["containers"][0]["args"]


def test_vllm_without_a_gpu_starts_as_many_threads_as_it_may_use_cpus() -> None:
    env = vllm(**ON_CPU, resources={"cpu": "2", "cpuLimit": "3500m", "memory": "16Gi"}).workload({"m": "/m"}).env
    assert (env["VLLM_CPU_OMP_THREADS_BIND"], env["OMP_NUM_THREADS"]) == ("nobind", "4")
    assert "OMP_NUM_THREADS" not in vllm().workload({"m": "/m"}).env


@pytest.mark.parametrize(("setting", "told_to_it"), [(True, ("--flash-attn", "on")), (False, ("--flash-attn", "off"))])
def test_llama_cpp_is_told_whether_to_use_flash_attention(setting: bool, told_to_it: tuple[str, str]) -> None:
    args = llamacpp(flashAttention=setting).workload({"m": "/m"}).args
    assert told_to_it in pairwise(args)
    assert "--flash-attn" not in llamacpp().workload({"m": "/m"}).args


def test_llama_cpp_computes_with_vulkan_on_gpus_that_rocm_does_not_know() -> None:
    on_rocm = llamacpp(accelerator={"kind": "rocm"})
    with_vulkan = llamacpp(accelerator={"kind": "rocm"}, backend="vulkan")
    assert on_rocm.workload({"m": "/m"}).image.partition(":")[2].startswith("server-rocm-b")
    assert with_vulkan.workload({"m": "/m"}).image.partition(":")[2].startswith("server-vulkan-b")
    assert with_vulkan.workload({"m": "/m"}).args == on_rocm.workload({"m": "/m"}).args
