"""The engines of one cluster, with the keys, the program and the cache that they share."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components.cluster.cluster import Cluster
from components.engines import AnyEngine
from components.engines.adapters import Origin
from components.engines.canary import Canary, CanaryCheck, check_name
from components.engines.chart import Chart
from components.engines.loading import CACHE_CLAIM
from components.engines.priorities import priority_classes
from components.engines.service import InferenceService, key_of
from components.engines.update import updates
from components.gateway.gateway import NAMESPACE as GATEWAY_NAMESPACE
from components.gateway.gateway import Backend
from components.gitops.chart import ChartService
from components.gitops.charts import ThirdParty
from components.storage.model import Model
from components.storage.object_store import AUTHORITY, ObjectStore, authority_config_maps
from components.storage.program import program
from components.storage.versions import PROGRAM
from components.workflows.workflows import NAMESPACE as WORKFLOWS_NAMESPACE
from components.workload.claim import mounted_claim, node_directory_claim
from components.workload.namespace import Namespace
from components.workload.pod import labels
from components.workload.spec import Update
from stacks.backends import backends
from stacks.credentials import engine_keys, registry, store_keys
from stacks.delivery import Delivery
from stacks.foundation import Foundation
from stacks.settings import Settings
from stacks.telling import tell_of_memory, tell_of_updates, warn

NAMESPACE = "inference"


class Engines(pulumi.ComponentResource):
    """Whatever serves a model in this cluster."""

    urls: Mapping[str, str]
    """By engine."""
    namespace: Namespace
    """Where they are."""
    keys: Mapping[str, pulumi.Output[str]]
    """What requests must show, by engine: secrets. An engine that is not here takes any request."""
    backends: Sequence[Backend]
    """What the gateway hands requests on to: engines and their adapters, and canaries."""
    checks: Sequence[pulumi.Resource]
    """What the gateway waits for before it hands on any to another."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        foundation: Foundation,
        cluster: Cluster,
        *,
        delivery: Delivery,
        charts: Mapping[ThirdParty, pulumi.Resource],
        synced: Mapping[str, pulumi.Resource],
        opts: pulumi.ResourceOptions,
    ) -> None:
        """`charts` are those of others, operators among them; `synced` is what each model waits for, by its name."""
        super().__init__("inference:stacks:Engines", name, None, opts)
        self._name, self._settings, self._cluster = name, settings, cluster
        originals = [engine for engine in settings.engines if engine.cluster == cluster.name]
        engines = [copy for engine in originals for copy in engine.copies]
        if settings.rehearsal:
            engines = [engine.at_most() for engine in engines]
        self._monitored = "kube-prometheus-stack" in charts
        store = foundation.stores[cluster.name]
        first = foundation.on(cluster).merge(pulumi.ResourceOptions(parent=self))
        namespace = Namespace(
            f"{name}-engines", NAMESPACE, quota=settings.quota, gpus=cluster.settings.gpus(), opts=first
        )
        inside = self._after(namespace)
        shared = [
            *self._shared(store, inside),
            *charts.values(),
            *priority_classes(f"{name}-priority", {one.priority for one in engines}, opts=first).values(),
        ]
        origin = registry(name, engines, settings, namespace=NAMESPACE, opts=inside)
        reading = store_keys(name, engines, store, namespace=NAMESPACE, opts=inside)
        keys = engine_keys(name, engines, namespace=NAMESPACE, passwords=foundation.random, opts=inside)
        asked = {engine: key.secret for engine, key in keys.items()}
        shown = {engine: key.value for engine, key in keys.items()}
        update = updates(engines, cluster.settings)
        warn(engines, gateway=settings.gateway is not None)
        models = {model.name: model for model in settings.models}
        tell_of_updates(cluster.name, [engine.name for engine in engines if update[engine.name] == "in-place"])
        tell_of_memory(cluster.name, engines, models)
        around = _Around(
            store=store,
            models=models,
            origin=origin,
            update=update,
            canaries={engine.copies[-1].name for engine in originals if engine.trial},
            delivery=delivery,
            shared=shared,
            before={
                engine.name: [
                    *_named(reading, engine.name),
                    *_named(asked, engine.name),
                    *_named(synced, *engine.reads),
                ]
                for engine in engines
            },
        )
        services = {engine.name: self._service(engine, around) for engine in engines}
        delivered = {engine.name: self._delivered(engine, services[engine.name], delivery) for engine in engines}
        self.namespace, self.keys = namespace, shown
        self.urls = {engine: service.url for engine, service in services.items()}
        self.checks = [
            self._check(
                engine.copies[-1],
                engine.trial,
                self.urls[engine.copies[-1].name],
                models,
                after=delivered[engine.copies[-1].name],
            )
            for engine in originals
            if engine.trial
        ]
        self.backends = [
            backend
            for engine in originals
            if engine.speaks == "openai"
            for backend in backends(engine, self.urls, shown)
        ]
        self.register_outputs({})

    def _service(self, engine: AnyEngine, around: "_Around") -> InferenceService | ChartService:
        name, cluster = f"{self._name}-{engine.name}", self._cluster
        after = self._after(*around.shared, *around.before[engine.name])
        # Where no Argo CD runs, as on simulated nodes, a pod with its resources stands for a chart.
        if isinstance(engine, Chart) and cluster.operators:
            return ChartService(
                name,
                engine,
                cluster=cluster.settings,
                namespace=NAMESPACE,
                clients=self._clients(engine),
                destination=around.delivery.destination(cluster),
                argocd=around.delivery.argocd(cluster),
                opts=after,
            )
        return InferenceService(
            name,
            engine,
            models=around.models,
            store=around.store,
            cluster=cluster.settings,
            namespace=NAMESPACE,
            clients=self._clients(engine),
            askers=[check_name(engine.name)] if engine.name in around.canaries else (),
            program_image=self._settings.sync.image or PROGRAM,
            origin=around.origin if any(one.source for one in engine.lora_adapters) else Origin(),
            update=around.update[engine.name],
            operators=cluster.operators,
            monitored=self._monitored,
            opts=after.merge(around.delivery.options(cluster, engine.name)),
        )

    def _delivered(
        self, engine: AnyEngine, service: InferenceService | ChartService, delivery: Delivery
    ) -> pulumi.Resource:
        if isinstance(service, ChartService):
            return service
        scaled = () if engine.replicas else (engine.name,)
        return delivery.deliver(self._cluster, engine.name, service, namespace=NAMESPACE, scaled=scaled)

    def _check(
        self,
        engine: AnyEngine,
        canary: Canary,
        url: str,
        models: Mapping[str, Model],
        *,
        after: pulumi.Resource,
    ) -> CanaryCheck:
        """`engine` is the copy that the canary is."""
        what = (*(models[one].prefix for one in engine.loads), canary.image, canary.file)
        return CanaryCheck(
            f"{self._name}-{engine.name}-check",
            engine=engine.name,
            url=url,
            requests=canary.requests,
            key=key_of(engine),
            image=self._settings.sync.image or PROGRAM,
            told=" ".join(one for one in what if one),
            namespace=NAMESPACE,
            opts=self._after(after),
        )

    def _clients(self, engine: AnyEngine) -> tuple[str, ...]:
        """Namespaces whose pods ask it."""
        workflows = self._settings.workflows
        return (
            *((GATEWAY_NAMESPACE,) if engine.speaks == "openai" else ()),
            *((WORKFLOWS_NAMESPACE,) if workflows and engine.name in workflows.judges else ()),
            *engine.clients,
        )

    def _after(self, *resources: pulumi.Resource) -> pulumi.ResourceOptions:
        # Not the cluster's nodes as well: hundreds of engines times hundreds of nodes would be most of a preview.
        return pulumi.ResourceOptions(parent=self, depends_on=resources)

    def _shared(self, store: ObjectStore, opts: pulumi.ResourceOptions) -> list[pulumi.Resource]:
        made: list[pulumi.Resource] = [
            program(f"{self._name}-program", namespace=NAMESPACE, opts=opts),
            *authority_config_maps(f"{self._name}-{AUTHORITY}", store.authority, namespace=NAMESPACE, opts=opts),
            *store.ready,
        ]
        cache, name = self._cluster.settings.cache, f"{self._name}-model-cache"
        about = labels(CACHE_CLAIM, "cache")
        if store.files and (cache or store.mounted):
            size = cache.size if cache else "1Ti"
            claim = mounted_claim(
                name, CACHE_CLAIM, store.files, namespace=NAMESPACE, labels=about, size=size, opts=opts
            )
            made.append(claim)
        elif cache:
            claim = node_directory_claim(
                name,
                CACHE_CLAIM,
                namespace=NAMESPACE,
                labels=about,
                size=cache.size,
                path=cache.path,
                opts=opts,
            )
            made.append(claim)
        return made


@dataclass(frozen=True, kw_only=True)
class _Around:
    """What engines have in common, and what is there for each."""

    store: ObjectStore
    models: Mapping[str, Model]
    origin: Origin
    update: Mapping[str, Update]
    canaries: Collection[str]
    delivery: Delivery
    shared: Sequence[pulumi.Resource]
    """What all of them wait for."""
    before: Mapping[str, Sequence[pulumi.Resource]]
    """What each waits for besides."""


def _named(resources: Mapping[str, pulumi.Resource], *names: str) -> Sequence[pulumi.Resource]:
    return [resources[name] for name in names if name in resources]
