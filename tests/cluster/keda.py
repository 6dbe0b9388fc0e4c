"""KEDA's own definitions, from its Go module: read where Go keeps it, never copied here."""

import json
import subprocess
from pathlib import Path

from toolchain import golang
from toolchain.tool import this_platform

MODULE = "github.com/kedacore/keda/v2@v2.21.0"
"""Seen at the Go proxy, 2026-11-22."""
SUM = "h1:R6z2HZvstK4RLUMxroNACzBj74xGxt3kG59b5Xc+Xps="
"""Of all of its files."""


def definition(kind: str) -> str:
    """The CustomResourceDefinition of a kind, in YAML: `definition("scaledobjects")`.

    Raises `Unavailable` without Go, and CalledProcessError where the module cannot be had.
    """
    command = [golang.find(this_platform()), "mod", "download", "-json", MODULE]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=True, timeout=300)
    module = json.loads(done.stdout)
    assert module["Sum"] == SUM, f"{MODULE} is another one"
    return (Path(module["Dir"]) / f"config/crd/bases/keda.sh_{kind}.yaml").read_text(encoding="utf-8")
