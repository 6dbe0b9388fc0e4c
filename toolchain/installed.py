"""What is there already: programs on PATH with their versions, and the user's cache."""

import contextlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from toolchain import places
from toolchain.tool import Platform, Tool

_VERSION = re.compile(r"(\d+)[.-](\d+)[.-](\d+)")
_ANSWER_SECONDS = 20


@dataclass(frozen=True, kw_only=True)
class OnPath:
    """A program on PATH. `version` is empty when it did not say one."""

    path: Path
    version: tuple[int, ...]

    def __str__(self) -> str:
        return ".".join(str(part) for part in self.version) or "of unknown version"


def search_path() -> str:
    """PATH without what the toolchain itself put there, so that its own finds are not taken for the user's."""
    ours = (places.cache(), places.state() / "standins")
    entries = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(
        entry for entry in entries if entry and not any(Path(entry).is_relative_to(root) for root in ours)
    )


def on_path(name: str, asks: Sequence[str]) -> OnPath | None:
    """The first program of this name on PATH, and its version."""
    found = shutil.which(name, path=search_path())
    if not found:
        return None
    path = Path(found).absolute()
    return OnPath(path=path, version=version_in(_remembered_answer(path, asks)))


def version_in(answer: str) -> tuple[int, ...]:
    """The first version or date in a program's answer; empty when there is none."""
    match = _VERSION.search(answer)
    return tuple(int(part) for part in match.groups()) if match else ()


def answer(path: Path, asks: Sequence[str]) -> str:
    """What a program prints when asked for its version. Raises `OSError` when it cannot be run here."""
    environment = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "1"}
    try:
        done = subprocess.run(
            [path, *asks],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_ANSWER_SECONDS,
            stdin=subprocess.DEVNULL,
            env=environment,
        )
    except subprocess.TimeoutExpired as error:
        raise OSError(f"no answer within {_ANSWER_SECONDS} s") from error
    return done.stdout + done.stderr


def _remembered_answer(path: Path, asks: Sequence[str]) -> str:
    """As `answer`, but asked once for each file: some programs need a second for it."""
    memory = places.cache() / "answers.json"
    about = path.stat()
    key = f"{path.resolve()} {' '.join(asks)} {about.st_mtime_ns} {about.st_size}"
    known: dict[str, str] = {}
    with contextlib.suppress(OSError, ValueError):
        known = dict(json.loads(memory.read_text(encoding="utf-8")))
    if key not in known:
        try:
            known[key] = answer(path, asks)[:1000]
        except OSError as error:
            return str(error)
        with contextlib.suppress(OSError):  # it is only slower without
            memory.parent.mkdir(parents=True, exist_ok=True)
            temporary = memory.with_name(f".{memory.name}.{os.getpid()}")
            temporary.write_text(json.dumps(known), encoding="utf-8")
            temporary.replace(memory)
    return known[key]


def cached(tool: Tool, platform: Platform) -> Path:
    """Where the cache keeps this tool, whether it is there or not."""
    return places.cache() / tool.name / tool.version / str(platform) / tool.name


def origin(path: Path) -> str:
    """Where a cached tool came from: `official release …` or `Go modules …`."""
    with contextlib.suppress(OSError):
        return (path.parent / "origin").read_text(encoding="utf-8").strip()
    return ""
