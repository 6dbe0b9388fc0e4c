"""Whether a file is what its source promised."""

import hashlib

from .manifest import File, Unusable
from .source import Offered


class Digest:
    """What has passed of a file, to be compared with what its source promised."""

    def __init__(self, offered: Offered) -> None:
        self._offered, self._size, self._sha256 = offered, 0, hashlib.sha256()
        self._git = (
            hashlib.sha1(b"blob %d\0" % (offered.size or 0), usedforsecurity=False) if offered.git_blob else None
        )

    def update(self, content: bytes | bytearray) -> None:
        """These bytes have passed."""
        self._size += len(content)
        self._sha256.update(content)
        if self._git:
            self._git.update(content)

    def file(self) -> File:
        """The file, or Unusable where it is not what was promised."""
        offered, sha256 = self._offered, self._sha256.hexdigest()
        if offered.size not in (None, self._size):
            raise Unusable(f"{offered.path} has {self._size} bytes; its source lists {offered.size}")
        if offered.sha256 not in (None, sha256):
            raise Unusable(f"{offered.path} is damaged: its sha256 is {sha256}; its source lists {offered.sha256}")
        if self._git and self._git.hexdigest() != offered.git_blob:
            raise Unusable(
                f"{offered.path} is damaged: git calls it {self._git.hexdigest()}; its source lists {offered.git_blob}"
            )
        return File(path=offered.path, size=self._size, sha256=sha256)
