"""Where a model comes from."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Protocol

from .manifest import Refused, inside


@dataclass(frozen=True, kw_only=True)
class Offered:
    """A file as its source describes it."""

    path: str
    size: int | None
    """Bytes; None where the source does not tell before it is read."""
    sha256: str | None = None
    """None where the source has none: what comes first is what counts from then on."""
    git_blob: str | None = None
    """Git's own hash of a small file, where the source has no better one."""


class Source(Protocol):
    """What every kind of source can do."""

    text: str
    """As in the settings, pinned."""
    revision: str
    licence: str | None
    """As the source names it; None where it names none, and before `offered` was called."""

    def offered(self) -> Sequence[Offered]:
        """Its files; Unusable where they may not be had."""
        ...

    def chunks(self, file: Offered) -> Iterator[bytes]:
        """A file's bytes, in order."""
        ...


def chosen(files: Iterable[Offered], patterns: Sequence[str], text: str) -> Sequence[Offered]:
    """The files that any of the shell patterns fits, of which `*` also fits `/`. Refused where there is none."""
    found = [file for file in files if any(fnmatchcase(file.path, wanted) for wanted in patterns)]
    if not found:
        raise Refused(f"{text}: no file matches {', '.join(patterns)}")
    for file in found:
        if not inside(file.path).isprintable():
            raise Refused(f"{text}: {file.path!r} holds characters that no file of a model has; rename it there")
    return found


def accepted(licence: str | None, wanted: Sequence[str], text: str) -> None:
    """Refused where a licence is not among those wanted, if any are named."""
    if not wanted or (licence and licence in wanted):
        return
    has = f"has the licence {licence}" if licence else "names no licence"
    remedy = f"add {licence} to them" if licence else "leave `licences` out"
    raise Refused(f"{text} {has}, and the model's `licences` are {', '.join(wanted)}; to accept it, {remedy}")
