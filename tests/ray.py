"""Ray itself, in a virtual environment of its own: it judges what we would send to it."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from toolchain import places

_LOCK = Path(__file__).with_name("ray.lock")
_READ = """
import json, sys
from ray.llm._internal.serve.core.configs.llm_config import LLMConfig
from ray.serve.schema import ServeDeploySchema
(application,) = ServeDeploySchema(**json.load(sys.stdin)).applications
for one in application.args["llm_configs"]:
    LLMConfig(**one)
"""


class Refused(Exception):
    """Ray's own words on a configuration that it does not take."""


def python() -> Path:
    """A Python with Ray: made once, kept for other runs of the same user, 490 MB."""
    known_by = sha256(_LOCK.read_bytes()).hexdigest()[:12]
    made = places.cache() / "ray" / known_by
    if not made.exists():
        made.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", suffix=".partial", dir=made.parent) as temporary:
            environment = Path(temporary, "environment")
            uv = [sys.executable, "-m", "uv", "--quiet"]
            subprocess.run([*uv, "venv", "--relocatable", environment], check=True)
            install = [*uv, "pip", "install", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
            subprocess.run([*install, "--python", environment / "bin/python", "--requirement", _LOCK], check=True)
            environment.rename(made)
    return made / "bin/python"


def read(config: Mapping[str, Any]) -> None:
    """Have Ray read a `serveConfigV2` of one application, and the arguments of its models. Raises Refused."""
    done = subprocess.run(
        [python(), "-c", _READ], input=json.dumps(config), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Refused(done.stderr)
