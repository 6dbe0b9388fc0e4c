"""What one command said and how it ended, kept in a file that later jobs make a report of."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Literal, TextIO

from reporting.problems import ReportingError

Kind = Literal["rehearsal", "rendering", "preview", "deployment", "status", "drift"]

TITLES: Mapping[Kind, str] = {
    "rehearsal": "What is placed where, rehearsed",
    "rendering": "Rendered YAML",
    "preview": "Preview",
    "deployment": "Deployment",
    "status": "What runs where",
    "drift": "Drift",
}
"""In the order of a report."""

LIVING: frozenset[Kind] = frozenset({"preview", "deployment", "status", "drift"})
"""Those that read the state of a stack that lives."""

_SECRETS = ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_ACCESS_TOKEN", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True, kw_only=True)
class Part:
    """One command on one stack."""

    stack: str
    kind: Kind
    command: str
    code: int
    output: str
    errors: str

    @property
    def passed(self) -> bool:
        """Whether it ended as it should."""
        return self.code == 0


def run(stack: str, kind: Kind, command: Sequence[str], directory: Path) -> Part:
    """Run a command for a stack, show what it says, and keep it in `directory`.

    Raises `ReportingError` where it would make a new, empty state and lose it with the machine.
    """
    if kind in LIVING:
        _check_backend(stack, os.environ.get("PULUMI_BACKEND_URL", ""))
    directory.mkdir(parents=True, exist_ok=True)
    # A group of its own, so that a cancelled job interrupts Pulumi too and not only the shell around it.
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: os.killpg(process.pid, signal.SIGINT))
    assert process.stdout
    assert process.stderr
    errors: list[str] = []
    beside = threading.Thread(target=_copy, args=(process.stderr, sys.stderr, errors))
    beside.start()
    output: list[str] = []
    _copy(process.stdout, sys.stdout, output)
    beside.join()
    part = Part(
        stack=stack,
        kind=kind,
        command=" ".join(command),
        code=process.wait(),
        output=_without_secrets("".join(output).strip("\n")),
        errors=_without_secrets("".join(errors).strip("\n")),
    )
    (directory / f"{kind}.{stack}.json").write_text(json.dumps(asdict(part)), encoding="utf-8")
    return part


def kept(directory: Path) -> tuple[Part, ...]:
    """All parts below a directory, by stack, and in the order of a report."""
    order = list(TITLES)
    parts = [Part(**json.loads(file.read_text(encoding="utf-8"))) for file in directory.rglob("*.json")]
    return tuple(sorted(parts, key=lambda part: (part.stack, order.index(part.kind))))


def _copy(source: IO[str], shown: TextIO, into: list[str]) -> None:
    for line in source:
        shown.write(line)
        shown.flush()
        into.append(_COLOURS.sub("", line))


def _without_secrets(text: str) -> str:
    """What is kept goes into comments, where GitHub masks nothing as it does in logs."""
    for value in (os.environ.get(name) for name in _SECRETS):
        text = text.replace(value, "[secret]") if value else text
    return text


def _check_backend(stack: str, backend: str) -> None:
    if not backend or backend.startswith("file:"):
        raise ReportingError(
            f"PULUMI_BACKEND_URL is {backend or 'not set'}: the state of {stack} would be a new one, and gone with this"
            f" machine.\nNext: set that variable for the environments {stack} and {stack}-preview, to a bucket or to"
            " https://api.pulumi.com"
        )
