"""Buckets, users and what each may do, brought about in MinIO by a Job."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.section import byte_count
from components.storage import policies
from components.storage.object_store import AUTHORITY, AUTHORITY_FILE, AUTHORITY_MOUNT, AccessKey
from components.storage.settings import Bucket, MinioStore
from components.storage.versions import MINIO
from components.workload.application import digest
from components.workload.pod import labels
from components.workload.spec import (
    ConfigFiles,
    Container,
    Peer,
    Placement,
    Pod,
    Resources,
    Scratch,
    SecretFiles,
    SecretKey,
    Volume,
)
from components.workload.task import Task, TaskRun

SCRIPT = Path(__file__).parent / "scripts" / "provision.sh"
NAME = "minio-provision"
LABELS = labels(NAME, "job")
KEYS = "minio-keys"
WRITER = "inference-sync"


def reader_user(engine: str) -> str:
    """The user with which an engine reads."""
    return f"inference-engine-{engine}"


def owner_user(name: str) -> str:
    """The user of somebody who has a part of the bucket."""
    return f"inference-owner-{name}"


def wanted(
    store: MinioStore,
    readers: Mapping[str, Collection[str]],
    writes: Collection[str],
    owners: Mapping[str, Collection[str]] | None = None,
) -> dict[str, str]:
    """What `provision.sh` reads, by file name.

    `readers` are the prefixes that each engine reads, by its name; `writes` are those that the sync writes, and
    `owners` those that others have for themselves.
    """
    documents = {reader_user(engine): policies.reader(store.bucket, prefixes) for engine, prefixes in readers.items()}
    for name, prefixes in (owners or {}).items():
        documents[owner_user(name)] = policies.owner(store.bucket, prefixes)
    if writes:
        documents[WRITER] = policies.writer(store.bucket, writes)
    return {
        "buckets": "".join(_line(bucket) for bucket in store.every_bucket),
        **{
            f"{bucket.name}.lifecycle": json.dumps(_lifecycle(bucket.expire_noncurrent_days))
            for bucket in store.every_bucket
            if bucket.expire_noncurrent_days
        },
        **{f"{user}.policy": json.dumps(document) for user, document in documents.items()},
    }


def _line(bucket: Bucket) -> str:
    what = "purge" if bucket.purge else "enable" if bucket.versioning else "suspend"
    return f"{bucket.name} {what} {f'{byte_count(bucket.quota)}B' if bucket.quota else '-'}\n"


def _lifecycle(days: int) -> dict[str, Any]:
    """The end of old versions, and of the mark of a deletion once nothing is left that it hides."""
    rule = {
        "ID": "old-versions",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "NoncurrentVersionExpiration": {"NoncurrentDays": days},
        "Expiration": {"ExpiredObjectDeleteMarker": True},
    }
    return {"Rules": [rule]}


class Provision(pulumi.ComponentResource):
    """A Job that runs again whenever something else is wanted. Removes users that are not wanted, and no bucket
    but one that is to be purged."""

    def __init__(
        self,
        name: str,
        files: Mapping[str, str],
        *,
        keys: Collection[AccessKey],
        generation: int,
        server: Peer,
        root: SecretKey,
        trusting: bool,
        placement: Placement,
        opts: pulumi.ResourceOptions,
    ) -> None:
        """`files` as of `wanted`, `keys` of all users in them; `root` holds the administrator's URL for `mc`.

        `trusting`: it takes the server's certificate for what the namespace's ConfigMap of the store's authority says.
        """
        super().__init__("inference:storage:Provision", name, None, opts)
        namespace = str(server.namespace)
        child = pulumi.ResourceOptions(parent=self)
        metadata: kubernetes.meta.v1.ObjectMetaArgsDict = {"name": NAME, "namespace": namespace, "labels": LABELS}
        data = {SCRIPT.name: SCRIPT.read_text(), **files}
        config = kubernetes.core.v1.ConfigMap(name, metadata=metadata, data=data, opts=child)
        secret = kubernetes.core.v1.Secret(
            name,
            metadata={**metadata, "name": KEYS},
            string_data={str(key.identity): key.secret for key in keys},
            opts=child,
        )
        task = Task(
            name=NAME,
            pod=_pod(root, placement, trusting=trusting),
            egress=[server],
            told={"wanted": digest(json.dumps(data)), "generation": str(generation)},
        )
        TaskRun(
            name,
            task,
            namespace=namespace,
            opts=child.merge(pulumi.ResourceOptions(depends_on=[config, secret])),
        )
        self.register_outputs({})


def _pod(root: SecretKey, placement: Placement, *, trusting: bool) -> Pod:
    trust = {"SSL_CERT_FILE": f"{AUTHORITY_MOUNT}/{AUTHORITY_FILE}"} if trusting else {}
    mounts = {"/wanted": "wanted", "/keys": "keys", "/tmp": "scratch"}
    volumes: dict[str, Volume] = {
        "wanted": ConfigFiles(config_map=NAME),
        "keys": SecretFiles(secret=KEYS),
        "scratch": Scratch(size="64Mi"),
    }
    container = Container(
        name="provision",
        image=MINIO,
        command=("sh", f"/wanted/{SCRIPT.name}", "/wanted", "/keys"),
        env={"MC_CONFIG_DIR": "/tmp/mc", **trust},
        secret_env={"MC_HOST_store": root},
        resources=Resources(cpu="50m", memory="128Mi", cpu_limit="500m", memory_limit="256Mi"),
        mounts=mounts | ({AUTHORITY_MOUNT: AUTHORITY} if trusting else {}),
    )
    return Pod(
        containers=[container],
        volumes=volumes | ({AUTHORITY: ConfigFiles(config_map=AUTHORITY)} if trusting else {}),
        placement=placement,
    )
