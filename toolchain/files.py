"""Bringing files that are no program: from their publisher, else from the Go module that carries them too."""

import shutil
from pathlib import Path, PurePosixPath

from toolchain import golang, release
from toolchain.download import Network
from toolchain.problems import Unavailable
from toolchain.progress import Step, shown
from toolchain.tool import Files, Platform


def fetch(label: str, files: Files, platform: Platform, target: Path, network: Network) -> str:
    """Put the publisher's files into the folder `target`; says how they were verified. Raises as `release.bring`."""
    target.mkdir()
    vouching: list[str] = []
    for one in files.releases():
        with release.verified(label, one, platform, target.parent, network) as (download, said_by):
            download.replace(target / PurePosixPath(one.url).name)
            vouching.append(said_by)
    return f"official files (checksums: {', '.join(dict.fromkeys(vouching))})"


def copy(label: str, files: Files, platform: Platform, target: Path) -> str:
    """Put the same files, from the Go module, into the folder `target`. Raises `Unavailable`."""
    go = golang.find(platform)
    with shown(Step(f"{label}: downloading {files.module} through Go")):
        module = golang.module(go, files.family, files.module)
    target.mkdir()
    for name in files.names:
        try:
            shutil.copyfile(module / files.folder / name, target / name)
        except OSError as error:
            raise Unavailable(f"{files.module} has no {files.folder}/{name}") from error
    return f"Go module {files.module}"
