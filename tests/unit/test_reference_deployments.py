"""Deployments that are run elsewhere, field by field: what the shipped settings make of them."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import pytest

from tests.unit.manifests import manifests
from tests.unit.recording import RANDOM, record, stack_settings

Objects = Mapping[tuple[str, str], dict[str, Any]]
"""By kind and name."""


def shipped(stack: str, *, secrets: Mapping[str, str] | None = None, **changed: Any) -> list[dict[str, Any]]:
    """What the program makes of a stack's settings."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        settings = stack_settings(stack) | changed
        return manifests(record(settings, stack=stack, monkeypatch=monkeypatch, secrets=secrets))


def by_name(made: Sequence[dict[str, Any]]) -> Objects:
    return {(one["kind"], one["metadata"]["name"]): one for one in made}


@pytest.fixture(scope="module")
def eks() -> Objects:
    """As it is rehearsed: it cannot be deployed yet."""
    return by_name(shipped("eks", rehearsal=True))


@pytest.fixture(scope="module")
def all_sites() -> Sequence[dict[str, Any]]:
    """Three clusters, each with a gateway of the same name."""
    return shipped("onprem", secrets={"sshPrivateKey": f"{RANDOM}-private-key"})


@pytest.fixture(scope="module")
def sites(all_sites: Sequence[dict[str, Any]]) -> Objects:
    """Whatever has a name of its own in them."""
    return by_name(all_sites)


def pod(objects: Objects, name: str) -> dict[str, Any]:
    return objects["Deployment", name]["spec"]["template"]["spec"]


def args(objects: Objects, name: str) -> list[str]:
    return pod(objects, name)["containers"][0]["args"]


def flags_of_two(arguments: list[str]) -> set[str]:
    """A flag and its value, as llama.cpp takes them."""
    return {f"{first} {second}" for first, second in pairwise(arguments)}


def tolerated(objects: Objects, name: str) -> list[str]:
    wanted = {"operator": "Equal", "value": "true", "effect": "NoSchedule"}
    return [one["key"] for one in pod(objects, name)["tolerations"] if wanted.items() <= one.items()]


def test_the_lora_service_serves_its_quantized_model_with_two_adapters_that_can_be_exchanged(eks: Objects) -> None:
    model, *flags = args(eks, "vllm")
    assert model.startswith("s3://my-inference-models/general/mistral-7b-awq/")
    (sync,) = eks["Job", "sync-mistral-7b-awq"]["spec"]["template"]["spec"]["containers"]
    assert sync["args"][1].startswith("hf://TheBloke/Mistral-7B-v0.1-AWQ@")
    assert {"--quantization=awq", "--enable-lora", "--max-loras=2", "--max-lora-rank=32"} <= set(flags)
    (engine,) = pod(eks, "vllm")["containers"]
    assert {"name": "VLLM_ALLOW_RUNTIME_LORA_UPDATING", "value": "True"} in engine["env"]
    assert [(one["name"], one["containerPort"]) for one in engine["ports"]] == [("http", 8000)]
    probes = [engine[f"{probe}Probe"]["httpGet"] for probe in ("startup", "readiness", "liveness")]
    assert [(probe["path"], probe["port"]) for probe in probes] == [("/health", 8000)] * 3
    assert engine["resources"]["limits"]["nvidia.com/gpu"] == "1"


def test_the_lora_service_gets_its_adapters_from_mlflow_before_it_starts(eks: Objects) -> None:
    containers = {one["name"]: one for one in pod(eks, "vllm")["initContainers"]}
    bring, mounts = containers["adapters"]["args"], containers["adapters"]["volumeMounts"]
    assert bring[-2:] == ["champion=mlflow://adapter@champion", "challenger=mlflow://adapter@challenger"]
    assert {"name": "MLFLOW_TRACKING_URI", "value": "https://mlflow.example.com"} in containers["adapters"]["env"]
    (engine,) = pod(eks, "vllm")["containers"]
    # The file that was written names those that arrived.
    file = args(eks, "vllm")[args(eks, "vllm").index("--config") + 1]
    assert file in bring
    (shared,) = [one["name"] for one in mounts if file.startswith(f"{one['mountPath']}/")]
    assert {"name": shared, "mountPath": "/adapters", "readOnly": True} in engine["volumeMounts"]


def test_the_lora_service_answers_its_gateway_alone_and_reaches_its_store_and_registry_alone(eks: Objects) -> None:
    policy = eks["NetworkPolicy", "vllm"]["spec"]
    assert policy["podSelector"]["matchLabels"]["app.kubernetes.io/name"] == "vllm"
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    (rule,) = policy["ingress"]
    assert [one["port"] for one in rule["ports"]] == [8000]
    (client,) = rule["from"]
    assert client["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "gateway"}
    assert {one["port"] for rule in policy["egress"] for one in rule["ports"]} == {443}


@pytest.mark.parametrize(
    ("engine", "group"), [("vllm", "gpu-vllm"), ("judge", "gpu-vllm"), ("judge-large", "gpu-vllm-large")]
)
def test_engines_of_a_node_group_run_there_and_tolerate_its_taint(eks: Objects, engine: str, group: str) -> None:
    assert pod(eks, engine)["nodeSelector"]["workload"] == group
    assert tolerated(eks, engine) == [group]


@pytest.mark.parametrize(
    ("name", "source", "gpus", "memory", "share", "seconds"),
    [
        ("judge", "hf://TheBloke/Mistral-7B-Instruct-v0.2-AWQ@", "1", "14Gi", "0.88", 300),
        ("judge-large", "hf://hugging-quants/Meta-Llama-3.1-70B-Instruct-AWQ-INT4@", "4", "100Gi", "0.8", 900),
    ],
)
def test_a_judge_is_off_until_it_is_wanted_and_then_as_it_was_tuned(
    eks: Objects, name: str, source: str, gpus: str, memory: str, share: str, seconds: int
) -> None:
    assert eks["Deployment", name]["spec"]["replicas"] == 0
    model = args(eks, name)[0].split("/")[-2]
    (sync,) = eks["Job", f"sync-{model}"]["spec"]["template"]["spec"]["containers"]
    assert sync["args"][1].startswith(source)
    assert {
        f"--tensor-parallel-size={gpus}",
        f"--gpu-memory-utilization={share}",
        "--max-model-len=4096",
    } <= set(args(eks, name))
    assert "--enforce-eager" not in args(eks, name)
    (engine,) = pod(eks, name)["containers"]
    assert engine["resources"]["requests"]["memory"] == engine["resources"]["limits"]["memory"] == memory
    assert engine["resources"]["limits"]["nvidia.com/gpu"] == gpus
    probe = engine["startupProbe"]
    assert probe["failureThreshold"] * probe["periodSeconds"] == seconds


def test_the_homelab_runs_llama_cpp_on_its_strix_halo(sites: Objects) -> None:
    (engine,) = pod(sites, "chat")["containers"]
    assert engine["image"].startswith("ghcr.io/ggml-org/llama.cpp:server-rocm-b")
    assert {"--n-gpu-layers 999", "--flash-attn on", "--load-mode none"} <= flags_of_two(engine["args"])
    assert "--metrics" in engine["args"]
    assert engine["resources"]["limits"]["amd.com/gpu"] == "1"
    assert pod(sites, "chat")["nodeSelector"]["inference/product"] == "strix-halo"
    assert pod(sites, "chat")["securityContext"]["supplementalGroups"] == [44, 992]
    assert tolerated(sites, "chat") == ["rocm-inference"]


def test_the_homelab_runs_vllm_on_its_thor(sites: Objects) -> None:
    (engine,) = pod(sites, "general")["containers"]
    assert engine["image"].startswith("docker.io/vllm/vllm-openai:v")
    assert engine["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert pod(sites, "general")["nodeSelector"]["inference/product"] == "jetson-thor"
    assert pod(sites, "general")["runtimeClassName"] == "nvidia"
    assert tolerated(sites, "general") == ["cuda-inference"]


def test_each_site_answers_through_litellm_with_open_webui_beside_it(all_sites: Sequence[dict[str, Any]]) -> None:
    names = [(one["kind"], one["metadata"]["name"]) for one in all_sites]
    assert names.count(("Deployment", "litellm")) == 3
    for one in all_sites:
        if (one["kind"], one["metadata"]["name"]) == ("Deployment", "litellm"):
            containers = one["spec"]["template"]["spec"]["containers"]
            assert [container["name"] for container in containers] == ["litellm", "open-webui"]


@pytest.mark.parametrize(
    ("domain", "resource"),
    [
        ("legal", "amd.com/gpu"),
        ("healthcare", "amd.com/gpu"),
        ("financial", "nvidia.com/gpu"),
        ("cyber", "nvidia.com/gpu"),
    ],
)
def test_each_domain_has_a_vllm_of_its_own_on_its_own_model(sites: Objects, domain: str, resource: str) -> None:
    assert args(sites, domain)[0].startswith(f"s3://inference-models/{domain}/{domain}-8b/")
    assert f"--served-model-name={domain}" in args(sites, domain)
    (engine,) = pod(sites, domain)["containers"]
    assert engine["resources"]["limits"][resource] == "1"
    assert sites["Service", domain]["spec"]["ports"][0]["port"] == 8000
