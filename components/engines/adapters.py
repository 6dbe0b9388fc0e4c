"""LoRA adapters of an engine: settings, and what brings them before the engine starts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal, Self

from pydantic import StringConstraints, model_validator

from components.section import Name, Section, rule
from components.storage import program
from components.storage.model import Model
from components.storage.object_store import ObjectStore
from components.workload.spec import Container, Peer, Resources, Scratch, SecretKey, Volume

DIRECTORY = "/adapters"
CONFIG = f"{DIRECTORY}/vllm.yaml"
ENGINE_KEY = "ENGINE_API_KEY"
"""As `components/storage/sync/adapters.py` reads it."""
TOLD = "/dev/termination-log"
"""What is written there is the container's message in the pod's status."""
MLFLOW_SOURCE = r"mlflow://[A-Za-z0-9][A-Za-z0-9._-]*@[A-Za-z0-9][A-Za-z0-9._-]*"


VOLUME = "adapters"
VOLUMES: dict[str, Volume] = {VOLUME: Scratch(size="20Gi")}
Rank = Literal[1, 8, 16, 32, 64, 128, 256, 320, 512]
"""What vLLM 0.30.0 takes: `vllm/config/lora.py`. 2026-11-21."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What an engine's pod needs for adapters that do not come from the object store."""

    env: Mapping[str, str] = field(default_factory=dict[str, str])
    secret_env: Mapping[str, SecretKey] = field(default_factory=dict[str, SecretKey])
    peers: Sequence[Peer] = ()


class Adapter(Section):
    """A LoRA adapter: a model of its own, or what an MLflow registry has under an alias when the engine starts."""

    name: Name
    """What requests call it."""
    model: Name | None = None
    """One of `models`: synced once and verified, as every other."""
    source: (
        Annotated[
            str,
            StringConstraints(pattern=f"^{MLFLOW_SOURCE}$", max_length=300),
            rule("mlflow://MODEL@ALIAS or mlflow://MODEL@VERSION", example="mlflow://contracts@champion"),
        ]
        | None
    ) = None
    """In `sources.mlflow`; read when a pod starts."""

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if (self.model is None) == (self.source is None):
            raise ValueError("needs either `model` or `source`")
        return self


def bring(
    adapters: Sequence[Adapter],
    models: Mapping[str, Model],
    store: ObjectStore,
    *,
    engine: str,
    image: str,
    origin: Origin,
    runtime: bool,
    engine_key: SecretKey | None,
) -> Sequence[Container]:
    """Init containers of an engine's pod, after which its adapters are in `DIRECTORY`, and `CONFIG` names them."""
    shared = {**program.MOUNTS, **store.mounts(), DIRECTORY: VOLUME}
    env = {**program.ENVIRONMENT, **store.environment(), **origin.env}
    keys = {**store.reader_environment(engine), **origin.secret_env}
    wanted = [f"{one.name}={store.uri(models[one.model]) if one.model else one.source}" for one in adapters]
    first = Container(
        name="adapters",
        image=image,
        command=("python", "-m", "sync"),
        args=("adapters", f"--status={TOLD}", DIRECTORY, CONFIG, *wanted),
        env=env,
        secret_env=keys,
        resources=Resources(cpu="100m", memory="256Mi", cpu_limit="2", memory_limit="512Mi"),
        mounts=shared,
    )
    if not runtime:
        return [first]
    operators = Container(
        name="operators",
        image=image,
        # It only waits: people run our program in it, where it has the keys and reaches the engine.
        command=("python", "-m", "sync.hold", DIRECTORY, "operators", f"{DIRECTORY}/.held"),
        env=env,
        secret_env={**keys, **({ENGINE_KEY: engine_key} if engine_key else {})},
        resources=Resources(cpu="10m", memory="64Mi", cpu_limit="1", memory_limit="256Mi"),
        mounts=shared,
        sidecar=True,
    )
    return [first, operators]


def lora_flags(adapters: Sequence[Adapter], rank: Rank, *, runtime: bool) -> Sequence[str]:
    """Of vLLM. A file that is written before it starts names the adapters: those that arrived, and no others."""
    if not adapters and not runtime:
        return ()
    at_once = max(1, len(adapters))
    return ("--enable-lora", f"--max-loras={at_once}", f"--max-lora-rank={rank}", "--config", CONFIG)
