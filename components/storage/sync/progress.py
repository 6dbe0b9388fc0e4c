"""How far a long transfer is: a line in the log now and then, and a metric for whoever asks."""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

SECONDS: Final = 10
"""Between two lines of the log."""
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")


class Progress:
    """Bytes of one model, counted by any number of threads."""

    def __init__(self, model: str) -> None:
        self._model, self._lock = model, threading.Lock()
        self._total, self._done, self._begun = 0, 0, time.monotonic()

    def expect(self, total: int) -> None:
        """From now on so many bytes are on their way."""
        with self._lock:
            self._total, self._done, self._begun = total, 0, time.monotonic()

    def advance(self, size: int) -> None:
        """So many have arrived."""
        with self._lock:
            self._done += size

    def line(self) -> str:
        """For people: `1.5 of 4.0 GiB, 120.0 MiB/s, 21 s left`."""
        with self._lock:
            done, total, seconds = self._done, self._total, time.monotonic() - self._begun
        speed = done / seconds if seconds else 0
        left = f", {(total - done) / speed:.0f} s left" if speed and total > done else ""
        return f"{sized(done)} of {sized(total)}, {sized(int(speed))}/s{left}"

    def metrics(self) -> str:
        """In Prometheus' text format, version 0.0.4."""
        with self._lock:
            counted = (("transferred", "counter", self._done), ("expected", "gauge", self._total))
        label = self._model.replace("\\", r"\\").replace('"', r"\"")
        return "".join(
            f'# TYPE inference_model_{name}_bytes {kind}\ninference_model_{name}_bytes{{model="{label}"}} {value}\n'
            for name, kind, value in counted
        )

    @contextmanager
    def told(self, report: Callable[[str], None], port: int | None = None) -> Generator[None]:
        """Say now and then how far it is, and serve the metric at `port`, until the block ends."""
        ended = threading.Event()

        def tell() -> None:
            while not ended.wait(SECONDS):
                if self._total:
                    report(self.line())

        server = self._server(port) if port is not None else None
        threads = [threading.Thread(target=tell, daemon=True)]
        threads += [threading.Thread(target=server.serve_forever, daemon=True)] if server else []
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            ended.set()
            if server:
                server.shutdown()
                server.server_close()

    def _server(self, port: int) -> ThreadingHTTPServer:
        progress = self

        class Metrics(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                text = progress.metrics().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, format: str, *args: object) -> None:
                """Not into the log of the transfer."""

        return ThreadingHTTPServer(("", port), Metrics)


def sized(count: int) -> str:
    """Bytes for people: `sized(1536) == "1.5 KiB"`."""
    value, unit = float(count), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.1f} {_UNITS[unit]}" if unit else f"{count} B"
