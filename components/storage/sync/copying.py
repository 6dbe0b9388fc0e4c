"""From a source into the bucket: every byte passes once, through memory, and is hashed on the way."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from itertools import chain

from .bucket import MOST_PARTS, PART, SHA256, Bucket, Memory
from .manifest import COMPLETE, MANIFEST, File, Manifest, Unusable, parsed
from .source import Offered, Source

MEMORY = 128 * 2**20
"""Bytes of files that are held at any time."""
AT_ONCE = 8
"""Files on their way, and parts being sent."""
Report = Callable[[str], None]


class Sync:
    """One model's way into the bucket. What is there already, and was verified, is not asked for again."""

    def __init__(self, source: Source, bucket: Bucket, prefix: str, report: Report) -> None:
        self._source, self._bucket, self._prefix, self._report = source, bucket, prefix.strip("/"), report
        self._memory = Memory(MEMORY)
        self._senders = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="send")

    def run(self) -> Manifest:
        """Complete and verified when this returns; when it raises, no `.complete` was written."""
        if known := complete(self._bucket, self._prefix):
            self._report(f"complete already: {len(known.files)} files")
            return known
        offered = self._source.offered()
        files = self._copied(offered, dict(self._bucket.objects(f"{self._prefix}/")))
        manifest = Manifest(
            source=self._source.text, revision=self._source.revision, licence=self._source.licence, files=files
        )
        self._bucket.put(f"{self._prefix}/{MANIFEST}", manifest.text().encode())
        self._bucket.put(f"{self._prefix}/{COMPLETE}", b"")
        return manifest

    def _copied(self, offered: Sequence[Offered], there: Mapping[str, int]) -> tuple[File, ...]:
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="file") as pool:
            largest_first = sorted(offered, key=lambda file: -(file.size or 0))
            futures = [pool.submit(self._file, one, there) for one in largest_first]
            done, waiting = wait(futures, return_when=FIRST_EXCEPTION)
            for future in waiting:
                future.cancel()
            files = [future.result() for future in done]
        return tuple(sorted(files, key=lambda file: file.path))

    def _file(self, offered: Offered, there: Mapping[str, int]) -> File:
        key = f"{self._prefix}/{offered.path}"
        if key in there:
            known = (self._bucket.metadata(key) or {}).get(SHA256)
            if known and offered.sha256 in (None, known) and offered.size in (None, there[key]):
                self._report(f"{offered.path}: there already")
                return File(path=offered.path, size=there[key], sha256=known)
        file = self._passed(offered, key)
        self._report(f"{offered.path}: {file.size} bytes, verified")
        return file

    def _passed(self, offered: Offered, key: str) -> File:
        size = max(PART, -(-(offered.size or 0) // MOST_PARTS))
        parts = self._parts(self._source.chunks(offered), size)
        first = next(parts)
        if len(first) == size:
            return self._in_parts(offered, key, chain((first,), parts), size)
        seen = Digest(offered)
        try:
            seen.update(first)
            file = seen.file()
            self._bucket.put(key, first, file.sha256)
        finally:
            self._memory.give(size)
        return file

    def _in_parts(self, offered: Offered, key: str, parts: Iterator[bytes], size: int) -> File:
        self._bucket.abandon(key)
        upload, seen = self._bucket.upload(key, offered.sha256), Digest(offered)
        try:
            for part in parts:
                seen.update(part)
                upload.send(part, self._senders, lambda: self._memory.give(size))
            file = seen.file()
            upload.complete()
        except BaseException:
            upload.abort()
            raise
        return file

    def _parts(self, chunks: Iterator[bytes], size: int) -> Iterator[bytes]:
        """Pieces of this size and a last one that is smaller. Whoever gets one gives back `size` bytes of memory."""
        self._memory.take(size)
        held, ours = bytearray(), True
        try:
            for chunk in chunks:
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


class Digest:
    """What has passed of a file, to be compared with what its source promised."""

    def __init__(self, offered: Offered) -> None:
        self._offered, self._size, self._sha256 = offered, 0, hashlib.sha256()
        self._git = (
            hashlib.sha1(b"blob %d\0" % (offered.size or 0), usedforsecurity=False) if offered.git_blob else None
        )

    def update(self, content: bytes) -> None:
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


def complete(bucket: Bucket, prefix: str) -> Manifest | None:
    """What the bucket says of a complete model; None where it is not complete."""
    if bucket.metadata(f"{prefix}/{COMPLETE}") is None:
        return None
    text = bucket.read(f"{prefix}/{MANIFEST}")
    return parsed(text) if text is not None else None
