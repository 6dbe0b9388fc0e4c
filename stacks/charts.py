"""Charts of others in a cluster, as its Argo CD applies them."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from components.cluster.cluster import Cluster
from components.cluster.gpus import Advertising, plugin_nodes
from components.gitops.application import SYNC_SECONDS, Chart, Wanted, application, project
from components.gitops.charts import PUBLISHED, ThirdParty, ThirdPartyChart
from components.gitops.namespaces import KUBE_SYSTEM, chart_namespace
from components.gitops.repository import ports_of
from components.values import merged
from components.workload.spec import Peer
from stacks.delivery import Delivery
from stacks.settings import Settings

PROJECT = "charts"
"""AppProject of all of them, which may make what belongs to no namespace: operators define kinds of their own."""


def third_party_charts(
    settings: Settings,
    cluster: Cluster,
    delivery: Delivery,
    opts: pulumi.ResourceOptions,
    *,
    beside: Mapping[ThirdParty, Mapping[str, Any]],
) -> Mapping[ThirdParty, pulumi.Resource]:
    """Those that the settings ask for in this cluster, each after what it needs; none where nobody applies them.

    `beside` are values that a cloud has for them.
    """
    asked: dict[ThirdParty, ThirdPartyChart] = {
        one.name: one for one in settings.charts if one.comes_to(cluster.settings)
    }
    if not asked or not cluster.operators:
        return {}
    at = delivery.argocd(cluster).merge(opts)
    bounds = project(
        f"{cluster.name}-{PROJECT}",
        f"{cluster.name}-{PROJECT}",
        repositories=[_repository(settings, name) for name in asked],
        destination=delivery.destination(cluster),
        namespaces=sorted({KUBE_SYSTEM, *(PUBLISHED[name].namespace for name in asked)}),
        everything=True,
        cluster_wide=True,
        opts=at,
    )
    there = pulumi.ResourceOptions(provider=cluster.provider, depends_on=list(cluster.ready)).merge(opts)
    namespaces = _namespaces(settings, cluster, list(asked.values()), there)
    made: dict[ThirdParty, pulumi.Resource] = {}
    for name, published in PUBLISHED.items():
        if name in asked:
            before = [*(made[other] for other in published.after if other in made), bounds]
            before += namespaces.get(published.namespace, ())
            after = at.merge(pulumi.ResourceOptions(depends_on=before))
            application = _application(settings, cluster, delivery, asked[name], beside.get(name, {}), after)
            made[name] = _served(cluster, name, application, there)
    return made


def _namespaces(
    settings: Settings, cluster: Cluster, asked: Sequence[ThirdPartyChart], opts: pulumi.ResourceOptions
) -> Mapping[str, Sequence[pulumi.Resource]]:
    """Made here and not by Argo CD, so that they are closed before anything is in them."""
    wide = {one.published.namespace for one in asked if one.network == "open"}
    # Where engines have KEDA ask, which need not be a Prometheus of ours.
    prometheus = [one.scaling.prometheus for one in settings.engines if one.scaling and one.scaling.prometheus]
    reached = {PUBLISHED["keda"].namespace: [Peer(port=port) for port in sorted(ports_of(prometheus))]}
    return {
        namespace: chart_namespace(
            f"{cluster.name}-{namespace}-charts",
            namespace,
            open_to_all=namespace in wide,
            reaches=reached.get(namespace, ()),
            opts=opts,
        )
        for namespace in sorted({one.published.namespace for one in asked} - {KUBE_SYSTEM})
    }


def _application(
    settings: Settings,
    cluster: Cluster,
    delivery: Delivery,
    chart: ThirdPartyChart,
    beside: Mapping[str, Any],
    opts: pulumi.ResourceOptions,
) -> pulumi.Resource:
    published = chart.published
    values = merged(merged(merged(published.values, published.told(cluster)), beside), chart.values)
    wanted = Wanted(
        name=f"{cluster.name}-{chart.name}",
        project=f"{cluster.name}-{PROJECT}",
        source=Chart(
            repository=_repository(settings, chart.name),
            name=published.chart,
            version=published.version,
            release=chart.name,
            values=values,
        ),
        destination=delivery.destination(cluster),
        namespace=published.namespace,
    )
    return application(f"{cluster.name}-{chart.name}-chart", wanted, opts=opts)


def _served(
    cluster: Cluster, name: ThirdParty, applied: pulumi.Resource, opts: pulumi.ResourceOptions
) -> pulumi.Resource:
    """What engines wait for: the application; of GPUs that it serves, that all of them are there."""
    published = PUBLISHED[name]
    if not (gpus := published.gpus):
        return applied
    after = applied
    if gpus.config:
        after = gpus.config(
            f"{cluster.name}-{name}-config",
            plugin_nodes(cluster.settings),
            namespace=published.namespace,
            opts=opts.merge(pulumi.ResourceOptions(depends_on=[applied])),
        )
    if not cluster.count_gpus:
        return after
    advertising = Advertising(
        namespace=published.namespace, selector=gpus.pods, versions=published.version, seconds=SYNC_SECONDS
    )
    return next(iter(cluster.count_gpus(gpus.kind, advertising, [after])), after)


def _repository(settings: Settings, name: ThirdParty) -> str:
    return settings.mirror.charts or PUBLISHED[name].repository
