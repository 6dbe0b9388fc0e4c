"""Taking single members out of an archive. Nothing else in it is looked at, so nothing else can be written."""

import gzip
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from toolchain.problems import Unavailable


def unpack(archive: Path, wanted: Mapping[str, Path], optional: Mapping[str, Path]) -> None:
    """Copy members of a .tar.gz or .zip to files, which become executable.

    Members are matched by their whole path. Raises `Unavailable` when a wanted one is missing or not a plain file,
    or when the archive cannot be read.
    """
    try:
        if zipfile.is_zipfile(archive):
            found = _from_zip(archive, {**wanted, **optional})
        else:
            found = _from_tar(archive, {**wanted, **optional})
    except (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, ValueError) as error:
        raise Unavailable(f"the archive cannot be read: {error}") from error
    if missing := set(wanted) - found:
        raise Unavailable(f"the archive has no plain file {', '.join(sorted(missing))}")


def _from_tar(archive: Path, targets: Mapping[str, Path]) -> set[str]:
    found: set[str] = set()
    with tarfile.open(archive, "r:*") as opened:
        for member in opened:
            content = opened.extractfile(member) if member.name in targets and member.isreg() else None
            if content:
                with content:
                    _copy(content, targets[member.name])
                found.add(member.name)
    return found


def _from_zip(archive: Path, targets: Mapping[str, Path]) -> set[str]:
    found: set[str] = set()
    with zipfile.ZipFile(archive) as opened:
        for name in targets.keys() & set(opened.namelist()):
            with opened.open(name) as content:
                _copy(content, targets[name])
            found.add(name)
    return found


def _copy(content: IO[bytes], target: Path) -> None:
    with target.open("wb") as output:
        shutil.copyfileobj(content, output, 1 << 20)
    target.chmod(0o755)
