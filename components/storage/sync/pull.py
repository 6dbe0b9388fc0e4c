"""From the bucket into a directory: every file hashed while it passes, and under its own name only when it is right."""

import hashlib
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .home import Home
from .manifest import File, Manifest, Unusable
from .progress import sized

AT_ONCE = 8
CHUNK = 2**20
PART = ".part"


def pull(home: Home, manifest: Manifest, directory: Path, report: Callable[[str], None]) -> None:
    """All files of the manifest. What is there and right is kept."""
    wrong = set(damaged(manifest, directory))
    missing = [file for file in manifest.files if file.path in wrong]
    needed, free = sum(file.size for file in missing), shutil.disk_usage(directory).free
    if needed > free:
        raise Unusable(f"needs {sized(needed)} and {directory} has {sized(free)} free")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for file in pool.map(lambda one: _fetched(home, one, directory), missing):
            report(f"{file.path}: {file.size} bytes, verified")


def damaged(manifest: Manifest, directory: Path) -> list[str]:
    """Paths of the files that are not there, or not what the manifest says."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        right = pool.map(lambda file: _is_right(directory / file.path, file), manifest.files)
        return [file.path for file, one in zip(manifest.files, right, strict=True) if not one]


def _is_right(path: Path, file: File) -> bool:
    if not path.is_file() or path.is_symlink() or path.stat().st_size != file.size:
        return False
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest() == file.sha256


def _fetched(home: Home, file: File, directory: Path) -> File:
    target = directory / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    part, seen = target.with_name(target.name + PART), hashlib.sha256()
    try:
        with part.open("wb") as opened:
            for chunk in home.bucket.chunks(home.key(file.path), CHUNK):
                seen.update(chunk)
                opened.write(chunk)
        if seen.hexdigest() != file.sha256:
            raise Unusable(f"{file.path} differs from its manifest: it is damaged in the bucket; sync the model again")
        part.rename(target)
    except OSError as problem:
        raise Unusable(f"{target} cannot be written: {problem}") from problem
    finally:
        part.unlink(missing_ok=True)
    return file
