"""`make up` of the dev stack with the tools present: the first run, and an unchanged second one."""

import os
import tempfile
from pathlib import Path

from benchmarks.workbench import REPOSITORY, measure

LIMITS = {"first": 60.0, "unchanged": 8.0}
"""Seconds that we allow ourselves."""


def run() -> list[str]:
    """Rows of a table: seconds of each run, and what we allow."""
    with tempfile.TemporaryDirectory(prefix="inference-benchmark-") as state:
        environment = os.environ | {"INFERENCE_STATE": str(Path(state))}
        seconds: dict[str, float] = {}
        try:
            for name in LIMITS:
                seconds[name] = measure(["make", "up"], cwd=REPOSITORY, environment=environment).seconds
        finally:
            measure(["make", "destroy"], cwd=REPOSITORY, environment=environment)
    rows = [f"| {name} | {seconds[name]:.1f} | {limit:.0f} |" for name, limit in LIMITS.items()]
    return ["| `make up` | seconds | at most |", "|---|---|---|", *rows]
