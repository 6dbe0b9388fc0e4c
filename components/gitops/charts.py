"""Charts of others that engines and the platform need: each an Application with a pinned version."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import Field

from components.engines.monitoring import NAMESPACE as MONITORING
from components.gitops.versions import (
    ARGO_WORKFLOWS,
    CERT_MANAGER,
    CLOUDNATIVE_PG,
    KEDA,
    KSERVE,
    KUBE_PROMETHEUS_STACK,
    KUBERAY,
    LEADER_WORKER_SET,
    PROMETHEUS_ADAPTER,
)
from components.section import Name, Section

ThirdParty = Literal[
    "argo-workflows",
    "cert-manager",
    "cloudnative-pg",
    "keda",
    "kserve",
    "kserve-crd",
    "kube-prometheus-stack",
    "kuberay",
    "leader-worker-set",
    "prometheus-adapter",
]


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
PUBLISHED: Mapping[ThirdParty, Published] = {
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

    @property
    def published(self) -> Published:
        """Where it comes from."""
        return PUBLISHED[self.name]
