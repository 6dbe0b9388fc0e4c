"""Buckets at Amazon: private, encrypted, and able to undo."""

from collections.abc import Iterator, Sequence

from policy.rules.iam import allows_everybody, statements
from policy.rules.resource import Resource, at, items, text
from policy.rules.rule import Rule, StackRule, Violation
from policy.rules.settings import PolicySettings

BUCKETS = ("aws:s3/bucket:Bucket", "aws:s3/bucketV2:BucketV2")
_BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
_PRIVATE_ACLS = ("", "private", "bucket-owner-full-control", "log-delivery-write")


def _private(resources: Sequence[Resource], _: PolicySettings) -> Iterator[Violation]:
    for bucket in _buckets(resources):
        blocks = _of(bucket, "BucketPublicAccessBlock", resources)
        if not any(all(one.inputs.get(block) is True for block in _BLOCKS) for one in blocks):
            yield _about(
                bucket, f"does not block all public access. Next: add an access block with {', '.join(_BLOCKS)}."
            )
        for one in (bucket, *_of(bucket, "BucketAcl", resources)):
            if (acl := text(one.inputs.get("acl"))) not in _PRIVATE_ACLS:
                yield _about(bucket, f"has the ACL {acl}. Next: remove it; a bucket is private without one.")
        for policy in _of(bucket, "BucketPolicy", resources):
            if any(allows_everybody(one) for one in statements(policy.inputs.get("policy"))):
                yield _about(bucket, "allows everybody something in its policy. Next: name the principals.")


def _encrypted(resources: Sequence[Resource], _: PolicySettings) -> Iterator[Violation]:
    for bucket in _buckets(resources):
        rules = [items(one.inputs.get("rules")) for one in _of(bucket, _ENCRYPTION, resources)]
        if not any(at(rule, "applyServerSideEncryptionByDefault") for alike in rules for rule in alike):
            yield _about(bucket, f"does not say how it encrypts. Next: add a {_ENCRYPTION}.")


def _versioned(resources: Sequence[Resource], settings: PolicySettings) -> Iterator[Violation]:
    for bucket in _buckets(resources):
        states = [at(one.inputs, "versioningConfiguration", "status") for one in _of(bucket, _VERSIONING, resources)]
        if "Enabled" not in states and text(bucket.inputs.get("bucket")) not in settings.unversioned:
            yield _about(
                bucket, "keeps no old versions. Next: enable versioning, or say versioning: false in its settings."
            )


_ENCRYPTION = "BucketServerSideEncryptionConfiguration"
_VERSIONING = "BucketVersioning"


def _buckets(resources: Sequence[Resource]) -> list[Resource]:
    return [one for one in resources if one.type in BUCKETS]


def _of(bucket: Resource, kind: str, resources: Sequence[Resource]) -> list[Resource]:
    """What speaks of the bucket: by its name, or where that is not known yet, after it."""
    name = text(bucket.inputs.get("bucket"))
    alike = [one for one in resources if one.type.startswith("aws:s3/") and one.kind.removesuffix("V2") == kind]
    return [one for one in alike if bucket.urn in one.dependencies or (name and one.inputs.get("bucket") == name)]


def _about(bucket: Resource, message: str) -> Violation:
    name = text(bucket.inputs.get("bucket")) or bucket.name
    return Violation(resource=bucket, message=f"The bucket {name} {message}")


RULES: tuple[Rule, ...] = (
    StackRule(
        name="private-buckets",
        description="Buckets block all public access, and no ACL or policy of theirs opens them.",
        remedy="Add a BucketPublicAccessBlock with all four blocks.",
        check=_private,
    ),
    StackRule(
        name="encrypted-buckets",
        description="Buckets say how they encrypt.",
        remedy=f"Add a {_ENCRYPTION}.",
        check=_encrypted,
    ),
    StackRule(
        name="versioned-buckets",
        description="Buckets keep old versions, but for those whose settings say otherwise.",
        remedy="Enable versioning, or say versioning: false in the bucket's settings.",
        check=_versioned,
    ),
)
