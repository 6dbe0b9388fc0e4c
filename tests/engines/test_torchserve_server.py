"""TorchServe's own launcher, frontend and workers, started with what our settings say, on a PyTorch of one line."""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.engines import torchserve
from components.engines.torchserve import TorchServe
from tests.engines.servers import Answer, Server, environment, free_ports, running

HANDLER = """\
import time


def handle(requests, context):
    if requests is None:
        return None
    time.sleep(max(request["body"]["seconds"] for request in requests))
    return [{"batch": len(requests)}] * len(requests)
"""
PYTORCH = "class Tensor: ...\n"
"""All that a worker asks of it for a handler that computes without."""
SETTINGS: dict[str, Any] = {
    "kind": "torchserve",
    "name": "vision",
    "cluster": "home",
    "unmaintained": "accept",
    "models": [
        {"model": "naps", "file": "archives/sleepy.mar", "batchSize": 2, "maxBatchDelay": 300, "responseTimeout": 30},
        {"model": "naps", "name": "again", "file": "archives/sleepy.mar"},
    ],
}
PORTS = ("HTTP", "MANAGEMENT", "METRICS", "GRPC", "GRPC_MANAGEMENT")
pytestmark = pytest.mark.skipif(
    not shutil.which("java"), reason="no java; get it with: apt-get install openjdk-17-jre-headless"
)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Two models out of one archive."""
    made, source, archives = environment("torchserve"), tmp_path / "source", tmp_path / "models/archives"
    for directory in (source / "torch", archives):
        directory.mkdir(parents=True)
    (source / "torch/__init__.py").write_text(PYTORCH)
    (source / "handler.py").write_text(HANDLER)
    name = ["--model-name", "sleepy", "--version", "1.0", "--handler", source / "handler.py"]
    subprocess.run([made / "bin/torch-model-archiver", *name, "--export-path", archives], check=True)
    monkeypatch.setattr(torchserve, "FILES", str(tmp_path / "files"))
    monkeypatch.setattr(torchserve, "HOME", str(tmp_path / "scratch"))
    for port, number in zip(PORTS, free_ports(len(PORTS)), strict=True):
        monkeypatch.setattr(torchserve, port, number)
    workload = TorchServe.model_validate(SETTINGS).workload({"naps": str(archives.parent)})
    with running(workload, tmp_path / "files", made, PYTHONPATH=str(source)) as started:
        yield started


def nap(server: Server, model: str, seconds: float) -> Answer:
    """One prediction."""
    return server.ask(f"/predictions/{model}", {"seconds": seconds})


def test_it_serves_the_archives_of_the_settings_with_their_values_and_leaves_nothing_outside_of_scratch(
    server: Server,
) -> None:
    server.await_ready()
    assert nap(server, "naps", 0).json == {"batch": 1}
    assert nap(server, "again", 0).json == {"batch": 1}
    (model,) = server.ask("/models/naps", port=torchserve.MANAGEMENT).json
    assert {
        key: model[key] for key in ("batchSize", "maxBatchDelay", "minWorkers", "maxWorkers", "responseTimeout")
    } == {
        "batchSize": 2,
        "maxBatchDelay": 300,
        "minWorkers": 1,
        "maxWorkers": 1,
        "responseTimeout": 30,
    }
    assert model["jobQueueStatus"]["remainingCapacity"] == 100
    assert "ts_inference_requests_total" in server.metrics
    assert list(server.directory.iterdir()) == []


def test_nobody_can_bring_other_models_into_it(server: Server) -> None:
    server.await_ready()
    wanted = "/models?url=https://example.invalid/other.mar"
    assert server.ask(wanted, {}, port=torchserve.MANAGEMENT).status == 405
    assert server.ask("/models").status == 404


def test_requests_that_run_when_it_is_asked_to_stop_are_answered_before_it_ends(server: Server) -> None:
    server.await_ready()
    answers: list[Answer] = []
    threads = [threading.Thread(target=lambda: answers.append(nap(server, "naps", 2))) for _ in range(2)]
    for thread in threads:
        thread.start()
    server.await_metric('ts_inference_requests_total{model_name="naps"')
    server.stop()
    for thread in threads:
        thread.join()
    assert [answer.status for answer in answers] == [200, 200]


def test_an_archive_that_is_not_there_is_told_and_ends_it(server: Server, tmp_path: Path) -> None:
    server.process.kill()
    server.process.wait()
    args = [str(tmp_path / "elsewhere.mar") if text.endswith(".mar") else text for text in server.workload.args]
    done = subprocess.run(
        [*server.workload.command, *args], env=server.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == f"there is no file {tmp_path / 'elsewhere.mar'}\n"
