"""Ends or failures in the middle, so that tests can see what comes after.

`INFERENCE_AWS_STOP` is `kill` or `fail`, and a type or the number of a creation, with a space between: `kill
aws:eks/cluster:Cluster` ends the engine without a warning while that is being made, which AWS does all the same;
`fail 7` has the seventh creation fail with nothing made.
"""

import os
import signal
from typing import NoReturn

from tests.standins.aws import STOP
from tests.standins.provider import ProviderError


class Interruption:
    """What the environment asks for."""

    def __init__(self) -> None:
        self._how, _, self._at = os.environ.get(STOP, "").partition(" ")
        self._creations = 0

    def before(self, kind: str) -> None:
        """Of a creation: fail if it is this one's turn."""
        self._creations += 1
        if self._how == "fail" and self._is_here(kind):
            raise ProviderError("InsufficientInstanceCapacity: a test has asked for this failure")

    def after(self, kind: str) -> None:
        """What was asked for exists now, but nobody was told: the end, if it is this one's turn."""
        if self._how == "kill" and self._is_here(kind):
            _end()

    def _is_here(self, kind: str) -> bool:
        return self._at in (kind, str(self._creations))


def _end() -> NoReturn:
    os.kill(os.getppid(), signal.SIGKILL)  # the engine, which started this process
    os._exit(1)
