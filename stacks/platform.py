"""What is the same everywhere: namespaces, engines and the gateway, on whatever foundation there is."""

from collections.abc import Mapping
from pathlib import Path

import pulumi
import pulumi_kubernetes as kubernetes

from components.accelerators import AcceleratorRequest
from components.cluster.cluster import Cluster
from components.engines import AnyEngine
from components.engines.service import FETCH_CONFIG_MAP, FETCH_PROGRAM, InferenceService
from components.gateway.gateway import NAMESPACE as GATEWAY_NAMESPACE
from components.gateway.gateway import GatewayService
from components.gateway.settings import Gateway
from components.storage.object_store import ObjectStore, key_secret, reader_secret
from components.storage.settings import MinioStore
from components.workload.namespace import Namespace
from components.workload.pod import labels
from components.workload.spec import Peer
from stacks.foundation import Foundation
from stacks.settings import Settings

ENGINES_NAMESPACE = "inference"


class Platform(pulumi.ComponentResource):
    """Everything above the clusters."""

    endpoints: Mapping[str, Mapping[str, object]]
    """By cluster: URLs of the gateway, the chat page and each engine with its model, and what answers `outside`."""
    master_keys: Mapping[str, pulumi.Output[str]]
    """The gateways' master keys by cluster, secrets."""

    def __init__(
        self, name: str, settings: Settings, foundation: Foundation, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("inference:stacks:Platform", name, None, opts)
        self._settings, self._foundation = settings, foundation
        endpoints: dict[str, Mapping[str, object]] = {}
        keys: dict[str, pulumi.Output[str]] = {}
        for cluster in foundation.clusters.values():
            engines = [engine for engine in settings.engines if engine.cluster == cluster.name]
            urls = self._engines(cluster, engines, foundation.stores[cluster.name])
            endpoints[cluster.name] = {
                "engines": {engine.name: {"url": urls[engine.name], "model": engine.model} for engine in engines}
            }
            if settings.gateway and engines:
                gateway = self._gateway(cluster, urls)
                endpoints[cluster.name] = {"api": gateway.url, "chat": gateway.chat_url, **endpoints[cluster.name]}
                keys[cluster.name] = gateway.master_key
            if outside := self._outside(cluster, settings.gateway if engines else None):
                endpoints[cluster.name] = {**endpoints[cluster.name], "outside": outside}
        self.endpoints, self.master_keys = endpoints, keys
        self.register_outputs({})

    def _on(self, cluster: Cluster) -> pulumi.ResourceOptions:
        return self._foundation.on(cluster).merge(pulumi.ResourceOptions(parent=self))

    def _after(self, cluster: Cluster, *resources: pulumi.Resource) -> pulumi.ResourceOptions:
        # Not the cluster's nodes as well: hundreds of engines times hundreds of nodes would be most of a preview.
        return pulumi.ResourceOptions(parent=self, provider=cluster.provider, depends_on=resources)

    def _engines(self, cluster: Cluster, engines: list[AnyEngine], store: ObjectStore) -> dict[str, str]:
        """URLs by engine name."""
        namespace = Namespace(
            f"{cluster.name}-engines",
            ENGINES_NAMESPACE,
            quota=self._settings.quota,
            gpus=cluster.settings.gpus(),
            opts=self._on(cluster),
        )
        inside = self._after(cluster, namespace)
        keys = {
            engine.name: key_secret(
                f"{cluster.name}-{engine.name}-store",
                reader_secret(engine.name),
                store.readers[engine.name],
                namespace=ENGINES_NAMESPACE,
                opts=inside,
            )
            for engine in engines
            if engine.name in store.readers
        }
        program = _fetch_program(f"{cluster.name}-fetch", inside)
        models = {model.name: model for model in self._settings.models}
        after = self._after(cluster, *keys.values(), program, *store.ready)
        return {
            engine.name: InferenceService(
                f"{cluster.name}-{engine.name}",
                engine,
                model=models[engine.model],
                store=store,
                cluster=cluster.settings,
                namespace=ENGINES_NAMESPACE,
                clients=(GATEWAY_NAMESPACE,),
                opts=after,
            ).url
            for engine in engines
        }

    def _outside(self, cluster: Cluster, gateway: Gateway | None) -> Mapping[str, str]:
        """URLs at a host's own address, where ports of the nodes are asked for."""
        ports: dict[str, int | None] = {}
        if gateway:
            ports = {"api": gateway.node_ports.get("litellm"), "chat": gateway.node_ports.get("openWebui")}
        store = self._settings.store
        if isinstance(store, MinioStore) and cluster.name == (store.cluster or self._settings.clusters[0].name):
            ports["store"] = store.node_port
        host = cluster.settings.address
        paths = {"api": "/v1"}
        return {what: f"http://{host}:{port}{paths.get(what, '')}" for what, port in ports.items() if host and port}

    def _gateway(self, cluster: Cluster, urls: Mapping[str, str]) -> GatewayService:
        assert self._settings.gateway
        ports = sorted({int(url.rsplit(":", 1)[1].split("/")[0]) for url in urls.values()})
        return GatewayService(
            f"{cluster.name}-gateway",
            self._settings.gateway,
            engines=urls,
            engine_peers=tuple(Peer(port=port, namespace=ENGINES_NAMESPACE) for port in ports),
            quota=self._settings.quota,
            taints=cluster.settings.tolerated(AcceleratorRequest(), {}),
            opts=self._on(cluster),
        )


def _fetch_program(name: str, opts: pulumi.ResourceOptions) -> kubernetes.core.v1.ConfigMap:
    return kubernetes.core.v1.ConfigMap(
        name,
        metadata={
            "name": FETCH_CONFIG_MAP,
            "namespace": ENGINES_NAMESPACE,
            "labels": labels(FETCH_CONFIG_MAP, "program"),
        },
        data={FETCH_PROGRAM.name: Path(FETCH_PROGRAM).read_text()},
        opts=opts,
    )
