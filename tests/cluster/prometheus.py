"""Prometheus as one that asks it for a number meets it, with numbers of the test's choice."""

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Prometheus:
    """Answers instant queries at `url`; of what is not in `values` it has no series."""

    url: str = ""
    values: dict[str, float] = field(default_factory=dict[str, float])
    """By query."""
    asked: set[str] = field(default_factory=set[str])
    """Queries that came."""
    broken: bool = False
    """Answers with an error."""

    def answer(self, query: str) -> dict[str, Any]:
        """What it says to a query."""
        self.asked.add(query)
        value = self.values.get(query)
        found: list[dict[str, Any]] = [] if value is None else [{"metric": {}, "value": [0, f"{value:g}"]}]
        return {"status": "success", "data": {"resultType": "vector", "result": found}}


@contextmanager
def prometheus() -> Generator[Prometheus]:
    """Serve one on this machine until the block ends."""
    there = Prometheus()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            known = url.path == "/api/v1/query" and not there.broken
            body = json.dumps(there.answer(parse_qs(url.query)["query"][0]) if known else {}).encode()
            self.send_response(200 if known else 503)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        there.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield there
        finally:
            server.shutdown()
