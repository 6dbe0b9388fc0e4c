"""Images that the program can run, and their digests: our own lock file, as for checksums."""

import importlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

from toolchain import checksums
from toolchain.places import REPOSITORY

_IMAGE = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+(:\d+)?(/[a-z0-9][a-z0-9._-]*)+:\w[\w.-]*", re.ASCII)


def lock() -> Path:
    """`<sha256>  <image>` a line: `INFERENCE_IMAGE_LOCK`, by default `images.lock` here.

    It starts empty, because a digest is never invented.
    """
    return Path(os.environ.get("INFERENCE_IMAGE_LOCK") or REPOSITORY / "toolchain/images.lock")


def locked() -> dict[str, str]:
    """sha256 by image, as it is locked; empty where there is no lock file."""
    return checksums.read(lock())


def by_digest(image: str) -> str:
    """The image as pods name it: with its digest behind the tag, where the lock has one."""
    digest = locked().get(image)
    return f"{image}@sha256:{digest}" if digest else image


def in_use() -> tuple[str, ...]:
    """Every image that the rooms' `versions.py` name: registry, repository and tag."""
    files = REPOSITORY.glob("components/*/versions.py")
    # By name, since the toolchain runs before the packages are there that settings are made of.
    rooms = [importlib.import_module(f"components.{file.parent.name}.versions") for file in files]
    return tuple(sorted({image for room in rooms for value in vars(room).values() for image in _images(value)}))


def _images(value: object) -> Iterator[str]:
    if isinstance(value, str) and _IMAGE.fullmatch(value):
        yield value
    if isinstance(value, dict):
        for inner in cast("Mapping[object, object]", value).values():
            yield from _images(inner)
