"""What differs between targets, and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_random as random

from components.cluster.cluster import Cluster
from components.gateway.gateway import Surroundings
from components.gitops.charts import ThirdParty
from components.storage.object_store import ObjectStore


@dataclass(frozen=True, kw_only=True)
class Foundation:
    """Clusters by name, and the object store as each of them sees it."""

    clusters: Mapping[str, Cluster]
    stores: Mapping[str, ObjectStore]
    """The one store of the stack, by the name of the cluster that looks at it: addresses differ."""
    gateways: Mapping[str, Surroundings] = field(default_factory=dict[str, Surroundings])
    """What there is for the gateway of a cluster beside it, by the cluster's name."""
    charts: Mapping[str, Mapping[ThirdParty, Mapping[str, Any]]] = field(
        default_factory=dict[str, Mapping[ThirdParty, Mapping[str, Any]]]
    )
    """Values that the cloud has for charts of others, by the cluster's name; those of the settings go before them."""
    random: random.Provider
    """Makes passwords, kept in the stack's state."""

    def on(self, cluster: Cluster) -> pulumi.ResourceOptions:
        """Options for what comes first on `cluster`, such as namespaces: all else depends on one of those."""
        return on(cluster, self.random)


def on(cluster: Cluster, passwords: random.Provider) -> pulumi.ResourceOptions:
    """Options for what comes first on `cluster`, while there is no whole foundation yet."""
    return pulumi.ResourceOptions(providers=[cluster.provider, passwords], depends_on=list(cluster.ready))
