"""Keys around a cluster's engines: to the object store, to a registry of adapters, and to the engines themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes
import pulumi_random as random

from components.engines import AnyEngine
from components.engines.adapters import Origin
from components.engines.service import KEY, key_secret
from components.storage.object_store import ObjectStore, reader_secret
from components.storage.object_store import key_secret as store_key_secret
from components.storage.sources import environment, peers
from components.storage.sources import secrets as source_secrets
from components.workload.secret import secret
from components.workload.spec import SecretKey
from stacks.secrets import optional_secret
from stacks.settings import Settings

MLFLOW = "mlflow"
REGISTRY_SECRET = "model-registry"


@dataclass(frozen=True, kw_only=True)
class EngineKey:
    """What requests to an engine must show."""

    value: pulumi.Output[str]
    secret: kubernetes.core.v1.Secret


def engine_keys(
    name: str,
    engines: Sequence[AnyEngine],
    *,
    namespace: str,
    passwords: random.Provider,
    opts: pulumi.ResourceOptions,
) -> Mapping[str, EngineKey]:
    """Make one, and its Secret, for each engine that asks for it."""
    made: dict[str, EngineKey] = {}
    for engine in engines:
        if engine.key_variable:
            password = random.RandomPassword(
                f"{name}-{engine.name}-api-key",
                length=40,
                special=False,
                keepers={"generation": str(engine.key_generation)},
                opts=pulumi.ResourceOptions(parent=opts.parent, provider=passwords),
            )
            held = secret(
                f"{name}-{engine.name}-api-key",
                key_secret(engine.name),
                {KEY: password.result},
                namespace=namespace,
                opts=opts,
            )
            made[engine.name] = EngineKey(value=password.result, secret=held)
    return made


def store_keys(
    name: str, engines: Sequence[AnyEngine], store: ObjectStore, *, namespace: str, opts: pulumi.ResourceOptions
) -> Mapping[str, kubernetes.core.v1.Secret]:
    """A Secret for each engine that reads from the store with a key of its own."""
    return {
        engine.name: store_key_secret(
            f"{name}-{engine.name}-store",
            reader_secret(engine.name),
            store.readers[engine.name],
            namespace=namespace,
            opts=opts,
        )
        for engine in engines
        if engine.name in store.readers and engine.reads
    }


def registry(
    name: str, engines: Sequence[AnyEngine], settings: Settings, *, namespace: str, opts: pulumi.ResourceOptions
) -> Origin:
    """What the pods of engines need whose adapters come from MLflow."""
    if not any(one.source for engine in engines for one in engine.lora_adapters):
        return Origin()
    wanted = source_secrets(MLFLOW, settings.sources)
    found = {variable: optional_secret(key, settings) for variable, key in wanted.items()}
    given = {variable: value for variable, value in found.items() if value is not None}
    if given:
        secret(f"{name}-registry", REGISTRY_SECRET, given, namespace=namespace, opts=opts)
    return Origin(
        env=environment(MLFLOW, settings.sources),
        secret_env={variable: SecretKey(secret=REGISTRY_SECRET, key=variable) for variable in given},
        peers=peers(MLFLOW, settings.sources),
    )
