"""Files from any web server: one with its SHA-256, or all of a listing with the listing's."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from urllib.parse import quote

import urllib3

from . import http
from .manifest import Refused
from .source import Offered, chosen

AT_ONCE: Final = 8
LINE: Final = re.compile(r"([0-9a-f]{64}) [ *](.+)")
"""As `sha256sum` writes it. What it escapes, names with line ends, is no model's file."""


class Web:
    """One file, or a listing and the files beside it."""

    licence: str | None = None

    def __init__(self, url: str, sha256: str, *, files: Sequence[str] = ("*",), through: urllib3.PoolManager) -> None:
        self.text, self.revision = f"{url}@{sha256}", sha256
        self._patterns = tuple(files)
        self._url, self._through = url, through
        self._directory, _, self._name = url.rpartition("/")

    def offered(self) -> Sequence[Offered]:
        """The file, or those of the listing that the patterns choose."""
        listed = self._name == "SHA256SUMS" or self._name.endswith(".sha256sums")
        digests = self._listing() if listed else {self._name: self.revision}
        wanted = chosen(
            [Offered(path=path, size=None, sha256=sha256) for path, sha256 in digests.items()],
            self._patterns,
            self.text,
        )
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(self._measured, wanted))

    def chunks(self, file: Offered) -> Iterator[bytes]:
        """As the server sends them."""
        try:
            yield from http.chunks(self._through, self._where(file), {}, size=file.size)
        except http.Denied as problem:
            raise _refusal(problem) from problem

    def _listing(self) -> dict[str, str]:
        try:
            text = http.content(self._through, self._url, {})
        except http.Denied as problem:
            raise _refusal(problem) from problem
        if (seen := hashlib.sha256(text).hexdigest()) != self.revision:
            raise Refused(f"{self._url} is another listing than was pinned: its sha256 is {seen}")
        return listing(text, self._url)

    def _measured(self, file: Offered) -> Offered:
        try:
            size = http.size(self._through, self._where(file), {})
        except http.Denied as problem:
            raise _refusal(problem) from problem
        return Offered(path=file.path, size=size, sha256=file.sha256)

    def _where(self, file: Offered) -> str:
        return f"{self._directory}/{quote(file.path)}"


def listing(text: bytes, url: str) -> dict[str, str]:
    """SHA-256 by path. Refused where a line is none of `sha256sum`'s, or a file is there twice."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.decode(errors="replace").splitlines(), 1):
        match = LINE.fullmatch(line)
        if not match or match[2] in found:
            raise Refused(f"{url}: line {number} must be 64 hexadecimal digits, two spaces and a new file's path")
        found[match[2].removeprefix("./")] = match[1]
    return found


def resolved(url: str, through: urllib3.PoolManager) -> str:
    """The same file, pinned to what it is now: reads all of it."""
    seen = hashlib.sha256()
    try:
        for chunk in http.chunks(through, url, {}, size=None):
            seen.update(chunk)
    except http.Denied as problem:
        raise _refusal(problem) from problem
    return f"{url}@{seen.hexdigest()}"


def _refusal(denied: http.Denied) -> Refused:
    if denied.status in (401, 403):
        return Refused(f"{denied}: it may not be read without a login, which is not supported; use a mirror of it")
    return Refused(str(denied))
