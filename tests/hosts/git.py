"""Git's own server for the hosts, on their bridge: what a test commits, pods can fetch."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Generator
from pathlib import Path


@contextlib.contextmanager
def serving(directory: Path, address: str) -> Generator[int]:
    """Every repository below the directory, at `git://ADDRESS:PORT/`; the port."""
    with socket.create_server((address, 0)) as free:
        port: int = free.getsockname()[1]
    options = [f"--base-path={directory}", "--export-all", "--reuseaddr", f"--listen={address}", f"--port={port}"]
    # Not `git daemon`, which would leave the one that serves behind.
    core = subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True).stdout.strip()
    anybodys = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
    daemon = subprocess.Popen([f"{core}/git-daemon", *options], env=os.environ | anybodys)
    try:
        _await(address, port)
        yield port
    finally:
        daemon.terminate()
        daemon.wait(timeout=10)


def _await(address: str, port: int) -> None:
    give_up = time.monotonic() + 10
    while True:
        try:
            socket.create_connection((address, port), timeout=1).close()
        except OSError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.1)
        else:
            return
