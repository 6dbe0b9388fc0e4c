"""A model's place in the bucket: what makes it complete, and how that is seen without reading it all."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from .bucket import Bucket, Listed
from .manifest import COMPLETE, MANIFEST, OURS, Manifest, Seal, Unusable, digest, parsed, seal


@dataclass(frozen=True, kw_only=True)
class Home:
    """`s3://BUCKET/PREFIX`, where the prefix ends in the revision."""

    bucket: Bucket
    prefix: str
    """Without slashes at its ends."""

    def __str__(self) -> str:
        return f"s3://{self.bucket.name}/{self.prefix}"

    def key(self, path: str) -> str:
        """Of a file's object."""
        return f"{self.prefix}/{path}"

    def state(self) -> "State":
        """What is there now."""
        there = {one.key[len(self.prefix) + 1 :]: one for one in self.bucket.objects(f"{self.prefix}/")}
        return State(
            files={path: one for path, one in there.items() if path not in OURS},
            manifest_text=self.bucket.read(self.key(MANIFEST)) if MANIFEST in there else None,
            seal_text=self.bucket.read(self.key(COMPLETE)) if COMPLETE in there else None,
        )

    def verified(self) -> Manifest:
        """Of a complete model, whose objects are as they were verified; Unusable where it is not."""
        return self._told(lambda: self.state().complete())

    def manifest(self) -> Manifest:
        """Of a complete model, for who compares every file with its hash; Unusable where it is not."""
        return self._told(lambda: self._sealed().manifest())

    def _sealed(self) -> "State":
        manifest, seal = (self.bucket.read(self.key(name)) for name in (MANIFEST, COMPLETE))
        return State(files={}, manifest_text=manifest, seal_text=seal)

    def _told(self, manifest: Callable[[], Manifest]) -> Manifest:
        try:
            return manifest()
        except Unusable as problem:
            raise type(problem)(f"{self} {problem}") from problem

    def complete(self, manifest: Manifest, etags: Mapping[str, str]) -> None:
        """All its files are there, and verified."""
        text = manifest.text()
        self.bucket.put(self.key(MANIFEST), text.encode())
        self.bucket.put(self.key(COMPLETE), Seal(manifest=digest(text), etags=etags).text().encode())

    def withdraw(self, state: "State", damaged: Sequence[str] = ()) -> "State":
        """From now on the model is not complete. What is not as it was verified goes first, so that no later sync
        trusts it.
        """
        if state.seal_text is None:
            return state
        gone = set(damaged) | set(state.changed())
        for path in gone & set(state.files):
            self.bucket.delete(self.key(path))
        if state.manifest_is_changed():
            self.bucket.delete(self.key(MANIFEST))
            state = replace(state, manifest_text=None)
        self.bucket.delete(self.key(COMPLETE))
        return replace(
            state, seal_text=None, files={path: one for path, one in state.files.items() if path not in gone}
        )


@dataclass(frozen=True, kw_only=True)
class State:
    """One look at a home."""

    files: Mapping[str, Listed]
    """By path."""
    manifest_text: bytes | None
    seal_text: bytes | None

    def complete(self) -> Manifest:
        """The manifest of a complete model whose objects are as they were verified; else Unusable, which says why."""
        manifest, changed = self.manifest(), self.changed()
        if changed:
            more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
            raise Unusable(
                f"was changed in the bucket after it had been verified: {changed[0]}{more}; sync the model again"
            )
        return manifest

    def manifest(self) -> Manifest:
        """As it was sealed; Unusable where there is none."""
        if self.seal_text is None or self.manifest_text is None:
            raise Unusable("is not complete in the object store; sync the model first")
        if self.manifest_is_changed():
            raise Unusable(f"has a {MANIFEST} that was changed after it had been verified; sync the model again")
        return parsed(self.manifest_text)

    def manifest_is_changed(self) -> bool:
        """Whether it is not the one that was sealed."""
        return self.manifest_text is not None and self._seal().manifest != digest(self.manifest_text)

    def changed(self) -> list[str]:
        """Files that are gone or not what they were when the model was sealed."""
        known = self.manifest_text is not None and not self.manifest_is_changed()
        sizes = {file.path: file.size for file in parsed(self.manifest_text or b"").files} if known else {}
        return sorted(path for path, etag in self._seal().etags.items() if not self._is(path, etag, sizes.get(path)))

    def _is(self, path: str, etag: str, size: int | None) -> bool:
        there = self.files.get(path)
        return there is not None and there.etag == etag and size in (None, there.size)

    def _seal(self) -> Seal:
        return seal(self.seal_text or b"")
