"""Ctrl-C and its kin: they end what is at work, but not what clears up after it."""

import signal
from collections.abc import Generator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def as_keyboard_interrupt() -> None:
    """Let being terminated, and the terminal's closing, be heard like Ctrl-C."""
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as by nohup
            signal.signal(number, signal.default_int_handler)


@contextmanager
def undisturbed() -> Generator[None]:
    """Clear up without being interrupted again: the second Ctrl-C of an impatient person would leave half of it."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
