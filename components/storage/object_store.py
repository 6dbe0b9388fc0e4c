"""An object store as engines see it: an S3 endpoint, a bucket, a reader's key, and the way there."""

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from components.storage.settings import Model
from components.workload.spec import Peer, SecretKey

READER_SECRET = "store-reader"
"""Secret with the reader's key in every namespace that reads models."""


@dataclass(frozen=True, kw_only=True)
class ObjectStore:
    """Where models are read from."""

    endpoint: str | None
    """S3 endpoint, for example `http://minio.storage:9000`; None for Amazon's own."""
    region: str
    bucket: str
    access_key: pulumi.Input[str]
    secret_key: pulumi.Input[str]
    peer: Peer
    """What a pod that reads from it must be allowed to reach."""
    ready: tuple[pulumi.Resource, ...] = ()
    """What must exist before anything is read."""

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


def reader_environment() -> dict[str, SecretKey]:
    """The reader's key as environment variables; AWS's SDKs take it from nowhere better without a cloud identity."""
    return {key: SecretKey(secret=READER_SECRET, key=key) for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}


def reader_secret(
    name: str, store: ObjectStore, *, namespace: pulumi.Input[str], opts: pulumi.ResourceOptions
) -> kubernetes.core.v1.Secret:
    """The Secret that `reader_environment` names."""
    return kubernetes.core.v1.Secret(
        name,
        metadata={"name": READER_SECRET, "namespace": namespace},
        string_data={"AWS_ACCESS_KEY_ID": store.access_key, "AWS_SECRET_ACCESS_KEY": store.secret_key},
        opts=opts,
    )
