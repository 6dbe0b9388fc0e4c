"""Bytes from a web server, whole or with an error: connections that break are taken up where they broke."""

import time
from collections.abc import Iterator, Mapping
from typing import Final

import urllib3
from urllib3.exceptions import HTTPError, MaxRetryError

from .manifest import Unusable

CHUNK: Final = 2**20
"""Bytes read at a time."""
BREAKS: Final = 5
"""Connections in a row that break without bringing anything, before a file is given up."""
RETRIES: Final = urllib3.Retry(
    total=10,
    redirect=5,
    backoff_factor=0.5,
    backoff_max=60,
    status_forcelist=(429, 500, 502, 503, 504),
    allowed_methods=("GET", "HEAD", "POST"),
    respect_retry_after_header=True,
    raise_on_status=False,
)
"""Waits as long as a server's Retry-After says. urllib3 does not send Authorization on to another host."""


class Denied(Unusable):
    """401, 403 or 404."""

    def __init__(self, url: str, status: int, code: str) -> None:
        super().__init__(f"{url} answered {status}{f' ({code})' if code else ''}")
        self.status = status
        self.code = code


class Broken(Exception):
    """The body ended early, or the connection did."""


def pool(connections: int) -> urllib3.PoolManager:
    """Connections that are used again, at most so many to a host."""
    timeout = urllib3.Timeout(connect=15, read=60)
    return urllib3.PoolManager(maxsize=connections, block=True, retries=RETRIES, timeout=timeout)


def chunks(through: urllib3.PoolManager, url: str, headers: Mapping[str, str], *, size: int | None) -> Iterator[bytes]:
    """A file's bytes in order: `size` of them, where it is known."""
    start, breaks = 0, 0
    while True:
        try:
            for chunk in _body(through, url, headers, start):
                start, breaks = start + len(chunk), 0
                yield chunk
            if size is None or start >= size:
                return
            raise Broken(f"{url} ended after {start} of {size} bytes")
        except (Broken, HTTPError) as problem:
            breaks += 1
            if breaks == BREAKS or isinstance(problem, MaxRetryError):
                raise Unusable(f"{url} cannot be read: {problem}") from problem
            time.sleep(0.2 * 2**breaks)


def _body(through: urllib3.PoolManager, url: str, headers: Mapping[str, str], start: int) -> Iterator[bytes]:
    ranged = {"Range": f"bytes={start}-"} if start else {}
    asked = {**headers, **ranged, "Accept-Encoding": "identity"}
    response = through.request("GET", url, headers=asked, preload_content=False)
    try:
        if response.status in (401, 403, 404, 410):
            raise Denied(url, response.status, response.headers.get("X-Error-Code", ""))
        if response.status != (206 if start else 200):
            raise Broken(f"{url} answered {response.status}")
        yield from response.stream(CHUNK)
    finally:
        response.close() if response.length_remaining else response.release_conn()
