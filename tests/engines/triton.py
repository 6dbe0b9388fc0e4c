"""Triton on this machine, started as its container would be."""

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError

from components.engines.engine import FILES
from components.engines.triton.server import PORTS, REPOSITORY, Triton
from tests.engines.servers import free_ports


@dataclass(frozen=True, kw_only=True)
class Installed:
    """Where its package is."""

    packages: Path
    python: str
    stub: str = "triton_python_backend_stub"

    @property
    def root(self) -> Path:
        """Its own installation within the package."""
        return self.packages / "pytriton" / "tritonserver"

    @property
    def backends(self) -> Path:
        """What computes models."""
        return self.root / "backends"


@dataclass(frozen=True, kw_only=True)
class Running:
    """A server, or what is left of it."""

    process: subprocess.Popen[bytes]
    ports: Mapping[str, int]
    log: Path

    def ask(self, path: str, body: object = None, *, port: str = "http") -> tuple[int, str]:
        """Status and text of an answer."""
        data = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[port]}{path}", data, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.request.HTTPError as error:
            return error.code, error.read().decode()

    def infer(self, model: str, tensor: str, values: list[float], **output: Any) -> dict[str, Any]:
        """The outputs by name for one request with one tensor."""
        body: dict[str, Any] = {
            "inputs": [{"name": tensor, "datatype": "FP32", "shape": [1, len(values)], "data": values}]
        }
        status, text = self.ask(f"/v2/models/{model}/infer", body | ({"outputs": [output]} if output else {}))
        assert status == 200, text
        return {one["name"]: one["data"] for one in json.loads(text)["outputs"]}


@contextmanager
def started(installed: Installed, engine: Triton, models: Mapping[str, Path], place: Path) -> Generator[Running]:
    """What the engine's pod would run, below `place`; given when it is ready, or has ended by itself."""
    workload = engine.workload({name: str(path) for name, path in models.items()})
    for name, text in workload.files.items():
        file = place / "files" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    moved = {FILES: str(place / "files"), REPOSITORY: str(place / "repository")}
    moved |= {f"--{name}-port={number}": f"--{name}-port={ports[name]}" for name, number in PORTS.items()}
    log = place / "log"
    environment = {"PATH": f"{installed.root / 'bin'}:{os.environ['PATH']}", **workload.env, "HOME": str(place)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [_moved(one, moved) for one in (*workload.args, f"--backend-directory={installed.backends}")],
            env=environment,
            stdout=output,
            stderr=output,
        )
    running = Running(process=process, ports=ports, log=log)
    try:
        _await_ready(running, workload.health)
        yield running
    finally:
        process.terminate()
        process.wait(60)


def _moved(argument: str, places: Mapping[str, str]) -> str:
    for old, new in places.items():
        argument = argument.replace(old, new)
    return argument


def _await_ready(running: Running, path: str) -> None:
    deadline = time.monotonic() + 60
    while running.process.poll() is None and time.monotonic() < deadline:
        try:
            if running.ask(path)[0] == 200:
                return
        except (URLError, ConnectionError):
            pass  # it does not listen yet
        time.sleep(0.1)
