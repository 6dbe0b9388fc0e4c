"""Argo CD's own objects: what it applies, from where to where, and what it may touch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.gitops.programs import NAMESPACE
from components.gitops.route import APPLICATION

API = "argoproj.io/v1alpha1"
FINALIZER = "resources-finalizer.argocd.argoproj.io"
"""Has Argo CD remove an application's objects before the application itself is gone."""
SYNC_SECONDS = 1800
"""For a first sync: images are pulled and models are read meanwhile."""
KINDS: Mapping[str, Sequence[str]] = {
    "": ("ConfigMap", "Service", "ServiceAccount"),
    "apps": ("Deployment",),
    "autoscaling": ("HorizontalPodAutoscaler",),
    "keda.sh": ("ScaledObject",),
    "leaderworkerset.x-k8s.io": ("LeaderWorkerSet",),
    "monitoring.coreos.com": ("PodMonitor", "ServiceMonitor"),
    "networking.k8s.io": ("NetworkPolicy",),
    "policy": ("PodDisruptionBudget",),
    "ray.io": ("RayService",),
    "serving.kserve.io": ("InferenceService", "ServingRuntime"),
}
"""Everything that is rendered, by API group."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A folder of a Git repository."""

    repository: str
    revision: str
    path: str

    @property
    def fields(self) -> Mapping[str, Any]:
        """As Argo CD takes it: plain YAML, whatever else lies there."""
        return {
            "repoURL": self.repository,
            "targetRevision": self.revision,
            "path": self.path,
            "directory": {"recurse": True, "include": "*.yaml", "exclude": "kustomization.yaml"},
        }


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A Helm chart."""

    repository: str
    """Where it is published: `https://…`, or `oci://…` for a registry."""
    name: str
    version: str
    release: str
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def fields(self) -> Mapping[str, Any]:
        """As Argo CD takes it."""
        return {
            "repoURL": chart_repository(self.repository),
            "chart": self.name,
            "targetRevision": self.version,
            "helm": {"releaseName": self.release, "valuesObject": dict(self.values)},
        }


@dataclass(frozen=True, kw_only=True)
class Destination:
    """A cluster as Argo CD knows it."""

    name: str | None = None
    """What Argo CD calls it; the one that it is in itself when not said otherwise."""

    @property
    def fields(self) -> Mapping[str, str]:
        """As Argo CD takes it."""
        return {"name": self.name} if self.name else {"server": "https://kubernetes.default.svc"}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What one application is."""

    name: str
    project: str
    source: Source | Chart
    destination: Destination
    namespace: str
    scaled: Sequence[str] = ()
    """Deployments whose number of replicas is somebody else's to decide."""


def application(
    name: str, wanted: Wanted, *, hand_over: bool = False, awaited: bool = True, opts: pulumi.ResourceOptions
) -> kubernetes.apiextensions.CustomResource:
    """An Application that follows its source by itself; handed over, it does nothing any more, even when it goes.

    `awaited` says whether `up` waits until it is synced and healthy.
    """
    return kubernetes.apiextensions.CustomResource(
        name,
        api_version=API,
        kind="Application",
        metadata={
            "name": wanted.name,
            "namespace": NAMESPACE,
            "labels": {APPLICATION: wanted.name},
            "finalizers": [] if hand_over else [FINALIZER],
            "annotations": _awaited(hand_over, awaited),
        },
        spec={
            "project": wanted.project,
            "source": wanted.source.fields,
            "destination": {**wanted.destination.fields, "namespace": wanted.namespace},
            "syncPolicy": _sync_policy(hand_over=hand_over),
            **_ignored(wanted.scaled),
        },
        opts=opts,
    )


def project(
    name: str,
    called: str,
    *,
    repositories: Sequence[str],
    destination: Destination,
    namespaces: Sequence[str],
    everything: bool = False,
    cluster_wide: bool = False,
    opts: pulumi.ResourceOptions,
) -> kubernetes.apiextensions.CustomResource:
    """Bounds for applications: only these repositories, namespaces, and the kinds that we render.

    With `everything` all kinds that belong to a namespace; `cluster_wide`, those too that belong to none.
    """
    anything = [{"group": "*", "kind": "*"}]
    ours = [{"group": group, "kind": kind} for group, kinds in KINDS.items() for kind in kinds]
    return kubernetes.apiextensions.CustomResource(
        name,
        api_version=API,
        kind="AppProject",
        metadata={"name": called, "namespace": NAMESPACE},
        spec={
            "sourceRepos": sorted({chart_repository(one) for one in repositories}),
            "destinations": [{**destination.fields, "namespace": one} for one in namespaces],
            "clusterResourceWhitelist": anything if cluster_wide else [],
            "namespaceResourceWhitelist": anything if everything else ours,
        },
        opts=opts,
    )


def chart_repository(url: str) -> str:
    """As Argo CD calls it: a registry has no scheme, and `oci://` would not be taken for one of charts."""
    return url.removeprefix("oci://")


def _awaited(hand_over: bool, awaited: bool) -> Mapping[str, str]:
    if hand_over or not awaited:
        return {"pulumi.com/skipAwait": "true"}
    return {
        "pulumi.com/waitFor": '["jsonpath={.status.sync.status}=Synced", "jsonpath={.status.health.status}=Healthy"]',
        "pulumi.com/timeoutSeconds": str(SYNC_SECONDS),
    }


def _sync_policy(*, hand_over: bool) -> Mapping[str, Any]:
    options = ["ServerSideApply=true", "PruneLast=true", "RespectIgnoreDifferences=true"]
    if hand_over:
        return {"syncOptions": options}
    return {
        "automated": {"prune": True, "selfHeal": True},
        "syncOptions": options,
        # Two minutes in all: one that is between two tries is not removed before the last.
        "retry": {"limit": 5, "refresh": True, "backoff": {"duration": "5s", "factor": 2, "maxDuration": "1m"}},
    }


def _ignored(scaled: Sequence[str]) -> Mapping[str, Any]:
    if not scaled:
        return {}
    return {
        "ignoreDifferences": [
            {"group": "apps", "kind": "Deployment", "name": name, "jsonPointers": ["/spec/replicas"]} for name in scaled
        ]
    }
