"""MLServer itself, started with what our settings say, and asked in the Open Inference Protocol."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.engines import mlserver
from components.engines.mlserver import MLServer
from tests.engines.servers import Answer, Server, environment, free_ports, running

SLEEPY = """\
import time

import numpy
from sklearn.base import BaseEstimator


class Sleepy(BaseEstimator):
    def predict(self, seconds):
        time.sleep(float(seconds[0][0]))
        return numpy.full(len(seconds), len(seconds))
"""
TRAIN = """\
import sys

import joblib
from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier

sys.path.insert(0, sys.argv[1])
from sleepy import Sleepy

joblib.dump(DecisionTreeClassifier(random_state=0).fit(*load_iris(return_X_y=True)), sys.argv[1] + "/iris.joblib")
joblib.dump(Sleepy(), sys.argv[1] + "/model.joblib")
"""
SETTINGS: dict[str, Any] = {
    "kind": "mlserver",
    "name": "tabular",
    "cluster": "home",
    "models": [
        {"model": "flowers", "name": "iris", "runtime": "sklearn", "file": "iris.joblib"},
        {"model": "flowers", "name": "sleepy", "runtime": "sklearn", "batching": {"maxSize": 4, "maxSeconds": 1}},
    ],
}
pytestmark = pytest.mark.skipif(sys.version_info >= (3, 13), reason="MLServer 1.7.1 is for Python 3.9 to 3.12")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """One worker process with two models out of one directory."""
    made, models, files = environment("mlserver"), tmp_path / "models", tmp_path / "files"
    models.mkdir()
    (models / "sleepy.py").write_text(SLEEPY)
    subprocess.run([made / "bin/python", "-c", TRAIN, models], check=True)
    monkeypatch.setattr(mlserver, "FILES", str(files))
    monkeypatch.setattr(mlserver, "SCRATCH", str(tmp_path / "scratch"))
    for name, port in zip(("HTTP", "GRPC", "METRICS"), free_ports(3), strict=True):
        monkeypatch.setattr(mlserver, name, port)
    workload = MLServer.model_validate(SETTINGS).workload({"flowers": str(models)})
    with running(workload, files, made, PYTHONPATH=str(models)) as started:
        started.await_ready()
        yield started


def infer(server: Server, model: str, *rows: list[float]) -> Answer:
    """An inference request of the Open Inference Protocol, version 2."""
    values = [value for row in rows for value in row]
    tensor = {"name": "rows", "shape": [len(rows), len(rows[0])], "datatype": "FP64", "data": values}
    return server.ask(f"/v2/models/{model}/infer", {"inputs": [tensor]})


def test_it_serves_the_models_of_the_settings_under_their_names_and_leaves_nothing_outside_of_scratch(
    server: Server,
) -> None:
    assert infer(server, "iris", [5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]).json["outputs"][0]["data"] == [0, 2]
    assert server.ask("/v2/models/iris/ready").status == 200
    assert server.ask("/v2/models/flowers/ready").status == 404
    assert server.ask(server.workload.alive or "").status == 200
    assert "model_infer_request_success_total" in server.metrics
    assert list(server.directory.iterdir()) == []


def test_requests_that_come_together_are_one_batch_and_are_answered_although_it_is_stopped(server: Server) -> None:
    answers: list[Answer] = []
    threads = [threading.Thread(target=lambda: answers.append(infer(server, "sleepy", [2.0]))) for _ in range(2)]
    for thread in threads:
        thread.start()
    server.await_metric('rest_server_requests_in_progress{app_name="mlserver",method="POST"} 2.0')
    server.stop()
    for thread in threads:
        thread.join()
    assert [answer.json["outputs"][0]["data"] for answer in answers] == [[2], [2]]
    assert server.process.returncode == 0
