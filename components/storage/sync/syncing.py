"""One model's way home: once, whole and verified, however often it is begun."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass

from .bucket import GIT_BLOB, SHA256
from .copying import AT_ONCE, Copied, Copying
from .home import Home, State
from .lease import Lease
from .manifest import File, Manifest, Refused, Unusable
from .progress import Progress, sized
from .source import Offered, Source, accepted

Report = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What of a source is wanted, and on which conditions."""

    files: tuple[str, ...] = ("*",)
    """Shell patterns."""
    licences: tuple[str, ...] = ()
    """Those that are accepted; any when empty."""
    room: int | None = None
    """Bytes that the bucket may hold, if that is known."""


class Sync:
    """What is there already, and was verified, is not asked for again."""

    def __init__(
        self, source: Source, home: Home, wanted: Wanted, *, lease: Lease, progress: Progress, report: Report
    ) -> None:
        self._source, self._home, self._lease, self._wanted = source, home, lease, wanted
        self._report, self._progress = report, progress
        self._copying = Copying(source, home.bucket, lease=lease, progress=progress)

    def run(self) -> Manifest:
        """Complete and verified when this returns; when it raises, the model is not complete."""
        with self._lease.holding(self._report):
            state = self._home.state()
            if known := self._known(state):
                self._report(f"complete already: {len(known.files)} files")
                return known
            offered = self._source.offered()
            accepted(self._source.licence, self._wanted.licences, self._source.text)
            state = self._home.withdraw(state)
            trusted = self._trusted(offered, state)
            self._fits(offered, trusted)
            copied = [*trusted.values(), *self._copied([one for one in offered if one.path not in trusted])]
            self._lease.check()
            manifest = Manifest(
                source=self._source.text,
                revision=self._source.revision,
                licence=self._source.licence,
                patterns=self._wanted.files,
                files=tuple(sorted((one.file for one in copied), key=lambda file: file.path)),
            )
            self._home.complete(manifest, {one.file.path: one.etag for one in copied})
            return manifest

    def _known(self, state: State) -> Manifest | None:
        """What is there, if it is complete and what was asked for."""
        if state.seal_text is None:
            return None
        try:
            manifest = state.complete()
        except Refused:
            raise
        except Unusable as problem:
            self._report(f"not complete any more: it {problem}")
            return None
        if manifest.source != self._source.text:
            raise Refused(f"{self._home} holds {manifest.source}; give {self._source.text} another revision or name")
        accepted(manifest.licence, self._wanted.licences, self._source.text)
        if manifest.patterns == self._wanted.files:
            return manifest
        self._report("other files of it are wanted now")
        return None

    def _trusted(self, offered: Sequence[Offered], state: State) -> Mapping[str, Copied]:
        """What an earlier sync had finished, where the source's own hashes say that it has not changed since."""

        def known(one: Offered) -> Copied | None:
            there = state.files.get(one.path)
            if there is None or one.size not in (None, there.size):
                return None
            metadata = self._home.bucket.metadata(there.key) or {}
            sha256 = metadata.get(SHA256)
            if sha256 is None or not (
                one.sha256 == sha256 or (one.git_blob and one.git_blob == metadata.get(GIT_BLOB))
            ):
                return None
            return Copied(file=File(path=one.path, size=there.size, sha256=sha256), etag=there.etag)

        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="look") as pool:
            trusted = {one.file.path: one for one in pool.map(known, offered) if one}
        for path in trusted:
            self._report(f"{path}: there already")
        return trusted

    def _fits(self, offered: Sequence[Offered], trusted: Mapping[str, Copied]) -> None:
        needed = sum(one.size or 0 for one in offered if one.path not in trusted)
        self._progress.expect(needed)
        if self._wanted.room is None:
            return
        used = sum(one.size for one in self._home.bucket.objects())
        if used + needed > self._wanted.room:
            raise Refused(
                f"needs {sized(needed)} more, and s3://{self._home.bucket.name} holds {sized(used)} of at most "
                f"{sized(self._wanted.room)}: make it larger, or remove a model from it"
            )

    def _copied(self, missing: Sequence[Offered]) -> Sequence[Copied]:
        largest_first = sorted(missing, key=lambda one: -(one.size or 0))
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="file") as pool:
            futures = [pool.submit(self._one, one) for one in largest_first]
            done, waiting = wait(futures, return_when=FIRST_EXCEPTION)
            for future in waiting:
                future.cancel()
            if waiting:
                self._copying.stop()
            return [future.result() for future in done]

    def _one(self, offered: Offered) -> Copied:
        copied = self._copying.copy(offered, self._home.key(offered.path))
        self._report(f"{offered.path}: {copied.file.size} bytes, verified")
        return copied
