"""From a source into the bucket: every byte passes once, through memory, and is hashed on the way."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from threading import Event

from .bucket import MOST_PARTS, PART, Bucket, Memory
from .digesting import Digest
from .lease import Lease
from .manifest import File, Unusable
from .progress import Progress
from .source import Offered, Source

MEMORY = 128 * 2**20
"""Bytes of files that are held at any time."""
AT_ONCE = 8
"""Files on their way, and parts being sent."""


@dataclass(frozen=True, kw_only=True)
class Copied:
    """A file in the bucket."""

    file: File
    etag: str


class Copying:
    """Files of one model on their way, until one fails or the lease is lost."""

    def __init__(self, source: Source, bucket: Bucket, *, lease: Lease, progress: Progress) -> None:
        self._source, self._bucket, self._lease, self._progress = source, bucket, lease, progress
        self._memory, self._stopped = Memory(MEMORY), Event()
        self._senders = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="send")

    def stop(self) -> None:
        """Files on their way end with an error at their next part."""
        self._stopped.set()

    def copy(self, offered: Offered, key: str) -> Copied:
        """There and verified when this returns; else nothing of it is."""
        size = max(PART, -(-(offered.size or 0) // MOST_PARTS))
        parts = self._parts(self._source.chunks(offered), size)
        first = next(parts)
        if len(first) == size:
            return self._in_parts(offered, key, chain((first,), parts), size)
        seen = Digest(offered)
        try:
            seen.update(first)
            file = seen.file()
            return Copied(file=file, etag=self._bucket.put(key, first, offered.git_blob))
        finally:
            self._memory.give(size)

    def _in_parts(self, offered: Offered, key: str, parts: Iterator[bytes], size: int) -> Copied:
        self._bucket.abandon(key)
        upload, seen = self._bucket.upload(key, offered.sha256), Digest(offered)
        try:
            for part in parts:
                seen.update(part)
                upload.send(part, self._senders, lambda: self._memory.give(size))
            file = seen.file()
            return Copied(file=file, etag=upload.complete())
        except BaseException:
            upload.abort()
            raise

    def _parts(self, chunks: Iterator[bytes], size: int) -> Iterator[bytes]:
        """Pieces of this size and a last one that is smaller. Whoever gets one gives back `size` bytes of memory."""
        self._memory.take(size)
        held, ours = bytearray(), True
        try:
            for chunk in chunks:
                self._go_on()
                self._progress.advance(len(chunk))
                held += chunk
                while len(held) >= size:
                    part, ours = bytes(held[:size]), False
                    yield part
                    del held[:size]
                    self._memory.take(size)
                    ours = True
            ours = False
            yield bytes(held)
        finally:
            if ours:
                self._memory.give(size)

    def _go_on(self) -> None:
        if self._stopped.is_set():
            raise Stopped("another file failed")
        self._lease.check()


class Stopped(Unusable):
    """Given up because of something else, which says why."""
