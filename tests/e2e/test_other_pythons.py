"""Other versions of Python, where the machine has them: the packages are there for them, and they render the same."""

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.unit.recording import REPOSITORY
from tests.unit.test_rendering import DIGESTS

PROGRAM = """
import sys
sys.path.append(sys.argv[1])  # pytest, which is no package of the program
from hashlib import sha256
from rendering import tree
from tests.unit.test_rendering import GITOPS, STACKS, on_paper, rendered
for stack in STACKS:
    files = tree.files(rendered(on_paper(stack, **GITOPS)))
    print(sha256("".join(f"{path}{text}" for path, text in files.items()).encode()).hexdigest(), "", stack)
"""


def found(version: str) -> Path | None:
    """As a command, or as pyenv keeps it."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or "~/.pyenv").expanduser()
    there = [*sorted(pyenv.glob(f"versions/{version}.*/bin/python3")), shutil.which(f"python{version}")]
    for python in filter(None, there):
        if subprocess.run([python, "-c", "import venv, ensurepip"], check=False, capture_output=True).returncode == 0:
            return Path(python)
    return None


@pytest.mark.parametrize("version", ["3.12", "3.13", "3.14"])
def test_it_renders_every_stack_to_the_same_bytes(version: str, tmp_path: Path) -> None:
    python = found(version)
    if not python:
        pytest.skip(f"no Python {version} here; get it with: pyenv install {version}")
    venv = tmp_path / "venv"
    subprocess.run([REPOSITORY / "toolchain/venv.sh", python, venv, "requirements.lock"], cwd=REPOSITORY, check=True)
    command = [venv / "bin/python", "-c", PROGRAM, sysconfig.get_path("purelib")]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == DIGESTS.read_text()
