"""A proxy before a real S3 server, which fails on demand."""

import http.client
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.object_store import S3Server

Fault = Callable[["Request"], bool]
"""Answers in its own way and says so, or leaves it to the server."""


@dataclass(kw_only=True)
class Proxy:
    """What passes, and what is done to it."""

    server: S3Server
    """As clients reach it through here."""
    faults: list[Fault] = field(default_factory=list["Fault"])
    requests: list[str] = field(default_factory=list[str])
    """Paths and ranges, in order."""


class Request(BaseHTTPRequestHandler):
    """One GET."""

    protocol_version = "HTTP/1.1"
    proxy: Proxy
    behind: str

    def do_GET(self) -> None:  # the name that http.server calls
        """The server's answer, or a fault."""
        self.proxy.requests.append(f"{self.path} {self.headers.get('Range', '')}".strip())
        if not any(fault(self) for fault in self.proxy.faults):
            self.relay()

    def relay(self, most: int | None = None) -> None:
        """The server's answer, or so many bytes of its body."""
        connection = http.client.HTTPConnection(self.behind)
        connection.putrequest("GET", self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            if name.lower() != "connection":
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.read(most))
        connection.close()

    def answer(self, status: int, text: str) -> None:
        """An S3 server's error."""
        body = f"<Error><Code>{text}</Code></Error>".encode()
        self.send_response_only(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def reset(self) -> None:
        """The connection is gone, without a word."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # http.server's name for it
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients go away when they have seen enough."""


@contextmanager
def before(server: S3Server, tls: ssl.SSLContext | None = None) -> Generator[Proxy]:
    """A proxy before this server, until the block ends."""
    proxy = Proxy(server=server)
    listening = _Server(("127.0.0.1", 0), type("RequestHere", (Request,), {"proxy": proxy, "behind": server.host}))
    if tls:
        listening.socket = tls.wrap_socket(listening.socket, server_side=True)
    proxy.server = replace(server, host=f"127.0.0.1:{listening.server_port}", tls=tls is not None)
    threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield proxy
    finally:
        listening.shutdown()
        listening.server_close()
