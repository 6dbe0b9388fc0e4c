"""Launchers of the stand-ins under `tests/standins/`: small scripts that the engine finds at the end of PATH."""

import contextlib
import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from toolchain import places

_MARK = "# Stand-in launcher, written and removed by toolchain/standins.py."


def folder() -> Path:
    """The directory of the launchers."""
    return places.state() / "standins"


def keep(modules: Mapping[str, str]) -> None:
    """Have launchers for exactly these programs, each for a Python module."""
    if not modules:
        shutil.rmtree(folder(), ignore_errors=True)
        return
    places.made_state()
    folder().mkdir(exist_ok=True)
    for stale in (path for path in folder().iterdir() if path.name not in modules):
        stale.unlink(missing_ok=True)
    for program, module in modules.items():
        _write(folder() / program, _launcher(module))


def is_launcher(program: Path) -> bool:
    """Whether a program is one of these, of this clone or of another."""
    with contextlib.suppress(OSError), program.open("rb") as opened:
        return _MARK.encode() in opened.read(200)
    return False


def _write(path: Path, text: str) -> None:
    if path.exists() and path.read_text(encoding="utf-8") == text and os.access(path, os.X_OK):
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.chmod(0o755)
    temporary.replace(path)


def _launcher(module: str) -> str:
    # What it may be used for is not written here but comes from the environment: a launcher alone permits nothing.
    return (
        "#!/bin/sh\n"
        f"{_MARK}\n"
        f"PYTHONPATH={shlex.quote(str(places.REPOSITORY))}${{PYTHONPATH:+:$PYTHONPATH}}\n"
        "export PYTHONPATH INFERENCE_STANDINS\n"
        f'exec {shlex.quote(str(places.python() or sys.executable))} -P -m {module} "$@"\n'
    )
