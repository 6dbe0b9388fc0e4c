"""Commands and copies on another host."""

import contextlib
import os
import posixpath
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, cast

import paramiko

from tests.standins.command.connection import connected
from tests.standins.command.inputs import Connection, Script
from tests.standins.command.output import Output, Stream
from tests.standins.command.running import Running
from tests.standins.provider import Call, ProviderError
from tests.standins.wire import Properties, Wire

_CHUNK = 65536
_CHANNEL_REQUEST = bytes([98])
"""SSH_MSG_CHANNEL_REQUEST of RFC 4254."""
_REFUSED = (
    "Unable to set '{}'. This only works if your SSH server is configured to accept these variables via AcceptEnv. "
    "Alternatively, prefix the command itself with the variables in the form 'VAR=value command'."
)


class _Sending(Protocol):
    def _send_user_message(self, data: paramiko.Message) -> None: ...


class _Asking(Protocol):
    """`paramiko.Channel` from within."""

    transport: _Sending

    def _event_pending(self) -> None: ...

    def _wait_for_event(self) -> None: ...


def run(connection: Connection, script: Script, running: Running, call: Call) -> Output:
    """Run it to its end; raises `ProviderError` with all it wrote when that is not a success."""

    def show(line: str) -> None:
        call.say(line, "info", True)

    output = Output(script.logged, show)
    try:
        with connected(connection, running, show) as transport:
            channel = _session(transport, script, call)
            channel.exec_command(script.command)
            _converse(channel, script.stdin, output)
            status = channel.recv_exit_status()
    except (EOFError, OSError, paramiko.SSHException) as error:
        raise ProviderError(output.failure(str(error), script.command)) from None
    if status == 0:
        return output
    reason = f"Process exited with status {status}"
    if status < 0:
        lost = "wait: remote command exited without exit status (a signal, or a lost connection)"
        reason = "context canceled" if running.stopped.is_set() else lost
    raise ProviderError(output.failure(reason, script.command))


def copy(connection: Connection, source: Wire, path: str, running: Running, call: Call) -> None:
    """Copy an asset or archive, as it is, to this path; raises `ProviderError`.

    A directory goes into an existing or new one under its own name, its content alone if its path ends in a slash; a
    file goes into an existing directory under its own name.
    """
    local = cast(Properties, source)
    try:
        with connected(connection, running, lambda line: call.say(line, "info", True)) as transport:
            sftp = cast(paramiko.SFTPClient, paramiko.SFTPClient.from_transport(transport))
            if "text" in local:
                _copy_text(sftp, cast(str, local["text"]), path)
            elif Path(cast(str, local["path"])).is_dir():
                _copy_directory(sftp, cast(str, local["path"]), path)
            else:
                _copy_file(sftp, cast(str, local["path"]), path)
    except (EOFError, OSError, paramiko.SSHException) as error:
        raise ProviderError(f"failed to copy to remote path {path}: {error}") from None


def _session(transport: paramiko.Transport, script: Script, call: Call) -> paramiko.Channel:
    """A channel with its variables set. What the server does not take fails, but for what the last run left."""
    wanted = {**script.environment, **script.previous}
    while True:
        channel = transport.open_session()
        refused = next((name for name, value in wanted.items() if not _set(channel, name, value)), None)
        if refused is None:
            return channel
        if refused in script.environment:
            call.say(_REFUSED.format(refused), "error", False)
            raise ProviderError(f'could not set environment variable "{refused}": ssh: setenv failed')
        call.say(_REFUSED.format(refused), "warning", False)
        del wanted[refused]  # a refusal has closed the channel: once more without it


def _set(channel: paramiko.Channel, name: str, value: str) -> bool:
    """Whether the server took it, which paramiko's own request does not ask."""
    message = paramiko.Message()
    message.add_byte(_CHANNEL_REQUEST)
    message.add_int(channel.remote_chanid)
    message.add_string("env")
    message.add_boolean(True)
    message.add_string(name)
    message.add_string(value)
    asking = cast(_Asking, channel)
    asking._event_pending()  # pyright: ignore[reportPrivateUsage]
    asking.transport._send_user_message(message)  # pyright: ignore[reportPrivateUsage]
    with contextlib.suppress(paramiko.SSHException):
        asking._wait_for_event()  # pyright: ignore[reportPrivateUsage]
        return True
    return False


def _converse(channel: paramiko.Channel, stdin: str, output: Output) -> None:
    def read(stream: Stream, receive: Callable[[int], bytes]) -> None:
        while chunk := receive(_CHUNK):
            output.take(stream, chunk)
        output.take(stream, b"")

    readers = [
        threading.Thread(target=read, args=("stdout", channel.recv)),
        threading.Thread(target=read, args=("stderr", channel.recv_stderr)),
    ]
    for reader in readers:
        reader.start()
    with contextlib.suppress(OSError):  # whether the command should have read on, its exit code says
        channel.sendall(stdin.encode())
        channel.shutdown_write()
    for reader in readers:
        reader.join()


def _copy_text(sftp: paramiko.SFTPClient, text: str, path: str) -> None:
    if _is_directory(sftp, path):
        raise ProviderError(
            f"remote path {path} is a directory; when using a text asset, remotePath must be a file path"
        )
    _make_directories(sftp, posixpath.dirname(path))
    with sftp.open(path, "wb") as remote:
        remote.write(text.encode())


def _copy_file(sftp: paramiko.SFTPClient, source: str, path: str) -> None:
    if _is_directory(sftp, path):
        path = posixpath.join(path, Path(source).name)
    else:
        _make_directories(sftp, posixpath.dirname(path))
    sftp.put(source, path)


def _copy_directory(sftp: paramiko.SFTPClient, source: str, path: str) -> None:
    if not source.endswith("/"):
        path = posixpath.join(path, Path(source).name)
    _make_directories(sftp, path)
    with os.scandir(source) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            below = posixpath.join(path, entry.name)
            if entry.is_dir(follow_symlinks=False):
                _copy_directory(sftp, f"{entry.path}/", below)
            else:
                sftp.put(entry.path, below)


def _make_directories(sftp: paramiko.SFTPClient, path: str) -> None:
    existing = _is_directory(sftp, path) if path else True
    if existing is False:
        raise ProviderError(f"remote path {path} exists but is not a directory")
    if existing is None:
        _make_directories(sftp, posixpath.dirname(path))
        sftp.mkdir(path)


def _is_directory(sftp: paramiko.SFTPClient, path: str) -> bool | None:
    """None when there is nothing."""
    try:
        return stat.S_ISDIR(sftp.stat(path).st_mode or 0)
    except FileNotFoundError:
        return None
