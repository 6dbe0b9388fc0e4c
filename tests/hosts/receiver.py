"""Takes what programs on hosts POST, on their bridge."""

import contextlib
import json
import threading
from collections.abc import Generator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """An address, and what came."""

    url: str
    bodies: list[Any] = field(default_factory=list[Any])
    authorizations: list[str | None] = field(default_factory=list[str | None])


@contextlib.contextmanager
def receiving(address: str) -> Generator[Receiver]:
    """At a free port of `address`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.authorizations.append(self.headers["Authorization"])
            receiver.bodies.append(json.loads(body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: tests look at `bodies`."""

    server = ThreadingHTTPServer((address, 0), Handler)
    receiver = Receiver(url=f"http://{address}:{server.server_port}/told")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
