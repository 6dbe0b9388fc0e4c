"""How weights come to an engine: what runs before it, what it mounts, and where it finds them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from components.cluster.settings import ModelCache
from components.engines.engine import Engine
from components.section import byte_count
from components.storage import program
from components.storage.model import Model
from components.storage.object_store import ObjectStore
from components.workload.spec import Claim, Container, Resources, Scratch, SecretKey, Volume

MODELS = "/models"
CACHE_CLAIM = "model-cache"
"""The claim on the directory that engines of a node share, in their namespace."""
HELD = "/held/held"
"""Appears when the pod's own container holds the model in that directory."""


@dataclass(frozen=True, kw_only=True)
class Loading:
    """What an engine's pod has for its model."""

    path: str
    """What the engine is told: an `s3://` URI, or a directory."""
    before: Sequence[Container]
    """Init containers, in their order."""
    volumes: Mapping[str, Volume] = field(default_factory=dict[str, Volume])
    mounts: Mapping[str, str] = field(default_factory=dict[str, str])
    """The engine's own, to read only."""
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    secret_env: Mapping[str, SecretKey] = field(default_factory=dict[str, SecretKey])

    def also(self, before: Sequence[Container], *, volumes: Mapping[str, Volume], mounts: Mapping[str, str]) -> Self:
        """With further containers before the engine, and what they leave for it."""
        return replace(
            self,
            before=[*self.before, *before],
            volumes={**self.volumes, **program.VOLUMES, **volumes},
            mounts={**self.mounts, **mounts},
        )


def loading(engine: Engine, model: Model, store: ObjectStore, cache: ModelCache | None, image: str) -> Loading:
    """As the engine's settings say; never from a model that is not complete, or not what it was when verified."""
    if engine.streams:
        return _streamed(engine, model, store, image)
    if cache:
        return _shared(engine, model, store, cache, image)
    return _own(engine, model, store, image)


def _streamed(engine: Engine, model: Model, store: ObjectStore, image: str) -> Loading:
    check = _program(engine, store, image, ("check", store.uri(model)))
    return Loading(
        path=store.uri(model),
        before=[check],
        volumes={**program.VOLUMES, **store.volumes()},
        mounts=store.mounts(),
        env=store.environment(),
        secret_env=store.reader_environment(engine.name),
    )


def _own(engine: Engine, model: Model, store: ObjectStore, image: str) -> Loading:
    fill = _program(engine, store, image, ("cache", store.uri(model), MODELS), mounts={MODELS: "models"})
    # A tenth more than the model: file systems keep some for themselves.
    size = f"{-(-byte_count(model.size) * 11 // 10 // 2**20)}Mi"
    return Loading(
        path=f"{MODELS}/{model.prefix}",
        before=[fill],
        volumes={**program.VOLUMES, **store.volumes(), "models": Scratch(size=size)},
        mounts={MODELS: "models"},
    )


def _shared(engine: Engine, model: Model, store: ObjectStore, cache: ModelCache, image: str) -> Loading:
    """A container that goes on beside the engine says for as long as the pod lives that the model is in use."""
    hold = Container(
        name="hold",
        image=image,
        command=("python", "-m", "sync.hold"),
        args=(MODELS, model.prefix, HELD),
        env=program.ENVIRONMENT,
        resources=Resources(cpu="10m", memory="32Mi", cpu_limit="1", memory_limit="64Mi"),
        mounts={**program.MOUNTS, MODELS: "models", "/held": "held"},
        sidecar=True,
    )
    limit, held = f"--limit={byte_count(cache.size)}", f"--held={HELD}"
    fill = _program(
        engine,
        store,
        image,
        ("cache", store.uri(model), MODELS, limit, held),
        mounts={MODELS: "models", "/held": "held"},
    )
    return Loading(
        path=f"{MODELS}/{model.prefix}",
        before=[hold, fill],
        volumes={
            **program.VOLUMES,
            **store.volumes(),
            "models": Claim(claim=CACHE_CLAIM),
            "held": Scratch(size="1Mi"),
        },
        mounts={MODELS: "models"},
    )


def _program(
    engine: Engine, store: ObjectStore, image: str, args: Sequence[str], mounts: Mapping[str, str] | None = None
) -> Container:
    return Container(
        name="model",
        image=image,
        command=("python", "-m", "sync"),
        args=args,
        env={**program.ENVIRONMENT, **store.environment()},
        secret_env=store.reader_environment(engine.name),
        resources=Resources(cpu="250m", memory="256Mi", cpu_limit="4", memory_limit="512Mi"),
        mounts={**program.MOUNTS, **store.mounts(), **(mounts or {})},
    )
