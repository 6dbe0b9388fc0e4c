"""All that the settings ask for of Amazon's counterparts, beside the clusters of a stack."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from components.aws.around import GATEWAY, gateway_role, surroundings
from components.aws.database import GatewayDatabase
from components.aws.files import SharedFiles
from components.aws.identity import PodRole
from components.aws.ingress import GatewayEntrance
from components.aws.nodes import Nodes, Subnets
from components.aws.observability import ContainerInsights, ManagedPrometheus, remote_write
from components.aws.registry import ImageCache
from components.aws.settings import Aws
from components.gateway.gateway import LITELLM_ACCOUNT, Surroundings
from components.gateway.gateway import NAMESPACE as GATEWAY_NAMESPACE
from components.gateway.settings import AmazonModel, Gateway
from components.gitops.charts import ThirdParty
from components.storage.object_store import PodIdentity
from components.storage.policies import Document
from components.workload.claim import Mounted


class Counterparts(pulumi.ComponentResource):
    """Each is made where the settings have it, and only there."""

    surroundings: Mapping[str, Surroundings]
    """For the gateways, by cluster."""
    files: Mapping[str, Mounted]
    """File systems with models, by cluster."""
    charts: Mapping[str, Mapping[ThirdParty, Mapping[str, Any]]]
    """Values for charts of others, by cluster: they write where Amazon listens."""
    endpoints: Mapping[str, pulumi.Output[str]]
    """URLs by what answers there."""
    ready: tuple[pulumi.Resource, ...]
    """Before the first pod."""

    def __init__(
        self,
        name: str,
        aws: Aws,
        gateway: Gateway | None,
        *,
        network: Subnets,
        nodes: Mapping[str, Nodes],
        bucket: str,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`nodes` are those of the clusters, by name; `bucket` is that of the models, there once `after` is."""
        super().__init__("inference:aws:Counterparts", name, None, opts)
        self._name, self._aws, self._network, self._nodes = name, aws, network, nodes
        self._child = pulumi.ResourceOptions(parent=self)
        self._endpoints: dict[str, pulumi.Output[str]] = {}
        cache = self._images()
        systems = self._file_systems(bucket, after)
        self.files = {cluster: one.mounted for cluster, one in systems.items()}
        self.charts = self._monitoring()
        self.surroundings = self._gateways(gateway) if gateway else {}
        if aws.entrance and gateway:
            self._entrances(gateway)
        self.endpoints = self._endpoints
        self.ready = (*cache, *(one for system in systems.values() for one in system.ready))
        self.register_outputs({})

    def _images(self) -> Sequence[pulumi.Resource]:
        if not self._aws.registry:
            return ()
        assert self._aws.account
        return ImageCache(
            f"{self._name}-images",
            self._aws.registry,
            region=self._aws.region,
            account=self._aws.account,
            nodes={cluster: one.role for cluster, one in self._nodes.items()},
            opts=self._child,
        ).ready

    def _file_systems(self, bucket: str, after: Sequence[pulumi.Resource]) -> Mapping[str, SharedFiles]:
        if not self._aws.files:
            return {}
        return {
            cluster: SharedFiles(
                f"{cluster}-files",
                self._aws.files,
                vpc_id=self._network.vpc_id,
                subnets=self._network.private,
                nodes=one,
                bucket=bucket,
                after=after,
                opts=self._child,
            )
            for cluster, one in self._nodes.items()
        }

    def _monitoring(self) -> Mapping[str, Mapping[ThirdParty, Mapping[str, Any]]]:
        asked = self._aws.observability
        if asked.container_insights:
            for cluster, one in self._nodes.items():
                ContainerInsights(
                    f"{cluster}-container-insights",
                    cluster=cluster,
                    region=self._aws.region,
                    federation=one.federation,
                    opts=self._child.merge(pulumi.ResourceOptions(depends_on=list(one.ready))),
                )
        if not asked.prometheus:
            return {}
        made = ManagedPrometheus(f"{self._name}-prometheus", asked, opts=self._child)
        self._endpoints["prometheus"] = made.write_url
        if made.grafana_url:
            self._endpoints["grafana"] = made.grafana_url
        return {
            cluster: {
                "kube-prometheus-stack": remote_write(
                    made.write_url, self._aws.region, made.writer(cluster, one.federation)
                )
            }
            for cluster, one in self._nodes.items()
        }

    def _gateways(self, gateway: Gateway) -> Mapping[str, Surroundings]:
        database = self._database()
        return {cluster: self._around(cluster, one, gateway.amazon, database) for cluster, one in self._nodes.items()}

    def _database(self) -> GatewayDatabase | None:
        if not self._aws.database:
            return None
        return GatewayDatabase(
            f"{self._name}-database",
            self._aws.database,
            vpc_id=self._network.vpc_id,
            subnets=list(self._network.private.values()),
            nodes={cluster: one.security_group for cluster, one in self._nodes.items()},
            opts=self._child,
        )

    def _around(
        self, cluster: str, nodes: Nodes, models: Sequence[AmazonModel], database: GatewayDatabase | None
    ) -> Surroundings:
        identity: PodIdentity | None = None
        if models:
            called = gateway_role(self._aws, cluster)
            role = PodRole(
                f"{cluster}-{GATEWAY}-role",
                role=called,
                namespace=GATEWAY_NAMESPACE,
                account=LITELLM_ACCOUNT,
                policies={"models": caller(models, nodes.federation.account)},
                federation=nodes.federation,
                opts=self._child,
            )
            identity = PodIdentity(named=f"{nodes.federation.how} {called}", annotations=role.annotations)
        return surroundings(self._aws, database=database.url if database else None, identity=identity)

    def _entrances(self, gateway: Gateway) -> None:
        assert self._aws.entrance
        assert gateway.litellm.node_port
        subnets = self._network.public if self._aws.entrance.internet else self._network.private
        for cluster, one in self._nodes.items():
            made = GatewayEntrance(
                f"{cluster}-entrance",
                self._aws.entrance,
                vpc_id=self._network.vpc_id,
                subnets=list(subnets.values()),
                node_port=gateway.litellm.node_port,
                security_group=one.security_group,
                autoscaling_groups=one.autoscaling_groups,
                opts=self._child,
            )
            self._endpoints[f"{cluster}-api"] = made.url


def caller(models: Sequence[AmazonModel], account: pulumi.Input[str]) -> Document:
    """Ask these models of Amazon's, and no other. The account is known no sooner than the cluster is."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": list(model.actions),
                "Resource": pulumi.Output.from_input(account).apply(model.arns),
            }
            for model in models
        ],
    }
