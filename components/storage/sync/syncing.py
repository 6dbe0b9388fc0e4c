"""One model's way home: once, whole and verified, however often it is begun."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from threading import Lock

from .bucket import PART, SHA256
from .copying import AT_ONCE, Copied, Copying
from .home import Home, State
from .lease import Lease
from .manifest import File, Manifest, Refused, Unusable
from .progress import Progress, sized
from .source import Offered, Source

Report = Callable[[str], None]


class Sync:
    """What is there already, and was verified, is not asked for again."""

    def __init__(
        self,
        source: Source,
        home: Home,
        *,
        lease: Lease,
        progress: Progress,
        report: Report,
        room: int | None = None,
    ) -> None:
        """`room` is how many bytes the bucket may hold, if that is known."""
        self._source, self._home, self._lease, self._room = source, home, lease, room
        self._report, self._progress = report, progress
        self._copying = Copying(source, home.bucket, lease=lease, progress=progress)
        self._draft: dict[str, File] = {}
        self._drafting = Lock()

    def run(self) -> Manifest:
        """Complete and verified when this returns; when it raises, the model is not complete."""
        with self._lease.holding(self._report):
            state = self._home.state()
            if known := self._wanted(state):
                self._report(f"complete already: {len(known.files)} files")
                return known
            state = self._home.withdraw(state)
            offered = self._source.offered()
            trusted = self._trusted(offered, state)
            self._fits(offered, trusted)
            copied = [*trusted.values(), *self._copied([one for one in offered if one.path not in trusted])]
            self._lease.check()
            manifest = self._manifest(one.file for one in copied)
            self._home.complete(manifest, {one.file.path: one.etag for one in copied})
            return manifest

    def _wanted(self, state: State) -> Manifest | None:
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
        if (manifest.source, manifest.patterns) == (self._source.text, tuple(self._source.patterns)):
            return manifest
        self._report("other files of it are wanted now")
        return None

    def _trusted(self, offered: Sequence[Offered], state: State) -> Mapping[str, Copied]:
        """What an earlier sync had finished, as far as the source still agrees."""
        self._draft = {file.path: file for file in state.drafted()}

        def known(one: Offered) -> Copied | None:
            there, drafted = state.files.get(one.path), self._draft.get(one.path)
            if there is None or one.size not in (None, there.size):
                return None
            sha256 = (self._home.bucket.metadata(there.key) or {}).get(SHA256)
            if sha256 is None and drafted and drafted.size == there.size:
                sha256 = drafted.sha256
            if sha256 is None or one.sha256 not in (None, sha256):
                return None
            return Copied(file=File(path=one.path, size=there.size, sha256=sha256), etag=there.etag)

        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="look") as pool:
            trusted = {one.file.path: one for one in pool.map(known, offered) if one}
        self._draft = {path: one.file for path, one in trusted.items()}
        for path in trusted:
            self._report(f"{path}: there already")
        return trusted

    def _fits(self, offered: Sequence[Offered], trusted: Mapping[str, Copied]) -> None:
        needed = sum(one.size or 0 for one in offered if one.path not in trusted)
        self._progress.expect(needed)
        if self._room is None:
            return
        used = sum(one.size for one in self._home.bucket.objects())
        if used + needed > self._room:
            raise Refused(
                f"needs {sized(needed)} more, and s3://{self._home.bucket.name} holds {sized(used)} of at most "
                f"{sized(self._room)}: make it larger, or remove a model from it"
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
        if offered.sha256 is None and copied.file.size >= PART:
            self._note(copied.file)
        return copied

    def _note(self, file: File) -> None:
        """An upload in parts cannot say what it hashes to when nobody knew that at its beginning: a draft does."""
        with self._drafting:
            self._draft[file.path] = file
            self._home.draft(self._manifest(self._draft.values()))

    def _manifest(self, files: Iterable[File]) -> Manifest:
        return Manifest(
            source=self._source.text,
            revision=self._source.revision,
            licence=self._source.licence,
            patterns=tuple(self._source.patterns),
            files=tuple(sorted(files, key=lambda file: file.path)),
        )
