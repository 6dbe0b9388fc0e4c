"""Getting files over HTTP, with every wait bounded and hosts that do not answer asked only once a run."""

import email.message
import hashlib
import http.client
import os
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from toolchain.problems import Unauthorized, Unavailable

_CHUNK = 1 << 18
_DOCUMENT_LIMIT = 8 << 20
_ATTEMPTS = 2


class _Interrupted(Exception):
    """The connection ended before the file did: worth a second attempt."""


def _mirror() -> str | None:
    return os.environ.get("INFERENCE_RELEASES") or None


@dataclass(frozen=True, kw_only=True)
class Document:
    """A small document, and what was said about it."""

    content: bytes
    headers: email.message.Message


@dataclass(kw_only=True)
class Network:
    """One run's view of the network.

    `mirror` stands in for all publishers as `<mirror>/<host>/<path>` (`INFERENCE_RELEASES`; http, https or file).
    """

    connect_seconds: float = 4.0
    """Longest wait for a name and a connection."""
    idle_seconds: float = 30.0
    """Longest wait for the next bytes."""
    total_seconds: float = 1800.0
    """Longest time for one file."""
    mirror: str | None = field(default_factory=_mirror)
    closed: dict[str, str] = field(default_factory=dict[str, str])
    """Hosts that did not answer in this run, and why: they are not asked again."""

    def address(self, url: str) -> str:
        """Where this URL is really fetched from."""
        if not self.mirror:
            return url
        parts = urlsplit(url)
        query = f"?{parts.query}" if parts.query else ""
        return f"{self.mirror.rstrip('/')}/{parts.netloc}{parts.path}{query}"

    def text(self, url: str) -> str:
        """A small document's text. Raises `Unavailable` with the reason."""
        return self.document(url, {}).content.decode("utf-8", errors="replace")

    def document(self, url: str, headers: Mapping[str, str]) -> Document:
        """A small document. Raises `Unavailable` with the reason; `Unauthorized` where a token is asked for."""
        with self._opened(url, headers) as response:
            try:
                return Document(content=response.read(_DOCUMENT_LIMIT), headers=response.headers)
            except (OSError, http.client.HTTPException) as error:
                raise self._lost(url, error) from error

    def file(self, url: str, target: Path, report: Callable[[str], None]) -> str:
        """Fetch a file into `target`, which may exist and is overwritten; its sha256.

        `report` is told how far it is. Raises `Unavailable`; what `target` then holds is of no use.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._file(url, target, report)
            except _Interrupted as error:
                if attempt == _ATTEMPTS:
                    raise Unavailable(str(error)) from error
        raise AssertionError("unreachable")

    def _file(self, url: str, target: Path, report: Callable[[str], None]) -> str:
        checksum, done, started = hashlib.sha256(), 0, time.monotonic()
        with self._opened(url, {}) as response, target.open("wb") as output:
            length = int(response.headers.get("Content-Length") or 0)
            while chunk := self._chunk(url, response):
                output.write(chunk)
                checksum.update(chunk)
                done += len(chunk)
                report(f"{done >> 20} of {length >> 20} MB" if length else f"{done >> 20} MB")
                if time.monotonic() - started > self.total_seconds:
                    raise Unavailable(f"{self._host(url)} is too slow: {done >> 20} MB in {self.total_seconds:.0f} s")
            if length and done != length:
                raise _Interrupted(f"{self._host(url)} sent {done} of {length} bytes")
            output.flush()
            os.fsync(output.fileno())
        return checksum.hexdigest()

    def _chunk(self, url: str, response: "IO[bytes]") -> bytes:
        try:
            return response.read(_CHUNK)
        except TimeoutError as error:
            raise self._lost(url, error) from error
        except (OSError, http.client.HTTPException) as error:
            raise _Interrupted(f"{self._host(url)} broke off: {_reason(error)}") from error

    @contextmanager
    def _opened(self, url: str, headers: Mapping[str, str]) -> Generator["http.client.HTTPResponse"]:
        self.check(url)
        try:
            response = urllib.request.urlopen(self._request(url, headers), timeout=self.idle_seconds)
        except urllib.error.HTTPError as error:
            answered = f"{self._host(url)} answered {error.code} {error.reason}"
            if challenge := error.headers.get("WWW-Authenticate"):
                raise Unauthorized(answered, challenge=challenge) from error
            raise Unavailable(answered) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._lost(url, error) from error
        with response:
            yield response

    def _request(self, url: str, headers: Mapping[str, str]) -> urllib.request.Request:
        request = urllib.request.Request(self.address(url), headers={"User-Agent": "inference-toolchain"})
        for name, value in headers.items():
            if name == "Authorization":  # for this server alone, and not for the store that it sends us on to
                request.add_unredirected_header(name, value)
            else:
                request.add_header(name, value)
        token = os.environ.get("GITHUB_TOKEN")
        if token and not self.mirror and self._host(url) == "api.github.com":  # shared addresses are soon refused
            request.add_unredirected_header("Authorization", f"Bearer {token}")
        return request

    def check(self, url: str) -> None:
        """Raise `Unavailable` unless the URL's host, or the proxy before it, takes a connection."""
        host = self._host(url)
        if host not in self.closed and (reason := self._why_not(self.address(url))):
            self.closed[host] = reason
        if host in self.closed:
            raise Unavailable(f"{host}: {self.closed[host]}")

    def _host(self, url: str) -> str:
        return urlsplit(self.address(url)).netloc

    def _lost(self, url: str, error: Exception) -> Unavailable:
        slow = isinstance(error, TimeoutError) or isinstance(getattr(error, "reason", None), TimeoutError)
        self.closed[self._host(url)] = f"nothing came for {self.idle_seconds:g} s" if slow else _reason(error)
        return Unavailable(f"{self._host(url)}: {self.closed[self._host(url)]}")

    def _why_not(self, address: str) -> str | None:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https"):
            return None
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        proxy = None if urllib.request.proxy_bypass(host) else urllib.request.getproxies().get(parts.scheme)
        if proxy:
            behind = urlsplit(proxy if "//" in proxy else f"//{proxy}")
            host, port = behind.hostname or "", behind.port or 80
        return _connection_problem(host, port, self.connect_seconds)


def _connection_problem(host: str, port: int, seconds: float) -> str | None:
    """Why no connection can be made, or None. In a thread, because looking up a name cannot be given a time limit."""
    outcome: list[str | None] = []

    def attempt() -> None:
        try:
            socket.create_connection((host, port), timeout=seconds).close()
            outcome.append(None)
        except OSError as error:
            outcome.append(_reason(error))

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(seconds)
    return outcome[0] if outcome else f"no connection within {seconds:g} s"


def _reason(error: Exception) -> str:
    inner = getattr(error, "reason", None)
    cause = inner if isinstance(inner, Exception) else error
    if isinstance(cause, socket.gaierror):
        return "its name is not known here"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror.lower()
    return str(cause) or type(cause).__name__
