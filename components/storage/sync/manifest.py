"""What a model in the bucket consists of."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any

MANIFEST = "manifest.json"
COMPLETE = ".complete"
"""The seal, written last: without it, whatever else is there is no model."""
LEASE = ".sync"
"""There while a sync is under way."""
OURS = frozenset({MANIFEST, COMPLETE, LEASE})
"""What lies beside a model's files."""


class Unusable(Exception):
    """A model or its source cannot be used; the message says why and what to do."""


class Refused(Unusable):
    """Trying again cannot help: something must be changed first."""


@dataclass(frozen=True, kw_only=True)
class File:
    """One file, by its path within the model."""

    path: str
    size: int
    """Bytes."""
    sha256: str
    """Lower-case, hexadecimal."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A model's files, and where they are from."""

    source: str
    revision: str
    licence: str | None
    patterns: tuple[str, ...] = ("*",)
    """Which of the source's files were wanted."""
    files: tuple[File, ...]
    """By path."""

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(file.size for file in self.files)

    def text(self) -> str:
        """As JSON, the same for the same model."""
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"


@dataclass(frozen=True, kw_only=True)
class Seal:
    """What a model's objects were when they had been verified, as far as a listing of the bucket shows it."""

    manifest: str
    """SHA-256 of the manifest's text."""
    etags: Mapping[str, str]
    """By path: it changes with an object's content, and means nothing in another bucket."""

    def text(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"


def parsed(text: str | bytes) -> Manifest:
    """A manifest from its JSON, or Unusable where it is none, or names what is outside of the model."""
    try:
        read = _object(text)
        made = Manifest(
            source=str(read["source"]),
            revision=str(read["revision"]),
            licence=read["licence"],
            patterns=tuple(map(str, read["patterns"])),
            files=tuple(_file(one) for one in read["files"]),
        )
    except (ValueError, KeyError, TypeError) as problem:
        raise Unusable(f"its {MANIFEST} cannot be read ({problem!r}); sync the model again") from problem
    if len({file.path for file in made.files}) < len(made.files):
        raise Unusable(f"its {MANIFEST} names a file twice; sync the model again")
    return made


def seal(text: str | bytes) -> Seal:
    """A seal from its JSON, or Refused where it is none: what somebody else put there is not touched."""
    try:
        read = _object(text)
        return Seal(
            manifest=str(read["manifest"]), etags={str(path): str(etag) for path, etag in read["etags"].items()}
        )
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise Refused(
            f"has a {COMPLETE} that no sync has written ({problem!r}); remove it if the files beside it may be replaced"
        ) from problem


def digest(text: str | bytes) -> str:
    """SHA-256, lower-case and hexadecimal."""
    return sha256(text.encode() if isinstance(text, str) else text).hexdigest()


def inside(path: str) -> str:
    """The path, or Refused where it leads out of the model or is one of our own names."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\0" in path or path in OURS:
        raise Refused(f"it names {path!r}, which cannot be a file of a model")
    return path


def _object(text: str | bytes) -> dict[str, Any]:
    read = json.loads(text)
    if not isinstance(read, dict):
        raise TypeError("not an object")
    return read  # pyright: ignore[reportUnknownVariableType]


def _file(read: Mapping[str, Any]) -> File:
    path, size, sha256 = str(read["path"]), read["size"], str(read["sha256"])
    if type(size) is not int or size < 0 or len(sha256) != 64 or sha256.strip("0123456789abcdef"):
        raise ValueError(f"{path!r} has no size and SHA-256")
    return File(path=inside(path), size=size, sha256=sha256)
