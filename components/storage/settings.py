"""Settings of object stores and their buckets."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, StringConstraints

from components.section import Labels, Name, Quantity, Section, rule
from components.workload.claim import Directory
from components.workload.spec import NodePort

BucketName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$"),
    rule("3 to 63 lower-case letters, digits and hyphens", example="inference-models"),
]
"""3 to 63 lower-case letters, digits and hyphens: S3's rules, without dots, which break TLS host names."""

Region = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9-]{2,32}$"), rule("a region's name", example="eu-central-1")
]

HostPath = Annotated[
    str,
    StringConstraints(pattern=r"^(/[A-Za-z0-9_][A-Za-z0-9._-]*)+$", max_length=200),
    rule("an absolute path of letters, digits, . _ and -, without a slash at the end", example="/srv/models"),
]

Endpoint = Annotated[
    str,
    StringConstraints(pattern=r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?$", max_length=300),
    rule("a URL of host and port, without a path", example="https://s3.lan:9000"),
]
AccessKeyId = Annotated[
    str,
    StringConstraints(pattern=r"^[!-~]{1,128}$"),
    rule("an access key ID: at most 128 characters, without spaces", example="reader"),
]

Pem = Annotated[
    str,
    StringConstraints(pattern=r"^(-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE-----\n?)+$"),
    rule(
        "one or more certificates in PEM",
        example="-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgI=\n-----END CERTIFICATE-----\n",
    ),
]


class Bucket(Section):
    """A bucket that we make. One that is removed from the settings stays where it is, with all that is in it."""

    name: BucketName
    """Its name, at Amazon free in the whole world."""
    versioning: bool = True
    """Keep what is overwritten or deleted as an old version."""
    expire_noncurrent_days: Annotated[PositiveInt, Field(le=36500)] | None = None
    """Days that old versions are kept; for ever when not set."""
    quota: Quantity | None = None
    """Bytes that it may hold, old versions too, in MinIO; no limit but the volume's when not set."""
    purge: bool = False
    """Delete it and all that is in it, for good: in MinIO at once, at Amazon when it is taken out of the settings."""


class Buckets(Section):
    """Settings that every store has."""

    bucket: BucketName = "inference-models"
    """Where models live, as `<domain>/<model>/<revision>/`."""
    region: Region = "us-east-1"
    """Region that requests are signed for; stores of your own take any."""


class OwnBuckets(Buckets):
    """Settings of stores whose buckets are ours to make."""

    keep_data: bool = True
    """On destroy, leave the data behind: MinIO's volume and its namespace, or Amazon's buckets; a `path` always."""
    abort_uploads_days: Annotated[PositiveInt, Field(le=3650)] = 7
    """Days after which an upload that nobody finished is dropped."""
    buckets: tuple[Bucket, ...] = ()
    """Options of the models' bucket, under its name, and other buckets."""

    @property
    def every_bucket(self) -> tuple[Bucket, ...]:
        """Those of `buckets`, and the models' with what is usual if it is not among them."""
        return self.buckets if self.models_bucket in self.buckets else (self.models_bucket, *self.buckets)

    @property
    def models_bucket(self) -> Bucket:
        """The models' own."""
        return next((bucket for bucket in self.buckets if bucket.name == self.bucket), Bucket(name=self.bucket))


class MinioStore(OwnBuckets):
    """MinIO in one of our clusters."""

    kind: Literal["minio"]
    """Which store."""
    cluster: Name | None = None
    """Cluster that runs it; the first one when not set."""
    node: Name | None = None
    """Node whose disk it uses; the scheduler chooses when not set."""
    size: Quantity = "500Gi"
    """Volume for all models."""
    path: HostPath | None = Field(default=None, examples=["/srv/models"])
    """Directory of `node`, there already, that it keeps its data in; a volume of a StorageClass when not set."""
    storage_class: Name | None = None
    """StorageClass of its volume; the cluster's default when not set."""
    url: Endpoint | None = Field(default=None, examples=["https://192.168.1.20:30900"])
    """Address for the other clusters, if there are any: with `nodePort`, that port of one of its hosts."""
    node_port: NodePort | None = Field(default=None, examples=[30900])
    """Port of every node of its cluster, 30000 to 32767, at which it answers outside; none when not set."""
    tls: bool = True
    """Answer over HTTPS alone, with a certificate of the stack's own that its pods trust."""
    generation: PositiveInt = 1
    """Raise it for new keys of all its users, the administrator's too, and a new certificate."""

    @property
    def directory(self) -> Directory | None:
        """Where on which node its data is, if that is said."""
        return Directory(node=self.node, path=self.path) if self.node and self.path else None

    @property
    def node_selector(self) -> Labels:
        """Where its pods may run."""
        return {"kubernetes.io/hostname": self.node} if self.node else {}


class Replica(Section):
    """A second home of the models' bucket."""

    bucket: BucketName
    """Its name."""
    region: Region
    """Amazon's region that it lies in."""


class S3Store(OwnBuckets):
    """Buckets in Amazon S3."""

    kind: Literal["s3"]
    """Which store."""
    replica: Replica | None = None
    """Bucket that everything in the models' bucket is copied to; deletions are not."""


class ExternalStore(Buckets):
    """Any S3 endpoint that exists already: Ceph, SeaweedFS, Garage, another MinIO."""

    kind: Literal["external"]
    """Which store."""
    endpoint: Endpoint
    """Its address, as pods reach it."""
    access_key: AccessKeyId
    """Access key ID of a read-only user. Its secret: `pulumi config set --secret inference:storeSecretKey`."""
    writer_access_key: AccessKeyId | None = Field(default=None, examples=["writer"])
    """The same of a user that syncs models: `pulumi config set --secret inference:storeWriterSecretKey`."""
    certificate_authority: Pem | None = None
    """Certificate in PEM of who vouches for the endpoint's, where not everybody trusts that."""


Store = Annotated[MinioStore | S3Store | ExternalStore, Field(discriminator="kind")]
