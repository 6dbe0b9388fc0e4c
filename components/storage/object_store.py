"""An object store as engines and the sync see it: an S3 endpoint, a bucket, keys, and the way there."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
import pulumi_kubernetes as kubernetes

from components.storage.settings import Model
from components.workload.secret import secret as workload_secret
from components.workload.spec import Peer, SecretKey


@dataclass(frozen=True, kw_only=True)
class AccessKey:
    """What a program shows to an object store to be let in."""

    identity: pulumi.Input[str]
    """The access key ID: a name, and no secret."""
    secret: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True)
class ObjectStore:
    """Where models are kept."""

    endpoint: str | None
    """S3 endpoint, for example `http://minio.storage:9000`; None for Amazon's own."""
    region: str
    bucket: str
    readers: Mapping[str, AccessKey] = field(default_factory=dict[str, AccessKey])
    """By engine: each reads its own models. An engine that is not here has an identity of its pod's own."""
    writer: AccessKey | None = None
    """The sync's key; None where nobody gave one, or where its pod has an identity of its own."""
    peer: Peer
    """What a pod that reads from it must be allowed to reach."""
    ready: tuple[pulumi.Resource, ...] = ()
    """What must exist before anything is read."""
    takes_models: bool = True
    """Whether a sync may write there."""
    room: int | None = None
    """Bytes that the models' bucket may hold, if it has a quota."""

    def uri(self, model: Model) -> str:
        """The model's home, for example `s3://inference-models/legal/legal-8b/0123…`."""
        return f"s3://{self.bucket}/{model.prefix}"

    def environment(self) -> dict[str, str]:
        """Variables that AWS's SDKs and vLLM's streamer read."""
        endpoint = {"AWS_ENDPOINT_URL": self.endpoint} if self.endpoint else {}
        return endpoint | {
            "AWS_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "RUNAI_STREAMER_S3_USE_VIRTUAL_ADDRESSING": "0",
        }

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
