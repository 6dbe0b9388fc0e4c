"""A volume that outlives its pods, and a destroy unless the user said otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
import pulumi_kubernetes as kubernetes

from components.section import Quantity
from components.workload.fields import stated

NO_CLASS = ""
"""Keeps a claim and a volume from what StorageClasses provide."""


@dataclass(frozen=True, kw_only=True)
class Directory:
    """A directory of a node, which must be there already."""

    node: str
    path: str


@dataclass(frozen=True, kw_only=True)
class Mounted:
    """A file system of a cloud, as a PersistentVolume says of it."""

    driver: str
    """Its CSI driver."""
    handle: pulumi.Input[str]
    attributes: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])
    bucket: bool = False
    """Whether it shows the models' bucket, to be read alone; else it is empty, and pods may write to it."""


def volume_claim(
    name: str,
    claim: str,
    *,
    namespace: str,
    labels: Mapping[str, str],
    size: Quantity,
    storage_class: str | None = None,
    directory: Directory | None = None,
    keep: bool,
    opts: pulumi.ResourceOptions,
) -> kubernetes.core.v1.PersistentVolumeClaim:
    """A claim on `directory`, on `storage_class`, or on the cluster's default class; `keep` leaves it on destroy.

    With a directory nothing need be kept: its content stays, and a new claim on it finds it.
    """
    fields: kubernetes.core.v1.PersistentVolumeClaimSpecArgsDict = {
        "access_modes": ["ReadWriteOnce"],
        "storage_class_name": storage_class,
        "resources": {"requests": {"storage": size}},
    }
    if directory:
        volume = f"{namespace}-{claim}"
        made = _volume(
            name,
            volume,
            directory,
            size=size,
            labels=labels,
            claim={"namespace": namespace, "name": claim},
            opts=opts,
        )
        opts = opts.merge(pulumi.ResourceOptions(depends_on=[made]))
        fields |= {"storage_class_name": NO_CLASS, "volume_name": volume}
    return kubernetes.core.v1.PersistentVolumeClaim(
        name,
        metadata={"name": claim, "namespace": namespace, "labels": labels},
        spec=stated(fields),
        opts=opts.merge(pulumi.ResourceOptions(retain_on_delete=keep and not directory)),
    )


def _volume(
    name: str,
    volume: str,
    directory: Directory,
    *,
    size: Quantity,
    labels: Mapping[str, str],
    claim: kubernetes.core.v1.ObjectReferenceArgsDict,
    opts: pulumi.ResourceOptions,
) -> kubernetes.core.v1.PersistentVolume:
    """Of type `local`: pods that may not mount a node's directories can, and the kubelet hands it to their group."""
    here: kubernetes.core.v1.NodeSelectorRequirementArgsDict = {
        "key": "kubernetes.io/hostname",
        "operator": "In",
        "values": [directory.node],
    }
    return kubernetes.core.v1.PersistentVolume(
        name,
        metadata={"name": volume, "labels": labels},
        spec={
            "access_modes": ["ReadWriteOnce"],
            "capacity": {"storage": size},
            "claim_ref": claim,
            "local": {"path": directory.path},
            "node_affinity": {"required": {"node_selector_terms": [{"match_expressions": [here]}]}},
            "persistent_volume_reclaim_policy": "Retain",
            "storage_class_name": NO_CLASS,
        },
        opts=opts,
    )


def node_directory_claim(
    name: str,
    claim: str,
    *,
    namespace: str,
    labels: Mapping[str, str],
    size: Quantity,
    path: str,
    opts: pulumi.ResourceOptions,
) -> kubernetes.core.v1.PersistentVolumeClaim:
    """A claim on the same directory of every node: each pod finds that of the node which it is on.

    Of type `hostPath`, which pods of ours may not mount themselves; nothing changes the owner of what is in it.
    """
    source: kubernetes.core.v1.PersistentVolumeSpecArgsDict = {"host_path": {"path": path, "type": "Directory"}}
    return _shared(name, claim, source, "ReadWriteMany", namespace=namespace, labels=labels, size=size, opts=opts)


def mounted_claim(
    name: str,
    claim: str,
    mounted: Mounted,
    *,
    namespace: str,
    labels: Mapping[str, str],
    size: Quantity,
    opts: pulumi.ResourceOptions,
) -> kubernetes.core.v1.PersistentVolumeClaim:
    """A claim on a file system that is there, for pods of any node; its driver does not ask how large it is."""
    source: kubernetes.core.v1.PersistentVolumeSpecArgsDict = {
        "csi": {
            "driver": mounted.driver,
            "volume_handle": mounted.handle,
            "volume_attributes": mounted.attributes,
            "read_only": mounted.bucket,
        }
    }
    mode = "ReadOnlyMany" if mounted.bucket else "ReadWriteMany"
    return _shared(name, claim, source, mode, namespace=namespace, labels=labels, size=size, opts=opts)


def _shared(
    name: str,
    claim: str,
    source: kubernetes.core.v1.PersistentVolumeSpecArgsDict,
    mode: str,
    *,
    namespace: str,
    labels: Mapping[str, str],
    size: Quantity,
    opts: pulumi.ResourceOptions,
) -> kubernetes.core.v1.PersistentVolumeClaim:
    """A volume of what is there already, kept when it goes, and the one claim that may have it."""
    volume = f"{namespace}-{claim}"
    made = kubernetes.core.v1.PersistentVolume(
        name,
        metadata={"name": volume, "labels": labels},
        spec={
            **source,
            "access_modes": [mode],
            "capacity": {"storage": size},
            "claim_ref": {"namespace": namespace, "name": claim},
            "persistent_volume_reclaim_policy": "Retain",
            "storage_class_name": NO_CLASS,
        },
        opts=opts,
    )
    return kubernetes.core.v1.PersistentVolumeClaim(
        name,
        metadata={"name": claim, "namespace": namespace, "labels": labels},
        spec={
            "access_modes": [mode],
            "storage_class_name": NO_CLASS,
            "resources": {"requests": {"storage": size}},
            "volume_name": volume,
        },
        opts=opts.merge(pulumi.ResourceOptions(depends_on=[made])),
    )
