"""The engines of one cluster, with the keys, the program and the cache that they share."""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_kubernetes as kubernetes

from components.cluster.cluster import Cluster
from components.engines import AnyEngine
from components.engines.adapters import Origin
from components.engines.loading import CACHE_CLAIM
from components.engines.service import InferenceService
from components.gateway.gateway import NAMESPACE as GATEWAY_NAMESPACE
from components.storage.object_store import AUTHORITY, ObjectStore, authority_config_maps, key_secret, reader_secret
from components.storage.program import program
from components.storage.sources import environment, peers
from components.storage.sources import secrets as source_secrets
from components.storage.versions import PROGRAM
from components.workload.claim import node_directory_claim
from components.workload.namespace import Namespace
from components.workload.pod import labels
from components.workload.secret import secret
from components.workload.spec import SecretKey
from stacks.foundation import Foundation
from stacks.secrets import optional_secret
from stacks.settings import Settings

NAMESPACE = "inference"
MLFLOW = "mlflow"
REGISTRY_SECRET = "model-registry"


class Engines(pulumi.ComponentResource):
    """Whatever serves a model in this cluster."""

    urls: Mapping[str, str]
    """By engine."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        foundation: Foundation,
        cluster: Cluster,
        *,
        synced: Mapping[str, pulumi.Resource],
        opts: pulumi.ResourceOptions,
    ) -> None:
        """`synced` is what each model waits for, by its name."""
        super().__init__("inference:stacks:Engines", name, None, opts)
        self._name, self._settings, self._cluster = name, settings, cluster
        engines = [engine for engine in settings.engines if engine.cluster == cluster.name]
        store = foundation.stores[cluster.name]
        namespace = Namespace(
            f"{name}-engines",
            NAMESPACE,
            quota=settings.quota,
            gpus=cluster.settings.gpus(),
            opts=foundation.on(cluster).merge(pulumi.ResourceOptions(parent=self)),
        )
        inside = self._after(namespace)
        shared = [
            program(f"{name}-program", namespace=NAMESPACE, opts=inside),
            *authority_config_maps(f"{name}-{AUTHORITY}", store.authority, namespace=NAMESPACE, opts=inside),
            *store.ready,
        ]
        if cache := cluster.settings.cache:
            shared.append(
                node_directory_claim(
                    f"{name}-model-cache",
                    CACHE_CLAIM,
                    namespace=NAMESPACE,
                    labels=labels(CACHE_CLAIM, "cache"),
                    size=cache.size,
                    path=cache.path,
                    opts=inside,
                )
            )
        registry = self._registry(engines, inside)
        keys = self._keys(engines, store, inside)
        models = {model.name: model for model in settings.models}
        self.urls = {
            engine.name: InferenceService(
                f"{name}-{engine.name}",
                engine,
                models=models,
                store=store,
                cluster=cluster.settings,
                namespace=NAMESPACE,
                clients=(GATEWAY_NAMESPACE,),
                program_image=settings.sync.image or PROGRAM,
                origin=registry if any(one.source for one in engine.lora_adapters) else Origin(),
                opts=self._after(
                    *shared, *_named(keys, engine.name), *_named(synced, engine.model, *adapter_models(engine))
                ),
            ).url
            for engine in engines
        }
        self.register_outputs({})

    def _after(self, *resources: pulumi.Resource) -> pulumi.ResourceOptions:
        # Not the cluster's nodes as well: hundreds of engines times hundreds of nodes would be most of a preview.
        return pulumi.ResourceOptions(parent=self, provider=self._cluster.provider, depends_on=resources)

    def _registry(self, engines: Sequence[AnyEngine], opts: pulumi.ResourceOptions) -> Origin:
        """What the pods of engines need whose adapters come from MLflow."""
        if not any(one.source for engine in engines for one in engine.lora_adapters):
            return Origin()
        settings = self._settings
        wanted = source_secrets(MLFLOW, settings.sources)
        found = {variable: optional_secret(key, settings) for variable, key in wanted.items()}
        given = {variable: value for variable, value in found.items() if value is not None}
        if given:
            secret(f"{self._name}-registry", REGISTRY_SECRET, given, namespace=NAMESPACE, opts=opts)
        return Origin(
            env=environment(MLFLOW, settings.sources),
            secret_env={variable: SecretKey(secret=REGISTRY_SECRET, key=variable) for variable in given},
            peers=peers(MLFLOW, settings.sources),
        )

    def _keys(
        self, engines: Sequence[AnyEngine], store: ObjectStore, opts: pulumi.ResourceOptions
    ) -> Mapping[str, kubernetes.core.v1.Secret]:
        return {
            engine.name: key_secret(
                f"{self._name}-{engine.name}-store",
                reader_secret(engine.name),
                store.readers[engine.name],
                namespace=NAMESPACE,
                opts=opts,
            )
            for engine in engines
            if engine.name in store.readers
        }


def adapter_models(engine: AnyEngine) -> Sequence[str]:
    """Names of the models that its adapters are."""
    return [one.model for one in engine.lora_adapters if one.model]


def _named(resources: Mapping[str, pulumi.Resource], *names: str) -> Sequence[pulumi.Resource]:
    return [resources[name] for name in names if name in resources]
