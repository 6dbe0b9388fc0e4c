"""An object store as engines and the sync see it: an S3 endpoint, a bucket, keys, and the way there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_kubernetes as kubernetes

from components.storage.model import Model
from components.workload.claim import Mounted
from components.workload.secret import secret as workload_secret
from components.workload.spec import ConfigFiles, Peer, SecretKey, Volume

AUTHORITY = "store-ca"
"""ConfigMap and volume with what vouches for the store."""
AUTHORITY_FILE = "ca.crt"
AUTHORITY_MOUNT = "/store-ca"


@dataclass(frozen=True, kw_only=True)
class AccessKey:
    """What a program shows to an object store to be let in."""

    identity: pulumi.Input[str]
    """The access key ID: a name, and no secret."""
    secret: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True)
class PodIdentity:
    """What a pod is to its cloud by its service account: it shows no key."""

    named: str
    """Who it is and how it comes to that: pods that are to be another begin anew."""
    annotations: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])
    """Of the service account."""


@dataclass(frozen=True, kw_only=True)
class ObjectStore:
    """Where models are kept."""

    endpoint: str | None
    """S3 endpoint, for example `https://minio.storage:9000`; None for Amazon's own."""
    region: str
    bucket: str
    readers: Mapping[str, AccessKey] = field(default_factory=dict[str, AccessKey])
    """By engine: each reads its own models. An engine that is not here has an identity of its pod's own."""
    writer: AccessKey | None = None
    """The sync's key; None where nobody gave one, or where its pod has an identity of its own."""
    identities: Mapping[str, PodIdentity] = field(default_factory=dict[str, PodIdentity])
    """By engine: who it is, where that takes no key."""
    writer_identity: PodIdentity | None = None
    """The same of the sync."""
    identity_peers: Sequence[Peer] = ()
    """Where pods with an identity get what shows it, beside the store's own port."""
    authority: pulumi.Input[str] | None = None
    """Certificate, in PEM, of who vouches for the endpoint's; None where everybody trusts that, or without TLS."""
    peer: Peer
    """What a pod that reads from it must be allowed to reach."""
    ready: tuple[pulumi.Resource, ...] = ()
    """What must exist before anything is read."""
    takes_models: bool = True
    """Whether a sync may write there."""
    room: int | None = None
    """Bytes that the models' bucket may hold, if it has a quota."""
    files: Mounted | None = None
    """A file system of the cloud for models, in the place of directories of nodes."""

    @property
    def mounted(self) -> bool:
        """Whether its bucket is there as files, too."""
        return self.files is not None and self.files.bucket

    @property
    def peers(self) -> Sequence[Peer]:
        """What a pod that reads or writes must be allowed to reach."""
        return (self.peer, *self.identity_peers)

    def uri(self, model: Model) -> str:
        """The model's home, for example `s3://inference-models/legal/legal-8b/0123…`."""
        return f"s3://{self.bucket}/{model.prefix}"

    def environment(self) -> dict[str, str]:
        """Variables that AWS's SDKs and vLLM's streamer read (its docs/src/env-vars.md has them)."""
        endpoint = {"AWS_ENDPOINT_URL": self.endpoint} if self.endpoint else {}
        trust = {"AWS_CA_BUNDLE": f"{AUTHORITY_MOUNT}/{AUTHORITY_FILE}"} if self.authority is not None else {}
        # Python's SDK reads this one alone. Without, it asks STS at the global address, where a closed VPC has no way.
        sdk = {} if self.endpoint else {"AWS_DEFAULT_REGION": self.region, "AWS_STS_REGIONAL_ENDPOINTS": "regional"}
        return {
            **endpoint,
            **trust,
            **sdk,
            "AWS_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "RUNAI_STREAMER_S3_USE_VIRTUAL_ADDRESSING": "0",
        }

    def mounts(self) -> dict[str, str]:
        """What every container with that environment mounts, for the pod that has `volumes`."""
        return {AUTHORITY_MOUNT: AUTHORITY} if self.authority is not None else {}

    def volumes(self) -> dict[str, Volume]:
        """What every pod needs that talks to the store, beside the ConfigMap of `authority_config_maps`."""
        return {AUTHORITY: ConfigFiles(config_map=AUTHORITY)} if self.authority is not None else {}

    def reader_environment(self, engine: str) -> dict[str, SecretKey]:
        """The engine's key as environment variables, from its Secret; nothing where its pod needs none."""
        return key_environment(reader_secret(engine)) if engine in self.readers else {}


def reader_secret(engine: str) -> str:
    """The Secret with an engine's key, in the engines' namespace."""
    return f"{engine}-store"


def key_environment(secret: str) -> dict[str, SecretKey]:
    """The key in a Secret that `key_secret` made, as the variables that AWS's SDKs read."""
    return {name: SecretKey(secret=secret, key=name) for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}


def key_secret(
    name: str, secret: str, key: AccessKey, *, namespace: pulumi.Input[str], opts: pulumi.ResourceOptions
) -> kubernetes.core.v1.Secret:
    """A Secret for `key_environment`."""
    values = {"AWS_ACCESS_KEY_ID": key.identity, "AWS_SECRET_ACCESS_KEY": key.secret}
    return workload_secret(name, secret, values, namespace=namespace, opts=opts)


def authority_config_maps(
    name: str, authority: pulumi.Input[str] | None, *, namespace: pulumi.Input[str], opts: pulumi.ResourceOptions
) -> list[kubernetes.core.v1.ConfigMap]:
    """The ConfigMap that `ObjectStore.volumes` names; none without an authority."""
    if authority is None:
        return []
    metadata: kubernetes.meta.v1.ObjectMetaArgsDict = {"name": AUTHORITY, "namespace": namespace}
    return [kubernetes.core.v1.ConfigMap(name, metadata=metadata, data={AUTHORITY_FILE: authority}, opts=opts)]
