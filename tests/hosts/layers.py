"""What images consist of: archives on disk, packed once and kept for other runs of the same user."""

import hashlib
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.hosts.image import cache


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One archive. Not compressed: on the bridge bytes are cheap, and the hosts share two cores."""

    archive: Path
    digest: str

    @classmethod
    def of(cls, archive: Path) -> "Layer":
        """The layer that an archive is."""
        with archive.open("rb") as content:
            return cls(archive=archive, digest=f"sha256:{hashlib.file_digest(content, 'sha256').hexdigest()}")


def kept(name: str, made_of: str, fill: Callable[[Path], None]) -> Layer:
    """What `fill` puts into an empty directory. It is asked again only when the text `made_of` is another."""
    key = hashlib.sha256(made_of.encode()).hexdigest()[:12]
    archive = cache() / "layers" / f"{name}-{key}.tar"
    if not archive.exists():
        archive.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=archive.parent) as directory:
            root, packed = Path(directory, "root"), Path(directory, "packed")
            root.mkdir()
            fill(root)
            with tarfile.open(packed, "w") as tar:
                for path in sorted(root.iterdir()):
                    tar.add(path, path.name, filter=_timeless)
            packed.rename(archive)
    return Layer.of(archive)


def programs(archive: Path, files: Mapping[str, Path]) -> Layer:
    """A layer of executables by their names."""
    with tarfile.open(archive, "w") as tar:
        for name, path in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = path.stat().st_size, 0o755
            with path.open("rb") as content:
                tar.addfile(entry, content)
    return Layer.of(archive)


def _timeless(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Owners by number alone: names mean something else in an image."""
    entry.mtime, entry.uname, entry.gname = 0, "", ""
    return entry
