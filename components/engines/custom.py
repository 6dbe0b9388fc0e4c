"""Any server in an image, with the placement, policies, keys and gateway of all others."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, StringConstraints, ValidationInfo, field_validator

from components.engines.engine import Argument, Workload
from components.engines.image import HttpPath, ImageEngine
from components.engines.protocol import ProtocolEngine
from components.engines.settings import CONFIDENTIAL
from components.section import Name, Quantity, Section, rule
from components.workload.spec import SecretKey

Variable = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=100),
    rule("the name of an environment variable", example="LOG_LEVEL"),
]
_PLACEHOLDER = re.compile(r"\{model:([^{}]*)\}")


class SecretReference(Section):
    """One key of a Secret."""

    secret: Annotated[
        str,
        StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253),
        rule("the name of a Secret", example="reranker"),
    ]
    """A Secret in the namespace `inference`, which you make and look after."""
    key: Annotated[
        str,
        StringConstraints(pattern=r"^[A-Za-z0-9._-]+$", max_length=253),
        rule("a key of a Secret", example="token"),
    ]
    """Which of its keys."""


class Custom(ProtocolEngine, ImageEngine):
    """Any server that says over HTTP when it can serve."""

    kind: Literal["custom"]
    """Which engine."""
    models: tuple[Name, ...] = ()
    """Those of `models` that it loads from the node's cache."""
    command: tuple[Argument, ...] = ()
    """In place of the image's own."""
    args: tuple[Argument, ...] = Field(default=(), examples=[["--model", "{model:reranker}", "--port", "8080"]])
    """Arguments. `{model:NAME}` is the directory of a model in `models`; no other braces."""
    env: dict[Variable, str] = Field(default_factory=dict[str, str])
    """Environment variables, which anyone may read."""
    secret_env: dict[Variable, SecretReference] = Field(default_factory=dict[str, SecretReference])
    """Environment variables from Secrets."""
    api_key_variable: Variable | None = None
    """The variable in which the server takes the key that requests must show: one is made, and the gateway has it."""
    port: PositiveInt = Field(default=8080, ge=1024, le=65535)
    """Where it answers."""
    health: HttpPath
    """Path that answers 200 once requests can be served."""
    alive: HttpPath | None = None
    """Path that answers 200 while the server is not stuck, where that is another."""
    metrics: HttpPath | None = None
    """Path of its Prometheus metrics."""
    drain: tuple[Argument, ...] = ()
    """Command that returns when no request is left, for a server that would drop them when it is asked to stop. Needs
    `sh` in the image."""
    shared_memory: Quantity | None = None
    """Size of /dev/shm, counted within the memory limit; 64 MiB when not set."""

    @field_validator("models")
    @classmethod
    def _once_each(cls, models: tuple[Name, ...]) -> tuple[Name, ...]:
        if len(set(models)) < len(models):
            raise ValueError("names a model twice")
        return models

    @field_validator("extra_args")
    @classmethod
    def _one_list_of_arguments(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        if words:
            raise ValueError("cannot be given to an engine of kind custom: put them into `args`")
        return words

    @field_validator("args", "command")
    @classmethod
    def _placeholders(cls, words: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        models: Any = info.data.get("models")
        for word in words if models is not None else ():
            for name in _PLACEHOLDER.findall(word):
                if name not in models:
                    raise ValueError(f'"{{model:{name}}}" is not among its models: add "{name}" to `models`')
            if set("{}") & set(_PLACEHOLDER.sub("", word)):
                raise ValueError(f'"{word}" has braces: only {{model:NAME}} may; put other text into `env`')
        return words

    @field_validator("env")
    @classmethod
    def _nothing_secret(cls, env: dict[str, str]) -> dict[str, str]:
        if found := next((name for name in env if CONFIDENTIAL.search(name)), None):
            raise ValueError(f"{found} looks like a secret, which anyone could read here: use `secretEnv`")
        return env

    @field_validator("secret_env", "api_key_variable")
    @classmethod
    def _set_once(cls, given: Any, info: ValidationInfo) -> Any:
        names: set[str] = {given} if isinstance(given, str) else set(given or ())
        for other, alias in (("env", "env"), ("secret_env", "secretEnv")):
            if twice := sorted(names.intersection(info.data.get(other, ()))):
                raise ValueError(f"{twice[0]} is set by `{alias}` too: keep one of them")
        return given

    @property
    def uses(self) -> Mapping[tuple[str | int, ...], Name]:
        """Each of its models."""
        return {("models", number): name for number, name in enumerate(self.models)}

    @property
    def key_variable(self) -> str | None:
        """As its settings say."""
        return self.api_key_variable

    def workload(self, models: Mapping[Name, str]) -> Workload:
        """Word for word as its settings say, with directories for models."""

        def filled(words: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(_PLACEHOLDER.sub(lambda match: models[match[1]], word) for word in words)

        return Workload(
            image=self.image,
            command=filled(self.command),
            args=filled(self.args),
            env=self.env,
            secret_env={
                name: SecretKey(secret=reference.secret, key=reference.key)
                for name, reference in self.secret_env.items()
            },
            ports={"http": self.port},
            health=self.health,
            alive=self.alive,
            metrics=self.metrics,
            drain=self.drain,
            shared_memory=self.shared_memory,
            writable_root=self.writable_root,
        )
