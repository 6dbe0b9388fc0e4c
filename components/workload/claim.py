"""A volume that outlives its pods, and a destroy unless the user said otherwise."""

from collections.abc import Mapping

import pulumi
import pulumi_kubernetes as kubernetes

from components.section import Quantity
from components.workload.fields import stated


def volume_claim(
    name: str,
    claim: str,
    *,
    namespace: str,
    labels: Mapping[str, str],
    size: Quantity,
    storage_class: str | None,
    keep: bool,
    opts: pulumi.ResourceOptions,
) -> kubernetes.core.v1.PersistentVolumeClaim:
    """A claim on the cluster's default StorageClass, or on `storage_class`; `keep` leaves it behind on destroy."""
    fields: kubernetes.core.v1.PersistentVolumeClaimSpecArgsDict = {
        "access_modes": ["ReadWriteOnce"],
        "storage_class_name": storage_class,
        "resources": {"requests": {"storage": size}},
    }
    return kubernetes.core.v1.PersistentVolumeClaim(
        name,
        metadata={"name": claim, "namespace": namespace, "labels": labels},
        spec=stated(fields),
        opts=opts.merge(pulumi.ResourceOptions(retain_on_delete=keep)),
    )
