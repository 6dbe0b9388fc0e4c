"""Fixtures for tests on engines' own servers."""

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engines.triton import Installed
from toolchain import places

_LOCK = Path(__file__).parent / "triton.lock"


@pytest.fixture(scope="session")
def triton() -> Installed:
    """NVIDIA's own build of Triton from PyPI, kept for later runs; tests are skipped where it cannot run."""
    python = f"3.{sys.version_info.minor}"
    if (platform.system(), platform.machine()) != ("Linux", "x86_64") or sys.version_info[:2] > (3, 12):
        pytest.skip("Triton's package is for Linux on x86_64, with a Python up to 3.12")
    try:
        ctypes.CDLL(f"libpython{python}.so.1.0")
    except OSError:
        pytest.skip(f"Triton's Python models need libpython{python}.so.1.0: install libpython{python}")
    kept = places.cache() / f"triton-{python}-{hashlib.sha256(_LOCK.read_bytes()).hexdigest()[:16]}"
    if not kept.exists():
        _install(kept)
    return Installed(packages=kept, python=python)


def _install(kept: Path) -> None:
    # Beside its place, under a name of our own: another run may be at it.
    partial = kept.with_name(f"{kept.name}.{os.getpid()}")
    install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
    done = subprocess.run(
        [*install, "--link-mode=copy", "--requirement", _LOCK, "--target", partial], capture_output=True, check=False
    )
    if done.returncode:
        shutil.rmtree(partial, ignore_errors=True)
        pytest.skip(f"no Triton: {done.stderr.decode()}")
    installed = Installed(packages=partial, python=f"3.{sys.version_info.minor}")
    shutil.copy(
        installed.root / "python_backend_stubs" / installed.python / installed.stub, installed.backends / "python"
    )
    for program in (installed.root / "bin" / "tritonserver", installed.backends / "python" / installed.stub):
        program.chmod(0o755)
    try:
        partial.rename(kept)
    except OSError:  # the other run was first
        shutil.rmtree(partial)
