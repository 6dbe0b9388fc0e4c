"""LoRA adapters beside an engine: those that can be had, before it starts and while it runs."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.mlflow import Mlflow
from tests.storage.homes import BUCKET, FILES, Home
from tests.stub import serving
from tests.unit.recording import REPOSITORY

LORA = {"adapter_config.json": b'{"r": 8}', "adapter_model.safetensors": b"\x01" * 3000}


@dataclass(kw_only=True)
class Engine:
    """vLLM, as far as it loads adapters: `vllm/entrypoints/serve/lora/api_router.py` of 0.30.0."""

    address: str = ""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list[tuple[str, dict[str, str]]])
    refuses: bool = False


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine()

    class Request(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            engine.asked.append((self.path, asked))
            self.send_response(404 if engine.refuses else 200)
            self.end_headers()
            self.wfile.write(b"The lora adapter cannot be found" if engine.refuses else b"Success")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Request)
    engine.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield engine
    server.shutdown()
    server.server_close()


@pytest.fixture
def registry() -> Iterator[Mlflow]:
    registry = Mlflow(files=dict(LORA))
    with serving(registry):
        yield registry


def run(home: Home, *arguments: str, ends: int = 0, environment: Mapping[str, str] | None = None) -> str:
    """What it said."""
    done = subprocess.run(
        [sys.executable, "-m", "components.storage.sync", *arguments],
        cwd=REPOSITORY,
        env={**home.store.environment(), **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == ends, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def bring(home: Home, directory: Path, *adapters: str, **environment: str) -> list[str]:
    """The adapters that the engine is told of."""
    config, told = directory / "vllm.yaml", directory.with_name("told")
    run(home, "adapters", f"--status={told}", str(directory), str(config), *adapters, environment=environment)
    return json.loads(config.read_text())["lora-modules"]


def files(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_an_engine_is_told_of_adapters_from_the_store_and_from_a_registry(
    home: Home, registry: Mlflow, tmp_path: Path
) -> None:
    home.sync()
    shelf = tmp_path / "adapters"
    told = bring(home, shelf, f"own={home}", "best=mlflow://legal-lora@champion", **registry.environment())
    assert told == [f"best={shelf}/best", f"own={shelf}/own"]
    assert files(shelf / "own") == FILES
    assert files(shelf / "best") == LORA
    assert (tmp_path / "told").read_text() == ""


def test_an_adapter_that_is_missing_is_told_and_the_engine_starts_without_it(home: Home, tmp_path: Path) -> None:
    home.sync()
    shelf = tmp_path / "adapters"
    assert bring(home, shelf, f"own={home}", f"gone=s3://{BUCKET}/general/gone/1") == [f"own={shelf}/own"]
    told = (tmp_path / "told").read_text()
    assert told == (
        f"adapter gone is missing: s3://{BUCKET}/general/gone/1 is not complete in the object store; "
        "sync the model first\n"
    )
    assert sorted(path.name for path in shelf.iterdir()) == ["own", "vllm.yaml"]


def test_a_registry_that_does_not_answer_leaves_an_engine_without_its_adapters(home: Home, tmp_path: Path) -> None:
    nowhere = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:1"}
    assert bring(home, tmp_path / "adapters", "best=mlflow://legal-lora@champion", **nowhere) == []
    assert "adapter best is missing" in (tmp_path / "told").read_text()


def test_an_adapter_is_loaded_into_a_running_engine_and_unloaded(home: Home, engine: Engine, tmp_path: Path) -> None:
    home.sync()
    run(home, "load", str(tmp_path), f"own={home}", f"--engine={engine.address}")
    assert engine.asked == [("/v1/load_lora_adapter", {"lora_name": "own", "lora_path": str(tmp_path / "own")})]
    assert files(tmp_path / "own") == FILES
    run(home, "unload", str(tmp_path), "own", f"--engine={engine.address}")
    assert engine.asked[1:] == [("/v1/unload_lora_adapter", {"lora_name": "own"})]
    assert not (tmp_path / "own").exists()


def test_what_an_engine_refuses_is_told_in_its_words(home: Home, engine: Engine, tmp_path: Path) -> None:
    engine.refuses = True
    said = run(home, "unload", str(tmp_path), "own", f"--engine={engine.address}", ends=1)
    assert "the engine refused with 404: The lora adapter cannot be found" in said


def test_what_is_not_a_name_and_a_source_is_refused(home: Home, tmp_path: Path) -> None:
    for adapter in ("own", "../own=s3://models/x/y/z", "=s3://models/x/y/z"):
        said = run(home, "load", str(tmp_path), adapter, ends=3)
        assert "is not NAME=SOURCE" in said
