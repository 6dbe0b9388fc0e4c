"""What a control plane keeps, and where: all of it in one directory, marked as ours and locked while it changes."""

import base64
import contextlib
import fcntl
import json
import os
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from toolchain.control_plane.components import COMPONENTS, LAUNCHER
from toolchain.control_plane.processes import started_from

_CLUSTER = "inference"


class ControlPlaneError(Exception):
    """A control plane could not be started or stopped; the text says what was wrong, where, and what to do."""


@dataclass(frozen=True)
class Directory:
    """The files of one control plane. `root` is absolute; it need not exist."""

    root: Path

    @property
    def marker(self) -> Path:
        """Says that this directory is ours, where it was made, and the API server's port."""
        return self.root / "control-plane.json"

    @property
    def kubeconfig(self) -> Path:
        """Written last: where it exists, creation was complete, and the data is worth keeping."""
        return self.root / "kubeconfig"

    @property
    def session(self) -> Path:
        """What the last successful start was given as `--session`."""
        return self.root / "session"

    @property
    def lock(self) -> Path:
        """Held by the start or stop that is at work."""
        return self.root / "lock"

    @property
    def home(self) -> Path:
        """The home directory that kwokctl, and what it runs, are given; open to nobody else."""
        return self.root / "home"

    @property
    def configuration(self) -> Path:
        """kwokctl's configuration, where it looks by itself."""
        return self.home / ".kwok" / "kwok.yaml"

    @property
    def cluster(self) -> Path:
        """kwokctl's own layout: bin/, etcd/, logs/, pids/, pki/."""
        return self.home / ".kwok" / "clusters" / _CLUSTER

    @property
    def port(self) -> int:
        """The API server's port on loopback, chosen when it was created."""
        return int(self._record()["port"])

    def log(self, component: str) -> Path:
        """The log of a component, or of kwokctl."""
        return self.home / "kwokctl.log" if component == LAUNCHER else self.cluster / "logs" / f"{component}.log"

    def pid_file(self, component: str) -> Path:
        """Where kwokctl notes what it has started."""
        return self.cluster / "pids" / f"{component}.pid"

    def missing(self) -> list[str]:
        """Components that are not running."""
        running = {process.name for process in started_from(self.cluster / "bin")}
        return [component for component in COMPONENTS if component not in running]

    def is_running(self) -> bool:
        """Whether it was created completely and all its components run."""
        return self.kubeconfig.exists() and not self.missing()

    def mark(self, port: int) -> None:
        """Make this directory ours."""
        write(self.marker, json.dumps({"directory": str(self.root), "port": port}) + "\n")

    def refuse_foreign(self) -> None:
        """Raise ControlPlaneError unless this directory is ours, or free to become so."""
        if self.marker.exists():
            made_in = str(self._record()["directory"])
            if made_in != str(self.root):
                raise ControlPlaneError(
                    f"The control plane in {self.root} was made in {made_in} and works only there.\n"
                    f"Next: move it back; or, if you are sure that none of its processes runs, remove it by hand."
                )
        elif self.root.exists() and (
            not self.root.is_dir() or any(entry != self.lock for entry in self.root.iterdir())
        ):
            raise ControlPlaneError(
                f"{self.root} is not a control plane's directory, and not empty. Nothing was changed.\n"
                f"Next: name a directory of its own with --directory."
            )

    def _record(self) -> dict[str, str | int]:
        try:
            record: dict[str, str | int] = json.loads(self.marker.read_text())
            return {"directory": record["directory"], "port": record["port"]}
        except (ValueError, LookupError, TypeError) as error:
            raise ControlPlaneError(
                f"{self.marker} is damaged: {error}.\nNext: end what runs from {self.cluster}/bin, remove {self.root}."
            ) from None

    def kubeconfig_text(self) -> str:
        """The administrator's kubeconfig, certificates inside."""
        ca, certificate, key = (
            base64.b64encode((self.cluster / "pki" / name).read_bytes()).decode()
            for name in ("ca.crt", "admin.crt", "admin.key")
        )
        return f"""\
apiVersion: v1
kind: Config
current-context: embedded
contexts:
  - name: embedded
    context: {{cluster: embedded, user: embedded}}
clusters:
  - name: embedded
    cluster:
      server: https://127.0.0.1:{self.port}
      certificate-authority-data: {ca}
users:
  - name: embedded
    user:
      client-certificate-data: {certificate}
      client-key-data: {key}
"""

    @contextlib.contextmanager
    def alone(self) -> Generator[None]:
        """One start or stop at a time; the lock goes with the process that holds it."""
        while True:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            try:
                lock = os.open(self.lock, os.O_RDWR | os.O_CREAT, 0o600)
            except FileNotFoundError:  # a stop removed the directory just now
                continue
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say(f"waiting for another start or stop in {self.root}")
                fcntl.flock(lock, fcntl.LOCK_EX)
            if os.fstat(lock).st_nlink:
                break
            os.close(lock)  # a stop removed the file while we waited
        try:
            yield
        finally:
            os.close(lock)


def directory(path: Path) -> Directory:
    """The control plane's directory at `path`, which may be relative or begin with ~."""
    return Directory(path.expanduser().resolve())


def generation(path: Path) -> str:
    """A number that changes exactly when `start` has to run again.

    While all components run it is the session that the last start stored; else the one after it. Takes milliseconds:
    it looks at files and processes only.
    """
    plane = directory(path)
    stored = plane.session.read_text().strip() if plane.session.exists() else ""
    last = int(stored) if stored.isdecimal() else 0
    return str(max(last, 1) if plane.is_running() else last + 1)


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all, and for nobody else's eyes."""
    temporary = path.with_name(f"{path.name}.new")
    temporary.unlink(missing_ok=True)
    temporary.touch(mode=0o600)
    temporary.write_text(text)
    temporary.replace(path)


def say(progress: str) -> None:
    """Tell the user; standard output is the kubeconfig's alone."""
    print(f"control plane: {progress}", file=sys.stderr, flush=True)
