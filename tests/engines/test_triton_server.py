"""Triton itself, on models in Python, with the repository and the configuration that settings make."""

import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from components.engines.triton.fitting import misfits
from components.engines.triton.models import Ensemble, TritonModel
from components.engines.triton.server import Triton
from tests.engines.triton import Installed, Running, started

CODE = """\
import json
import sys

sys.path.append({packages!r})
import triton_python_backend_utils as triton


class TritonPythonModel:
    def initialize(self, arguments):
        config = json.loads(arguments["model_config"])
        self.factor = float(config["parameters"]["factor"]["string_value"])

    def execute(self, requests):
        given = [triton.get_input_tensor_by_name(request, "x").as_numpy() for request in requests]
        return [triton.InferenceResponse([triton.Tensor("y", one * self.factor)]) for one in given]
"""


def tensor(name: str, **given: Any) -> dict[str, Any]:
    return {"name": name, "type": "FP32", "dims": [-1], **given}


def times(model: str, factor: int, **given: Any) -> dict[str, Any]:
    """A model that multiplies."""
    return {
        "model": model,
        "backend": "python",
        "maxBatchSize": 8,
        "inputs": [tensor("x")],
        "outputs": [tensor("y")],
        "parameters": {"factor": str(factor)},
        **given,
    }


def step(model: str, given: str, made: str, **changed: Any) -> dict[str, Any]:
    return {"model": model, "inputMap": {"x": given}, "outputMap": {"y": made}, **changed}


def ensemble(*steps: dict[str, Any], **changed: Any) -> dict[str, Any]:
    fields = {"name": "six", "maxBatchSize": 4, "inputs": [tensor("in")], "outputs": [tensor("out")], **changed}
    return {**fields, "steps": steps}


def engine(*models: dict[str, Any], ensembles: tuple[dict[str, Any], ...] = ()) -> Triton:
    fields = {"name": "vision", "kind": "triton", "cluster": "home", "drainSeconds": 5}
    return Triton.model_validate({**fields, "models": models, "ensembles": ensembles})


@pytest.fixture(scope="module")
def running(triton: Installed, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Three models: bare files, version directories, a configuration of their own; and an ensemble of the first two."""
    place = tmp_path_factory.mktemp("triton")
    code = CODE.format(packages=str(triton.packages))
    files = {
        "double/model.py": code,
        "triple/1/model.py": "raise RuntimeError('an old version')",
        "triple/3/model.py": code,
        "triple/labels.txt": "none\nall\n",
        "own/1/model.py": code,
        "own/config.pbtxt": """\
            backend: "python"
            max_batch_size: 8
            input { name: "x" data_type: TYPE_FP32 dims: [-1] }
            output { name: "y" data_type: TYPE_FP32 dims: [-1] }
            parameters { key: "factor" value { string_value: "5" } }
        """,
    }
    served = engine(
        times("double", 2, dynamicBatching={"preferredSizes": [4], "maxQueueSize": 100}, instances={"count": 2}),
        times("triple", 3, name="triple_1", outputs=[tensor("y", labels="labels.txt")]),
        {"model": "own"},
        ensembles=(ensemble(step("triple_1", "doubled", "out"), step("double", "in", "doubled")),),
    )
    with started(triton, served, written(place, files), place) as server:
        yield server


def written(place: Path, files: Mapping[str, str]) -> dict[str, Path]:
    """Models with these files, read-only as the node's cache has them."""
    for name, text in files.items():
        file = place / "models" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o444)
    return {directory.name: directory for directory in (place / "models").iterdir()}


def grpc_client(running: Running) -> Any:
    """NVIDIA's own, which says nothing of its types."""
    return import_module("tritonclient.grpc").InferenceServerClient(f"127.0.0.1:{running.ports['grpc']}")


def test_it_is_ready_with_all_of_its_models(running: Running) -> None:
    assert running.ask("/v2/health/ready")[0] == 200, running.log.read_text()
    assert running.ask("/v2/health/live")[0] == 200
    for model in ("double", "triple_1", "own", "six"):
        assert running.ask(f"/v2/models/{model}/ready")[0] == 200


def test_each_model_computes_what_its_settings_or_its_own_configuration_say(running: Running) -> None:
    answers = {model: running.infer(model, "x", [1, 2])["y"] for model in ("double", "triple_1", "own")}
    assert answers == {"double": [2, 4], "triple_1": [3, 6], "own": [5, 10]}


def test_an_ensemble_answers_with_what_its_steps_make_of_a_request(running: Running) -> None:
    assert running.infer("six", "in", [1, 2]) == {"out": [6, 12]}


def test_classes_are_named_by_the_labels_among_the_models_files(running: Running) -> None:
    (best,) = running.infer("triple_1", "x", [1, 2], name="y", parameters={"classification": 1})["y"]
    assert best.endswith(":1:all")


def test_the_latest_version_is_served(running: Running) -> None:
    assert json.loads(running.ask("/v2/models/triple_1")[1])["versions"] == ["3"]


def test_grpc_and_metrics_have_ports_of_their_own(running: Running) -> None:
    client = grpc_client(running)
    assert client.is_server_ready()
    assert 'nv_inference_request_success{model="double"' in running.ask("/metrics", port="metrics")[1]


def test_no_client_can_load_a_model(running: Running) -> None:
    for call in ("index", "models/double/load", "models/double/unload"):
        status, text = running.ask(f"/v2/repository/{call}", {})
        assert (status, "restricted" in text) == (403, True)
    with pytest.raises(Exception, match="restricted"):
        grpc_client(running).load_model("double")
    assert running.ask("/v2/models/double/ready")[0] == 200


def test_no_client_can_reach_shared_memory_or_change_what_is_logged_or_traced(running: Running) -> None:
    for path in ("/v2/systemsharedmemory/status", "/v2/logging", "/v2/trace/setting"):
        assert running.ask(path)[0] == 403


def test_what_settings_say_is_what_it_serves(running: Running) -> None:
    told = json.loads(running.ask("/v2/models/double/config")[1])
    assert told["max_batch_size"] == 8
    assert told["dynamic_batching"]["preferred_batch_size"] == [4]
    assert told["dynamic_batching"]["default_queue_policy"]["max_queue_size"] == 100
    assert [(one["kind"], one["count"]) for one in told["instance_group"]] == [("KIND_CPU", 2)]


TWO = (times("double", 2), times("triple", 3))
MISTAKES = {
    "a step of an unknown model": (ensemble(step("quadruple", "in", "out")), 'steps[0].model "quadruple"'),
    "a tensor that nobody writes": (ensemble(step("double", "on", "out"), inputs=[tensor("in")]), '"on"'),
    "a tensor that nobody reads": (ensemble(step("double", "in", "out"), step("triple", "in", "more")), '"more"'),
    "a tensor written twice": (ensemble(step("double", "in", "out"), step("triple", "in", "out")), '"out"'),
    "an output that nobody writes": (
        ensemble(step("double", "in", "out"), outputs=[tensor("out"), tensor("also")]),
        '"also"',
    ),
    "an input that the model has not": (ensemble(step("double", "in", "out", inputMap={"z": "in"})), '"z"'),
    "an output that the model has not": (ensemble(step("double", "in", "out", outputMap={"z": "out"})), '"z"'),
    "another data type": (ensemble(step("double", "in", "out"), inputs=[tensor("in", type="INT64")]), "INT64"),
    "another number of dimensions": (
        ensemble(step("double", "in", "out"), inputs=[tensor("in", dims=[2, 2])]),
        "[2, 2]",
    ),
    "an input that no step reads": (
        ensemble(step("double", "in", "out"), inputs=[tensor("in"), tensor("unread")]),
        '"unread"',
    ),
    "larger batches than its models": (ensemble(step("double", "in", "out"), maxBatchSize=9), "maxBatchSize"),
    "steps that wait for each other": (
        ensemble(step("double", "in", "a", inputMap={"x": "b"}), step("triple", "a", "b"), step("double", "in", "out")),
        '"b"',
    ),
}


@pytest.mark.parametrize(("wrong", "told"), MISTAKES.values(), ids=MISTAKES)
def test_what_settings_refuse_is_what_triton_refuses(
    triton: Installed, tmp_path: Path, wrong: dict[str, Any], told: str
) -> None:
    models = tuple(TritonModel.model_validate(one) for one in TWO)
    made = Ensemble.model_validate(wrong)
    problems = [f"{_path(place)} {message}" for place, message in misfits(models, (made,), gpus=0)]
    assert any(told in problem for problem in problems), problems
    code = CODE.format(packages=str(triton.packages))
    files = written(tmp_path, {"double/model.py": code, "triple/model.py": code})
    # As if nothing had been checked.
    unchecked = engine(*TWO).model_copy(update={"ensembles": (made,)})
    with started(triton, unchecked, files, tmp_path) as server:
        assert server.process.wait(60) != 0


def _path(place: tuple[str | int, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
