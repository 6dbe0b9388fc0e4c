"""Processes and ports of this machine: which belong to a control plane, how they are ended, who holds a port."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

_PORTS = range(20000, 30000)  # below the ports that systems hand out by themselves, and below Kubernetes' NodePorts


@dataclass(frozen=True, kw_only=True)
class Process:
    """A running process, by the last part of the path it was started with."""

    name: str
    pid: int


def started_from(folder: Path) -> tuple[Process, ...]:
    """The processes whose command line begins with a path in `folder`.

    A recorded process id would not do: after a reboot, or days, it may be somebody else's.
    """
    prefix = f"{folder}/"
    return tuple(
        Process(name=command.removeprefix(prefix).split(maxsplit=1)[0], pid=pid)
        for pid, command in _commands()
        if command.startswith(prefix)
    )


def end(folder: Path, names: Collection[str], *, grace: float) -> None:
    """End the processes of these names started from `folder`: SIGTERM, and SIGKILL after `grace` seconds."""
    kill_at = time.monotonic() + grace
    told: set[int] = set()
    while left := [process for process in started_from(folder) if process.name in names]:
        patient = time.monotonic() < kill_at
        for process in left:
            if patient and process.pid in told:
                continue
            told.add(process.pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM if patient else signal.SIGKILL)
        time.sleep(0.02)


def _commands() -> Iterator[tuple[int, str]]:
    """Process id and command line of every process that we may see."""
    if not Path("/proc/self/cmdline").exists():  # macOS
        listing = subprocess.run(["ps", "-axww", "-o", "pid=,args="], capture_output=True, text=True, check=True)
        for line in listing.stdout.splitlines():
            pid, _, command = line.strip().partition(" ")
            yield int(pid), command
        return
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # it ended meanwhile
                yield int(entry.name), os.fsdecode(Path(entry, "cmdline").read_bytes()).replace("\0", " ")


def free_port() -> int:
    """A TCP port on loopback that nothing listens on now."""
    return next(port for port in random.sample(_PORTS, len(_PORTS)) if is_free(port))


def is_free(port: int) -> bool:
    """Whether a server could listen on this TCP port on loopback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that are only closing do not count
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def port_holder(port: int) -> str:
    """Who listens on this TCP port, for an error message; "another process" where that cannot be known."""
    sockets: set[str] = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        rows = [line.split() for line in table.read_text().splitlines()[1:]] if table.exists() else []
        listening = "0A"
        sockets |= {f"socket:[{row[9]}]" for row in rows if row[3] == listening and row[1].endswith(f":{port:04X}")}
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(descriptor.readlink()) in sockets:
                process = descriptor.parent.parent
                return f"{(process / 'comm').read_text().strip()} (process {process.name})"
        except OSError:  # another user's, or it ended meanwhile
            continue
    return "another process"
