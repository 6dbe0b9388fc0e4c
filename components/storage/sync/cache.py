"""Models on a node's disk: each there once for all pods, verified before every use, removed when room is needed.

Locks of the kernel say what is in use: they end with whoever holds them, however that ends.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .hold import LOCKS, lock_name
from .manifest import Manifest, Unusable
from .progress import sized

FILLING = ".filling"
"""Where a model is until it is whole."""
FILL_LOCK = "fill"
Fetch = Callable[[Manifest, Path], None]
"""Brings a model's files into a directory, each one verified; keeps those that are right already."""
Check = Callable[[Path, Manifest], Mapping[str, str]]
"""What is wrong with the files of a directory, by their path in the manifest."""


@dataclass(frozen=True, kw_only=True)
class Cache:
    """A directory that pods share, or one has for itself."""

    root: Path
    limit: int | None
    """Bytes that all models in it may have together; as many as the disk holds when None."""
    fetch: Fetch
    check: Check
    report: Callable[[str], None]

    def provide(self, prefix: str, manifest: Manifest) -> Path:
        """The model's directory, whole and verified. Unusable where that cannot be."""
        entry = self.root / prefix
        with self._locked(lock_name(prefix), fcntl.LOCK_SH):
            if not self._is_whole(entry, manifest):
                with self._locked(FILL_LOCK, fcntl.LOCK_EX):
                    if not self._is_whole(entry, manifest):
                        self._fill(entry, prefix, manifest)
            os.utime(self._lock(lock_name(prefix)))
        return entry

    def _is_whole(self, entry: Path, manifest: Manifest) -> bool:
        if not entry.is_dir():
            return False
        if stray := _files(entry) - {file.path for file in manifest.files}:
            self.report(f"{min(stray)} in the cache is no file of this model")
            return False
        wrong = self.check(entry, manifest)
        for path, why in wrong.items():
            self.report(f"{path} in the cache {why}")
        return not wrong

    def _fill(self, entry: Path, prefix: str, manifest: Manifest) -> None:
        partial = self.root / FILLING / lock_name(prefix)
        for left in (self.root / FILLING).glob("*"):
            if left != partial:
                shutil.rmtree(left)  # nobody else fills now: whoever did was killed
        # An engine may be running on what is there: only its damaged files are replaced.
        target = entry if entry.is_dir() else partial
        for path in _files(target) - {file.path for file in manifest.files}:
            (target / path).unlink()
        self._make_room(manifest.size - _size(target), f"{FILLING}/{lock_name(prefix)}")
        target.mkdir(parents=True, exist_ok=True)
        self.fetch(manifest, target)
        if target == partial:
            entry.parent.mkdir(parents=True, exist_ok=True)
            partial.rename(entry)

    def _make_room(self, needed: int, ours: str) -> None:
        for entry in self._least_recently_used():
            if self._lacks(needed, ours) <= 0:
                return
            self._evict(entry)
        if (lacking := self._lacks(needed, ours)) > 0:
            most = f"the cache may hold {sized(self.limit)}" if self.limit else f"the disk of {self.root} is full"
            raise Unusable(
                f"needs {sized(needed)} on this node, {sized(lacking)} more than there is: {most}, "
                "and the rest is in use; give it more room, or run fewer models on this node"
            )

    def _lacks(self, needed: int, ours: str) -> int:
        lacking = needed - shutil.disk_usage(self.root).free
        if self.limit is not None:
            used = sum(_size(self.root / entry) for entry in self._entries()) + _size(self.root / ours)
            lacking = max(lacking, used + needed - self.limit)
        return lacking

    def _entries(self) -> list[str]:
        names = [lock.name for lock in (self.root / LOCKS).glob("*~*")]
        return [name for name in (one.replace("~", "/") for one in names) if (self.root / name).is_dir()]

    def _least_recently_used(self) -> list[str]:
        return sorted(self._entries(), key=lambda entry: self._lock(lock_name(entry)).stat().st_mtime)

    def _evict(self, entry: str) -> None:
        try:
            with self._locked(lock_name(entry), fcntl.LOCK_EX | fcntl.LOCK_NB):
                # Out of its place at once, so that nobody takes a half for a whole.
                gone = self.root / FILLING / f"evicted-{lock_name(entry)}"
                gone.parent.mkdir(exist_ok=True)
                (self.root / entry).rename(gone)
                shutil.rmtree(gone)
                self.report(f"{entry} removed from this node's cache: it was used least recently")
        except BlockingIOError:
            return  # in use

    @contextmanager
    def _locked(self, name: str, how: int) -> Generator[None]:
        descriptor = os.open(self._lock(name), os.O_RDWR | os.O_CREAT, 0o664)
        try:
            try:
                fcntl.flock(descriptor, how | fcntl.LOCK_NB)
            except BlockingIOError:
                if how & fcntl.LOCK_NB:
                    raise
                self.report("another pod on this node is at its models: waiting for it")
                fcntl.flock(descriptor, how)
            yield
        finally:
            os.close(descriptor)

    def _lock(self, name: str) -> Path:
        (self.root / LOCKS).mkdir(parents=True, exist_ok=True)
        return self.root / LOCKS / name


def await_held(mark: Path, seconds: float = 60) -> None:
    """Until the pod's other container holds the model; Unusable if it does not in time."""
    give_up = time.monotonic() + seconds
    while not mark.exists():
        if time.monotonic() > give_up:
            raise Unusable(f"nobody holds the model for this pod: {mark} did not appear in {seconds:.0f} s")
        time.sleep(0.05)


def _files(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in _walk(directory)}


def _size(directory: Path) -> int:
    return sum(path.lstat().st_size for path in _walk(directory))


def _walk(directory: Path) -> Iterator[Path]:
    for parent, directories, names in os.walk(directory):
        links = [name for name in directories if Path(parent, name).is_symlink()]
        yield from (Path(parent, name) for name in (*names, *links))
