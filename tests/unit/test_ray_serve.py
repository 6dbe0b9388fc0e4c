"""What KubeRay and Ray are told of an engine, and who may talk to its pods."""

import subprocess
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from components.engines.ray_serve import RayServe
from tests import ray
from tests.unit.manifests import manifests
from tests.unit.mistakes import add, told
from tests.unit.ray_stack import SECRETS, ray_settings
from tests.unit.recording import Recording, record, stack_settings

TWO_GPUS = {"kind": "cuda", "count": 2}


@pytest.fixture(scope="session")
def real_ray() -> None:
    """Ray from PyPI, with locked hashes."""
    try:
        ray.python()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"Ray cannot be installed: {error}")


def recorded(monkeypatch: pytest.MonkeyPatch, *, gpus: int = 4, **engine: Any) -> Recording:
    settings = ray_settings(gpus=gpus, **engine)
    return record(settings, stack="onprem", monkeypatch=monkeypatch, secrets=SECRETS)


def made(recording: Recording, kind: str, name: str = "chat") -> dict[str, Any]:
    """The object of the engine's namespace."""
    (found,) = (
        one
        for one in manifests(recording)
        if one["kind"] == kind and one["metadata"]["name"] == name and one["metadata"].get("namespace") == "inference"
    )
    return found


def workers(service: Mapping[str, Any]) -> dict[str, Any]:
    (group,) = service["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    return group


def pod(group: Mapping[str, Any]) -> dict[str, Any]:
    return group["template"]["spec"]


@pytest.mark.usefixtures("real_ray")
def test_ray_itself_reads_what_is_to_be_served(monkeypatch: pytest.MonkeyPatch) -> None:
    engines: list[dict[str, Any]] = [
        {},
        {"replicas": 2, "accelerator": TWO_GPUS, "contextLength": 8192},
        {"replicas": 0, "autoscaling": {"maxReplicas": 4, "targetOngoingRequests": 8}},
        {"engineOptions": {"enable_prefix_caching": True, "max_num_seqs": 64, "dtype": "bfloat16"}},
    ]
    services = [made(recorded(monkeypatch, **engine), "RayService") for engine in engines]
    ray.read(*(yaml.safe_load(service["spec"]["serveConfigV2"]) for service in services))


@pytest.mark.usefixtures("real_ray")
def test_ray_itself_would_refuse_a_setting_that_it_does_not_know() -> None:
    engine = RayServe.model_validate({"kind": "ray-serve", "name": "chat", "model": "m", "cluster": "home"})
    config = engine.serve_config({"m": "/models/m"})
    config["applications"][0]["args"]["llm_configs"][0]["engine_arguments"] = {}
    with pytest.raises(ray.Refused, match="engine_arguments"):
        ray.read(config)


def test_the_model_is_served_under_the_engines_name_from_its_directory_on_each_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service = made(recorded(monkeypatch, accelerator=TWO_GPUS, contextLength=8192), "RayService")
    (application,) = yaml.safe_load(service["spec"]["serveConfigV2"])["applications"]
    (served,) = application["args"]["llm_configs"]
    directory = served["model_loading_config"]["model_source"]
    assert served["model_loading_config"]["model_id"] == "chat"
    assert served["engine_kwargs"] == {
        "tensor_parallel_size": 2,
        "gpu_memory_utilization": 0.9,
        "max_model_len": 8192,
    }
    (loads,) = pod(workers(service))["initContainers"]
    assert f"{loads['args'][-1]}/" + loads["args"][1].partition("inference-models/")[2] == directory


def test_the_head_has_no_gpu_and_no_model_and_keeps_off_reserved_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    service = made(recorded(monkeypatch), "RayService")
    group = service["spec"]["rayClusterConfig"]["headGroupSpec"]
    head, worker = pod(group), pod(workers(service))
    assert (group["rayStartParams"]["num-cpus"], group["rayStartParams"]["num-gpus"]) == ("0", "0")
    assert "nvidia.com/gpu" not in head["containers"][0]["resources"]["limits"]
    assert "initContainers" not in head
    assert "tolerations" not in head
    assert worker["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert worker["nodeSelector"] == {"inference/accelerator": "cuda"}
    assert [one["key"] for one in worker["tolerations"]] == ["gpu-only"]
    assert worker["runtimeClassName"] == "nvidia"


def test_only_the_gateway_the_operator_and_its_own_pods_reach_it(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = made(recorded(monkeypatch), "NetworkPolicy")["spec"]
    assert policy["podSelector"] == {"matchLabels": {"app.kubernetes.io/instance": "chat"}}
    opened = [
        (
            rule["from"][0]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"],
            rule["from"][0].get("podSelector"),
            [port["port"] for port in rule.get("ports", ())],
        )
        for rule in policy["ingress"]
    ]
    assert opened == [
        ("gateway", None, [8000]),
        ("kuberay-system", None, [8265]),
        ("kuberay-system", None, [8000]),
        ("inference", policy["podSelector"], []),
    ]


def test_rays_own_ports_ask_for_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    service = made(recorded(monkeypatch), "RayService")
    assert service["spec"]["rayClusterConfig"]["authOptions"] == {"mode": "token"}


def test_the_head_alone_may_ask_kubernetes_and_only_where_it_scales(monkeypatch: pytest.MonkeyPatch) -> None:
    fixed = recorded(monkeypatch, replicas=2)
    assert not pod(made(fixed, "RayService")["spec"]["rayClusterConfig"]["headGroupSpec"])[
        "automountServiceAccountToken"
    ]
    assert [one for one in manifests(fixed) if one["metadata"]["name"] == "chat-head"] == []
    scaled = recorded(monkeypatch, replicas=1, autoscaling={"maxReplicas": 3})
    service = made(scaled, "RayService")
    assert pod(service["spec"]["rayClusterConfig"]["headGroupSpec"])["automountServiceAccountToken"]
    assert not pod(workers(service))["automountServiceAccountToken"]
    policy = made(scaled, "NetworkPolicy", "chat-head")["spec"]
    assert [rule["ports"][0]["port"] for rule in policy["egress"]] == [443, 6443]


def test_workers_follow_the_replicas_that_ray_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    group = workers(made(recorded(monkeypatch, replicas=1, autoscaling={"maxReplicas": 3}), "RayService"))
    assert (group["minReplicas"], group["replicas"], group["maxReplicas"]) == (1, 1, 3)


def test_a_drained_node_takes_one_worker_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    budget = made(recorded(monkeypatch, replicas=3), "PodDisruptionBudget")["spec"]
    assert budget["minAvailable"] == 2
    assert budget["selector"]["matchLabels"]["app.kubernetes.io/component"] == "engine"


@pytest.mark.parametrize(("gpus", "strategy"), [(4, "NewCluster"), (3, "None")])
def test_a_second_cluster_beside_the_first_is_made_only_where_all_of_its_gpus_are_free(
    monkeypatch: pytest.MonkeyPatch, gpus: int, strategy: str
) -> None:
    recording = recorded(monkeypatch, gpus=gpus, replicas=2)
    assert made(recording, "RayService")["spec"]["upgradeStrategy"] == {"type": strategy}
    (resource,) = (one for one in recording.kubernetes() if one.inputs["kind"] == "RayService")
    assert bool(resource.replaced_on) == (strategy == "None"), "what the operator would not change is made anew"


def test_on_simulated_nodes_deployments_stand_for_what_the_operator_would_make(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = stack_settings("dev")
    settings["engines"] = [
        {"name": "big", "kind": "ray-serve", "model": "legal-8b", "cluster": "dev", "accelerator": TWO_GPUS}
    ]
    recording = record(settings, stack="dev", monkeypatch=monkeypatch)
    deployments = {
        one["metadata"]["name"]: one["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
        for one in manifests(recording)
        if one["kind"] == "Deployment" and one["metadata"]["namespace"] == "inference"
    }
    assert set(deployments) == {"big", "big-head"}
    assert deployments["big"]["nvidia.com/gpu"] == "2"
    assert "nvidia.com/gpu" not in deployments["big-head"]
    assert not [one for one in manifests(recording) if one["kind"] == "RayService"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"extraArgs": ["--x"]}, "Ray Serve takes no extraArgs; name vLLM's arguments in engineOptions"),
        (
            {"replicas": 0},
            "Ray Serve runs with 0 replicas only under autoscaling; set it, or remove the engine",
        ),
        (
            {"replicas": 3, "autoscaling": {"maxReplicas": 2}},
            "autoscaling.maxReplicas is less than replicas (3)",
        ),
    ],
)
def test_what_ray_serve_cannot_do_is_said(given: dict[str, Any], expected: str) -> None:
    engine = {"name": "big", "kind": "ray-serve", "model": "legal-8b", "cluster": "dev", **given}
    (found,) = told(add("engines", value=engine))
    assert expected in found


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"head": {"cpu": "40"}}, 'head asks for 40 CPUs; the largest node for it in "dev" has 16'),
        ({"head": {"cpu": "2", "cpuLimit": "1"}}, "head.cpuLimit is less than cpu (2)"),
        (
            {"nodeSelector": {"kubernetes.io/hostname": "cuda-1"}, "head": {"memory": "500Gi"}},
            'head asks for 500Gi of memory; the largest node for it in "dev" has 128Gi',
        ),
    ],
)
def test_the_head_must_find_room_as_well(given: dict[str, Any], expected: str) -> None:
    engine = {"name": "big", "kind": "ray-serve", "model": "legal-8b", "cluster": "dev", **given}
    (found,) = told(add("engines", value=engine))
    assert found == f"inference:engines[3].{expected}"


def test_no_other_engine_is_called_as_its_head() -> None:
    engine = {"kind": "ray-serve", "model": "legal-8b", "cluster": "dev"}
    changes = [add("engines", value={"name": name, **engine}) for name in ("big", "big-head")]
    (found,) = told(*changes)
    assert found.startswith('inference:engines[4].name "big-head" is taken: pods of engine "big" are called so')
