"""Waiting for what comes by itself."""

import time
from collections.abc import Callable


def until(happens: Callable[[], bool], seconds: float = 60) -> None:
    """Until it is true; AssertionError where that takes longer."""
    give_up = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < give_up
        time.sleep(0.1)
