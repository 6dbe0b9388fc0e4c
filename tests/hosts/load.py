"""Requests without a pause between them, and how each ended."""

import contextlib
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Answers:
    """To requests that were made one after the other, by several at once."""

    seconds: list[float] = field(default_factory=list[float])
    failures: list[str] = field(default_factory=list[str])


@contextlib.contextmanager
def load(ask: Callable[[], object], *, at_once: int) -> Generator[Answers]:
    """`ask` all the time, until the block ends; whatever it raises is a failure."""
    answers, over = Answers(), threading.Event()

    def keep_asking() -> None:
        while not over.is_set():
            begun = time.monotonic()
            try:
                ask()
            except Exception as problem:
                answers.failures.append(f"{type(problem).__name__}: {problem}")
            answers.seconds.append(time.monotonic() - begun)

    threads = [threading.Thread(target=keep_asking) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        over.set()
        for thread in threads:
            thread.join()
