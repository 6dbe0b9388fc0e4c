"""What is the same everywhere: models, engines and the gateway, on whatever foundation there is."""

from collections.abc import Mapping

import pulumi

from components.accelerators import AcceleratorRequest
from components.cluster.cluster import Cluster
from components.gateway.gateway import NAMESPACE as GATEWAY_NAMESPACE
from components.gateway.gateway import GatewayService
from components.gateway.settings import Gateway
from components.storage.models import Models
from components.storage.settings import MinioStore
from components.storage.sources import secrets as source_secrets
from components.workload.spec import Peer, Placement
from stacks import engines
from stacks.charts import third_party_charts
from stacks.delivery import Delivery
from stacks.engines import Engines
from stacks.foundation import Foundation
from stacks.secrets import optional_secret
from stacks.settings import Settings
from stacks.workflows import workflows_in

GATEWAY = "gateway"
"""The application that the gateway is."""


class Platform(pulumi.ComponentResource):
    """Everything above the clusters."""

    endpoints: Mapping[str, Mapping[str, object]]
    """By cluster: URLs of the gateway, the chat page and each engine with its model, and what answers `outside`."""
    master_keys: Mapping[str, pulumi.Output[str]]
    """The gateways' master keys by cluster, secrets."""
    argocd_passwords: Mapping[str, pulumi.Output[str]]
    """Of Argo CD's account `admin`, where it may sign in, by cluster; secrets."""

    def __init__(
        self, name: str, settings: Settings, foundation: Foundation, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("inference:stacks:Platform", name, None, opts)
        self._settings, self._foundation = settings, foundation
        endpoints: dict[str, Mapping[str, object]] = {}
        keys: dict[str, pulumi.Output[str]] = {}
        models = self._models()
        self._delivery = Delivery(
            f"{name}-delivery",
            settings,
            foundation,
            namespaces=[engines.NAMESPACE, GATEWAY_NAMESPACE],
            opts=pulumi.ResourceOptions(parent=self),
        )
        for cluster in foundation.clusters.values():
            here = [engine for engine in settings.deployed if engine.cluster == cluster.name]
            charts = third_party_charts(
                settings,
                cluster,
                self._delivery,
                pulumi.ResourceOptions(parent=self),
                beside=foundation.charts.get(cluster.name, {}),
            )
            if cluster.karpenter and cluster.karpenter.pools and "karpenter" in charts:
                cluster.karpenter.pools(charts["karpenter"])
            served = Engines(
                cluster.name,
                settings,
                foundation,
                cluster,
                delivery=self._delivery,
                charts=charts,
                synced=models.synced if models else {},
                opts=pulumi.ResourceOptions(parent=self, providers=[cluster.provider]),
            )
            endpoints[cluster.name] = {
                "engines": {
                    engine.name: {"url": served.urls[engine.name], "model": ", ".join(engine.loads)} for engine in here
                }
            }
            workflows_in(cluster, settings, foundation, served, after=charts, opts=self._on(cluster))
            if settings.gateway and here:
                gateway = self._gateway(cluster, served)
                endpoints[cluster.name] = {"api": gateway.url, "chat": gateway.chat_url, **endpoints[cluster.name]}
                keys[cluster.name] = gateway.master_key
            if outside := self._outside(cluster, settings.gateway if here else None):
                endpoints[cluster.name] = {**endpoints[cluster.name], "outside": outside}
        argocds = self._delivery.argocds
        for home, url in argocds.urls.items() if argocds else ():
            endpoints[home] = {**endpoints[home], "argocd": url}
        self.endpoints, self.master_keys = endpoints, keys
        self.argocd_passwords = argocds.passwords if argocds else {}
        self.register_outputs({})

    def _on(self, cluster: Cluster) -> pulumi.ResourceOptions:
        return self._foundation.on(cluster).merge(pulumi.ResourceOptions(parent=self))

    def _models(self) -> Models | None:
        """Syncs, beside the store; none where nobody can write to it."""
        settings, home = self._settings, self._foundation.clusters[self._settings.home.name]
        store = self._foundation.stores[home.name]
        if not settings.models or not store.takes_models:
            return None
        wanted = {
            key
            for model in settings.models
            for key in source_secrets(model.address.kind.scheme, settings.sources).values()
        }
        found = {key: optional_secret(key, settings) for key in sorted(wanted)}
        return Models(
            f"{home.name}-models",
            settings.models,
            store=store,
            settings=settings.sync,
            origins=settings.sources,
            secrets={key: value for key, value in found.items() if value is not None},
            placement=Placement(taints=home.settings.tolerated(AcceleratorRequest(), {})),
            quota=settings.quota,
            opts=self._on(home),
        )

    def _outside(self, cluster: Cluster, gateway: Gateway | None) -> Mapping[str, str]:
        """URLs at a host's own address, where ports of the nodes are asked for."""
        ports: dict[str, int | None] = {}
        if gateway:
            ports = {"api": gateway.node_ports.get("litellm"), "chat": gateway.node_ports.get("openWebui")}
        store = self._settings.store
        if isinstance(store, MinioStore) and cluster.name == self._settings.home.name:
            ports["store"] = store.node_port
        host = cluster.settings.address
        schemes = {"store": "https" if isinstance(store, MinioStore) and store.tls else "http"}
        paths = {"api": "/v1"}
        return {
            what: f"{schemes.get(what, 'http')}://{host}:{port}{paths.get(what, '')}"
            for what, port in ports.items()
            if host and port
        }

    def _gateway(self, cluster: Cluster, served: Engines) -> GatewayService:
        assert self._settings.gateway
        ports = sorted({int(one.url.rsplit(":", 1)[1].split("/")[0]) for one in served.backends})
        gateway = GatewayService(
            f"{cluster.name}-gateway",
            self._settings.gateway,
            backends=served.backends,
            engine_peers=tuple(Peer(port=port, namespace=engines.NAMESPACE) for port in ports),
            quota=self._settings.quota,
            taints=cluster.settings.tolerated(AcceleratorRequest(), {}),
            around=self._foundation.gateways.get(cluster.name),
            opts=self._on(cluster)
            .merge(self._delivery.options(cluster, GATEWAY))
            .merge(pulumi.ResourceOptions(depends_on=served.checks)),
        )
        self._delivery.deliver(cluster, GATEWAY, gateway, namespace=GATEWAY_NAMESPACE)
        return gateway
