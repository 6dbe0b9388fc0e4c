"""Bytes from a web server, whole or with an error: connections that break are taken up where they broke."""

import json
import re
import ssl
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.connectionpool import ConnectionPool
from urllib3.exceptions import HTTPError, LocationValueError, MaxRetryError

from .manifest import Refused, Unusable

CHUNK: Final = 2**20
"""Bytes read at a time."""
MOST: Final = 64 * 2**20
"""Bytes of an answer that is no model's file: a listing of several 100,000 files."""
BREAKS: Final = 5
"""Connections in a row that break without bringing anything, before a file is given up."""
NOT_FINAL: Final = (408, 425, 429)
"""Refusals that another try may change."""


class Retry(urllib3.Retry):
    """urllib3's, without what no retry heals, and without what leads from an encrypted connection to one in clear."""

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: urllib3.BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> Self:
        """Before every retry and redirect."""
        to = response.get_redirect_location() if response else None
        if _pool and _pool.scheme == "https" and to and to.startswith("http://"):
            raise Refused(f"https://{_pool.host} leads away from https, to {named(to)}; use another address")
        if _pool and error and isinstance(next(iter(error.args), None), ssl.SSLCertVerificationError):
            raise Refused(
                f"https://{_pool.host} has a certificate that nobody here vouches for ({error}); if it is yours, set "
                "SSL_CERT_FILE to the certificate of its authority"
            )
        return super().increment(method, url, response, error, _pool, _stacktrace)


RETRIES: Final = Retry(
    total=10,
    connect=5,
    redirect=5,
    backoff_factor=0.5,
    backoff_max=60,
    status_forcelist=(429, 500, 502, 503, 504),
    allowed_methods=("GET", "HEAD", "POST"),
    respect_retry_after_header=True,
    raise_on_status=False,
)
"""Waits as long as a server's Retry-After says. urllib3 does not send Authorization on to another host."""


class Denied(Refused):
    """The server will not give this, however often it is asked: 401, 403, 404, 412 …"""

    def __init__(self, url: str, status: int, code: str = "") -> None:
        super().__init__(f"{named(url)} answered {status}{f' ({code})' if code else ''}")
        self.status = status
        self.code = code
        """X-Error-Code, where the server sends one."""


class Broken(Exception):
    """The body ended early, or the connection did."""


class Web(urllib3.PoolManager):
    """Through the proxy that HTTPS_PROXY or HTTP_PROXY names, but for hosts in NO_PROXY: urllib3 asks for neither."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        proxies = {scheme: url for scheme, url in getproxies().items() if scheme in ("http", "https")}
        self._proxies = {scheme: urllib3.ProxyManager(url, **options) for scheme, url in proxies.items()}

    def urlopen(self, method: str, url: str, redirect: bool = True, **how: Any) -> urllib3.BaseHTTPResponse:
        """One request and its redirects."""
        asked = urlsplit(url)
        proxy = self._proxies.get(asked.scheme)
        if proxy and not proxy_bypass(asked.hostname or ""):
            return proxy.urlopen(method, url, redirect, **how)
        return super().urlopen(method, url, redirect, **how)


def pool(connections: int) -> urllib3.PoolManager:
    """Connections that are used again, at most so many to a host."""
    timeout = urllib3.Timeout(connect=15, read=60)
    return Web(maxsize=connections, block=True, retries=RETRIES, timeout=timeout)


def named(url: str) -> str:
    """The URL as it may be shown: what follows `?` can be a signature, and before `@` a password."""
    return re.sub("//[^/@]*@", "//", url.partition("?")[0])


def document(through: urllib3.PoolManager, url: str, headers: Mapping[str, str]) -> Any:
    """What a server answers in JSON."""
    text = content(through, url, headers)
    try:
        return json.loads(text)
    except ValueError as problem:
        raise Unusable(f"{named(url)} did not answer in JSON: is it the right address?") from problem


@contextmanager
def understood(url: str) -> Generator[None]:
    """Where an answer is read: one that has another form than expected is Unusable."""
    try:
        yield
    except (AttributeError, LookupError, TypeError, ValueError) as problem:
        raise Unusable(f"{named(url)} answered in a form that is not known: {problem!r}") from problem


def content(through: urllib3.PoolManager, url: str, headers: Mapping[str, str]) -> bytes:
    """A small answer, whole."""
    held = bytearray()
    for chunk in chunks(through, url, headers, size=None):
        held += chunk
        if len(held) > MOST:
            raise Unusable(f"{named(url)} answered with more than {MOST // 2**20} MiB: is it the right address?")
    return bytes(held)


def size(through: urllib3.PoolManager, url: str, headers: Mapping[str, str]) -> int | None:
    """Bytes of a file, where its server tells them before it is read. Denied where it cannot be had."""
    try:
        response = through.request("HEAD", url, headers={**headers, "Accept-Encoding": "identity"})
    except HTTPError as problem:
        raise Unusable(f"{named(url)} cannot be read: {_reason(problem)}") from problem
    if response.status in (401, 403, 404, 410):
        raise Denied(url, response.status, response.headers.get("X-Error-Code", ""))
    length = response.headers.get("Content-Length", "")
    return int(length) if response.status == 200 and length.isdecimal() else None


def chunks(
    through: urllib3.PoolManager, where: str | Callable[[], str], headers: Mapping[str, str], *, size: int | None
) -> Iterator[bytes]:
    """A file's bytes in order: `size` of them, where it is known. `where` is asked again where a URL expires."""
    start, breaks, tag, seen = 0, 0, "", sha256()
    while True:
        url = where if isinstance(where, str) else where()
        try:
            response = _answer(through, url, headers, start, tag)
            tag = response.headers.get("ETag", "")
            for chunk in _body(response, url, start, seen.digest()):
                if not tag:
                    seen.update(chunk)
                start, breaks = start + len(chunk), 0
                yield chunk
            if size is None or start >= size:
                return
            raise Broken(f"it ended after {start} of {size} bytes")
        except (Broken, HTTPError) as problem:
            breaks += 1
            if breaks == BREAKS or isinstance(problem, MaxRetryError | LocationValueError):
                raise Unusable(f"{named(url)} cannot be read: {_reason(problem)}") from problem
            time.sleep(0.2 * 2**breaks)


def _answer(
    through: urllib3.PoolManager, url: str, headers: Mapping[str, str], start: int, tag: str
) -> urllib3.BaseHTTPResponse:
    asked = {**headers, "Accept-Encoding": "identity"}
    if start:
        asked["Range"] = f"bytes={start}-"
        if tag and not tag.startswith("W/"):
            asked["If-Range"] = tag
    response = through.request("GET", url, headers=asked, preload_content=False)
    problem: Exception | None = None
    if 400 <= response.status < 500 and response.status not in NOT_FINAL:
        problem = Denied(url, response.status, response.headers.get("X-Error-Code", ""))
    elif response.status != 200 and not (start and response.status == 206):
        problem = Broken(f"it answered {response.status}")
    elif start and tag != response.headers.get("ETag", ""):
        problem = Unusable(f"{named(url)} has changed while it was read; try again")
    elif response.status == 206 and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        problem = Broken(f"it answered with other bytes than those from {start} on")
    if problem:
        response.close()
        raise problem
    return response


def _body(response: urllib3.BaseHTTPResponse, url: str, start: int, seen: bytes) -> Iterator[bytes]:
    """From `start` on, also where the server began at the first byte again. What comes before must hash to what was
    `seen`, unless an ETag says that it does.
    """
    old = 0 if response.status == 206 else start
    again = sha256()
    try:
        for chunk in response.stream(CHUNK):
            if 0 < old <= len(chunk) and "ETag" not in response.headers:
                again.update(chunk[:old])
                if again.digest() != seen:
                    raise Unusable(f"{named(url)} has changed while it was read; try again")
            elif old:
                again.update(chunk)
            if new := chunk[old:]:
                yield new
            old = max(0, old - len(chunk))
    finally:
        response.close() if response.length_remaining else response.release_conn()


def _reason(problem: Exception) -> Exception | None:
    # urllib3 puts the whole URL into this one's text.
    return problem.reason if isinstance(problem, MaxRetryError) else problem
