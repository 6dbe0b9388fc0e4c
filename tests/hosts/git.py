"""A Git server for the hosts, on their bridge: what a test commits, pods can fetch."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

_IDENTITY = ("-c", "user.name=test", "-c", "user.email=test@example.invalid", "-c", "commit.gpgsign=false")


@dataclass(frozen=True, kw_only=True)
class Repository:
    """One repository with one branch, `main`."""

    url: str
    port: int
    directory: Path

    def commit(self, files: Mapping[str, str | None]) -> str:
        """Write these files by path, or delete those that are None; the commit."""
        for path, text in files.items():
            file = self.directory / path
            if text is None:
                file.unlink()
            else:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message=Change")
        return self._git("rev-parse", "HEAD")

    def _git(self, *arguments: str) -> str:
        command = ["git", *_IDENTITY, *arguments]
        environment = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        done = subprocess.run(command, cwd=self.directory, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.strip()


@contextlib.contextmanager
def serving(directory: Path, address: str) -> Generator[Repository]:
    """An empty repository at `address`, by Git's own protocol."""
    work = directory / "repository"
    work.mkdir()
    with socket.create_server((address, 0)) as free:
        port: int = free.getsockname()[1]
    repository = Repository(url=f"git://{address}:{port}/repository", port=port, directory=work)
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", work], check=True)
    options = [f"--base-path={directory}", "--export-all", "--reuseaddr", f"--listen={address}", f"--port={port}"]
    # Not `git daemon`, which would leave the one that serves behind.
    core = subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True).stdout.strip()
    environment = os.environ | {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }
    daemon = subprocess.Popen([f"{core}/git-daemon", *options], env=environment)
    try:
        _await(address, port)
        yield repository
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
