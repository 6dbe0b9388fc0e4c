"""What is in a bucket: every model, whether its bytes are still what they were, and what differs between two."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from botocore.exceptions import (  # pyright: ignore[reportMissingTypeStubs]
    BotoCoreError,
    ClientError,
)

from .bucket import Bucket, code
from .home import Home
from .manifest import LEASE, OURS, File, Manifest, Unusable, parsed
from .progress import Progress

AT_ONCE = 8
"""Files that are read at the same time."""
Report = Callable[[str], None]
Condition = Literal["complete", "changed", "syncing", "incomplete"]


@dataclass(frozen=True, kw_only=True)
class Damage:
    """A file that is not what the manifest says."""

    path: str
    what: str


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A model as a listing shows it."""

    home: str
    """`s3://BUCKET/PREFIX`."""
    condition: Condition
    size: int
    """Bytes there are, our own notes aside."""
    files: int
    source: str
    licence: str | None


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A file that two revisions do not share; None on the side that does not have it."""

    path: str
    before: File | None
    after: File | None


def verify(home: Home, manifest: Manifest, progress: Progress, report: Report) -> Sequence[Damage]:
    """Read every byte again."""
    progress.expect(manifest.size)

    def checked(file: File) -> Damage | None:
        damage = _damage(home, file, progress)
        report(f"{file.path}: {damage.what if damage else 'as it was synced'}")
        return damage

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="verify") as pool:
        return [damage for damage in pool.map(checked, manifest.files) if damage]


def _damage(home: Home, file: File, progress: Progress) -> Damage | None:
    seen, size = hashlib.sha256(), 0
    try:
        for chunk in home.bucket.chunks(home.key(file.path)):
            seen.update(chunk)
            size += len(chunk)
            progress.advance(len(chunk))
    except ClientError as problem:
        return Damage(path=file.path, what=f"cannot be read, the object store answered {code(problem)}")
    except BotoCoreError as problem:
        return Damage(path=file.path, what=f"cannot be read: {problem}")
    if size != file.size:
        return Damage(path=file.path, what=f"damaged: it has {size} bytes and had {file.size}")
    if seen.hexdigest() != file.sha256:
        return Damage(path=file.path, what=f"damaged: its sha256 is {seen.hexdigest()} and was {file.sha256}")
    return None


def kept(bucket: Bucket, prefix: str = "") -> Iterator[Kept]:
    """Every model below the prefix, whether it is complete or not."""
    for home in _homes([one.key for one in bucket.objects(prefix)]):
        yield _kept(Home(bucket=bucket, prefix=home))


def _homes(keys: Sequence[str]) -> Sequence[str]:
    """What holds one of our own files, and is not within another; else `<domain>/<name>/<revision>`."""
    marked = {key.rpartition("/")[0] for key in keys if key.rpartition("/")[2] in OURS}
    unmarked = {"/".join(key.split("/")[:3]) for key in keys if key.count("/") > 2 and not _above(key) & marked}
    return sorted(home for home in marked | unmarked if not _above(home) & marked)


def _above(key: str) -> set[str]:
    return {str(parent) for parent in PurePosixPath(key).parents}


def _kept(home: Home) -> Kept:
    state = home.state()
    condition: Condition = "syncing" if home.bucket.stamp(home.key(LEASE)) else "incomplete"
    if state.seal_text is not None:
        condition = "complete" if _unless_unusable(state.complete) else "changed"
    manifest = _unless_unusable(lambda: parsed(state.manifest_text or b""))
    return Kept(
        home=str(home),
        condition=condition,
        size=sum(one.size for one in state.files.values()),
        files=len(state.files),
        source=manifest.source if manifest else "",
        licence=manifest.licence if manifest else None,
    )


def _unless_unusable(read: Callable[[], Manifest]) -> Manifest | None:
    try:
        return read()
    except Unusable:
        return None


def differences(before: Manifest, after: Manifest) -> Iterator[Difference]:
    """File by file, by path; what is the same in both is left out."""
    old, new = ({file.path: file for file in one.files} for one in (before, after))
    for path in sorted(old.keys() | new.keys()):
        was, now = old.get(path), new.get(path)
        if was is None or now is None or was.sha256 != now.sha256:
            yield Difference(path=path, before=was, after=now)
