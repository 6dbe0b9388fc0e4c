"""Settings of how engines and the gateway come to their clusters."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from components.gitops.repository import Credential
from components.section import PORT, Section, rule

Repository = Annotated[
    str,
    StringConstraints(
        pattern=rf"^((https?|ssh|git)://([A-Za-z0-9._-]+@)?[A-Za-z0-9.-]+{PORT}/[^\s'\"]+"
        r"|file:///[^\s'\"]+|[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:[^\s'\"]+)$",
        max_length=300,
    ),
    rule("the URL of a Git repository, as `git clone` takes it", example="https://git.example.com/platform.git"),
]
Folder = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*$", max_length=200),
    rule("a path inside of the repository", example="clusters/home"),
]
Revision = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$", max_length=200),
    rule("a branch, tag or commit", example="main"),
]


FOLDER = "clusters"
"""Has a folder for each stack."""


class Delivery(Section):
    """How engines and the gateway come to their clusters."""

    mode: Literal["direct", "gitops"] = "direct"
    """`direct`: Pulumi applies every object itself, and waits for it. `gitops`: objects are rendered into a Git
    repository, from where Argo CD applies them; namespaces, secrets, volumes, the store and its models stay with
    Pulumi. Needs `inference:argocd`."""
    repository: Repository | None = None
    """Where Argo CD reads, with `mode: gitops`."""
    revision: Revision = "main"
    """What it follows there."""
    path: Folder | None = Field(default=None, examples=["clusters/home"])
    """Folder with one folder for each application; `clusters/STACK` when not set."""
    credential: Credential | None = None
    """How Argo CD gets at the repository; nothing when not set, for one that everybody may read. Its key or token is
    the secret `gitCredential`."""
    hand_over: bool = False
    """Let go of all objects, so that the next `up` may have the other `mode`: whoever delivers now, Pulumi or Argo CD,
    leaves them as they are when it forgets them."""

    @model_validator(mode="after")
    def _has_what_its_mode_needs(self) -> Self:
        if self.mode == "gitops" and not self.repository:
            raise ValueError("mode gitops needs a repository: add `repository`")
        if self.mode == "direct" and (self.repository or self.path):
            raise ValueError("mode direct reads no repository: remove `repository` and `path`, or set `mode: gitops`")
        return self

    @property
    def through_git(self) -> bool:
        """Whether Argo CD applies the objects."""
        return self.mode == "gitops"

    def folder(self, stack: str) -> str:
        """Of the stack's applications, in the repository."""
        return self.path or f"{FOLDER}/{stack}"
