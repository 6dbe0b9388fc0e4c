"""What KServe is told of an engine, and who may talk to its pods."""

import json
from typing import Any

import pytest

from tests.unit.kserve_stack import kserve_settings
from tests.unit.manifests import manifests
from tests.unit.mistakes import add, told
from tests.unit.ray_stack import SECRETS
from tests.unit.recording import Recording, record, stack_settings

TRANSFORMER = {"image": "registry.lan:5000/tokens:1.4.2"}


def recorded(monkeypatch: pytest.MonkeyPatch, **engine: Any) -> Recording:
    return record(kserve_settings(**engine), stack="onprem", monkeypatch=monkeypatch, secrets=SECRETS)


def made(recording: Recording, kind: str, name: str = "risk") -> dict[str, Any]:
    """The object of the engine's namespace."""
    (found,) = (
        one
        for one in manifests(recording)
        if one["kind"] == kind and one["metadata"]["name"] == name and one["metadata"].get("namespace") == "inference"
    )
    return found


def predictor(recording: Recording) -> dict[str, Any]:
    return made(recording, "InferenceService")["spec"]["predictor"]


def variables(container: dict[str, Any]) -> dict[str, Any]:
    return {one["name"]: one.get("value") for one in container["env"]}


def refused(**engine: Any) -> list[str]:
    """What is told about a KServe engine with these settings beside the dev stack's own engines."""
    fields = {"name": "risk", "kind": "kserve", "cluster": "dev", "runtime": "mlserver", "modelFormat": "sklearn"}
    model = stack_settings("dev")["models"][0]["name"]
    return told(add("engines", value={**fields, "model": model, **engine}))


def test_the_model_comes_verified_by_our_own_program_and_kserve_fetches_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pod = predictor(recorded(monkeypatch))
    (loader,) = pod["initContainers"]
    assert loader["args"][0] == "cache"
    assert loader["args"][1].endswith("/financial/risk-1/2026-11")
    assert "storageUri" not in json.dumps(pod)
    (container,) = pod["containers"]
    assert variables(container)["MLSERVER_MODEL_URI"] == "/models/financial/risk-1/2026-11"


def test_our_program_is_found_without_the_variable_that_kserve_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    (loader,) = predictor(recorded(monkeypatch))["initContainers"]
    assert "PYTHONPATH" not in variables(loader)
    assert loader["workingDir"] == "/program"


def test_kserve_has_no_reason_to_put_a_container_of_its_own_beside_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    pod = predictor(recorded(monkeypatch))
    assert "model" not in pod  # without a storage URI that would mean many models, and its agent to fetch them
    (container,) = pod["containers"]
    assert container["name"] == "kserve-container"
    assert container["image"] == "docker.io/seldonio/mlserver:1.7.1"


def test_plain_deployments_serve_inside_the_cluster_with_a_fixed_number_of_replicas(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service = made(recorded(monkeypatch, replicas=3), "InferenceService")
    annotations, labels = service["metadata"]["annotations"], service["metadata"]["labels"]
    assert annotations["serving.kserve.io/deploymentMode"] == "Standard"
    assert annotations["serving.kserve.io/autoscalerClass"] == "none"
    assert labels["networking.kserve.io/visibility"] == "cluster-local"
    assert service["spec"]["predictor"]["minReplicas"] == 3


def test_triton_loads_the_model_repository_on_the_gpus_that_were_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = recorded(
        monkeypatch, runtime="triton", modelFormat="onnx", accelerator={"kind": "cuda"}, extraArgs=["--log-verbose=1"]
    )
    pod = predictor(recording)
    (server,) = pod["containers"]
    assert server["command"] == ["tritonserver"]
    assert server["args"][0] == "--model-repository=/models/financial/risk-1/2026-11"
    assert server["args"][-1] == "--log-verbose=1"
    assert server["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert pod["nodeSelector"]["inference/accelerator"] == "cuda"
    assert [one["key"] for one in pod["tolerations"]] == ["gpu-only"]


@pytest.mark.parametrize(("gpus", "surge"), [(1, 1), (2, 0)])
def test_an_update_starts_no_pod_for_which_no_gpu_is_certainly_free(
    monkeypatch: pytest.MonkeyPatch, gpus: int, surge: int
) -> None:
    accelerator = {"kind": "cuda", "count": gpus}
    pod = predictor(recorded(monkeypatch, runtime="triton", modelFormat="onnx", accelerator=accelerator))
    assert pod["deploymentStrategy"]["rollingUpdate"] == {"maxSurge": surge, "maxUnavailable": 1 - surge}


def test_a_transformer_has_neither_the_models_keys_nor_its_files_nor_its_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = recorded(
        monkeypatch, runtime="triton", modelFormat="onnx", accelerator={"kind": "cuda"}, transformer=TRANSFORMER
    )
    transformer = made(recording, "InferenceService")["spec"]["transformer"]
    (container,) = transformer["containers"]
    assert "initContainers" not in transformer
    assert "tolerations" not in transformer
    assert [one["name"] for one in transformer["volumes"]] == ["scratch"]
    assert variables(container) == {"HOME": "/scratch/home"}
    assert "nvidia.com/gpu" not in container["resources"]["limits"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_requests_go_to_the_transformer_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    part = "app.kubernetes.io/component"
    assert made(recorded(monkeypatch), "Service")["spec"]["selector"][part] == "engine"
    before = recorded(monkeypatch, transformer=TRANSFORMER)
    assert made(before, "Service")["spec"]["selector"][part] == "transformer"


def test_only_clients_and_its_own_pods_may_send_requests_and_the_gateway_has_no_part_in_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recording = recorded(monkeypatch)
    rules = made(recording, "NetworkPolicy")["spec"]["ingress"]
    namespaces = {
        peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
        for rule in rules
        for peer in rule["from"]
    }
    assert namespaces == {"evaluation", "inference"}


def test_on_simulated_nodes_where_no_operator_runs_its_pods_are_there_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = stack_settings("dev")
    model = settings["models"][0]["name"]
    engine = {"name": "risk", "kind": "kserve", "model": model, "cluster": "dev", "transformer": TRANSFORMER}
    settings["engines"] = [{**engine, "runtime": "mlserver", "modelFormat": "xgboost"}]
    recording = record(settings, stack="dev", monkeypatch=monkeypatch)
    assert made(recording, "Deployment")["spec"]["template"]["spec"]["initContainers"]
    assert made(recording, "Deployment", "risk-transformer")
    assert not [one for one in manifests(recording) if one["kind"] == "InferenceService"]


@pytest.mark.parametrize(
    ("engine", "told_of"),
    [
        ({"modelFormat": "onnx"}, "mlserver cannot serve onnx; it takes sklearn, xgboost, lightgbm, catboost, mlflow"),
        ({"accelerator": {"kind": "cuda"}}, "MLServer computes on CPUs; set accelerator.kind: cpu, or runtime: triton"),
        ({"extraArgs": ["--debug"]}, "`mlserver start` takes no arguments; remove extraArgs"),
        ({"replicas": 0, "autoscaler": {"maxReplicas": 2}}, "an autoscaler never goes down to 0 replicas"),
        ({"replicas": 3, "autoscaler": {"maxReplicas": 2}}, "autoscaler.maxReplicas is less than replicas (3)"),
        ({"transformer": {"image": "registry.lan/tokens:latest"}}, 'the tag "latest" moves: name an exact version'),
        ({"explainer": {"image": "registry.lan/why"}}, '"registry.lan/why" has no tag: name an exact version'),
    ],
)
def test_what_kserve_could_not_run_is_told_with_the_next_step(engine: dict[str, Any], told_of: str) -> None:
    (line,) = refused(**engine)
    assert told_of in line


def test_what_is_beside_the_model_must_find_room_as_well() -> None:
    (found,) = refused(transformer={**TRANSFORMER, "resources": {"cpu": "1000", "memory": "1Gi"}})
    assert ".transformer.resources asks for 1000 CPUs" in found


def test_what_is_beside_the_model_asks_for_no_more_than_its_limit() -> None:
    (found,) = refused(explainer={**TRANSFORMER, "resources": {"memory": "2Gi", "memoryLimit": "1Gi"}})
    assert ".explainer.resources.memoryLimit is less than memory (2Gi)" in found
