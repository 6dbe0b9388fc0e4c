"""From a source into the bucket: every byte passes once, through memory, and is hashed on the way."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from threading import Event

from .bucket import MOST_PARTS, PART, Bucket, Memory
from .digesting import Digest
from .lease import Lease
from .manifest import File, Unusable
from .progress import Progress
from .source import Offered, Source

MEMORY = 96 * 2**20
"""Bytes of files that are held at any time; and the last part of each."""
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
        if isinstance(first, bytearray):
            return self._in_parts(offered, key, chain((first,), parts))
        seen = Digest(offered)
        seen.update(first)
        file = seen.file()
        return Copied(file=file, etag=self._bucket.put(key, first, offered.git_blob))

    def _in_parts(self, offered: Offered, key: str, parts: Iterator[bytes | bytearray]) -> Copied:
        self._bucket.abandon(key)
        upload, seen = self._bucket.upload(key, offered.sha256), Digest(offered)
        try:
            for part in parts:
                seen.update(part)
                upload.send(part, self._senders, partial(self._sent, part))
            file = seen.file()
            return Copied(file=file, etag=upload.complete())
        except BaseException:
            upload.abort()
            raise

    def _sent(self, part: bytes | bytearray) -> None:
        if isinstance(part, bytearray):
            self._memory.give(part)

    def _parts(self, chunks: Iterator[bytes], size: int) -> Iterator[bytes | bytearray]:
        """Buffers of this size, which whoever gets them gives back, and last what is left: less than one."""
        buffer, filled = self._memory.take(size), 0
        try:
            for chunk in chunks:
                self._go_on()
                self._progress.advance(len(chunk))
                rest = memoryview(chunk)
                while rest:
                    taken = rest[: size - filled]
                    buffer[filled : filled + len(taken)] = taken
                    rest, filled = rest[len(taken) :], filled + len(taken)
                    if filled == size:
                        part, buffer = buffer, bytearray()
                        yield part
                        buffer, filled = self._memory.take(size), 0
            last = bytes(memoryview(buffer)[:filled])
        finally:
            self._memory.give(buffer)
        yield last

    def _go_on(self) -> None:
        if self._stopped.is_set():
            raise Stopped("another file failed")
        self._lease.check()


class Stopped(Unusable):
    """Given up because of something else, which says why."""
