"""What engines have in common that serve one model to the gateway."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

from pydantic import model_validator

from components.engines.canary import SUFFIX, Canary
from components.engines.engine import Engine
from components.engines.settings import Image
from components.section import Name


class ModelEngine(Engine):
    """Settings of an engine with one model, which the gateway can serve."""

    KEY_VARIABLE: ClassVar[str]

    model: Name
    """One of `models`."""
    image: Image | None = None
    """In place of the version that is pinned for its accelerator; with an exact version."""
    canary: Canary | None = None
    """Something new beside it, which gets a share of its requests; see docs/operations.md."""
    api_key: bool = True
    """Answer only requests that show the engine's key, which the gateway has; see docs/operations.md."""

    @property
    def uses(self) -> Mapping[tuple[str | int, ...], Name]:
        """Its model, and its canary's."""
        new = {("canary", "model"): self.canary.model} if self.canary and self.canary.model else {}
        return {("model",): self.model, **new}

    @property
    def loads(self) -> Sequence[Name]:
        """Its own."""
        return (self.model,)

    @property
    def trial(self) -> Canary | None:
        """As its settings say."""
        return self.canary

    @property
    def copies(self) -> Sequence[Self]:
        """As its settings say."""
        if not self.canary:
            return (self,)
        changed = {"model": self.canary.model, "image": self.canary.image, "file": self.canary.file}
        new = {key: value for key, value in changed.items() if value is not None}
        fixed = {"name": f"{self.name}{SUFFIX}", "replicas": self.canary.replicas, "scaling": None, "canary": None}
        return (self, self.model_copy(update={**fixed, **new}))

    @property
    def chosen_image(self) -> str:
        """That of its settings, or the pinned one."""
        return self.image or self.IMAGES[self.accelerator.kind]

    @model_validator(mode="after")
    def _has_something_new(self) -> Self:
        if self.canary and self.canary.file and "file" not in type(self).model_fields:
            raise ValueError("canary.file is for engines that have a `file`")
        if self.canary and not (self.canary.model or self.canary.image or self.canary.file):
            raise ValueError("canary has nothing new: set its model, file or image")
        return self

    @property
    def key_variable(self) -> str | None:
        """As its settings say."""
        return self.KEY_VARIABLE if self.api_key else None
