"""The target `onprem`: hosts over SSH become k3s clusters."""

import pulumi
import pulumi_command as command
import pulumi_random as random

from components.cluster.k3s import K3sCluster
from components.gitops.charts import operated
from stacks.foundation import Foundation
from stacks.secrets import secret
from stacks.settings import Settings
from stacks.stores import object_stores


def onprem(settings: Settings) -> Foundation:
    """A k3s cluster on the hosts of each of the settings' clusters."""
    private_key = secret("sshPrivateKey", settings)  # before anything is made, for it may be missing
    commands = command.Provider("command")
    passwords = random.Provider("random")
    clusters = {
        cluster.name: K3sCluster(
            cluster.name,
            cluster,
            k3s=settings.k3s,
            system=settings.system,
            drivers=settings.drivers,
            mirror=settings.mirror,
            private_key=private_key,
            operated=operated(settings.charts, cluster.name),
            opts=pulumi.ResourceOptions(providers=[commands, passwords]),
        ).cluster
        for cluster in settings.clusters
    }
    return Foundation(clusters=clusters, stores=object_stores(settings, clusters, passwords), random=passwords)
