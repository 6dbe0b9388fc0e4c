"""An engine that is a Helm chart: an Application of its own, behind the same network policy as every engine."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from components.cluster.settings import ClusterSettings
from components.engines.chart import Chart
from components.engines.service import devices, placement
from components.gitops.application import Chart as ChartSource
from components.gitops.application import Destination, Wanted, application, project
from components.workload.around import network_policy
from components.workload.pod import resource_requirements, tolerations
from components.workload.spec import Peer


class ChartService(pulumi.ComponentResource):
    """What Argo CD is told of a chart, and what its pods may do on the network."""

    url: str
    """In-cluster base URL of its API."""

    def __init__(
        self,
        name: str,
        engine: Chart,
        *,
        cluster: ClusterSettings,
        namespace: str,
        clients: Sequence[str],
        destination: Destination,
        argocd: pulumi.ResourceOptions,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Make it. `argocd` is for what goes to the cluster that Argo CD is in."""
        super().__init__("inference:gitops:ChartService", name, None, opts)
        policy = network_policy(
            name,
            {"name": engine.name, "namespace": namespace, "labels": {"app.kubernetes.io/instance": engine.name}},
            engine.selector,
            clients=[
                *(Peer(port=engine.port, namespace=client) for client in clients),
                Peer(port=None, namespace=namespace, labels=engine.selector),
            ],
            egress=[
                Peer(port=None, namespace=namespace, labels=engine.selector),
                *(Peer(port=port) for port in engine.reaches),
            ],
            opts=pulumi.ResourceOptions(parent=self),
        )
        bounds = project(
            name,
            name,
            repositories=[engine.repository],
            destination=destination,
            namespaces=[namespace],
            everything=True,
            cluster_wide=engine.cluster_wide,
            opts=argocd.merge(pulumi.ResourceOptions(parent=self)),
        )
        self.application = application(
            name,
            Wanted(
                name=name,
                project=name,
                source=ChartSource(
                    repository=engine.repository,
                    name=engine.chart,
                    version=engine.version,
                    release=engine.name,
                    values=engine.placed(_told(engine, cluster)),
                ),
                destination=destination,
                namespace=namespace,
            ),
            opts=argocd.merge(pulumi.ResourceOptions(parent=self, depends_on=[policy, bounds])),
        )
        self.url = f"http://{engine.service or engine.name}.{namespace}:{engine.port}{engine.path.rstrip('/')}"
        self.register_outputs({"url": self.url})


def _told(engine: Chart, cluster: ClusterSettings) -> Mapping[str, Any]:
    """Where its pods go and what they may use, under the names that charts have for it."""
    where = placement(engine, cluster)
    return {
        "nodeSelector": dict(where.node_selector),
        "tolerations": tolerations(where),
        "resources": resource_requirements(engine.resources, devices(engine)),
        **({"runtimeClassName": where.runtime_class} if where.runtime_class else {}),
    }
