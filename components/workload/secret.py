"""Secrets of pods."""

from collections.abc import Mapping

import pulumi
import pulumi_kubernetes as kubernetes

from components.workload.fields import stated


def secret(
    name: str,
    called: str,
    values: Mapping[str, pulumi.Input[str]],
    *,
    namespace: pulumi.Input[str],
    labels: Mapping[str, str] | None = None,
    opts: pulumi.ResourceOptions,
) -> kubernetes.core.v1.Secret:
    """A Secret with these values by key."""
    metadata: kubernetes.meta.v1.ObjectMetaArgsDict = {"name": called, "namespace": namespace, "labels": labels}
    return kubernetes.core.v1.Secret(name, metadata=stated(metadata), string_data=values, opts=opts)
