"""Charts of others that engines and the platform need: each an Application with a pinned version."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pulumi
from pydantic import Field

from components.accelerators import Kind
from components.accelerators.operators import amd_device_config, amd_values, nvidia_values
from components.cluster.cluster import Cluster
from components.cluster.gpus import plugin_nodes
from components.cluster.settings import ClusterSettings
from components.engines.monitoring import NAMESPACE as MONITORING
from components.gitops.namespaces import KUBE_SYSTEM
from components.gitops.versions import (
    AMD_GPU_OPERATOR,
    ARGO_WORKFLOWS,
    CERT_MANAGER,
    CLOUDNATIVE_PG,
    KARPENTER,
    KEDA,
    KSERVE,
    KUBE_PROMETHEUS_STACK,
    KUBERAY,
    LEADER_WORKER_SET,
    NVIDIA_GPU_OPERATOR,
    PROMETHEUS_ADAPTER,
)
from components.section import Name, Section

ThirdParty = Literal[
    "amd-gpu-operator",
    "argo-workflows",
    "cert-manager",
    "cloudnative-pg",
    "karpenter",
    "keda",
    "kserve",
    "kserve-crd",
    "kube-prometheus-stack",
    "kuberay",
    "leader-worker-set",
    "nvidia-gpu-operator",
    "prometheus-adapter",
]


def _nothing(_: Cluster) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, kw_only=True)
class ServedGpus:
    """GPUs that a chart's pods advertise, in place of our device plugins."""

    kind: Kind
    pods: str
    """Labels of the pods that do."""
    config: Callable[..., pulumi.Resource] | None = None
    """Makes what tells the operator which nodes to serve, where its chart does not."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """A chart as its publisher offers it."""

    repository: str
    chart: str
    version: str
    namespace: str
    """Where it is installed."""
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What differs from the publisher's choice."""
    told: Callable[[Cluster], Mapping[str, Any]] = _nothing
    """What else it must know of the cluster; outputs may be among it."""
    gpus: ServedGpus | None = None
    """Those that it serves."""
    after: Sequence[ThirdParty] = ()
    """What must be there before it."""


_OF_A_POD = {"overrides": {"namespace": {"resource": "namespace"}, "pod": {"resource": "pod"}}}
SIGNAL_RULES = [
    {
        "seriesQuery": '{__name__=~"vllm:num_requests_waiting|llamacpp:requests_deferred",namespace!="",pod!=""}',
        "resources": _OF_A_POD,
        "metricsQuery": "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)",
    },
    {
        "seriesQuery": 'vllm:kv_cache_usage_perc{namespace!="",pod!=""}',
        "resources": _OF_A_POD,
        "metricsQuery": "avg(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)",
    },
]
"""What engines tell of themselves, for autoscalers."""


def _nvidia(cluster: Cluster) -> Mapping[str, Any]:
    return nvidia_values(plugin_nodes(cluster.settings), toolkit=not cluster.toolkit)


def _karpenter(cluster: Cluster) -> Mapping[str, Any]:
    if not (known := cluster.karpenter):  # on paper
        return {"settings": {"clusterName": cluster.name}}
    return {
        "settings": {"clusterName": known.cluster_name, "interruptionQueue": known.interruption_queue},
        "serviceAccount": {"name": "karpenter", "annotations": known.annotations},
    }


PUBLISHED: Mapping[ThirdParty, Published] = {
    "amd-gpu-operator": Published(
        repository="https://rocm.github.io/gpu-operator",
        chart="gpu-operator-charts",
        version=AMD_GPU_OPERATOR,
        namespace="kube-amd-gpu",
        values=amd_values(),
        gpus=ServedGpus(kind="rocm", pods="daemonset-name=inference", config=amd_device_config),
    ),
    "argo-workflows": Published(
        repository="https://argoproj.github.io/argo-helm",
        chart="argo-workflows",
        version=ARGO_WORKFLOWS,
        namespace="argo-workflows",
        values={
            # The whole definitions would be fetched from GitHub by a Job in the cluster.
            "crds": {"full": False},
            # Not a role in the namespace `default`: whoever runs workflows brings their rights.
            "workflow": {"rbac": {"create": False}},
            "executor": {
                "resources": {
                    "requests": {"cpu": "50m", "memory": "64Mi"},
                    "limits": {"cpu": "500m", "memory": "512Mi"},
                }
            },
        },
    ),
    "cert-manager": Published(
        repository="oci://quay.io/jetstack/charts",
        chart="cert-manager",
        version=CERT_MANAGER,
        namespace="cert-manager",
        values={"crds": {"enabled": True}},
    ),
    "cloudnative-pg": Published(
        repository="https://cloudnative-pg.github.io/charts",
        chart="cloudnative-pg",
        version=CLOUDNATIVE_PG,
        namespace="cnpg-system",
    ),
    "karpenter": Published(
        repository="oci://public.ecr.aws/karpenter",
        chart="karpenter",
        version=KARPENTER,
        # As its publisher has it: Kubernetes answers what comes from there first.
        namespace=KUBE_SYSTEM,
        told=_karpenter,
    ),
    "keda": Published(repository="https://kedacore.github.io/charts", chart="keda", version=KEDA, namespace="keda"),
    "kserve-crd": Published(
        repository="oci://ghcr.io/kserve/charts", chart="kserve-crd", version=KSERVE, namespace="kserve"
    ),
    "kserve": Published(
        repository="oci://ghcr.io/kserve/charts",
        chart="kserve-resources",
        version=KSERVE,
        namespace="kserve",
        values={"kserve": {"controller": {"deploymentMode": "Standard"}}},
        after=("kserve-crd", "cert-manager"),
    ),
    "kube-prometheus-stack": Published(
        repository="https://prometheus-community.github.io/helm-charts",
        chart="kube-prometheus-stack",
        version=KUBE_PROMETHEUS_STACK,
        namespace=MONITORING,
        # Whoever's monitors there are in the cluster, not only those that this chart brings.
        values={
            "prometheus": {
                "prometheusSpec": {
                    "serviceMonitorSelectorNilUsesHelmValues": False,
                    "podMonitorSelectorNilUsesHelmValues": False,
                }
            }
        },
    ),
    "kuberay": Published(
        repository="https://ray-project.github.io/kuberay-helm",
        chart="kuberay-operator",
        version=KUBERAY,
        namespace="kuberay-system",
    ),
    "leader-worker-set": Published(
        repository="oci://registry.k8s.io/lws/charts", chart="lws", version=LEADER_WORKER_SET, namespace="lws-system"
    ),
    "nvidia-gpu-operator": Published(
        repository="https://helm.ngc.nvidia.com/nvidia",
        chart="gpu-operator",
        version=NVIDIA_GPU_OPERATOR,
        namespace="gpu-operator",
        told=_nvidia,
        gpus=ServedGpus(kind="cuda", pods="app=nvidia-device-plugin-daemonset"),
    ),
    "prometheus-adapter": Published(
        repository="https://prometheus-community.github.io/helm-charts",
        chart="prometheus-adapter",
        version=PROMETHEUS_ADAPTER,
        namespace=MONITORING,
        values={
            "prometheus": {"url": "http://kube-prometheus-stack-prometheus.monitoring.svc", "port": 9090},
            "rules": {"custom": SIGNAL_RULES},
        },
        after=("kube-prometheus-stack",),
    ),
}


class ThirdPartyChart(Section):
    """A chart of somebody else's, in every cluster or in one."""

    name: ThirdParty
    """Which: an operator, or a part of the platform."""
    cluster: Name | None = None
    """One of `clusters`; all of them when not set."""
    values: dict[str, Any] = Field(default_factory=dict[str, Any], examples=[{"replicaCount": 2}])
    """What the chart is told, over what we tell it. Nothing secret: charts take the name of a Secret for that."""
    network: Literal["closed", "open"] = "closed"
    """Whether its pods connect to what they need alone; `open` for values that make them need more.

    It opens the namespace, for all charts in it."""

    @property
    def published(self) -> Published:
        """Where it comes from."""
        return PUBLISHED[self.name]

    def comes_to(self, cluster: ClusterSettings) -> bool:
        """Whether this cluster has it: GPU operators go where there are GPUs of theirs."""
        gpus = self.published.gpus
        wanted = not gpus or any(shape.capacity.accelerator.kind == gpus.kind for shape in cluster.shapes)
        return self.cluster in (None, cluster.name) and wanted


def operated(charts: Sequence[ThirdPartyChart], cluster: str) -> frozenset[Kind]:
    """Kinds of GPUs that the charts of a cluster serve, in place of our device plugins."""
    here = [chart.published.gpus for chart in charts if chart.cluster in (None, cluster)]
    return frozenset(gpus.kind for gpus in here if gpus)
