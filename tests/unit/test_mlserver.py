"""What MLServer's settings become, and what is told about wrong ones."""

import json
from typing import Any

import pytest

from components.engines.engine import FILES
from components.engines.mlserver import MLServer
from components.engines.versions import MLSERVER_VERSION
from tests.unit.manifests import manifests
from tests.unit.mistakes import add, told
from tests.unit.recording import record, stack_settings

PATHS = {"flowers": "/models/general/flowers/1", "fraud": "/models/financial/fraud/7"}
FLOWERS = {"model": "flowers", "name": "iris", "runtime": "sklearn", "file": "iris.joblib"}
FRAUD = {"model": "fraud", "runtime": "xgboost", "batching": {"maxSize": 32, "maxSeconds": 0.02}}


def mlserver(*models: dict[str, Any], **given: Any) -> dict[str, Any]:
    """Settings of an engine with these models."""
    return {"kind": "mlserver", "name": "tabular", "cluster": "dev", "models": list(models), **given}


def read(engine: MLServer, file: str) -> Any:
    """One of the files that it starts with."""
    return json.loads(engine.workload(PATHS).files[file])


def test_each_model_is_a_file_in_a_folder_of_its_name_that_says_where_it_is() -> None:
    engine = MLServer.model_validate(mlserver(FLOWERS, FRAUD))
    assert read(engine, "iris/model-settings.json") == {
        "name": "iris",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "/models/general/flowers/1/iris.joblib"},
    }
    assert read(engine, "fraud/model-settings.json") == {
        "name": "fraud",
        "implementation": "mlserver_xgboost.XGBoostModel",
        "parameters": {"uri": "/models/financial/fraud/7"},
        "max_batch_size": 32,
        "max_batch_time": 0.02,
    }
    assert engine.workload(PATHS).command == ("mlserver", "start", FILES)


@pytest.mark.parametrize(
    ("models", "image"),
    [
        ([FLOWERS], f"docker.io/seldonio/mlserver:{MLSERVER_VERSION}-sklearn"),
        ([FLOWERS, FRAUD], f"docker.io/seldonio/mlserver:{MLSERVER_VERSION}"),
    ],
)
def test_the_image_has_every_runtime_only_where_several_are_needed(models: list[dict[str, Any]], image: str) -> None:
    assert MLServer.model_validate(mlserver(*models)).workload(PATHS).image == image


@pytest.mark.parametrize(
    ("workers", "resources", "threads"),
    [
        (1, {"cpu": "4"}, "4"),
        (2, {"cpu": "2", "cpuLimit": "8"}, "4"),
        (0, {"cpu": "1500m"}, "1"),
        (8, {"cpu": "4"}, "1"),
    ],
)
def test_workers_share_the_cpus_of_a_replica(workers: int, resources: dict[str, str], threads: str) -> None:
    engine = MLServer.model_validate(mlserver(FLOWERS, workers=workers, resources=resources))
    assert engine.workload(PATHS).env["OMP_NUM_THREADS"] == threads
    assert read(engine, "settings.json")["parallel_workers"] == workers


@pytest.mark.parametrize(
    ("engine", "expected"),
    [
        (
            mlserver({"model": "chat-gguf", "runtime": "tensorflow"}),
            'models[0].runtime "tensorflow" is not one of: sklearn,',
        ),
        (mlserver(), "engines[3].models must be a list of 1 to 100 entries"),
        (
            mlserver({"model": "legal-9b", "runtime": "mlflow"}),
            'engines[3].models[0].model "legal-9b" is not a model; there are: legal-8b, chat-gguf',
        ),
        (
            mlserver(*[{"model": "legal-8b", "runtime": "mlflow"}] * 2),
            'engines[3].models has "legal-8b" twice; set another `name` for one of them',
        ),
        (
            mlserver({"model": "chat-gguf", "runtime": "sklearn", "file": "model.joblib"}),
            'engines[3].models[0].file "model.joblib" is not among the files of "chat-gguf": chat-q4_k_m.gguf',
        ),
        (
            mlserver({"model": "legal-8b", "runtime": "mlflow", "file": "MLmodel"}),
            "engines[3].models[0] cannot have a `file`: an MLflow model is a whole directory",
        ),
        (
            mlserver({"model": "legal-8b", "runtime": "sklearn", "batching": {"maxSize": 8}}),
            "engines[3].models[0].batching maxSeconds is missing; it must be a number of more than 0 and at most 60",
        ),
        (
            mlserver({"model": "legal-8b", "runtime": "sklearn"}, extraArgs=["--debug"]),
            "engines[3].extraArgs must be empty: `mlserver start` takes no arguments",
        ),
        (
            mlserver({"model": "legal-8b", "runtime": "sklearn"}, accelerator={"kind": "cuda"}),
            "engines[3].accelerator.kind mlserver has no image for cuda; there are: cpu",
        ),
    ],
)
def test_what_is_wrong_with_it_is_told_with_what_would_be_right(engine: dict[str, Any], expected: str) -> None:
    (found,) = told(add("engines", value=engine))
    assert expected in found


def test_every_mistake_in_its_models_is_told_at_once() -> None:
    wrong = mlserver({"model": "legal-9b", "runtime": "sklearn"}, {"model": "chat-8b", "runtime": "sklearn"})
    assert len(told(add("engines", value=wrong))) == 2


def test_its_files_are_mounted_in_folders_and_only_its_clients_reach_it(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = stack_settings("dev")
    model = {"model": "legal-8b", "name": "iris", "runtime": "sklearn"}
    settings["engines"].append(mlserver(model, clients=["evaluation"]))
    objects = manifests(record(settings, stack="dev", monkeypatch=monkeypatch))
    own = {one["kind"]: one for one in objects if one["metadata"]["name"] in ("tabular", "tabular-config")}
    (files,) = [one for one in own["Deployment"]["spec"]["template"]["spec"]["volumes"] if one["name"] == "files"]
    placed = {item["key"]: item["path"] for item in files["configMap"]["items"]}
    assert placed == {"settings.json": "settings.json", "iris__model-settings.json": "iris/model-settings.json"}
    assert set(own["ConfigMap"]["data"]) == set(placed)
    admitted = own["NetworkPolicy"]["spec"]["ingress"]
    namespaces = [one["from"][0]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for one in admitted]
    assert namespaces == ["evaluation", "evaluation"]
    assert [one["ports"][0]["port"] for one in admitted] == [8080, 8081]
    (gateway,) = [one for one in objects if one["metadata"]["name"] == "litellm-config" and one["kind"] == "ConfigMap"]
    assert "tabular" not in str(gateway["data"])
