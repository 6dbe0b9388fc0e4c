"""Commands on this machine."""

import contextlib
import os
import re
import signal
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from tests.standins import wire
from tests.standins.command.inputs import Script
from tests.standins.command.output import Output, Stream
from tests.standins.command.running import Process, Running
from tests.standins.provider import ProviderError
from tests.standins.serve import inherited_environment
from tests.standins.wire import Properties, Wire

_SHELL = ("/bin/sh", "-c")
_CHUNK = 65536
_GLOB = {
    "**": ".*",
    "*": "[^/]*",
    "?": "[^/]",
    "{": "(?:",
    "}": ")",
    ",": "|",
    "[!": "[^",
    "[": "[",
    "]": "]",
    "-": "-",
}
"""What a pattern's words are in a regular expression."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where and by what a command is run."""

    interpreter: Sequence[str]
    directory: str

    @classmethod
    def of(cls, given: Properties) -> "Place":
        """From checked inputs."""
        return cls(
            interpreter=cast("list[str]", given.get("interpreter")) or _SHELL,
            directory=cast(str, given.get("dir", str(Path.cwd()))),
        )


def run(script: Script, place: Place, running: Running, show: Callable[[str], None]) -> Output:
    """Run it to its end; raises `ProviderError` with all it wrote when that is not a success."""
    output = Output(script.logged, show)
    environment = {**inherited_environment(), **script.environment, **script.previous}
    try:
        process = running.start([*place.interpreter, script.command], place.directory, environment)
    except OSError as error:
        raise ProviderError(output.failure(_why_not_started(error, place), script.command)) from None
    try:
        _converse(process, script.stdin, output)
    finally:
        running.ended(process)
    if process.returncode:
        raise ProviderError(output.failure(_how_ended(process.returncode), script.command))
    return output


def _converse(process: Process, stdin: str, output: Output) -> None:
    """Feed and read until every writer has closed its end, as the official provider does, and the command has ended."""

    def read(stream: Stream, pipe: IO[bytes]) -> None:
        while chunk := os.read(pipe.fileno(), _CHUNK):
            output.take(stream, chunk)
        output.take(stream, b"")

    stdin_pipe, stdout_pipe, stderr_pipe = cast(
        "tuple[IO[bytes], ...]", (process.stdin, process.stdout, process.stderr)
    )
    readers = [
        threading.Thread(target=read, args=("stdout", stdout_pipe)),
        threading.Thread(target=read, args=("stderr", stderr_pipe)),
    ]
    for reader in readers:
        reader.start()
    with contextlib.suppress(BrokenPipeError), stdin_pipe:  # whether it should have read on, its exit code says
        stdin_pipe.write(stdin.encode())
    process.wait()
    for reader in readers:
        reader.join()
    stdout_pipe.close()
    stderr_pipe.close()


def files(directory: str, patterns: Iterable[str]) -> Mapping[str, Wire]:
    """The files that match, as assets by their path under the directory; `!` takes those away that match it."""
    rules = [(pattern.startswith("!"), _regex(pattern.removeprefix("!"))) for pattern in patterns]
    found: dict[str, Wire] = {}
    for parent, folders, names in os.walk(directory):
        folders.sort()
        for name in sorted(names):
            path = str(Path(parent, name).relative_to(directory))
            for excluded, regex in rules:
                if regex.fullmatch(path):
                    found.pop(path, None)
                    if not excluded:
                        found[path] = wire.file_asset(str(Path(directory, path)))
    return found


def _regex(pattern: str) -> re.Pattern[str]:
    """`*` stops at a slash, `**` does not; `?`, `[a-z]`, `[!a]` and `{one,other}` as in a shell."""
    tokens = cast("list[str]", re.findall(r"\\.|\*\*|\[!|.", pattern, re.DOTALL))
    depth, regex = 0, ""
    for token in tokens:
        depth += {"{": 1, "}": -1}.get(token, 0)
        literal = token not in _GLOB or (token == "," and not depth)
        regex += re.escape(token.removeprefix("\\") or token) if literal else _GLOB[token]
    return re.compile(regex, re.DOTALL)


def _why_not_started(error: OSError, place: Place) -> str:
    reason = (error.strerror or str(error)).lower()
    if error.filename == place.directory:
        return f"chdir {place.directory}: {reason}"
    program = place.interpreter[0]
    if isinstance(error, FileNotFoundError) and "/" not in program:
        return f'exec: "{program}": executable file not found in $PATH'
    return f"fork/exec {program}: {reason}"


def _how_ended(status: int) -> str:
    return f"exit status {status}" if status > 0 else f"signal: {(signal.strsignal(-status) or str(-status)).lower()}"
