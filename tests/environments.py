"""Virtual environments of published programs that tests run: made once from a lock file, kept for other runs."""

import fcntl
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path

from toolchain import places


def environment(lock: Path) -> Path:
    """Of a lock file, with this Python; made on first use. RuntimeError where its packages cannot be had."""
    version = ".".join(map(str, sys.version_info[:2]))
    key = sha256(version.encode() + lock.read_bytes()).hexdigest()[:12]
    made = places.cache() / "environments" / f"{lock.stem}-{key}"
    made.parent.mkdir(parents=True, exist_ok=True)
    # Tests of several files run at the same time, and may want the same one.
    with made.with_suffix(".lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not made.exists():
            _make(made, lock)
    return made


def _make(made: Path, lock: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=".", suffix=".partial", dir=made.parent) as temporary:
        partial = Path(temporary, "environment")
        uv = [sys.executable, "-m", "uv", "--quiet"]
        _run([*uv, "venv", "--relocatable", "--python", sys.executable, str(partial)])
        install = [*uv, "pip", "install", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
        _run([*install, "--python", str(partial / "bin/python"), "--requirement", str(lock)])
        partial.rename(made)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command[:6])} … failed:\n{done.stderr[-3000:]}")
