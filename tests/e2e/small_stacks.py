"""Small programs run by the real engine, with official plugins where there are any and stand-ins for the others."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from toolchain import bring, catalogue, plugins, standins
from toolchain.download import Network
from toolchain.problems import ToolchainError

PREAMBLE = "import os, sys\nimport pulumi\nimport pulumi_command as command\nimport pulumi_random as random\n"
Event = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one `pulumi` command did."""

    status: int
    text: str
    events: tuple[Event, ...]

    def messages(self, name: str | None = None) -> list[str]:
        """What the user was told, of this resource alone if it is named; the passing lines too."""
        told = (event["diagnosticEvent"] for event in self.events if "diagnosticEvent" in event)
        return [one["message"].strip() for one in told if name is None or one.get("urn", "").endswith(f"::{name}")]

    def operations(self) -> dict[str, str]:
        """What was done, or would be, to each resource that did not stay the same."""
        steps = (event["resourcePreEvent"]["metadata"] for event in self.events if "resourcePreEvent" in event)
        return {step["urn"].rsplit("::", 1)[1]: step["op"] for step in steps if step["op"] != "same"}

    def outputs(self, name: str) -> dict[str, Any]:
        """A resource's outputs at the end, by a preview too."""
        ended = (event["resOutputsEvent"]["metadata"] for event in self.events if "resOutputsEvent" in event)
        return next(step["new"]["outputs"] for step in ended if step["urn"].endswith(f"::{name}") and step.get("new"))


@dataclass(frozen=True, kw_only=True)
class SmallStack:
    """A project in a directory of its own, with one stack in a backend of its own."""

    directory: Path
    environment: Mapping[str, str]
    official: frozenset[str]
    """The plugins that are not stand-ins, as in `command` or `python`."""

    @property
    def journal(self) -> Path:
        """Where the programs' scripts write down that they ran."""
        return self.directory / "journal"

    @property
    def events(self) -> Path:
        """What the engine tells of a command, while it runs."""
        return self.directory / "events.jsonl"

    def told_so_far(self) -> str:
        """All of it, as it is written."""
        return self.events.read_text() if self.events.exists() else ""

    def write(self, program: str) -> None:
        """Replace the program."""
        (self.directory / "__main__.py").write_text(PREAMBLE + program)

    def up(self, *flags: str, generation: int = 1) -> Outcome:
        """`pulumi up` without a preview; programs read `generation` from their configuration."""
        return self.pulumi("up", "--yes", "--skip-preview", "-c", f"generation={generation}", *flags)

    def preview(self, *flags: str, generation: int = 1) -> Outcome:
        """`pulumi preview`."""
        return self.pulumi("preview", "-c", f"generation={generation}", *flags)

    def destroy(self) -> Outcome:
        """`pulumi destroy`."""
        return self.pulumi("destroy", "--yes", "--skip-preview")

    def cancel(self) -> None:
        """`pulumi cancel`: releases the lock of an `up` that was killed."""
        self._asked("cancel", "--yes")

    def pulumi(self, *arguments: str) -> Outcome:
        """Run `pulumi`, with the engine's own account of it."""
        log = self.events
        log.unlink(missing_ok=True)
        done = subprocess.run(
            ["pulumi", *arguments, "--event-log", str(log)],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        lines = log.read_text().splitlines() if log.exists() else []
        return Outcome(
            status=done.returncode, text=done.stdout + done.stderr, events=tuple(json.loads(line) for line in lines)
        )

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, secrets in plain text."""
        return json.loads(self._asked("stack", "output", "--json", "--show-secrets"))

    def state(self) -> str:
        """The stack's state as it is stored."""
        return self._asked("stack", "export")

    def _asked(self, *arguments: str) -> str:
        command = ["pulumi", *arguments]
        return subprocess.run(
            command, cwd=self.directory, env=self.environment, capture_output=True, text=True, check=True
        ).stdout


def made(directory: Path, *, permission: str = "tests") -> SmallStack:
    """An empty stack; skips where there is no engine."""
    environment, official = _environment(directory, permission)
    project = directory / "project"
    project.mkdir(parents=True)
    (project / "Pulumi.yaml").write_text("name: small\nruntime: python\n")
    stack = SmallStack(directory=project, environment=environment, official=official)
    subprocess.run(["pulumi", "stack", "init", "test"], cwd=project, env=environment, capture_output=True, check=True)
    return stack


def _environment(directory: Path, permission: str) -> tuple[dict[str, str], frozenset[str]]:
    try:
        pulumi = bring.ensure([catalogue.PULUMI], Network(), quiet=True)[0].path
    except ToolchainError as error:
        pytest.skip(f"no engine: {error}")
    missing = [plugin for plugin in plugins.EVERY if not plugins.official(plugin, pulumi)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INFERENCE_STATE", str(directory))
        standins.keep({plugin.program: plugin.standin for plugin in missing})
        launchers = standins.folder()
    (directory / "backend").mkdir(parents=True, exist_ok=True)
    path = [str(pulumi.parent), str(Path(sys.executable).parent), os.environ["PATH"], str(launchers)]
    ours = {
        "PATH": os.pathsep.join(path),
        "INFERENCE_STANDINS": permission,
        "PULUMI_BACKEND_URL": f"file://{directory / 'backend'}",
        "PULUMI_CONFIG_PASSPHRASE": "test",
        "PULUMI_SKIP_UPDATE_CHECK": "1",
        "PULUMI_DEBUG_COMMANDS": "1",  # for --event-log
        "NO_COLOR": "1",
    }
    return os.environ | ours, frozenset(p.name for p in plugins.EVERY if p not in missing)


def lines(path: Path) -> Iterator[str]:
    """What scripts have written down there; nothing if none ran."""
    yield from path.read_text().splitlines() if path.exists() else ()
