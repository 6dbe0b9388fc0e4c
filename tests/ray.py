"""Ray itself, in a virtual environment of its own: it judges what we would send to it."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.environments import environment

_LOCK = Path(__file__).with_name("ray.lock")
_READ = """
import json, sys
from ray.llm._internal.serve.core.configs.llm_config import LLMConfig
from ray.serve.schema import ServeDeploySchema
for config in json.load(sys.stdin):
    (application,) = ServeDeploySchema(**config).applications
    for one in application.args["llm_configs"]:
        LLMConfig(**one)
"""


class Refused(Exception):
    """Ray's own words on a configuration that it does not take."""


def python() -> Path:
    """A Python with Ray, of 490 MB."""
    return environment(_LOCK) / "bin/python"


def read(*configs: Mapping[str, Any]) -> None:
    """Have Ray read each `serveConfigV2` of one application, and the arguments of its models. Raises Refused."""
    done = subprocess.run(
        [python(), "-c", _READ], input=json.dumps(configs), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Refused(done.stderr)
