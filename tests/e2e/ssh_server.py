"""A real OpenSSH server, for the user who runs the tests."""

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

LOOPBACK = "127.0.0.1"
_SECONDS_TO_START = 10
_PRIVILEGE_SEPARATION = Path("/run/sshd")
"""Compiled into Debian's sshd; it must be there when root runs it."""


@dataclass(frozen=True, kw_only=True)
class SshServer:
    """Where it listens, and who it lets in. It takes variables by the names ACCEPTED and PULUMI_COMMAND_STDOUT."""

    port: int
    user: str
    host_key: str
    private_key: Path
    encrypted_key: Path
    """Let in too; `PASSWORD` opens it."""
    stranger: Path
    """A key that is not let in."""


PASSWORD = "opens-the-key"


@contextmanager
def serving(directory: Path, address: str = LOOPBACK) -> Generator[SshServer]:
    """Run one with keys of its own at this address; skips where that cannot be done."""
    program = shutil.which("sshd", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
    if program is None:
        pytest.skip("no sshd here; get it with: apt-get install openssh-server")
    server = SshServer(
        port=free_port(address),
        user=getpass.getuser(),
        host_key=_made(directory / "host").with_suffix(".pub").read_text().strip(),
        private_key=_made(directory / "user"),
        encrypted_key=_made(directory / "encrypted", password=PASSWORD),
        stranger=_made(directory / "stranger"),
    )
    let_in = (server.private_key.with_suffix(".pub"), server.encrypted_key.with_suffix(".pub"))
    (directory / "authorized").write_text("".join(path.read_text() for path in let_in))
    (directory / "config").write_text(
        f"Port {server.port}\nListenAddress {address}\nHostKey {directory}/host\nPidFile none\nStrictModes no\n"
        f"AuthorizedKeysFile {directory}/authorized\nPasswordAuthentication no\nUsePAM no\nPermitRootLogin yes\n"
        "AcceptEnv ACCEPTED PULUMI_COMMAND_STDOUT\nSubsystem sftp internal-sftp\nMaxStartups 100\n"
    )
    if os.geteuid() == 0:
        _PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
    log = (directory / "log").open("wb")
    process = subprocess.Popen([program, "-D", "-e", "-f", str(directory / "config")], stdout=log, stderr=log)
    try:
        _await(address, server.port, process, directory / "log")
        yield server
    finally:
        process.terminate()
        process.wait()
        log.close()


def free_port(address: str = LOOPBACK) -> int:
    """A port of this address that nobody listens on."""
    with socket.create_server((address, 0)) as listener:
        return listener.getsockname()[1]


def _made(path: Path, *, password: str = "") -> Path:
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", password, "-C", "", "-f", str(path)]
    subprocess.run(command, check=True)
    return path


def _await(address: str, port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + _SECONDS_TO_START
    while process.poll() is None and time.monotonic() < until:
        try:
            socket.create_connection((address, port)).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.02)
    pytest.skip(f"sshd does not run here: {log.read_text().strip()}")
