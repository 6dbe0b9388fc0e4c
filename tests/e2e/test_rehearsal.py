"""Rehearsing stacks by the real Pulumi engine, on real API servers that are thrown away afterwards."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

import toolchain
from tests.unit.recording import REPOSITORY, stack_settings


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Where a person rehearses: a state directory with a real stack's state in it, and settings of their own."""

    home: Path

    @property
    def state(self) -> Path:
        """`INFERENCE_STATE`."""
        return self.home / "state"

    def start(self, stack: str, *options: str) -> "subprocess.Popen[str]":
        """`python -m placement rehearse`, as make runs it."""
        return subprocess.Popen(
            [sys.executable, "-m", "placement", "rehearse", "--stack", stack, *options],
            cwd=REPOSITORY,
            env=os.environ | {"INFERENCE_STATE": str(self.state)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def rehearse(self, stack: str, *options: str) -> "Said":
        """The same, to its end."""
        return ended(self.start(stack, *options))

    def settings(self, name: str, settings: Mapping[str, Any]) -> Path:
        """A settings file."""
        file = self.home / name
        file.write_text(yaml.safe_dump({"config": {f"inference:{key}": value for key, value in settings.items()}}))
        return file

    def contents(self) -> dict[str, bytes]:
        """Every file that must be as it was: the state directory's, and the repository's settings."""
        files = [path for path in self.state.rglob("*") if path.is_file()]
        return {str(path): path.read_bytes() for path in [*files, *REPOSITORY.glob("Pulumi*.yaml")]}

    def processes(self) -> list[str]:
        """Command lines of everything that runs for a rehearsal here."""
        return [command for process in psutil.process_iter() if (command := self._command(process))]

    def _command(self, process: psutil.Process) -> str:
        try:
            command, variables = process.cmdline(), process.environ().values()
        except psutil.Error:  # it ended just now
            return ""
        ours = process.pid != os.getpid() and any(str(self.state) in word for word in [*command, *variables])
        return " ".join(command) if ours else ""


@dataclass(frozen=True, kw_only=True)
class Said:
    """How a rehearsal ended, and what it said."""

    code: int
    report: str
    progress: str

    def row(self, name: str) -> list[str]:
        """The words of the report's first line that begins with this one."""
        rows = (line.split() for line in self.report.splitlines())
        return next(words for words in rows if words and words[0] == name)


def ended(process: "subprocess.Popen[str]") -> Said:
    """Wait for it."""
    report, progress = process.communicate(timeout=300)
    return Said(code=process.returncode, report=report, progress=progress)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk with everything brought that a rehearsal needs."""
    made = Desk(home=tmp_path)
    monkeypatch.setenv("INFERENCE_STATE", str(made.state))
    toolchain.environment(stack="onprem", rehearsal=True)
    stacks = made.state / ".pulumi" / "stacks" / "inference"
    stacks.mkdir(parents=True)
    (stacks / "onprem.json").write_text('{"the real": "state"}')
    return made


def await_(condition: Callable[[], object]) -> None:
    """Poll."""
    give_up = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.05)


def test_the_example_of_hosts_fits_and_its_rehearsal_leaves_nothing_behind(desk: Desk) -> None:
    before = desk.contents()
    said = desk.rehearse("onprem", "--svg", str(desk.home / "onprem.svg"))
    assert said.code == 0, said.progress
    assert said.row("chat") == ["chat", "1/1", "aimax", "1/1", "rocm"]
    assert said.row("general") == ["general", "1/1", "thor", "1/1", "cuda"]
    for engine, place, kind in (("legal", "radeon", "rocm"), ("cyber", "geforce", "cuda")):
        assert said.row(engine) == [engine, "1/1", place, "1/1", kind]
    assert said.row("geforce")[3:6] == ["2", "of", "2"]
    assert "financial" in (desk.home / "onprem.svg").read_text()
    assert "Deployed 3 control planes and " in said.progress
    assert desk.processes() == []
    assert desk.contents() == before


def test_the_example_of_eks_fits_and_its_judges_would_fit_if_they_were_on(desk: Desk) -> None:
    said = desk.rehearse("eks")
    assert said.code == 0, said.progress
    assert said.row("vllm")[1:2] == ["1/1"]
    assert said.row("judge")[1:2] == ["off"]
    assert said.row("judge-large")[1:2] == ["off"]
    words = " ".join(said.report.split())
    assert "would need 4 cuda GPUs, 16 CPUs, 100 GiB; would fit on gpu-vllm-large-0" in words


def test_one_engine_too_many_is_shown_with_the_schedulers_own_reason(desk: Desk) -> None:
    settings = stack_settings("eks")
    engine = next(one for one in settings["engines"] if one["name"] == "judge-large")
    settings["engines"] = [{**engine, "name": name, "replicas": 1} for name in ("first", "second")]
    said = desk.rehearse("eks", "--config-file", str(desk.settings("crowded.yaml", settings)))
    assert said.code == 1, said.progress
    assert sorted(said.row(name)[1] for name in ("first", "second")) == ["0/1", "1/1"]
    assert said.report.startswith("eks: 1 of ")
    assert "Insufficient nvidia.com/gpu" in said.report[said.report.index("\nDoes not fit\n") :]
    assert desk.processes() == []


def test_an_interrupted_rehearsal_stops_and_removes_everything(desk: Desk) -> None:
    before = desk.contents()
    process = desk.start("eks")
    await_(lambda: any("kube-apiserver" in command for command in desk.processes()))
    process.send_signal(signal.SIGTERM)  # as Ctrl-C, which a test run in the background would not hear
    said = ended(process)
    assert said.code == 130, said.progress
    assert "Traceback" not in said.progress
    assert desk.processes() == []
    assert desk.contents() == before


def test_what_a_killed_rehearsal_left_is_removed_by_the_next_even_if_that_one_fails(desk: Desk) -> None:
    before = desk.contents()
    process = desk.start("eks")
    await_(lambda: any("kube-apiserver" in command for command in desk.processes()))
    process.kill()
    process.communicate()
    broken = {**stack_settings("eks"), "engines": "none"}
    said = desk.rehearse("eks", "--config-file", str(desk.settings("broken.yaml", broken)))
    assert said.code == 4
    assert "engines" in said.progress
    await_(lambda: not desk.processes())  # the killed one's engine ends when it finds its control plane gone
    assert desk.contents() == before
