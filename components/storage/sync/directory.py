"""Models in a directory: a claim or a host's own, mounted into the sync Job, or one of your machine."""

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from .http import CHUNK
from .manifest import Refused, Unusable
from .source import Offered, chosen

_Identity = tuple[int, int, int, int]
LOST: Final = "lost+found"
"""What mkfs puts into the root of a volume; readable for root alone."""


class Directory:
    """Its files, as they are when they are listed: one that changes before it was read is refused."""

    licence: str | None = None

    def __init__(self, directory: str, *, text: str, revision: str, files: Sequence[str] = ("*",)) -> None:
        self.text, self.revision = text, revision
        self._patterns = tuple(files)
        self._root = Path(directory)
        self._seen: dict[str, _Identity] = {}

    def offered(self) -> Sequence[Offered]:
        """All files that the patterns choose. Links may lead to other files below the directory, and nowhere else."""
        try:
            root = self._root.resolve()
            found = chosen([Offered(path=path, size=None) for path in self._paths(root)], self._patterns, self.text)
            return [self._listed(root, file.path) for file in found]
        except OSError as problem:
            raise self._unreadable(problem) from problem

    def chunks(self, file: Offered) -> Iterator[bytes]:
        """As they lie there."""
        try:
            with (self._root / file.path).open("rb", buffering=0) as opened:
                self._compare(opened.fileno(), file)
                while chunk := opened.read(CHUNK):
                    yield chunk
                self._compare(opened.fileno(), file)
        except OSError as problem:
            raise self._unreadable(problem) from problem

    def _paths(self, root: Path) -> Iterator[str]:
        for directory, below, files in os.walk(root, onerror=_raise):
            here = Path(directory)
            if here == root and LOST in below:
                below.remove(LOST)
            for name in below:
                if (here / name).is_symlink():
                    raise Refused(
                        f"{self.text}: {here / name} is a link to a directory; put the files themselves there"
                    )
            yield from (str((here / name).relative_to(root)) for name in files)

    def _listed(self, root: Path, path: str) -> Offered:
        target = (root / path).resolve(strict=True)
        if not target.is_relative_to(root):
            raise Refused(f"{self.text}: {path} is a link that leads outside; put the file itself there")
        status = target.stat()
        if not stat.S_ISREG(status.st_mode):
            raise Refused(f"{self.text}: {path} is no file; leave it out with `files`")
        self._seen[path] = _identity(status)
        return Offered(path=path, size=status.st_size)

    def _compare(self, descriptor: int, file: Offered) -> None:
        if _identity(os.fstat(descriptor)) != self._seen.get(file.path):
            raise Unusable(f"{self.text}: {file.path} has changed since it was listed; sync when nobody writes there")

    def _unreadable(self, problem: OSError) -> Unusable:
        return Unusable(f"{self.text}: {problem.filename or self._root} cannot be read: {problem.strerror}")


def _identity(status: os.stat_result) -> _Identity:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _raise(problem: OSError) -> None:
    raise problem
