"""What every stand-in does before it serves: see that it is permitted, and stay no longer than the engine."""

import os
import stat
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

PERMISSION = "INFERENCE_STANDINS"
"""Set by the toolchain alone: `dev` (the dev target and rehearsals) or `tests` (anything)."""
Permission = Literal["dev", "tests"]
_REPOSITORY = str(Path(__file__).resolve().parents[2])
_STDIN = 0


def permission(name: str) -> Permission:
    """What stand-ins may be used for; leaves with one line and status 1 when that is nothing."""
    match os.environ.get(PERMISSION):
        case "dev" | "tests" as permitted:
            return permitted
        case _:
            sys.exit(
                f"The stand-in for {name} serves the dev stack and tests only ({PERMISSION} is not set). "
                "Run it through make, or install the official plugin: https://www.pulumi.com/docs/install/"
            )


def leave_with_engine(last_act: Callable[[], None]) -> None:
    """End this process when the engine is gone, however it went; `last_act` runs first.

    The engine holds the other end of a plugin's standard input and never writes to it, so the end of it is the
    engine's end, SIGKILL included.
    """
    if not stat.S_ISFIFO(os.fstat(_STDIN).st_mode):
        return

    def watch() -> None:
        while os.read(_STDIN, 4096):
            pass
        last_act()
        os._exit(0)

    threading.Thread(target=watch, name="engine", daemon=True).start()


def inherited_environment() -> Mapping[str, str]:
    """This process's environment as the engine gave it, without what the launcher added to find this package."""
    variables = dict(os.environ)
    path = variables.pop("PYTHONPATH", "").split(os.pathsep)
    if path[0] == _REPOSITORY:
        del path[0]
    if any(path):
        variables["PYTHONPATH"] = os.pathsep.join(path)
    return variables
