"""Showing that something long is going on: a live line on a terminal, else a line every ten seconds."""

import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

_LINE_SECONDS = 10.0
_LIVE_SECONDS = 0.5


def say(line: str) -> None:
    """One line for the person who waits. Standard output is for the machine-readable answers."""
    print(line, file=sys.stderr, flush=True)


@dataclass
class Step:
    """A long step; `detail` may be changed while it runs."""

    title: str
    expectation: str = ""
    detail: str = ""

    def line(self, seconds: float) -> str:
        """The step in one line."""
        detail = f", {self.detail}" if self.detail else ""
        expectation = f" ({self.expectation})" if self.expectation else ""
        return f"{self.title}: {seconds:.0f} s{detail}{expectation}"


@contextmanager
def shown(step: Step) -> Generator[Step]:
    """Show the step until the block ends. Quick ones show nothing on what is not a terminal."""
    ended = threading.Event()
    thread = threading.Thread(target=_show, args=(step, ended), daemon=True)
    thread.start()
    try:
        yield step
    finally:
        ended.set()
        thread.join()


def _show(step: Step, ended: threading.Event) -> None:
    live = sys.stderr.isatty()
    started = time.monotonic()
    while not ended.wait(_LIVE_SECONDS if live else _LINE_SECONDS):
        line = step.line(time.monotonic() - started)
        if live:
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
        else:
            say(line)
    if live:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
