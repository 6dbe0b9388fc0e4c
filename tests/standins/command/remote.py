"""Commands and copies on another host, over SSH.

With paramiko rather than OpenSSH's client, because only a library tells a host that cannot be reached from a command
that failed, and an environment variable that the server took from one that it dropped.
"""

import contextlib
import io
import os
import socket
import threading
from base64 import b64decode
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tests.standins.command.inputs import Connection, Script
from tests.standins.command.output import Output, Stream
from tests.standins.provider import Call, ProviderError

_FIRST_PAUSE, _GROWTH, _LONGEST_PAUSE = 0.1, 1.5, 5.0
"""Seconds between two attempts, as the official provider waits."""
_CHUNK = 65536
_ENV_REFUSED = (
    "Unable to set '{}'. This only works if the SSH server accepts it with AcceptEnv. Otherwise prefix the command "
    "with it, in the form 'VAR=value command'."
)
_KEYS: Sequence[tuple[type, Callable[[io.StringIO], paramiko.PKey]]] = (
    (ed25519.Ed25519PrivateKey, paramiko.Ed25519Key.from_private_key),
    (ec.EllipticCurvePrivateKey, paramiko.ECDSAKey.from_private_key),
    (rsa.RSAPrivateKey, paramiko.RSAKey.from_private_key),
)


@dataclass(frozen=True, kw_only=True)
class Dialling:
    """How attempts to connect go on."""

    show: Callable[[str], None]
    stopped: threading.Event


def run(connection: Connection, script: Script, dialling: Dialling, call: Call) -> Output:
    """Run it to its end; raises `ProviderError` with all it wrote when that is not a success."""
    output = Output(script.logged, dialling.show)
    with connected(connection, dialling) as transport:
        channel = _session(transport, script, call)
        channel.exec_command(script.command)
        _converse(channel, script.stdin, output)
        status = channel.recv_exit_status()
    if status < 0:
        reason = "context canceled" if dialling.stopped.is_set() else _NO_STATUS
        raise ProviderError(output.failure(reason, script.command))
    if status:
        raise ProviderError(output.failure(f"Process exited with status {status}", script.command))
    return output


_NO_STATUS = "wait: remote command exited without exit status or exit signal"


@contextlib.contextmanager
def connected(connection: Connection, dialling: Dialling) -> Generator[paramiko.Transport]:
    """An authenticated connection, through the proxy if there is one; raises `ProviderError`."""
    key = _private_key(connection)
    expected = _host_key(connection)
    with contextlib.ExitStack() as stack:
        if connection.proxy:
            try:
                proxy = stack.enter_context(connected(connection.proxy, dialling))
            except ProviderError as error:
                raise ProviderError(f"proxy: {error}") from None

        def dial() -> paramiko.Transport:
            address = (connection.host, connection.port)
            if connection.proxy:
                stream = proxy.open_channel("direct-tcpip", address, ("127.0.0.1", 0))
            else:
                stream = socket.create_connection(address, connection.per_dial_timeout)
            return _handshake(stream, connection, key, expected)

        transport = _with_retries(dial, connection, dialling)
        stack.callback(transport.close)
        _close_when(dialling.stopped, transport)
        yield transport


def _with_retries(
    dial: Callable[[], paramiko.Transport], connection: Connection, dialling: Dialling
) -> paramiko.Transport:
    limit, pause, failed = connection.dial_error_limit, _FIRST_PAUSE, 0
    while True:
        try:
            return dial()
        except (OSError, EOFError, paramiko.SSHException) as error:
            reason = _why_not_connected(error, connection)
        if failed == limit:
            raise ProviderError(f"after {failed} failed attempts: {reason}")
        failed += 1
        dialling.show(f"Dial {failed}/{'inf' if limit < 0 else limit} failed: retrying")
        if dialling.stopped.wait(pause):
            raise ProviderError("context canceled")
        pause = min(pause * _GROWTH, _LONGEST_PAUSE)


def _handshake(
    stream: "socket.socket | paramiko.Channel",
    connection: Connection,
    key: paramiko.PKey | None,
    expected: tuple[str, bytes] | None,
) -> paramiko.Transport:
    transport = paramiko.Transport(stream)
    try:
        if expected:
            kinds = ("rsa-sha2-512", "rsa-sha2-256") if expected[0] == "ssh-rsa" else (expected[0],)
            transport.get_security_options().key_types = kinds
        transport.start_client(timeout=connection.per_dial_timeout)
        if expected and transport.get_remote_server_key().asbytes() != expected[1]:
            raise paramiko.SSHException("ssh: host key mismatch")
        _authenticate(transport, connection, key)
    except BaseException:
        transport.close()
        raise
    return transport


def _authenticate(transport: paramiko.Transport, connection: Connection, key: paramiko.PKey | None) -> None:
    """Key, password, questions, agent, in this order, until the server is content."""
    user, password = connection.user, connection.password
    attempts: list[tuple[str, Callable[[], list[str]]]] = []
    if key:
        attempts.append(("publickey", lambda: transport.auth_publickey(user, key)))
    if password is not None:
        attempts.append(("password", lambda: transport.auth_password(user, password, fallback=False)))
        attempts.append(
            ("keyboard-interactive", lambda: transport.auth_interactive(user, lambda _t, _i, q: [password] * len(q)))
        )
    for offered in _agent_keys(connection):
        attempts.append(("publickey", lambda offered=offered: transport.auth_publickey(user, offered)))
    for _, attempt in attempts:
        with contextlib.suppress(paramiko.BadAuthenticationType, paramiko.AuthenticationException):
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
    agent = paramiko.Agent()
    return agent.get_keys()
