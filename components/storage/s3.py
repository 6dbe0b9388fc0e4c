"""Buckets in Amazon S3: encrypted, private, over TLS only, versioned, and left behind by whatever does not say purge.

Only the target eks imports this, and with it Pulumi's package for AWS.
"""

import json
from collections.abc import Collection, Mapping

import pulumi
import pulumi_aws as aws

from components.storage import policies
from components.storage.object_store import ObjectStore
from components.storage.settings import Bucket, Replica, S3Store
from components.unmet import Unmet
from components.workload.spec import Peer

HTTPS_PORT = 443
_BUCKET = "aws:s3/bucket:Bucket"
UNMET = (
    Unmet(
        check="CKV2_AWS_62", type=_BUCKET, why="nobody waits for new objects: engines read what a sync has completed"
    ),
    Unmet(check="CKV_AWS_18", type=_BUCKET, why="CloudTrail records reads, where an account has its data events on"),
    Unmet(check="CKV_AWS_144", type=_BUCKET, why="a replica is a setting, and has none itself"),
    Unmet(
        check="CKV_AWS_145",
        type=_BUCKET,
        why="S3's own key is opened by the right to read; one in KMS would be opened to every reader a second time",
    ),
)


class S3Buckets(pulumi.ComponentResource):
    """All buckets of the settings. Who reads or writes is for roles of pods, to which the policies are attached."""

    store: ObjectStore
    readers: Mapping[str, policies.Document]
    """By engine: what its pod's role may do."""
    writer: policies.Document | None
    """What the sync's role may do; None where there is no model."""

    def __init__(
        self,
        name: str,
        settings: S3Store,
        *,
        readers: Mapping[str, Collection[str]],
        writes: Collection[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`readers` are the prefixes that each engine reads, by its name, and `writes` those that the sync writes."""
        super().__init__("inference:storage:S3Buckets", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        made = {
            bucket.name: S3Bucket(
                f"{name}-{bucket.name}",
                bucket,
                region=settings.region,
                abort_uploads_days=settings.abort_uploads_days,
                keep=settings.keep_data and not bucket.purge,
                opts=child,
            )
            for bucket in settings.every_bucket
        }
        if settings.replica:
            replica = S3Bucket(
                f"{name}-replica",
                Bucket(name=settings.replica.bucket),
                region=settings.replica.region,
                abort_uploads_days=settings.abort_uploads_days,
                keep=settings.keep_data,
                opts=child,
            )
            after = child.merge(pulumi.ResourceOptions(depends_on=[made[settings.bucket], replica]))
            _replicate(f"{name}-replication", settings, settings.replica, after)
        self.readers = {engine: policies.reader(settings.bucket, prefixes) for engine, prefixes in readers.items()}
        self.writer = policies.writer(settings.bucket, writes) if writes else None
        self.store = ObjectStore(
            endpoint=None,
            region=settings.region,
            bucket=settings.bucket,
            peer=Peer(port=HTTPS_PORT),
            ready=(made[settings.bucket],),
        )
        self.register_outputs({"bucket": settings.bucket})


class S3Bucket(pulumi.ComponentResource):
    """One bucket with its guards, which stay as long as it does."""

    def __init__(
        self,
        name: str,
        bucket: Bucket,
        *,
        region: str,
        abort_uploads_days: int,
        keep: bool,
        opts: pulumi.ResourceOptions,
    ) -> None:
        """`keep` leaves it behind on destroy, and when it is no longer asked for; without, its content goes too."""
        super().__init__("inference:storage:S3Bucket", name, None, opts)
        own = pulumi.ResourceOptions(parent=self, retain_on_delete=keep)
        made = aws.s3.Bucket(name, bucket=bucket.name, region=region, force_destroy=not keep, opts=own)
        inside = own.merge(pulumi.ResourceOptions(depends_on=[made]))
        aws.s3.BucketServerSideEncryptionConfiguration(
            name,
            bucket=bucket.name,
            region=region,
            rules=[{"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}],
            opts=inside,
        )
        versioning = aws.s3.BucketVersioning(
            name,
            bucket=bucket.name,
            region=region,
            versioning_configuration={"status": "Enabled" if bucket.versioning else "Suspended"},
            opts=inside,
        )
        private = aws.s3.BucketPublicAccessBlock(
            name,
            bucket=bucket.name,
            region=region,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=inside,
        )
        aws.s3.BucketPolicy(
            name,
            bucket=bucket.name,
            region=region,
            policy=json.dumps(policies.tls_only(bucket.name)),
            # S3 refuses two such changes of one bucket at the same time.
            opts=own.merge(pulumi.ResourceOptions(depends_on=[private])),
        )
        aws.s3.BucketLifecycleConfiguration(
            name,
            bucket=bucket.name,
            region=region,
            rules=_lifecycle(bucket, abort_uploads_days),
            opts=own.merge(pulumi.ResourceOptions(depends_on=[versioning])),
        )
        self.register_outputs({})


def _lifecycle(
    bucket: Bucket, abort_uploads_days: int
) -> list[pulumi.Input[aws.s3.BucketLifecycleConfigurationRuleArgsDict]]:
    uploads: aws.s3.BucketLifecycleConfigurationRuleArgsDict = {
        "id": "unfinished-uploads",
        "status": "Enabled",
        "filter": {"prefix": ""},
        "abort_incomplete_multipart_upload": {"days_after_initiation": abort_uploads_days},
    }
    if not bucket.expire_noncurrent_days:
        return [uploads]
    versions: aws.s3.BucketLifecycleConfigurationRuleArgsDict = {
        "id": "old-versions",
        "status": "Enabled",
        "filter": {"prefix": ""},
        "noncurrent_version_expiration": {"noncurrent_days": bucket.expire_noncurrent_days},
        "expiration": {"expired_object_delete_marker": True},
    }
    return [uploads, versions]


def _replicate(name: str, settings: S3Store, replica: Replica, opts: pulumi.ResourceOptions) -> None:
    """Copy what is written from now on, and no deletion: a second home is also there for mistakes."""
    trust = policies.trust("s3.amazonaws.com")
    role = aws.iam.Role(name, assume_role_policy=json.dumps(trust), opts=opts)
    policy = aws.iam.RolePolicy(
        name, role=role.id, policy=json.dumps(policies.replicator(settings.bucket, replica.bucket)), opts=opts
    )
    aws.s3.BucketReplicationConfig(
        name,
        bucket=settings.bucket,
        region=settings.region,
        role=role.arn,
        rules=[
            {
                "id": "everything",
                "status": "Enabled",
                "priority": 0,
                "filter": {"prefix": ""},
                "destination": {"bucket": policies.arn(replica.bucket)},
                "delete_marker_replication": {"status": "Disabled"},
            }
        ],
        opts=opts.merge(pulumi.ResourceOptions(depends_on=[policy])),
    )
