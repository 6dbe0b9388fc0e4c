"""The Pulumi engine, driven from here: its progress in few words, its errors in full, its end on Ctrl-C."""

import json
import re
import signal
import subprocess
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from throwaway.interrupts import undisturbed
from throwaway.problems import StackError

_SECONDS_TO_END = 5
_CREATED = re.compile(r"^\s*\+\s+(?P<type>\S+)\s+(?P<name>\S+) created\b")
_NOISE = re.compile(r"^\s*warning: using pulumi-")


@dataclass(frozen=True, kw_only=True)
class Engine:
    """`pulumi` for one stack."""

    project: Path
    stack: str
    environment: Mapping[str, str]

    def init(self) -> None:
        """Make the empty stack. Raises StackError."""
        self._run("stack", "init", "--no-select")

    def output(self, name: str) -> Any:
        """One of the stack's outputs, secrets in plain text. Raises StackError."""
        return json.loads(self._run("stack", "output", name, "--json", "--show-secrets"))

    def preview(self) -> Sequence[Mapping[str, Any]]:
        """Every resource that an `up` would make, as in a state file. Raises StackError."""
        with self._started(self._command("preview", "--json"), separate=True) as process:
            output, errors = process.communicate()
        try:
            found: Mapping[str, Any] = json.loads(output)
        except ValueError:
            found = {}
        if process.returncode != 0:
            said = [one["message"].strip() for one in found.get("diagnostics", []) if one["severity"] == "error"]
            reason = said or [errors.strip()]
            raise StackError("\n".join([f"{self.stack} could not be previewed. Pulumi says:", *reason]))
        return [step["newState"] for step in found.get("steps", []) if "newState" in step]

    def up(self, created: Callable[[str, str], None]) -> None:
        """Deploy; `created` is told type and name of each resource that was made. Raises StackError."""
        command = self._command("up", "--yes", "--skip-preview", "--suppress-outputs", "--suppress-progress")
        lines: list[str] = []
        with self._started(command) as process:
            for line in cast("IO[str]", process.stdout):
                lines.append(line.rstrip())
                if match := _CREATED.match(line):
                    created(match["type"], match["name"])
        if process.returncode != 0:
            raise StackError("\n".join([f"{self.stack} could not be deployed. Pulumi says:", *explanation(lines)]))

    def _command(self, *arguments: str) -> list[str]:
        return ["pulumi", *arguments, "--stack", self.stack, "--non-interactive", "--color", "never"]

    def _run(self, *arguments: str) -> str:
        with self._started(self._command(*arguments), separate=True) as process:
            output, errors = process.communicate()
        if process.returncode != 0:
            raise StackError(f"pulumi {' '.join(arguments[:2])} failed:\n{errors.strip()}")
        return output

    @contextmanager
    def _started(self, command: list[str], *, separate: bool = False) -> Generator["subprocess.Popen[str]"]:
        """Run in a session of its own: Ctrl-C reaches it only through us, once, and it is gone when the block ends."""
        process = subprocess.Popen(
            command,
            cwd=self.project,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if separate else subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            yield process
        except BaseException:
            _end(process)
            raise
        process.wait()


def explanation(lines: list[str]) -> list[str]:
    """The part of Pulumi's output that says what was wrong."""
    start = lines.index("Diagnostics:") + 1 if "Diagnostics:" in lines else -30
    told = [line for line in lines[start:] if not _NOISE.match(line)]
    end = told.index("Resources:") if "Resources:" in told else len(told)
    return "\n".join(told[:end]).strip("\n").splitlines()


def _end(process: "subprocess.Popen[str]") -> None:
    """As a person would: Ctrl-C, which lets it stop what it has started; again, at once; then by force."""
    with undisturbed():
        for number in (signal.SIGINT, signal.SIGINT, signal.SIGKILL):
            process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=_SECONDS_TO_END)
                return
