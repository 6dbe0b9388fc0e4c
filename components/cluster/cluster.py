"""What the platform needs of a cluster, however it came to be."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from components.cluster.gpus import CountGpus
from components.cluster.settings import ClusterSettings


@dataclass(frozen=True, kw_only=True)
class Karpenter:
    """What Karpenter must know of the EKS cluster that it adds nodes to."""

    cluster_name: pulumi.Input[str]
    """As EKS calls it."""
    interruption_queue: pulumi.Input[str]
    """Name of the SQS queue that tells of instances which are about to go."""
    annotations: Mapping[str, pulumi.Input[str]]
    """Of the service account `karpenter` in `kube-system`: its role, where it comes to that by them."""
    pools: Callable[[pulumi.Resource], None] | None = None
    """Makes what says which machines it may rent, once its chart is there."""


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
    toolkit: bool = True
    """Whether NVIDIA's container toolkit is on its CUDA nodes before any operator comes."""
    count_gpus: CountGpus | None = None
    """For GPUs that an operator's chart advertises; None where nobody can be asked."""
    karpenter: Karpenter | None = None
    """Where there is a queue and a role for it."""

    @property
    def name(self) -> str:
        """The cluster's name in settings."""
        return self.settings.name
