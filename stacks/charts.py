"""Charts of others in a cluster, as its Argo CD applies them."""

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.cluster.cluster import Cluster
from components.gitops.application import Chart, Wanted, application, project
from components.gitops.charts import PUBLISHED, ThirdParty, ThirdPartyChart
from components.values import merged
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
        one.name: one for one in settings.charts if one.cluster in (None, cluster.name)
    }
    if not asked or not cluster.operators:
        return {}
    at = delivery.argocd(cluster).merge(opts)
    bounds = project(
        f"{cluster.name}-{PROJECT}",
        f"{cluster.name}-{PROJECT}",
        repositories=[_repository(settings, name) for name in asked],
        destination=delivery.destination(cluster),
        namespaces=sorted({"kube-system", *(PUBLISHED[name].namespace for name in asked)}),
        everything=True,
        cluster_wide=True,
        opts=at,
    )
    made: dict[ThirdParty, pulumi.Resource] = {}
    for name, published in PUBLISHED.items():
        if name in asked:
            before = [bounds, *(made[other] for other in published.after if other in made)]
            after = at.merge(pulumi.ResourceOptions(depends_on=before))
            made[name] = _application(settings, cluster, delivery, asked[name], beside.get(name, {}), after)
    return made


def _application(
    settings: Settings,
    cluster: Cluster,
    delivery: Delivery,
    chart: ThirdPartyChart,
    beside: Mapping[str, Any],
    opts: pulumi.ResourceOptions,
) -> kubernetes.apiextensions.CustomResource:
    published = chart.published
    values: Mapping[str, Any] = merged(merged(published.values, beside), chart.values)
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
        own_namespace=True,
    )
    return application(f"{cluster.name}-{chart.name}-chart", wanted, opts=opts)


def _repository(settings: Settings, name: ThirdParty) -> str:
    return settings.mirror.charts or PUBLISHED[name].repository
