"""Connections over SSH.

With paramiko rather than OpenSSH's client, because only a library tells a host that cannot be reached from a command
that failed, and an environment variable that the server took from one that it dropped.
"""

import contextlib
import io
import os
import socket
import threading
from base64 import b64decode
from collections.abc import Callable, Generator, Sequence
from itertools import pairwise
from typing import Protocol, cast

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from paramiko.agent import AgentSSH

from tests.standins.command.inputs import Connection
from tests.standins.command.running import Running
from tests.standins.provider import ProviderError

_FIRST_PAUSE, _GROWTH, _LONGEST_PAUSE = 0.1, 1.5, 5.0
"""Seconds between two attempts, as the official provider waits."""


_KEEPALIVE = {socket.TCP_KEEPIDLE: 15, socket.TCP_KEEPINTVL: 15, socket.TCP_KEEPCNT: 9}
"""Seconds, seconds and probes, as Go has them by itself; the official provider 1.2.1 adds nothing of SSH's own."""

_Stream = socket.socket | paramiko.Channel
_OpenStream = Callable[[tuple[str, int], float | None], _Stream]


class _Agent(Protocol):
    """`AgentSSH` from within: from without, the socket's path comes only from the environment."""

    def _connect(self, conn: socket.socket) -> None: ...


@contextlib.contextmanager
def connected(connection: Connection, running: Running, show: Callable[[str], None]) -> Generator[paramiko.Transport]:
    """An authenticated connection, through the proxy if there is one; raises `ProviderError`."""
    with contextlib.ExitStack() as stack:

        def dialled(to: Connection, how: str, open_stream: _OpenStream) -> paramiko.Transport:
            transport = _dialled(
                to, open_stream, running.stopped, lambda tries: show(f"{how} {tries} failed: retrying")
            )
            stack.enter_context(running.open(transport))
            return transport

        if connection.proxy is None:
            yield dialled(connection, "Dial", _direct)
            return
        try:
            proxy = dialled(connection.proxy, "Dial proxy", _direct)
            transport = dialled(connection, "Dial from proxy", _through(proxy))
        except ProviderError as error:
            raise ProviderError(f"proxy: {error}") from None
        yield transport


def _dialled(
    connection: Connection, open_stream: _OpenStream, stopped: threading.Event, failing: Callable[[str], None]
) -> paramiko.Transport:
    """All failures are met with another attempt, a wrong key too: a host that boots may not have its keys yet."""
    keys, expected = [*_private_key(connection), *_agent_keys(connection)], _host_key(connection)
    limit, pause, failed = connection.dial_error_limit, _FIRST_PAUSE, 0
    while True:
        try:
            stream = open_stream((connection.host, connection.port), connection.per_dial_timeout)
            return _handshake(stream, connection, keys, expected)
        except (OSError, EOFError, paramiko.SSHException) as error:
            reason = _why(error, connection)
        if failed == limit:
            raise ProviderError(f"after {failed} failed attempts: {reason}")
        failed += 1
        failing(f"{failed}/{'inf' if limit < 0 else limit}")
        if stopped.wait(pause):
            raise ProviderError("context canceled")
        pause = min(pause * _GROWTH, _LONGEST_PAUSE)


def _direct(address: tuple[str, int], seconds: float | None) -> socket.socket:
    stream = socket.create_connection(address, seconds)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE.items():
        stream.setsockopt(socket.IPPROTO_TCP, option, value)
    return stream


def _through(proxy: paramiko.Transport) -> _OpenStream:
    return lambda address, seconds: proxy.open_channel("direct-tcpip", address, ("127.0.0.1", 0), timeout=seconds)


def _handshake(
    stream: _Stream, connection: Connection, keys: Sequence[paramiko.PKey], expected: tuple[str, bytes] | None
) -> paramiko.Transport:
    transport = paramiko.Transport(stream)
    try:
        if expected:
            try:
                transport.get_security_options().key_types = expected[:1]
            except ValueError:
                raise paramiko.SSHException(f"ssh: no common algorithm for host key; wanted {expected[0]}") from None
        transport.start_client(timeout=connection.per_dial_timeout)
        if expected and transport.get_remote_server_key().asbytes() != expected[1]:
            raise paramiko.SSHException("ssh: host key mismatch")
        _authenticate(transport, connection, keys)
    except BaseException:
        transport.close()
        raise
    return transport


def _authenticate(transport: paramiko.Transport, connection: Connection, keys: Sequence[paramiko.PKey]) -> None:
    """Keys, password, questions, in this order, until the server is content."""
    user, password = connection.user, connection.password
    attempts: list[tuple[str, Callable[[], object]]] = [
        ("publickey", lambda key=key: transport.auth_publickey(user, key)) for key in keys
    ]
    if password is not None:
        attempts.append(("password", lambda: transport.auth_password(user, password, fallback=False)))
        attempts.append(
            ("keyboard-interactive", lambda: transport.auth_interactive(user, lambda _t, _i, q: [password] * len(q)))
        )
    for _, attempt in attempts:
        with contextlib.suppress(paramiko.AuthenticationException):
            attempt()
        if transport.is_authenticated():
            return
    tried = " ".join(dict.fromkeys(["none", *(name for name, _ in attempts)]))
    raise paramiko.SSHException(
        f"ssh: unable to authenticate, attempted methods [{tried}], no supported methods remain"
    )


def _agent_keys(connection: Connection) -> Sequence[paramiko.PKey]:
    path = connection.agent_socket or os.environ.get("SSH_AUTH_SOCK")
    if not path:
        return ()
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    agent = AgentSSH()
    try:
        stream.connect(path)
        cast(_Agent, agent)._connect(stream)  # pyright: ignore[reportPrivateUsage]
    except (OSError, paramiko.SSHException) as error:
        raise ProviderError(f"dial unix {path}: connect: {error}") from None
    return agent.get_keys()


def _private_key(connection: Connection) -> Sequence[paramiko.PKey]:
    """The key in whatever form it was given, and never a word of it in an error; none where none was given."""
    if connection.private_key is None:
        return ()
    text = connection.private_key.encode()
    password = connection.private_key_password.encode() if connection.private_key_password else None
    openssh = b"OPENSSH PRIVATE KEY" in text
    load = serialization.load_ssh_private_key if openssh else serialization.load_pem_private_key
    try:
        key = load(text, password)
    except (TypeError, ValueError):
        why = "with this privateKeyPassword" if password else "without a privateKeyPassword"
        raise ProviderError(f"ssh: connection.privateKey cannot be read {why}") from None
    plain = io.StringIO(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        ).decode()
    )
    match key:
        case ed25519.Ed25519PrivateKey():
            return (paramiko.Ed25519Key.from_private_key(plain),)
        case ec.EllipticCurvePrivateKey():
            return (paramiko.ECDSAKey.from_private_key(plain),)
        case rsa.RSAPrivateKey():
            return (paramiko.RSAKey.from_private_key(plain),)
        case _:
            raise ProviderError("ssh: connection.privateKey must be an Ed25519, ECDSA or RSA key")


def _host_key(connection: Connection) -> tuple[str, bytes] | None:
    """Its type and content, from a line as in authorized_keys."""
    if connection.host_key is None:
        return None
    words = connection.host_key.split()
    for kind, encoded in pairwise(words):
        with contextlib.suppress(ValueError):
            content = b64decode(encoded, validate=True)
            if content[4 : 4 + len(kind)] == kind.encode():
                return kind, content
    raise ProviderError("failed to parse host key: expected a line like: ssh-ed25519 AAAA…")


def _why(error: Exception, connection: Connection) -> str:
    if isinstance(error, paramiko.ChannelException):
        return f"ssh: rejected: {error.text.lower()}"
    if not isinstance(error, OSError):
        return f"ssh: handshake failed: {str(error) or 'EOF'}"
    if isinstance(error, socket.gaierror):
        return f"dial tcp: lookup {connection.host}: no such host"
    reason = "i/o timeout" if isinstance(error, TimeoutError) else (error.strerror or str(error)).lower()
    return f"dial tcp {connection.host}:{connection.port}: connect: {reason}"
