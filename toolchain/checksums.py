"""Checksums of official releases: our own lock file, and what publishers say."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from toolchain.places import REPOSITORY

LOCK = REPOSITORY / "toolchain/checksums.lock"
"""`<sha256>  <url>` a line; it starts empty, because a checksum is never invented."""

_LINE = re.compile(r"^(?P<sum>[0-9a-fA-F]{64})\s+[*]?(?P<name>\S.*?)\s*$")
_BARE = re.compile(r"^\s*([0-9a-fA-F]{64})\s*$")


def locked() -> dict[str, str]:
    """Pinned sha256 by URL; empty where there is no lock file."""
    return read(LOCK)


def read(lock: Path) -> dict[str, str]:
    """Pinned sha256 by what it is of."""
    return _lines(lock.read_text(encoding="utf-8")) if lock.exists() else {}


def write(lock: Path, entries: Mapping[str, str]) -> None:
    """Put these, sha256 by what it is of, in place of those in a lock file; its comment stays."""
    old = lock.read_text(encoding="utf-8").splitlines() if lock.exists() else []
    comment = [line for line in old if line.startswith("#")]
    lines = [f"{checksum}  {of}" for of, checksum in sorted(entries.items())]
    temporary = lock.with_name(f".{lock.name}.partial")
    temporary.write_text("\n".join([*comment, *lines]) + "\n", encoding="utf-8")
    temporary.replace(lock)


def of_file(name: str, published: str) -> str | None:
    """The sha256 that a publisher's document gives for a file, in lower case; None when it gives none.

    Understood are a sha256sum list, one checksum alone, and GitHub's description of a release (JSON), whose assets
    have had a `digest` since 2025-06 (https://docs.github.com/en/rest/releases/releases).
    """
    if published.lstrip().startswith("{"):
        return _digest(name, published)
    if bare := _BARE.match(published):
        return bare[1].lower()
    return {Path(listed).name: checksum for listed, checksum in _lines(published).items()}.get(name)


def _lines(text: str) -> dict[str, str]:
    found = (_LINE.match(line) for line in text.splitlines())
    return {match["name"]: match["sum"].lower() for match in found if match}


def _digest(name: str, published: str) -> str | None:
    try:
        assets = cast(list[dict[str, Any]], json.loads(published).get("assets", []))
        digests = {str(asset["name"]): str(asset.get("digest") or "") for asset in assets}
    except (ValueError, AttributeError, KeyError, TypeError):
        return None
    algorithm, _, checksum = digests.get(name, "").partition(":")
    return checksum.lower() if algorithm == "sha256" and _BARE.match(checksum) else None
