"""Policies: what each lets through, by their words and as moto enforces them (which looks at no conditions)."""

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import pytest
from botocore.exceptions import ClientError  # pyright: ignore[reportMissingTypeStubs]
from hypothesis import given
from hypothesis import strategies as st

from components.storage import policies
from components.storage.sync.bucket import code
from tests.unit.moto_account import account

BUCKET = "models"
NAMES = st.text("ab-.", min_size=1, max_size=3)
PREFIXES = st.lists(NAMES, min_size=1, max_size=3).map("/".join)


def allowed(document: policies.Document, action: str, *, key: str = "", prefix: str = "") -> bool:
    """What IAM would say: one statement has the action, the resource and, where it asks for one, the prefix."""
    resource = f"arn:aws:s3:::{BUCKET}" + (f"/{key}" if key else "")
    for statement in document["Statement"]:
        below = statement.get("Condition", {}).get("StringLike", {}).get("s3:prefix", ["*"])
        if (
            action in statement["Action"]
            and any(fnmatchcase(resource, pattern) for pattern in statement["Resource"])
            and any(fnmatchcase(prefix, pattern) for pattern in below)
        ):
            return True
    return False


@given(prefix=PREFIXES, key=PREFIXES)
def test_a_reader_reads_a_key_if_it_is_below_its_prefix_and_no_other(prefix: str, key: str) -> None:
    document = policies.reader(BUCKET, [prefix])
    assert allowed(document, "s3:GetObject", key=key) == key.startswith(f"{prefix}/")


@given(prefix=PREFIXES, listed=st.text("ab-./", max_size=6))
def test_a_reader_lists_what_is_below_its_prefix_and_no_more(prefix: str, listed: str) -> None:
    document = policies.reader(BUCKET, [prefix])
    assert allowed(document, "s3:ListBucket", prefix=listed) == listed.startswith(f"{prefix}/")


@given(prefixes=st.lists(PREFIXES, min_size=1), key=PREFIXES)
def test_a_writer_writes_and_deletes_a_key_if_it_is_below_one_of_its_prefixes(prefixes: list[str], key: str) -> None:
    document = policies.writer(BUCKET, prefixes)
    for action in ("s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:AbortMultipartUpload"):
        assert allowed(document, action, key=key) == any(key.startswith(f"{prefix}/") for prefix in prefixes)


@given(prefixes=st.lists(PREFIXES, min_size=1))
def test_nobody_is_given_what_would_change_a_bucket(prefixes: list[str]) -> None:
    for document in (policies.reader(BUCKET, prefixes), policies.writer(BUCKET, prefixes)):
        actions = {action for statement in document["Statement"] for action in statement["Action"]}
        assert not {action for action in actions if "*" in action or "Bucket" in action} - {
            "s3:GetBucketLocation",
            "s3:ListBucket",
            "s3:ListBucketVersions",
            "s3:ListBucketMultipartUploads",
        }


@pytest.mark.parametrize("prefix", ["", "*", "legal/*", "legal/?", "${aws:username}", "/legal", "legal/", "a//b"])
def test_a_prefix_that_a_policy_would_not_take_literally_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="is not a prefix"):
        policies.reader(BUCKET, ["legal/a", prefix])


def test_a_policy_for_no_prefix_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one prefix"):
        policies.writer(BUCKET, [])


@pytest.fixture(scope="module")
def users() -> Iterator[dict[str, Any]]:
    """A reader and a writer of `legal/a`."""
    with account() as amazon:
        s3, iam = amazon.client("s3"), amazon.client("iam")
        s3.create_bucket(Bucket=BUCKET)
        for key in ("legal/a/1/x", "legal/ab/1/x"):
            s3.put_object(Bucket=BUCKET, Key=key, Body=b"weights")
        users: dict[str, Any] = {}
        for name, policy in (("reader", policies.reader), ("writer", policies.writer)):
            iam.create_user(UserName=name)
            document = json.dumps(policy(BUCKET, ["legal/a"]))
            iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document)
            key = iam.create_access_key(UserName=name)["AccessKey"]
            users[name] = amazon.client(
                "s3", {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
            )
        amazon.let_through("0")
        yield users


def refused(request: Any, **arguments: Any) -> bool:
    with pytest.raises(ClientError) as problem:
        request(Bucket=BUCKET, **arguments)
    return code(problem.value) == "AccessDenied"


@pytest.mark.parametrize("who", ["reader", "writer"])
def test_amazon_lets_it_read_its_own_model_and_no_other(users: dict[str, Any], who: str) -> None:
    assert users[who].get_object(Bucket=BUCKET, Key="legal/a/1/x")["Body"].read() == b"weights"
    assert refused(users[who].get_object, Key="legal/ab/1/x")


def test_amazon_lets_a_reader_change_nothing(users: dict[str, Any]) -> None:
    reader = users["reader"]
    assert refused(reader.put_object, Key="legal/a/1/x", Body=b"")
    assert refused(reader.delete_object, Key="legal/a/1/x")
    assert refused(reader.create_multipart_upload, Key="legal/a/1/x")


def test_amazon_lets_a_writer_write_its_models_and_nothing_else(users: dict[str, Any]) -> None:
    writer = users["writer"]
    writer.put_object(Bucket=BUCKET, Key="legal/a/1/y", Body=b"")
    writer.delete_object(Bucket=BUCKET, Key="legal/a/1/y")
    upload = writer.create_multipart_upload(Bucket=BUCKET, Key="legal/a/1/z")["UploadId"]
    writer.abort_multipart_upload(Bucket=BUCKET, Key="legal/a/1/z", UploadId=upload)
    assert refused(writer.put_object, Key="legal/ab/1/x", Body=b"")
    assert refused(writer.delete_object, Key="legal/ab/1/x")


@pytest.mark.parametrize("who", ["reader", "writer"])
def test_amazon_lets_neither_touch_a_bucket(users: dict[str, Any], who: str) -> None:
    rules = {"Rules": [{"ID": "all", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}]}
    assert refused(users[who].delete_bucket)
    assert refused(users[who].put_bucket_versioning, VersioningConfiguration={"Status": "Suspended"})
    assert refused(users[who].put_bucket_lifecycle_configuration, LifecycleConfiguration=rules)
    with pytest.raises(ClientError, match="AccessDenied"):
        users[who].create_bucket(Bucket="another")
