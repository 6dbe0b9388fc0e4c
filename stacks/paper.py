"""Any target on paper: every object becomes a file, and no host, account or secret is asked for."""

import pulumi
import pulumi_kubernetes as kubernetes
import pulumi_random as random

from components.cluster.cluster import Cluster
from stacks.delivery import rendered
from stacks.foundation import Foundation
from stacks.settings import Settings
from stacks.stores import object_stores


def paper(settings: Settings) -> Foundation:
    """Clusters that are directories: what is not rendered for Git goes to one beside."""
    passwords = random.Provider("random")
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
    return Foundation(clusters=clusters, stores=object_stores(settings, clusters, passwords), random=passwords)
