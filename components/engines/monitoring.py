"""Where the Prometheus operator finds an engine's metrics."""

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.engines.engine import Workload
from components.workload.spec import SecretKey

NAMESPACE = "monitoring"
"""Whose pods may read them."""
API = "monitoring.coreos.com/v1"


def metrics_port(workload: Workload) -> str | None:
    """The name of the port that has them; None where there are none."""
    if workload.metrics is None:
        return None
    return "metrics" if "metrics" in workload.ports else "http"


def monitor(
    name: str,
    kind: str,
    metadata: kubernetes.meta.v1.ObjectMetaArgsDict,
    selector: Mapping[str, str],
    workload: Workload,
    *,
    key: SecretKey | None,
    opts: pulumi.ResourceOptions,
) -> pulumi.Resource:
    """A ServiceMonitor for Services with the labels of `selector`, or a PodMonitor for pods.

    Prometheus shows the engine's `key`, since some servers ask for it here too.
    """
    shown: dict[str, Any] = (
        {"authorization": {"type": "Bearer", "credentials": {"name": key.secret, "key": key.key}}} if key else {}
    )
    endpoint = {"port": metrics_port(workload), "path": workload.metrics, **shown}
    endpoints = {"ServiceMonitor": "endpoints", "PodMonitor": "podMetricsEndpoints"}[kind]
    return kubernetes.apiextensions.CustomResource(
        f"{name}-monitor",
        api_version=API,
        kind=kind,
        metadata=metadata,
        spec={"selector": {"matchLabels": dict(selector)}, endpoints: [endpoint]},
        opts=opts,
    )
