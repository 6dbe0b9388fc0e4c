"""Published servers of engines as processes, started as their pods would be."""

import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.engines.engine import Workload
from tests import environments

_HERE = Path(__file__).parent


def environment(name: str) -> Path:
    """The virtual environment of `NAME.lock`."""
    return environments.environment(_HERE / f"{name}.lock")


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens at."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a server says."""

    status: int
    text: str

    @property
    def json(self) -> Any:
        """Its JSON."""
        return json.loads(self.text)


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server."""

    workload: Workload
    process: subprocess.Popen[bytes]
    environment: Mapping[str, str]
    directory: Path
    """Where it was started: what its image has as a read-only root."""
    log: Path

    def ask(self, path: str, body: object = None, *, port: int | None = None) -> Answer:
        """GET, or POST JSON, at its port for requests. OSError where it cannot be reached, or goes away meanwhile."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.workload.ports["http"], timeout=60)
        try:
            content = None if body is None else json.dumps(body)
            connection.request("POST" if content else "GET", path, content, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return Answer(status=response.status, text=response.read().decode())
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from error
        finally:
            connection.close()

    @property
    def metrics(self) -> str:
        """What Prometheus gets."""
        return self.ask(self.workload.metrics or "/", port=self.workload.ports["metrics"]).text

    def await_ready(self) -> None:
        """Until its health is as its pod's startup probe wants it."""
        deadline = time.monotonic() + 90
        while self.process.poll() is None and time.monotonic() < deadline:
            with suppress(OSError):
                if self.ask(self.workload.health).status == 200:
                    return
            time.sleep(0.1)
        raise AssertionError(f"it did not become ready:\n{self.log.read_text()[-3000:]}")

    def await_metric(self, line: str) -> None:
        """Until what Prometheus gets has this text."""
        deadline = time.monotonic() + 60
        while line not in (metrics := self.metrics):
            assert time.monotonic() < deadline, f"no {line} among:\n{metrics}"
            time.sleep(0.05)

    def stop(self) -> None:
        """As the kubelet stops it: what is to run first, then SIGTERM."""
        if self.workload.drain:
            subprocess.run(self.workload.drain, env=self.environment, cwd=self.directory, check=True, timeout=60)
        self.process.terminate()
        self.process.wait(timeout=60)


@contextmanager
def running(workload: Workload, files: Path, made: Path, **more: str) -> Generator[Server]:
    """The server of a workload, whose files are put below `files`; programs come from the environment `made`."""
    for path, text in workload.files.items():
        (files / path).parent.mkdir(parents=True, exist_ok=True)
        (files / path).write_text(text)
    directory = files.parent / "root"
    directory.mkdir()
    log = files.parent / "log"
    variables = {**workload.env, **more, "PATH": f"{made / 'bin'}:{os.environ['PATH']}"}
    with log.open("wb") as output:
        command = [*workload.command, *workload.args]
        process = subprocess.Popen(
            command, env=variables, cwd=directory, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield Server(workload=workload, process=process, environment=variables, directory=directory, log=log)
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """The server, and whatever it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=30)
