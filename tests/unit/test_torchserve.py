"""What TorchServe's settings become, what is told about wrong ones, and that nobody runs it unknowingly."""

import json
from typing import Any

import pulumi
import pytest

from components.engines.torchserve import TorchServe
from tests.unit.mistakes import add, told
from tests.unit.recording import record, stack_settings

MODEL = {"name": "images", "source": f"hf://org/repo@{1:040}", "files": ["*.mar"]}
DENSENET = {"model": "images", "name": "densenet", "file": "densenet.mar", "batchSize": 8, "maxWorkers": 4}


def torchserve(*models: dict[str, Any], **given: Any) -> dict[str, Any]:
    """Settings of an engine with these models, whose user knows what it is."""
    start = {"kind": "torchserve", "name": "vision", "cluster": "dev", "unmaintained": "accept"}
    return {**start, "models": list(models), **given}


def properties(**given: Any) -> dict[str, str]:
    """Its config.properties."""
    engine = TorchServe.model_validate(torchserve(DENSENET, **given))
    text = engine.workload({"images": "/models/vision/densenet/3"}).files["config.properties"]
    return dict(line.split("=", 1) for line in text.splitlines())


def test_who_does_not_say_that_it_is_unmaintained_is_told_what_is_maintained() -> None:
    engine = torchserve(DENSENET)
    del engine["unmaintained"]
    (found,) = told(add("models", value=MODEL), add("engines", value=engine))
    assert "engines[3] unmaintained is missing; it must be accept, if you can live without security patches" in found
    assert found.endswith("Triton, MLServer and KServe are maintained")


def test_every_preview_warns_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", warnings.append)
    settings = stack_settings("dev")
    settings["models"].append(MODEL)
    settings["engines"].append(torchserve(DENSENET) | {"clients": ["evaluation"]})
    record(settings, stack="dev", monkeypatch=monkeypatch)
    (warning,) = warnings
    assert warning.startswith("vision: TorchServe gets no security patches any more; Triton, MLServer and KServe")


def test_only_predictions_and_metrics_can_be_reached_from_outside_of_the_pod() -> None:
    found = properties()
    reached = {key for key, value in found.items() if key.endswith("_address") and "127.0.0.1" not in value}
    assert reached == {"inference_address", "metrics_address"}


def test_nothing_is_installed_or_fetched_while_it_runs() -> None:
    found = properties()
    assert found["install_py_dep_per_model"] == "false"
    assert found["enable_model_api"] == "false"
    assert found["allowed_urls"] == "none"


def test_each_model_has_its_archive_and_its_values() -> None:
    found = properties()
    assert found["load_models"] == "densenet=densenet.mar"
    assert json.loads(found["models"])["densenet"]["1.0"] == {
        "defaultVersion": True,
        "marName": "densenet.mar",
        "batchSize": 8,
        "maxBatchDelay": 100,
        "minWorkers": 1,
        "maxWorkers": 4,
        "responseTimeout": 120,
    }
    workload = TorchServe.model_validate(torchserve(DENSENET)).workload({"images": "/models/vision/densenet/3"})
    assert "/models/vision/densenet/3/densenet.mar" in workload.args


@pytest.mark.parametrize(("kind", "tag"), [("cpu", "0.12.0-cpu"), ("cuda", "0.12.0-gpu")])
def test_its_image_is_the_one_for_its_accelerator(kind: str, tag: str) -> None:
    engine = TorchServe.model_validate(torchserve(DENSENET, accelerator={"kind": kind}))
    assert engine.workload({"images": "/models"}).image == f"docker.io/pytorch/torchserve:{tag}"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"file": "densenet.pt"}, 'engines[3].models[0].file "densenet.pt" must be the name of a .mar file'),
        ({"minWorkers": 8}, "engines[3].models[0] has maxWorkers 4, which is less than minWorkers (8)"),
        (
            {"model": "legal-9b"},
            'engines[3].models[0].model "legal-9b" is not a model; there are: legal-8b, chat-gguf, images',
        ),
        (
            {"model": "chat-gguf"},
            'engines[3].models[0].file "densenet.mar" is not among the files of "chat-gguf": chat-q4_k_m.gguf',
        ),
        ({"version": "1,0"}, 'engines[3].models[0].version "1,0" must be a version: letters, digits, . _ -'),
    ],
)
def test_what_is_wrong_with_it_is_told_with_what_would_be_right(change: dict[str, Any], expected: str) -> None:
    (found,) = told(add("models", value=MODEL), add("engines", value=torchserve({**DENSENET, **change})))
    assert expected in found


def test_two_models_of_one_name_are_refused() -> None:
    (found,) = told(add("models", value=MODEL), add("engines", value=torchserve(DENSENET, DENSENET)))
    assert 'engines[3].models has "densenet" twice' in found
