"""What runs now, so that it can be stopped when the user or the engine says so."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from typing import Protocol, TypeAlias

from tests.standins.provider import ProviderError

Process: TypeAlias = "subprocess.Popen[bytes]"
_SECONDS_TO_LEAVE = 3
"""Less than the 5 s after which the engine kills a plugin."""


class _Connection(Protocol):
    def close(self) -> object: ...


class Running:
    """The processes on this machine, each the leader of a group of its own, and the connections to others."""

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self._processes: set[Process] = set()
        self._connections: set[_Connection] = set()
        self._lock = threading.Lock()

    def start(self, arguments: Sequence[str], directory: str, variables: Mapping[str, str]) -> "Process":
        """Start one; raises `OSError`, and `ProviderError` after `stop`."""
        with self._lock:
            self._go_on()
            process = subprocess.Popen(
                arguments,
                cwd=directory,
                env=variables,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            self._processes.add(process)
            return process

    def ended(self, process: Process) -> None:
        """This one needs no stopping any more."""
        with self._lock:
            self._processes.discard(process)

    @contextlib.contextmanager
    def open(self, connection: _Connection) -> Generator[None]:
        """While this connection is used; raises `ProviderError` after `stop`. It is closed in the end."""
        with contextlib.closing(connection):
            with self._lock:
                self._go_on()
                self._connections.add(connection)
            try:
                yield
            finally:
                self._connections.discard(connection)

    def stop(self) -> None:
        """Close and end all, by force in the end; nothing is started afterwards."""
        with self._lock:
            self.stopped.set()
            processes, connections = self._processes.copy(), self._connections.copy()
        for connection in connections:
            connection.close()
        for process in processes:
            _signal(process, signal.SIGTERM)
        until = time.monotonic() + _SECONDS_TO_LEAVE
        while self._processes & processes and time.monotonic() < until:
            time.sleep(0.02)
        for process in self._processes & processes:
            _signal(process, signal.SIGKILL)

    def _go_on(self) -> None:
        if self.stopped.is_set():
            raise ProviderError("context canceled")


def _signal(process: Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has just ended
        os.killpg(process.pid, number)
