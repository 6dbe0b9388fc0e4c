"""Types that settings of several engines have."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Protocol

from pydantic import AfterValidator, StringConstraints

from components.section import Name, rule

CONFIDENTIAL = re.compile(
    r"(TOKEN|PASSWORD|PASSWD|SECRET|CREDENTIALS|(API|ACCESS|PRIVATE|SECRET)_?KEY)$", re.IGNORECASE
)
"""How names end of what nobody else may read."""
_MOVES = re.compile(r"[^0-9]*|.*(latest|nightly).*")
"""Tags under which tomorrow's image is another: for want of any number, or by name."""


def _exact(image: str) -> str:
    """Refuse what may change with what pins it."""
    named, _, digest = image.partition("@")
    repository, _, tag = named.rpartition(":") if ":" in named.rpartition("/")[2] else (named, "", "")
    if digest or not _MOVES.fullmatch(tag):
        return image
    said = f'the tag "{tag}" moves' if tag else f'"{image}" has no tag'
    pin = f"`docker buildx imagetools inspect {named}` prints the digest"
    raise ValueError(f"{said}: name an exact version, as {repository}:1.2.3, or @sha256:...; {pin}")


Image = Annotated[
    str,
    StringConstraints(
        pattern=r"^[a-z0-9][a-z0-9.-]*(:[0-9]{1,5})?(/[a-z0-9][a-z0-9._-]*)*"
        r"(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?$",
        max_length=400,
    ),
    rule("an image with an exact version or a digest", example="registry.lan:5000/comfyui:1.2.3"),
    AfterValidator(_exact),
]
GgufFile = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*\.gguf$", max_length=200),
    rule("the name of a .gguf file", example="chat-q4_k_m.gguf"),
]


def each_once(names: Sequence[str], *, remedy: str) -> None:
    """ValueError with the first name that is there twice."""
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f'has "{twice[0]}" twice; {remedy}')


class ListedModel(Protocol):
    """An entry of an engine's `models`."""

    @property
    def model(self) -> Name:
        """One of the stack's models."""
        ...


def listed_models(models: Sequence[ListedModel]) -> Mapping[tuple[str | int, ...], Name]:
    """What an engine with such a list uses, by the places in its settings that name it."""
    return {("models", number, "model"): one.model for number, one in enumerate(models)}
