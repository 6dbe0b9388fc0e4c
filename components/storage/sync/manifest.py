"""What a model in the bucket consists of."""

import json
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath

MANIFEST = "manifest.json"
COMPLETE = ".complete"
"""Written last: without it, whatever else is there is no model."""


class Unusable(Exception):
    """A model or its source cannot be used; the message says why and what to do."""


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
    files: tuple[File, ...]
    """By path."""

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(file.size for file in self.files)

    def text(self) -> str:
        """As JSON, the same for the same model."""
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"


def parsed(text: str | bytes) -> Manifest:
    """A manifest from its JSON, or Unusable where it is none, or names what is outside of the model."""
    try:
        read = json.loads(text)
        files = tuple(File(path=one["path"], size=one["size"], sha256=one["sha256"]) for one in read["files"])
        made = Manifest(
            source=read.get("source", ""), revision=read.get("revision", ""), licence=read.get("licence"), files=files
        )
    except (ValueError, KeyError, TypeError) as problem:
        raise Unusable(f"its {MANIFEST} cannot be read ({problem}); sync the model again") from problem
    for file in made.files:
        inside(file.path)
    return made


def inside(path: str) -> str:
    """The path, or Unusable where it leads out of the model or is one of our own names."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or path in (MANIFEST, COMPLETE):
        raise Unusable(f"it names {path!r}, which cannot be a file of a model")
    return path
