"""What KubeRay asks of a head pod, answered by a stand-in: nothing runs in simulated pods."""

import json
import os
import random
import subprocess
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

APPLICATIONS = "/api/serve/applications/"
DASHBOARD, PROXY = 8265, 8000


@dataclass
class Dashboard:
    """Ray's dashboard and its HTTP proxy, at an address of their own."""

    address: str
    asked_to_serve: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    authorization: set[str] = field(default_factory=set[str])
    """What requests showed."""

    def details(self) -> dict[str, Any]:
        """What it says of its applications, which run as soon as they are asked for."""
        names = [one["name"] for asked in self.asked_to_serve[-1:] for one in asked["applications"]]
        return {"applications": {name: {"status": "RUNNING", "deployments": {}} for name in names}}


@contextmanager
def dashboard() -> Generator[Dashboard]:
    """Serve one until the block ends. The ports are KubeRay's, so the address must be nobody else's: needs root."""
    if os.geteuid():
        raise PermissionError("an address of its own needs root")
    # https://www.rfc-editor.org/rfc/rfc2544: for tests, and never routed.
    address = f"198.18.{random.randrange(256)}.{random.randrange(1, 255)}"
    there = Dashboard(address=address)
    subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)
    try:
        with ExitStack() as servers:
            for port in (DASHBOARD, PROXY):
                server = servers.enter_context(ThreadingHTTPServer((address, port), _handler(there)))
                threading.Thread(target=server.serve_forever, daemon=True).start()
                servers.callback(server.shutdown)
            yield there
    finally:
        subprocess.run(["ip", "address", "del", f"{address}/32", "dev", "lo"], check=True)


def _handler(there: Dashboard) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == APPLICATIONS:
                there.authorization.add(self.headers.get("x-ray-authorization", ""))
            self._answer(there.details() if path == APPLICATIONS else {})

        def do_PUT(self) -> None:
            there.asked_to_serve.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self._answer({})

        def _answer(self, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            del format, args

    return Handler
