"""Runs a Pulumi program in an interpreter of its own, as the engine asked in JSON on standard input.

Started by the host as a file, so that nothing of this repository is on the program's path: it imports Pulumi alone.
What the user sees of an error, and the exit codes, are the official host's (`pulumi-language-python-exec`).
"""

import asyncio
import json
import logging
import os
import runpy
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypedDict

import pulumi
import pulumi.runtime

EXPLAINED = 32
"""Exit code for a failure that the user has already been told all about."""
FAILED = 1
_INTERRUPTED = 130


class Request(TypedDict):
    """How the engine wants the program run."""

    monitor: str
    engine: str
    project: str
    organization: str
    stack: str
    root: str
    directory: str
    program: str
    arguments: list[str]
    parallel: int
    preview: bool
    config: dict[str, str]
    secret_keys: list[str]


def main(request: Request) -> int:
    """Run the program; its exit code."""
    pulumi.runtime.set_all_config(request["config"], request["secret_keys"])
    pulumi.runtime.configure(
        pulumi.runtime.Settings(
            monitor=request["monitor"],
            engine=request["engine"],
            project=request["project"],
            organization=request["organization"],
            stack=request["stack"],
            root_directory=request["root"],
            parallel=request["parallel"],
            dry_run=request["preview"],
        )
    )
    os.chdir(request["directory"])
    sys.argv = [request["program"], *request["arguments"]]
    # A failing program leaves tasks behind that nobody awaits, which asyncio would report one by one.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    threads = ThreadPoolExecutor(max(request["parallel"], 1) * 4)
    loop.set_default_executor(threads)
    try:
        return _run(loop, Path(request["program"]).absolute())
    finally:
        threads.shutdown()
        loop.close()


def _run(loop: asyncio.AbstractEventLoop, program: Path) -> int:
    main_file = program / "__main__.py" if program.is_dir() else program
    if not main_file.exists():
        pulumi.log.error(f"unable to find main python program `{main_file.name}` in `{main_file.parent}`")
        return EXPLAINED

    def run() -> None:
        runpy.run_path(sys.argv[0], run_name="__main__")

    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(run))
    except KeyboardInterrupt:
        sys.stdout.flush()
        os._exit(_INTERRUPTED)  # neither a traceback nor a wait for calls to an engine that is going
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        return FAILED
    except Exception as error:
        pulumi.log.error(f"Program failed with an unhandled exception:\n{_traceback(error, main_file)}")
        return EXPLAINED
    return 0


def _traceback(error: Exception, main_file: Path) -> str:
    """From the user's own first line on; all of it where that cannot be found."""
    frames = error.__traceback__
    while frames and Path(frames.tb_frame.f_code.co_filename).absolute() != main_file:
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames or error.__traceback__))


if __name__ == "__main__":
    sys.exit(main(json.load(sys.stdin)))
