"""Where a model comes from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Offered:
    """A file as its source describes it."""

    path: str
    size: int | None
    """Bytes; None where the source does not tell before it is read."""
    sha256: str | None = None
    git_blob: str | None = None
    """Git's own hash of a small file, where the source has no better one."""


class Source(Protocol):
    """What every kind of source can do."""

    text: str
    """As in the settings."""
    patterns: Sequence[str]
    """Which of its files are wanted."""
    revision: str
    licence: str | None

    def offered(self) -> Sequence[Offered]:
        """Its files; Unusable where they may not be had."""
        ...

    def chunks(self, file: Offered) -> Iterator[bytes]:
        """A file's bytes, in order."""
        ...
