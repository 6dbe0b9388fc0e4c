"""The target `dev`, and the rehearsal of every other: embedded control planes with simulated nodes."""

import os
from pathlib import Path

import pulumi
import pulumi_command as command
import pulumi_random as random

from components.cluster.embedded import EmbeddedCluster
from stacks import rehearsal
from stacks.foundation import Foundation
from stacks.settings import Settings
from stacks.stores import object_stores

REPOSITORY = Path(__file__).parents[1]


def dev(settings: Settings) -> Foundation:
    """One embedded control plane per cluster, below the state directory."""
    if settings.rehearsal:
        rehearsal.relax()
    state = Path(os.environ.get("INFERENCE_STATE") or REPOSITORY / ".state")
    commands = command.Provider("command")
    passwords = random.Provider("random")
    clusters = {
        cluster.name: EmbeddedCluster(
            cluster.name,
            cluster,
            directory=state / pulumi.get_stack() / cluster.name,
            opts=pulumi.ResourceOptions(providers=[commands]),
        ).cluster
        for cluster in settings.clusters
    }
    return Foundation(clusters=clusters, stores=object_stores(settings, clusters, passwords), random=passwords)
