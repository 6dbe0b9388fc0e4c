"""Who may do what in a bucket, as documents in IAM's language, which MinIO, Ceph and others read too."""

import re
from collections.abc import Collection
from typing import Any

Document = dict[str, Any]
"""A policy as JSON has it."""

_PREFIX = re.compile(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*")
_READ = ("s3:GetObject",)
_WRITE = (
    "s3:GetObject",
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:AbortMultipartUpload",
    "s3:ListMultipartUploadParts",
)
_OWN = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts")
"""Old versions stay: what is deleted by mistake can be had back."""


def reader(bucket: str, prefixes: Collection[str]) -> Document:
    """Read and list what is below the prefixes, for example `legal/legal-8b`, and nothing else.

    ValueError for a prefix that a policy would not take literally, and where there is none at all.
    """
    return _document(
        _objects(bucket, prefixes, _READ),
        _listing(bucket, prefixes),
        _allow(("s3:GetBucketLocation",), [arn(bucket)]),
    )


def writer(bucket: str, prefixes: Collection[str]) -> Document:
    """Read, write and delete what is below the prefixes, old versions too. Errors as of `reader`.

    It lists the whole bucket: whether a model still fits depends on all that is there.
    """
    return _document(
        _objects(bucket, prefixes, _WRITE),
        _allow(
            ("s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"),
            [arn(bucket)],
        ),
    )


def owner(bucket: str, prefixes: Collection[str]) -> Document:
    """Read, write, delete and list what is below the prefixes, and nothing else. Errors as of `reader`."""
    return _document(
        _objects(bucket, prefixes, _OWN),
        _listing(bucket, prefixes),
        _allow(("s3:GetBucketLocation",), [arn(bucket)]),
    )


def tls_only(bucket: str) -> Document:
    """For the bucket itself, at Amazon: nobody gets anything over plain HTTP."""
    return _document(
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [arn(bucket), arn(bucket, "*")],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    )


def replicator(bucket: str, replica: str) -> Document:
    """For the role in which Amazon copies a bucket to another: all that is written, and no deletion."""
    return _document(
        _allow(("s3:GetReplicationConfiguration", "s3:ListBucket"), [arn(bucket)]),
        _allow(
            ("s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging"),
            [arn(bucket, "*")],
        ),
        _allow(("s3:ReplicateObject", "s3:ReplicateTags"), [arn(replica, "*")]),
    )


def trust(service: str) -> Document:
    """For a role that only this service of Amazon's may take, for example `s3.amazonaws.com`."""
    return _document({"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"})


def arn(bucket: str, key: str = "") -> str:
    """Amazon's name for a bucket, or for an object or a pattern of them in it."""
    return f"arn:aws:s3:::{bucket}" + (f"/{key}" if key else "")


def _objects(bucket: str, prefixes: Collection[str], actions: tuple[str, ...]) -> Document:
    return _allow(actions, [arn(bucket, below) for below in _below(prefixes)])


def _listing(bucket: str, prefixes: Collection[str]) -> Document:
    """Also what makes a store say 404 of an object that is not there, and not 403.

    For that question S3 takes the object's key for the prefix (github.com/ceph/ceph/pull/68577).
    """
    condition = {"StringLike": {"s3:prefix": _below(prefixes)}}
    return _allow(("s3:ListBucket",), [arn(bucket)]) | {"Condition": condition}


def _below(prefixes: Collection[str]) -> list[str]:
    """Patterns of all keys below. The slash keeps `legal/ab` apart from `legal/a`."""
    if not prefixes:
        raise ValueError("a policy needs at least one prefix")
    for prefix in prefixes:
        if not _PREFIX.fullmatch(prefix):
            raise ValueError(f"{prefix!r} is not a prefix: names of letters, digits, . _ and - with a slash between")
    return [f"{prefix}/*" for prefix in sorted(set(prefixes))]


def _allow(actions: tuple[str, ...], resources: list[str]) -> Document:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resources}


def _document(*statements: Document) -> Document:
    return {"Version": "2012-10-17", "Statement": list(statements)}
