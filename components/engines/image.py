"""Engines whose image the settings name, since no publisher has one for all accelerators."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field, StringConstraints

from components.accelerators import Kind
from components.engines.engine import Engine
from components.engines.settings import Image
from components.node.settings import Architecture
from components.section import rule

HttpPath = Annotated[
    str,
    StringConstraints(pattern=r"^/[A-Za-z0-9._~/?=&%-]*$", max_length=200),
    rule("an HTTP path", example="/health"),
]
Reason = Annotated[
    str,
    StringConstraints(pattern=r"^[!-~][ -~]*$", max_length=200),
    rule("a reason in plain words", example="installs extensions into its own directory"),
]


class ImageEngine(Engine):
    """Settings of an engine that runs an image of your choice."""

    image: Image
    """What it runs: an exact version or a digest, for `accelerator`. The pod's user is 10001, its root read-only."""
    architectures: tuple[Architecture, ...] = Field(default=("amd64",), min_length=1)
    """What the image is built for."""
    writable_root: Reason | None = None
    """Why the image must write to its own root, which then gets writable: kept as an exception on the object."""

    @property
    def images(self) -> Mapping[Kind, str]:
        """As its settings say."""
        return {self.accelerator.kind: self.image}

    @property
    def built_for(self) -> Sequence[Architecture]:
        """As its settings say."""
        return self.architectures
