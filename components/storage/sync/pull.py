"""From the bucket to a directory: every file is hashed while it passes, and only a whole one gets its name."""

import errno
import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Final

from .manifest import File, Manifest, Unusable
from .store import PIECE, Connection, Object, Store

PART: Final = 8 * 2**20
"""Bytes of a large file that one connection brings at a time; a file of at most so many comes in one piece."""
AT_ONCE: Final = 8
"""Connections, each with memory for one part; files that are read at once when a directory is checked."""
PARTIAL: Final = ".partial"
"""Directory, within the one that is filled, of files that are not whole yet."""


def pull(store: Store, manifest: Manifest, prefix: str, directory: Path, report: Callable[[str], None]) -> None:
    """All files of the manifest, whole and verified, into an empty or partly filled directory; Unusable otherwise.

    What is there and right stays; the rest is fetched. For one pull into a directory at a time. A pull that was killed
    leaves `.partial`, which the next one removes. Nothing is flushed to the disk: a file that a host's crash spoils is
    found by its hash, which whoever starts from the directory compares anyway, and is then fetched again.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(directory / PARTIAL, ignore_errors=True)
        wrong = differing(directory, manifest)
        for file in manifest.files:
            if file.path not in wrong:
                report(f"{file.path}: there already")
        wanted = [file for file in manifest.files if file.path in wrong]
        _require_space(directory, wanted)
        try:
            _Pull(store, prefix.strip("/"), directory, report).run(wanted)
        finally:
            shutil.rmtree(directory / PARTIAL, ignore_errors=True)
    except OSError as problem:
        raise _unwritable(directory, manifest, problem) from problem


def differing(directory: Path, manifest: Manifest) -> dict[str, str]:
    """What is wrong with the files of a directory, by their path in the manifest; empty where all are whole.

    Reads every file, several at once: as fast as the disk, or as SHA-256 on all processors. Other files do not matter.
    """

    def problem(file: File) -> str:
        try:
            with (directory / file.path).open("rb") as opened:
                size = os.fstat(opened.fileno()).st_size
                if size != file.size:
                    return f"has {size} bytes, not {file.size}"
                return "" if hashlib.file_digest(opened, "sha256").hexdigest() == file.sha256 else "is damaged"
        except (FileNotFoundError, NotADirectoryError):
            return "is missing"

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="check") as pool:
        problems = zip(manifest.files, pool.map(problem, manifest.files), strict=True)
        return {file.path: why for file, why in problems if why}


class _Parts:
    """A large file on its way: its parts arrive in any order, and are hashed in theirs."""

    def __init__(self, file: File, key: str, temporary: Path) -> None:
        self.file, self.temporary = file, temporary
        self.object = Object(key=key, size=file.size)
        self.count = -(-file.size // PART)
        self.written = temporary.open("wb", buffering=0)
        self.sha256, self.hashed = hashlib.sha256(), 0


_Job = Callable[[Connection, memoryview], None]


class _Pull:
    """Threads, since what takes long (receiving, hashing, writing) is done without Python's lock: processes were no
    faster. Each takes the next part of the next file, so that few files are on their way, and the rest stays whole.
    """

    def __init__(self, store: Store, prefix: str, directory: Path, report: Callable[[str], None]) -> None:
        self._store, self._prefix, self._directory, self._report = store, prefix, directory, report
        self._handing_out, self._turn, self._given_up = threading.Lock(), threading.Condition(), False
        self._opened = ExitStack()

    def run(self, files: Sequence[File]) -> None:
        """Fetch them. The first problem ends it."""
        for parent in {(self._directory / file.path).parent for file in files}:
            parent.mkdir(parents=True, exist_ok=True)
        (self._directory / PARTIAL).mkdir()
        jobs = self._jobs(files)
        with self._opened, ThreadPoolExecutor(AT_ONCE, thread_name_prefix="pull") as pool:
            workers = [pool.submit(self._work, jobs) for _ in range(AT_ONCE)]
            try:
                ended, _ = wait(workers, return_when=FIRST_EXCEPTION)
            finally:
                self._give_up()
        for worker in ended:
            worker.result()

    def _jobs(self, files: Sequence[File]) -> Iterator[_Job]:
        for number, file in enumerate(files):
            key, temporary = f"{self._prefix}/{file.path}", self._directory / PARTIAL / str(number)
            if file.size <= PART:
                yield partial(self._whole, file, key, temporary)
                continue
            parts = _Parts(file, key, temporary)
            self._opened.callback(parts.written.close)
            yield from (partial(self._part, parts, number) for number in range(parts.count))

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

    def _whole(self, file: File, key: str, temporary: Path, connection: Connection, memory: memoryview) -> None:
        content = memory[: file.size]
        for _ in connection.read(Object(key=key, size=file.size), content):
            if self._given_up:
                return
        _require_right(file, hashlib.sha256(content).hexdigest())
        with temporary.open("wb", buffering=0) as opened:
            for start in range(0, file.size, PIECE):
                _write(opened, content[start : start + PIECE], start)
        self._finish(file, temporary)

    def _part(self, parts: _Parts, number: int, connection: Connection, memory: memoryview) -> None:
        start = at = number * PART
        content = memory[: min(PART, parts.file.size - start)]
        for piece in connection.read(parts.object, content, start):
            _write(parts.written, piece, at)
            at += len(piece)
            if self._given_up:
                return
        with self._turn:
            self._turn.wait_for(lambda: parts.hashed == number or self._given_up)
        if self._given_up:
            return
        parts.sha256.update(content)
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


def _write(opened: FileIO, content: memoryview, at: int) -> None:
    while content:
        size = os.pwrite(opened.fileno(), content, at)
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
    return Unusable(f"{problem.filename or directory} cannot be written: {problem.strerror or problem}")
