"""What every stand-in does before it serves: see that it is permitted, and stay no longer than the engine."""

import os
import select
import signal
import stat
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, NoReturn

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


def stay_while_needed(port: int, last_act: Callable[[], None]) -> NoReturn:
    """Tell the engine the port, wait in the main thread until it interrupts this process or is gone, and end it.

    `last_act` runs before the end. The engine holds the other end of a plugin's standard input and never writes to
    it, so the end of it is the engine's end, SIGKILL included. Signals are waited for by a pipe: the thread that gets
    one may be any other, and a main thread that waits for a lock would then sleep on.
    """
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: None)
    signal.set_wakeup_fd(tell)
    print(port, flush=True)
    watched = [told, *([_STDIN] if stat.S_ISFIFO(os.fstat(_STDIN).st_mode) else [])]
    while _STDIN in select.select(watched, (), ())[0] and os.read(_STDIN, 4096):
        pass
    last_act()
    os._exit(0)  # not waiting for threads: what they would still report, nobody reads


def inherited_environment() -> Mapping[str, str]:
    """This process's environment as the engine gave it, without what the launcher added to find this package."""
    variables = dict(os.environ)
    path = variables.pop("PYTHONPATH", "").split(os.pathsep)
    if path[0] == _REPOSITORY:
        del path[0]
    if any(path):
        variables["PYTHONPATH"] = os.pathsep.join(path)
    return variables
