"""A web server on this machine that stands in for a source of models, and fails on demand."""

import hashlib
import json
import ssl
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

Fault = Callable[["Request"], bool]
"""Answers in its own way and says so, or leaves it to the server."""


@dataclass(kw_only=True)
class Stub:
    """What is served, and what went on."""

    files: dict[str, bytes]
    address: str = ""
    faults: list[Fault] = field(default_factory=list["Fault"])
    requests: list[str] = field(default_factory=list[str])
    """Paths with queries, in order."""

    def answer(self, request: "Request") -> None:
        """What this server says to a request."""
        raise NotImplementedError


class Request(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    stub: Stub

    @property
    def route(self) -> str:
        """Its path, with spaces as they are."""
        return unquote(urlsplit(self.path).path)

    @property
    def query(self) -> Mapping[str, str]:
        """What follows `?`."""
        return dict(parse_qsl(urlsplit(self.path).query))

    def do_HEAD(self) -> None:  # the name that http.server calls
        """As GET, without a body."""
        self.do_GET()

    def do_GET(self) -> None:
        """What the server answers, or the first fault that wants to."""
        self.stub.requests.append(self.path)
        if not any(fault(self) for fault in self.stub.faults):
            self.stub.answer(self)

    def json(self, value: Mapping[str, Any], status: int = 200) -> None:
        """An answer of an API."""
        self.send(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def file(self, whole: bytes) -> None:
        """A file's bytes, or those from where the client wants to go on, as long as it is the same file."""
        tag = f'"{hashlib.md5(whole, usedforsecurity=False).hexdigest()}"'
        wanted = self.headers.get("Range")
        if not wanted or self.headers.get("If-Range", tag) != tag:
            self.send(200, whole, {"ETag": tag})
            return
        start = int(wanted.removeprefix("bytes=").partition("-")[0])
        self.send(206, whole[start:], {"ETag": tag, "Content-Range": f"bytes {start}-{len(whole) - 1}/{len(whole)}"})

    def cut(self, whole: bytes) -> None:
        """Half of a file, and the connection is closed."""
        self.send_response(200)
        self.send_header("ETag", f'"{hashlib.md5(whole, usedforsecurity=False).hexdigest()}"')
        self.send_header("Content-Length", str(len(whole)))
        self.end_headers()
        self.wfile.write(whole[: len(whole) // 2])
        self.close_connection = True

    def stream(self, text: bytes, *, whole: bool) -> None:
        """A file whose length nobody tells: all of it, or half and the connection is closed."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        sent = text if whole else text[: len(text) // 2]
        self.wfile.write(b"%x\r\n%s\r\n" % (len(sent), sent) + (b"0\r\n\r\n" if whole else b""))
        self.close_connection = not whole

    def send(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        """An answer as it is."""
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # http.server's name for it
        """Say nothing."""


@contextmanager
def serving(stub: Stub, tls: ssl.SSLContext | None = None) -> Generator[None]:
    """The stub at a free port, until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("RequestHere", (Request,), {"stub": stub}))
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    stub.address = f"{'https' if tls else 'http'}://localhost:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def once(fault: Fault, route: str, times: int = 1) -> Fault:
    """The fault, so many times, where a file is read whose path ends so."""
    left = [times]

    def some(request: Request) -> bool:
        if request.command != "GET" or not request.route.endswith(route) or left[0] == 0:
            return False
        left[0] -= 1
        return fault(request)

    return some


def cut(request: Request) -> bool:
    """The connection ends half-way."""
    request.cut(_file(request))
    return True


def damaged(request: Request) -> bool:
    """One bit is flipped."""
    text = bytearray(_file(request))
    text[len(text) // 2] ^= 1
    request.file(bytes(text))
    return True


def short(request: Request) -> bool:
    """The last byte is missing, and the server does not know."""
    request.file(_file(request)[:-1])
    return True


def busy(request: Request) -> bool:
    """Too many requests."""
    request.send(429, b"", {"Retry-After": "1"})
    return True


def _file(request: Request) -> bytes:
    files = request.stub.files
    return files[max((path for path in files if request.route.endswith(f"/{path}")), key=len)]
