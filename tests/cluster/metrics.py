"""A metrics API for the autoscaler to ask: what an adapter would serve, with numbers of the test's choice."""

import json
import ssl
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

GROUP = "custom.metrics.k8s.io"
VERSION = "v1beta2"


class Metrics:
    """Serves one number for each pod; `asked` are the paths that were asked for."""

    def __init__(self, pods: Callable[[], Sequence[str]]) -> None:
        self.value = "0"
        """Of each pod, as a Kubernetes quantity."""
        self.asked: set[str] = set()
        self._pods = pods

    def answer(self, path: str) -> dict[str, Any]:
        """What is at a path of the API."""
        if path == f"/apis/{GROUP}/{VERSION}":
            return {
                "kind": "APIResourceList",
                "apiVersion": "v1",
                "groupVersion": f"{GROUP}/{VERSION}",
                "resources": [],
            }
        self.asked.add(path)
        _, namespace, _, _, metric = path.removeprefix(f"/apis/{GROUP}/{VERSION}/").split("/")
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        items = [
            {
                "describedObject": {"kind": "Pod", "namespace": namespace, "name": pod, "apiVersion": "v1"},
                "metric": {"name": metric},
                "timestamp": now,
                "value": self.value,
            }
            for pod in self._pods()
        ]
        return {"kind": "MetricValueList", "apiVersion": f"{GROUP}/{VERSION}", "metadata": {}, "items": items}

    @contextmanager
    def served(self, context: ssl.SSLContext) -> Generator[int]:
        """Over TLS on this machine; the port."""

        class Handler(BaseHTTPRequestHandler):
            metrics = self

            def do_GET(self) -> None:
                path = unquote(urlsplit(self.path).path)
                known = path.startswith(f"/apis/{GROUP}/{VERSION}")
                body = json.dumps(self.metrics.answer(path) if known else {}).encode()
                self.send_response(200 if known else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            server.socket = context.wrap_socket(server.socket, server_side=True)
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            try:
                yield server.server_address[1]
            finally:
                server.shutdown()
                thread.join()
