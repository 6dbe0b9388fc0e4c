"""Secrets of pods."""

from collections.abc import Mapping

import pulumi
import pulumi_kubernetes as kubernetes


def secret(
    name: str,
    called: str,
    values: Mapping[str, pulumi.Input[str]],
    *,
    namespace: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> kubernetes.core.v1.Secret:
    """A Secret with these values by key."""
    return kubernetes.core.v1.Secret(
        name, metadata={"name": called, "namespace": namespace}, string_data=values, opts=opts
    )
