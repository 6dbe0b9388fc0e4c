"""How weights come to an engine: what runs before it, what it mounts, and where it finds them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from components.cluster.settings import ModelCache
from components.engines.engine import Engine
from components.section import Name, byte_count
from components.storage import program
from components.storage.model import Model
from components.storage.object_store import ObjectStore
from components.workload.spec import Claim, Container, Resources, Scratch, SecretKey, Volume

MODELS = "/models"
CACHE_CLAIM = "model-cache"
"""The claim on the directory that engines of a node share, in their namespace."""
HELD = "/held"
"""A file of each model appears there when the pod's own container holds it in that directory."""


@dataclass(frozen=True, kw_only=True)
class Loading:
    """What an engine's pod has for its models."""

    paths: Mapping[Name, str] = field(default_factory=dict[Name, str])
    """By model what the engine is told: an `s3://` URI, or a directory."""
    before: Sequence[Container] = ()
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


def loading(
    engine: Engine, models: Sequence[Model], store: ObjectStore, cache: ModelCache | None, image: str
) -> Loading:
    """As the engine's settings say; never from a model that is not complete, or not what it was when verified."""
    if not models:
        return Loading()
    if engine.streams:
        return _streamed(engine, models, store, image)
    if store.mounted:
        return _mounted(engine, models, store, image)
    if cache:
        return _shared(engine, models, store, cache, image)
    return _own(engine, models, store, image)


def _streamed(engine: Engine, models: Sequence[Model], store: ObjectStore, image: str) -> Loading:
    return Loading(
        paths={model.name: store.uri(model) for model in models},
        before=[
            _program(_nth("model", number), engine, store, image, ("check", store.uri(model)))
            for number, model in enumerate(models, start=1)
        ],
        volumes={**program.VOLUMES, **store.volumes()},
        mounts=store.mounts(),
        env=store.environment(),
        secret_env=store.reader_environment(engine.name),
    )


def _mounted(engine: Engine, models: Sequence[Model], store: ObjectStore, image: str) -> Loading:
    """From the bucket as a file system: nothing is copied, and what is not complete is not begun with."""
    return replace(
        _streamed(engine, models, store, image),
        paths=_directories(models),
        volumes={**program.VOLUMES, **store.volumes(), "models": Claim(claim=CACHE_CLAIM, read_only=True)},
        mounts={MODELS: "models"},
        env={},
        secret_env={},
    )


def _own(engine: Engine, models: Sequence[Model], store: ObjectStore, image: str) -> Loading:
    # A tenth more than the models: file systems keep some for themselves.
    size = f"{-(-sum(byte_count(model.size) for model in models) * 11 // 10 // 2**20)}Mi"
    return Loading(
        paths=_directories(models),
        before=[
            _program(
                _nth("model", number),
                engine,
                store,
                image,
                ("cache", store.uri(model), MODELS),
                mounts={MODELS: "models"},
            )
            for number, model in enumerate(models, start=1)
        ],
        volumes={**program.VOLUMES, **store.volumes(), "models": Scratch(size=size)},
        mounts={MODELS: "models"},
    )


def _shared(engine: Engine, models: Sequence[Model], store: ObjectStore, cache: ModelCache, image: str) -> Loading:
    """Containers that go on beside the engine say for as long as the pod lives that its models are in use."""
    mounts = {MODELS: "models", HELD: "held"}
    before: list[Container] = []
    for number, model in enumerate(models, start=1):
        held = f"{HELD}/{number}"
        before.append(_hold(_nth("hold", number), model, held, image, mounts))
        args = ("cache", store.uri(model), MODELS, f"--limit={byte_count(cache.size)}", f"--held={held}")
        before.append(_program(_nth("model", number), engine, store, image, args, mounts=mounts))
    return Loading(
        paths=_directories(models),
        before=before,
        volumes={
            **program.VOLUMES,
            **store.volumes(),
            "models": Claim(claim=CACHE_CLAIM),
            "held": Scratch(size="1Mi"),
        },
        mounts={MODELS: "models"},
    )


def _hold(name: str, model: Model, held: str, image: str, mounts: Mapping[str, str]) -> Container:
    return Container(
        name=name,
        image=image,
        command=("python", "-m", "sync.hold"),
        args=(MODELS, model.prefix, held),
        env=program.ENVIRONMENT,
        resources=Resources(cpu="10m", memory="32Mi", cpu_limit="1", memory_limit="64Mi"),
        mounts={**program.MOUNTS, **mounts},
        sidecar=True,
    )


def _directories(models: Sequence[Model]) -> dict[Name, str]:
    return {model.name: f"{MODELS}/{model.prefix}" for model in models}


def _nth(what: str, number: int) -> str:
    """Name of a container: `model`, `model-2` and so on."""
    return what if number == 1 else f"{what}-{number}"


def _program(
    name: str,
    engine: Engine,
    store: ObjectStore,
    image: str,
    args: Sequence[str],
    mounts: Mapping[str, str] | None = None,
) -> Container:
    # What it has written stays in memory for the engine, as far as its own limit allows. The pod's is not raised by it.
    limit = max("512Mi", engine.resources.memory_limit or engine.resources.memory, key=byte_count)
    return Container(
        name=name,
        image=image,
        command=("python", "-m", "sync"),
        args=args,
        env={**program.ENVIRONMENT, **store.environment()},
        secret_env=store.reader_environment(engine.name),
        resources=Resources(cpu="250m", memory="256Mi", cpu_limit="4", memory_limit=limit),
        mounts={**program.MOUNTS, **store.mounts(), **(mounts or {})},
    )
