"""Workflows in the cluster of their judges."""

from collections.abc import Mapping
from urllib.parse import urlsplit

import pulumi

from components.accelerators import AcceleratorRequest
from components.cluster.cluster import Cluster
from components.engines.service import startup_seconds
from components.gitops.charts import ThirdParty
from components.storage.versions import PROGRAM
from components.workflows.evaluation import Judge
from components.workflows.workflows import WorkflowsService
from components.workload.spec import Placement
from stacks.engines import NAMESPACE, Engines
from stacks.foundation import Foundation
from stacks.settings import Settings

NODE_SECONDS = 900
"""For a node that comes up for the judge, from none at all: a machine, its driver, and an image of some gigabytes."""


def workflows_in(
    cluster: Cluster,
    settings: Settings,
    foundation: Foundation,
    served: Engines,
    *,
    after: Mapping[ThirdParty, pulumi.Resource],
    opts: pulumi.ResourceOptions,
) -> WorkflowsService | None:
    """What the settings ask for in this cluster. `after` are its charts, Argo Workflows among them."""
    asked = settings.workflows
    if not asked or (asked.cluster or settings.clusters[0].name) != cluster.name:
        return None
    models = {model.name: model for model in settings.models}
    judges = [
        Judge(
            name=engine.name,
            namespace=NAMESPACE,
            url=served.urls[engine.name],
            port=urlsplit(served.urls[engine.name]).port or 80,
            seconds=NODE_SECONDS + startup_seconds(engine, [models[one] for one in engine.loads]),
            key=served.keys.get(engine.name),
        )
        for engine in settings.engines
        if engine.name in asked.judges
    ]
    return WorkflowsService(
        f"{cluster.name}-workflows",
        asked,
        judges=judges,
        store=foundation.stores[cluster.name],
        image=settings.sync.image or PROGRAM,
        placement=Placement(taints=cluster.settings.tolerated(AcceleratorRequest(), {})),
        quota=settings.quota,
        defined=cluster.operators,
        opts=opts.merge(pulumi.ResourceOptions(depends_on=[*after.values(), served.namespace])),
    )
