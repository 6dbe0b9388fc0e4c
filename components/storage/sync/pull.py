"""From the bucket to a directory: every file is hashed while it passes, and only a whole one gets its name."""

import errno
import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Final

from .manifest import File, Manifest, Unusable
from .store import Connection, Object, Store

PART: Final = 8 * 2**20
"""Bytes of a large file that one connection brings at a time; a file of at most so many comes in one piece."""
AT_ONCE: Final = 16
"""Connections, each with memory for one part; files that are read at once when a directory is checked."""
LARGE_AT_ONCE: Final = min(2 * (os.cpu_count() or 1), AT_ONCE)
"""Connections for large files, which keep processors busy: more than those can serve get in each other's way."""
WRITTEN: Final = 64 * 2**10
"""Bytes written at a time. For larger writes the kernel takes larger pieces of memory, which on a virtual machine are
often not its own yet: the same writes then took twice the time.
"""
SIDE_BY_SIDE: Final = 4
"""Large files on their way: hashed side by side, since the bytes of one can only be hashed one after the other."""
PARTIAL: Final = ".partial"
"""How the name of a file ends that is not whole yet, after a dot and its own: beside it, since to create many files
in one directory, or to move them into others, is to queue for that directory's lock.
"""


def pull(store: Store, manifest: Manifest, prefix: str, directory: Path, report: Callable[[str], None]) -> None:
    """All files of the manifest, whole and verified, into an empty or partly filled directory; Unusable otherwise.

    What is there and right stays; the rest is fetched. For one pull into a directory at a time. A pull that was killed
    leaves at most a few `.NAME.partial`, which the next one removes. Nothing is flushed to the disk: a file that a
    host's crash spoils is found by its hash, which whoever starts from the directory compares anyway.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        wrong = differing(directory, manifest)
        for file in manifest.files:
            if file.path not in wrong:
                report(f"{file.path}: there already")
        wanted = [file for file in manifest.files if file.path in wrong]
        _clear(directory, wanted)
        _require_space(directory, wanted)
        try:
            _Pull(store, prefix.strip("/"), directory, report).run(wanted)
        finally:
            _clear(directory, wanted)
    except OSError as problem:
        raise _unwritable(directory, manifest, problem) from problem


def differing(directory: Path, manifest: Manifest) -> dict[str, str]:
    """What is wrong with the files of a directory, by their path in the manifest; empty where all are whole.

    Reads every file, several at once: as fast as the disk, or as SHA-256 on all processors. Other files do not matter.
    """
    wrong = {file.path: _of_another_size(directory, file) for file in manifest.files}
    there = [file for file in manifest.files if not wrong[file.path]]

    def damaged(file: File) -> bool:
        with (directory / file.path).open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest() != file.sha256

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="check") as pool:
        damage = zip(there, pool.map(damaged, there), strict=True)
        wrong |= {file.path: "is damaged" for file, is_damaged in damage if is_damaged}
    return {path: why for path, why in wrong.items() if why}


def _of_another_size(directory: Path, file: File) -> str:
    try:
        size = (directory / file.path).stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return "is missing"
    return "" if size == file.size else f"has {size} bytes, not {file.size}"


class _Parts:
    """A large file on its way: its parts arrive in any order, and are hashed in theirs."""

    def __init__(self, file: File, key: str, temporary: Path) -> None:
        self.file, self.temporary = file, temporary
        self.object = Object(key=key, size=file.size)
        self.count = -(-file.size // PART)
        self.written = FileIO(temporary, "w")
        self.sha256, self.hashed = hashlib.sha256(), 0


_Job = Callable[[Connection, memoryview], None]


class _Pull:
    """Threads, since what takes long (receiving, hashing, writing) is done without Python's lock: processes were no
    faster. Each takes the next part, of few files at a time, so that the others are whole or not there.
    """

    def __init__(self, store: Store, prefix: str, directory: Path, report: Callable[[str], None]) -> None:
        self._store, self._prefix, self._directory, self._report = store, prefix, directory, report
        self._handing_out, self._turn, self._given_up = threading.Lock(), threading.Condition(), False
        self._opened = ExitStack()

    def run(self, files: Sequence[File]) -> None:
        """Fetch them. The first problem ends it."""
        for parent in {(self._directory / file.path).parent for file in files}:
            parent.mkdir(parents=True, exist_ok=True)
        with self._opened:
            self._work_off(self._parts([file for file in files if file.size > PART]), LARGE_AT_ONCE)
            self._work_off((partial(self._whole, file) for file in files if file.size <= PART), AT_ONCE)

    def _work_off(self, jobs: Iterator[_Job], at_once: int) -> None:
        with ThreadPoolExecutor(at_once, thread_name_prefix="pull") as pool:
            workers = [pool.submit(self._work, jobs) for _ in range(at_once)]
            try:
                ended, _ = wait(workers, return_when=FIRST_EXCEPTION)
            except BaseException:
                self._give_up()
                raise
        for worker in ended:
            worker.result()

    def _parts(self, files: Sequence[File]) -> Iterator[_Job]:
        for first in range(0, len(files), SIDE_BY_SIDE):
            begun = [self._begun(file) for file in files[first : first + SIDE_BY_SIDE]]
            for number in range(max(parts.count for parts in begun)):
                yield from (partial(self._part, parts, number) for parts in begun if number < parts.count)

    def _begun(self, file: File) -> _Parts:
        parts = _Parts(file, f"{self._prefix}/{file.path}", _partial(self._directory, file))
        self._opened.callback(parts.written.close)
        return parts

    def _work(self, jobs: Iterator[_Job]) -> None:
        connection, memory = Connection(self._store), memoryview(bytearray(PART))
        try:
            while job := self._next(jobs):
                job(connection, memory)
        except BaseException:
            self._give_up()
            raise
        finally:
            connection.close()

    def _next(self, jobs: Iterator[_Job]) -> _Job | None:
        with self._handing_out:
            return None if self._given_up else next(jobs, None)

    def _give_up(self) -> None:
        with self._turn:
            self._given_up = True
            self._turn.notify_all()

    def _whole(self, file: File, connection: Connection, memory: memoryview) -> None:
        content, temporary = memory[: file.size], _partial(self._directory, file)
        for _ in connection.read(Object(key=f"{self._prefix}/{file.path}", size=file.size), content):
            if self._given_up:
                return
        _require_right(file, hashlib.sha256(content).hexdigest())
        with FileIO(temporary, "w") as opened:
            _write(opened, content, 0)
        self._finish(file, temporary)

    def _part(self, parts: _Parts, number: int, connection: Connection, memory: memoryview) -> None:
        start, came, seen = number * PART, 0, 0
        content = memory[: min(PART, parts.file.size - start)]
        for piece in connection.read(parts.object, content, start):
            _write(parts.written, piece, start + came)
            came += len(piece)
            if parts.hashed == number:  # while it is in the processor's cache
                parts.sha256.update(content[seen:came])
                seen = came
            if self._given_up:
                return
        with self._turn:
            self._turn.wait_for(lambda: parts.hashed == number or self._given_up)
        if self._given_up:
            return
        parts.sha256.update(content[seen:])
        with self._turn:
            parts.hashed += 1
            self._turn.notify_all()
        if number == parts.count - 1:
            parts.written.close()
            _require_right(parts.file, parts.sha256.hexdigest())
            self._finish(parts.file, parts.temporary)

    def _finish(self, file: File, temporary: Path) -> None:
        temporary.replace(self._directory / file.path)
        self._report(f"{file.path}: {file.size} bytes, verified")


def _partial(directory: Path, file: File) -> Path:
    path = directory / file.path
    return path.with_name(f".{path.name}{PARTIAL}")


def _clear(directory: Path, files: Sequence[File]) -> None:
    for file in files:
        with suppress(FileNotFoundError, NotADirectoryError):
            _partial(directory, file).unlink()


def _write(opened: FileIO, content: memoryview, at: int) -> None:
    while content:
        size = os.pwrite(opened.fileno(), content[:WRITTEN], at)
        content, at = content[size:], at + size


def _require_right(file: File, sha256: str) -> None:
    if sha256 != file.sha256:
        raise Unusable(
            f"{file.path} is damaged in the object store: its sha256 is {sha256}; its manifest lists {file.sha256}: "
            "sync the model again"
        )


def _require_space(directory: Path, files: Sequence[File]) -> None:
    needed, free = sum(file.size for file in files), shutil.disk_usage(directory).free
    if needed > free:
        raise Unusable(f"{directory}: {needed} bytes are needed and {free} are free; make room, or give it more")


def _unwritable(directory: Path, manifest: Manifest, problem: OSError) -> Unusable:
    if problem.errno in (errno.ENOSPC, errno.EDQUOT):
        needed = sum(file.size for file in manifest.files if not (directory / file.path).exists())
        free = shutil.disk_usage(directory).free
        return Unusable(f"{directory} is full: {needed} bytes are still needed and {free} are free; make room in it")
    return Unusable(f"{problem.filename or directory} cannot be read or written: {problem.strerror or problem}")
