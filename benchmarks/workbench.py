"""What every benchmark needs: settings of a given size, the engine, and a watch on time and memory."""

import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

import toolchain

REPOSITORY = Path(__file__).parents[1]
STACK = "dev"
SAMPLE_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One run of a command."""

    seconds: float
    """Wall clock."""
    mebibytes: float
    """Most memory that the command and all its descendants held at once (resident set)."""
    output: str


@dataclass(frozen=True, kw_only=True)
class Workbench:
    """A state directory of its own, and the environment to run the engine in."""

    state: Path
    environment: dict[str, str]

    @property
    def settings(self) -> Path:
        """The stack's settings."""
        return self.state / f"Pulumi.{STACK}.yaml"

    def pulumi(self, *arguments: str, program: Path = REPOSITORY) -> Measurement:
        """Run a `pulumi` command for the stack on `program`."""
        command = ["pulumi", *arguments, "--stack", STACK, "--non-interactive"]
        if arguments[0] not in ("up", "preview", "destroy"):
            return measure(command, cwd=self.state, environment=self.environment)
        return measure([*command, "--config-file", str(self.settings)], cwd=program, environment=self.environment)


@contextmanager
def workbench(engines: int) -> Generator[Workbench]:
    """A stack of `engines` engines that is not up yet; everything is removed when the block ends."""
    state = Path(tempfile.mkdtemp(prefix="inference-benchmark-"))
    os.environ["INFERENCE_STATE"] = str(state)
    try:
        environment = os.environ | toolchain.environment(stack=STACK, tests=True)
        # As on a user's machine: modules are compiled once, not at every run.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        bench = Workbench(state=state, environment=environment)
        shutil.copy(REPOSITORY / "Pulumi.yaml", state)
        bench.settings.write_text(yaml.safe_dump({"config": configuration(engines)}))
        subprocess.run(
            ["pulumi", "stack", "init", STACK, "--non-interactive"],
            cwd=state,
            env=environment,
            check=True,
            capture_output=True,
        )
        yield bench
    finally:
        for directory in (state / STACK).glob("*/"):
            stop = ["python", "-m", "toolchain.control_plane", "stop", "--directory", str(directory)]
            subprocess.run(stop, cwd=REPOSITORY, env=os.environ, check=False, capture_output=True)
        shutil.rmtree(state, ignore_errors=True)


def configuration(engines: int) -> dict[str, Any]:
    """Settings with so many engines: half llama.cpp on CPU, half vLLM on one GPU each, and room for all."""
    nodes = [
        {
            "name": f"node-{number}",
            "cpu": 128,
            "memory": "1Ti",
            "accelerator": {"kind": "cuda", "count": 8},
        }
        for number in range(engines // 16 + 2)
    ]
    commit = "0" * 40
    common = {"cluster": "dev", "model": "model", "resources": {"cpu": "1", "memory": "2Gi"}}
    return {
        "inference:target": "dev",
        "inference:clusters": [{"name": "dev", "simulated": nodes}],
        "inference:store": {"kind": "minio", "keepData": False},
        "inference:models": [{"name": "model", "source": f"hf://example/model@{commit}", "files": ["model.gguf"]}],
        "inference:engines": [
            {"name": f"engine-{number}", "kind": "llamacpp", "file": "model.gguf", **common}
            if number % 2
            else {"name": f"engine-{number}", "kind": "vllm", "accelerator": {"kind": "cuda"}, **common}
            for number in range(engines)
        ],
        "inference:gateway": {"openWebui": {"keepData": False}},
        "inference:quota": {"pods": 10 * engines + 100},
    }


def measure(command: Sequence[str], *, cwd: Path, environment: dict[str, str]) -> Measurement:
    """Run a command to its end. AssertionError with its output where it fails."""
    with tempfile.TemporaryFile("w+") as log:
        started = time.monotonic()
        with subprocess.Popen(command, cwd=cwd, env=environment, stdout=log, stderr=subprocess.STDOUT) as process:
            peak = _Peak(process.pid)
            peak.start()
            process.wait()
            seconds = time.monotonic() - started
            peak.stop()
        log.seek(0)
        output = log.read()
    if process.returncode != 0:
        raise AssertionError(f"{' '.join(command)} failed:\n{output[-4000:]}")
    return Measurement(seconds=seconds, mebibytes=peak.bytes / 2**20, output=output)


class _Peak(threading.Thread):
    """Samples the memory of a process and its descendants."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._process = psutil.Process(pid)
        self._done = threading.Event()
        self.bytes = 0

    def run(self) -> None:
        while not self._done.wait(SAMPLE_SECONDS):
            with suppress(psutil.NoSuchProcess):
                family = [self._process, *self._process.children(recursive=True)]
                self.bytes = max(self.bytes, sum(_resident(member) for member in family))

    def stop(self) -> None:
        """End sampling."""
        self._done.set()
        self.join()


def _resident(process: psutil.Process) -> int:
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        return process.memory_info().rss
    return 0
