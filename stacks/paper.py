"""Any target on paper: every object becomes a file, and no host, account or secret is asked for."""

from dataclasses import replace

import pulumi
import pulumi_kubernetes as kubernetes
import pulumi_random as random

from components.aws.around import on_paper
from components.cluster.cluster import Cluster
from components.workload.claim import Mounted
from stacks.delivery import rendered
from stacks.foundation import Foundation
from stacks.mirroring import mirror_images
from stacks.settings import Settings
from stacks.stores import object_stores


def paper(settings: Settings) -> Foundation:
    """Clusters that are directories: what is not rendered for Git goes to one beside."""
    passwords = random.Provider("random")
    mirror_images(settings)
    clusters = {
        cluster.name: Cluster(
            settings=cluster,
            provider=kubernetes.Provider(
                cluster.name, render_yaml_to_directory=str(rendered(cluster.name).with_name(f"{cluster.name}-aside"))
            ),
            kubeconfig=pulumi.Output.secret(""),
        )
        for cluster in settings.clusters
    }
    stores = object_stores(settings, clusters, passwords)
    if settings.target != "eks":
        return Foundation(clusters=clusters, stores=stores, random=passwords)
    models = settings.gateway.amazon if settings.gateway else ()
    return Foundation(
        clusters=clusters,
        stores={name: replace(store, files=_files(settings)) for name, store in stores.items()},
        gateways={name: on_paper(settings.aws, models, name) for name in clusters},
        random=passwords,
    )


def _files(settings: Settings) -> Mounted | None:
    """A file system that nobody mounts: what pods look like does not depend on which it is."""
    files = settings.aws.files
    return Mounted(driver=files.kind, handle="", bucket=files.kind == "lustre") if files else None
