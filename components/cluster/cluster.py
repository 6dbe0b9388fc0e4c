"""What the platform needs of a cluster, however it came to be."""

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from components.cluster.settings import ClusterSettings


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A cluster that is ready for workloads."""

    settings: ClusterSettings
    provider: kubernetes.Provider
    kubeconfig: pulumi.Output[str]
    """Administrator's kubeconfig, a secret."""
    ready: tuple[pulumi.Resource, ...] = ()
    """What must exist before the first pod: nodes, storage classes, runtime classes."""

    operators: bool = True
    """Whether operators can run there. On simulated nodes nothing does."""

    @property
    def name(self) -> str:
        """The cluster's name in settings."""
        return self.settings.name
