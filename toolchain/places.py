"""Where the toolchain reads and writes."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
"""The clone that this file is in."""


def state() -> Path:
    """Local state of this clone: `INFERENCE_STATE`, by default `.state` in the repository. Absolute."""
    return Path(os.environ.get("INFERENCE_STATE") or REPOSITORY / ".state").expanduser().absolute()


def made_state() -> Path:
    """The state directory, made if need be, for its owner alone: it holds a passphrase and kubeconfigs."""
    state().mkdir(parents=True, exist_ok=True, mode=0o700)
    return state()


def cache() -> Path:
    """Tools of this user, shared by all clones: `INFERENCE_CACHE`, by default `~/.cache/inference`. Absolute."""
    if chosen := os.environ.get("INFERENCE_CACHE"):
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return (Path(base).expanduser() / "inference").absolute()


def python() -> Path | None:
    """The repository's virtual environment's Python, where there is one."""
    candidate = REPOSITORY / ".venv/bin/python"
    return candidate if candidate.exists() else None
