"""How sources are written: also what the settings accept is made from this."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from .manifest import Refused

RESOLVE: Final = "python -m components.storage.sync resolve"
_WORD: Final = "[A-Za-z0-9][A-Za-z0-9._-]*"
_REVISION: Final = "[A-Za-z0-9][A-Za-z0-9._+-]*"
"""Becomes a directory's name."""
_NAME: Final = r"\.*[A-Za-z0-9_+-][A-Za-z0-9._+-]*"
"""Of a file or directory, and so not of dots alone."""
_PATH: Final = f"{_NAME}(?:/{_NAME})*"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of source."""

    scheme: str
    form: str
    """For people, as in `hf://ORG/REPO@COMMIT`."""
    pinned: str
    """Regular expression of one that stays what it is; its group `revision` is unlike that of any other pinned one
    of the same model.
    """
    movable: str | None = None
    """Regular expression of one that `resolve` pins."""
    moves: str = ""
    """What of it may change."""

    @property
    def pattern(self) -> str:
        """`pinned` in words that JSON Schema understands too: without names of groups."""
        return re.sub(r"\(\?P<\w+>", "(?:", self.pinned)


_HUB = rf"hf://(?P<repository>{_WORD}/{_WORD})"
_NGC = rf"ngc://(?P<org>{_WORD})/(?:(?P<team>{_WORD})/)?(?P<model>{_WORD})"
_HTTPS = rf"https://(?P<host>[A-Za-z0-9.-]+(?::[0-9]{{1,5}})?)/(?P<path>{_PATH})"
_MLFLOW = rf"mlflow://(?P<model>{_WORD})"

KINDS: Final = (
    Kind(
        scheme="hf",
        form="hf://ORG/REPO@COMMIT",
        pinned=rf"{_HUB}@(?P<revision>[0-9a-f]{{40}})",
        movable=rf"{_HUB}(?:@(?P<name>{_WORD}(?:/{_WORD})*))?",
        moves="a branch or a tag moves",
    ),
    Kind(
        scheme="ngc",
        form="ngc://ORG/TEAM/MODEL:VERSION",
        pinned=rf"{_NGC}:(?P<revision>{_REVISION})",
        movable=rf"{_NGC}(?::latest)?",
        moves="the latest version moves",
    ),
    Kind(
        scheme="s3",
        form="s3://BUCKET/PREFIX@REVISION",
        pinned=rf"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{{1,61}}[a-z0-9])/(?P<prefix>{_PATH})@(?P<revision>{_REVISION})",
    ),
    Kind(
        scheme="https",
        form="https://HOST/PATH/FILE@SHA256",
        pinned=rf"{_HTTPS}@(?P<revision>[0-9a-f]{{64}})",
        movable=_HTTPS,
        moves="a file may change",
    ),
    Kind(
        scheme="mlflow",
        form="mlflow://MODEL@VERSION",
        pinned=rf"{_MLFLOW}@(?P<revision>[1-9][0-9]*)",
        movable=rf"{_MLFLOW}@(?P<alias>{_WORD})",
        moves="an alias moves",
    ),
    Kind(
        scheme="path",
        form="path:///DIRECTORY@REVISION",
        pinned=rf"path:///(?P<directory>{_PATH})@(?P<revision>{_REVISION})",
    ),
)
"""What the program opens."""
CLAIM: Final = Kind(
    scheme="pvc",
    form="pvc://CLAIM/PATH@REVISION",
    pinned=rf"pvc://(?P<claim>[a-z0-9][a-z0-9.-]*)(?:/(?P<path>{_PATH}))?@(?P<revision>{_REVISION})",
)
NODE: Final = Kind(
    scheme="host",
    form="host://NODE/PATH@REVISION",
    pinned=rf"host://(?P<node>[a-z][-a-z0-9]*)/(?P<path>{_PATH})@(?P<revision>{_REVISION})",
)
"""What the settings have in place of `path`: a directory that the sync Job mounts."""
IN_SETTINGS: Final = (*(kind for kind in KINDS if kind.scheme != "path"), CLAIM, NODE)


@dataclass(frozen=True, kw_only=True)
class Address:
    """A source's text, taken apart."""

    text: str
    kind: Kind
    parts: Mapping[str, str | None]
    """By the names of the groups in the kind's regular expression."""
    pinned: bool

    def __getitem__(self, part: str) -> str:
        """A part, empty where the text has none."""
        return self.parts.get(part) or ""


def parsed(text: str, kinds: tuple[Kind, ...] = KINDS) -> Address:
    """A source's text taken apart, whether it is pinned or not. Refused where it is none of these kinds."""
    scheme = text.partition("://")[0]
    kind = next((kind for kind in kinds if kind.scheme == scheme), None)
    if kind is None:
        raise Refused(f"{text!r} is no source that is known; there are {forms(kinds)}")
    latest = kind.scheme == "ngc" and text.endswith(":latest")
    if (found := re.fullmatch(kind.pinned, text)) and not latest:
        return Address(text=text, kind=kind, parts=found.groupdict(), pinned=True)
    if kind.movable and (found := re.fullmatch(kind.movable, text)):
        return Address(text=text, kind=kind, parts=found.groupdict(), pinned=False)
    raise Refused(f"{text!r} must be {kind.form}")


def pinned(text: str, kinds: tuple[Kind, ...] = KINDS) -> Address:
    """As `parsed`, and Refused also where it may change; says which command pins it."""
    found = parsed(text, kinds)
    if not found.pinned:
        raise Refused(unpinned(found))
    return found


def unpinned(address: Address) -> str:
    """That an address may change, and which command pins it."""
    return f'"{address.text}" is not pinned: {address.kind.moves}; get what to write with: {RESOLVE} {address.text}'


def forms(kinds: tuple[Kind, ...]) -> str:
    """All of them, for people."""
    return ", ".join(kind.form for kind in kinds)
