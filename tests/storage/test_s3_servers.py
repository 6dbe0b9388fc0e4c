"""What the sync asks of an object store, each S3 server keeps: one can be swapped for another."""

import base64
import hashlib
from itertools import count
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError  # pyright: ignore[reportMissingTypeStubs]

from tests.object_store import S3Server
from tests.storage.homes import BUCKET

PART = b"x" * 5 * 2**20
"""The smallest that a part may be which is not the last: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html"""
_numbers = count()


@pytest.fixture
def client(store: S3Server) -> Any:
    return store.client()


@pytest.fixture
def key() -> str:
    return f"legal/model-{next(_numbers)}/weights/part 1+2=ü.bin"


def refused(problem: pytest.ExceptionInfo[ClientError]) -> int:
    return cast(Any, problem.value).response["ResponseMetadata"]["HTTPStatusCode"]


def content(client: Any, key: str, **conditions: str) -> bytes:
    return client.get_object(Bucket=BUCKET, Key=key, **conditions)["Body"].read()


def begun(client: Any, key: str, *parts: bytes) -> tuple[str, list[dict[str, Any]]]:
    upload: str = client.create_multipart_upload(Bucket=BUCKET, Key=key, Metadata={"sha256": "ab"})["UploadId"]
    where = {"Bucket": BUCKET, "Key": key, "UploadId": upload}
    sent = [client.upload_part(**where, PartNumber=number, Body=part) for number, part in enumerate(parts, 1)]
    return upload, [{"PartNumber": number, "ETag": one["ETag"]} for number, one in enumerate(sent, 1)]


def uploads(client: Any, key: str) -> list[Any]:
    return client.list_multipart_uploads(Bucket=BUCKET, Prefix=key).get("Uploads", [])


def test_an_object_keeps_its_metadata(client: Any, key: str) -> None:
    client.put_object(Bucket=BUCKET, Key=key, Body=b"whole", Metadata={"sha256": "ab"})
    assert client.head_object(Bucket=BUCKET, Key=key)["Metadata"] == {"sha256": "ab"}
    assert content(client, key) == b"whole"


def test_content_that_is_not_what_its_checksum_says_is_no_object(client: Any, key: str) -> None:
    other = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
    with pytest.raises(ClientError) as problem:
        client.put_object(Bucket=BUCKET, Key=key, Body=b"whole", ChecksumSHA256=other)
    assert refused(problem) == 400
    assert "Contents" not in client.list_objects_v2(Bucket=BUCKET, Prefix=key)


def test_only_the_first_of_two_takes_a_key_that_must_be_new(client: Any, key: str) -> None:
    client.put_object(Bucket=BUCKET, Key=key, Body=b"first", IfNoneMatch="*")
    with pytest.raises(ClientError) as problem:
        client.put_object(Bucket=BUCKET, Key=key, Body=b"second", IfNoneMatch="*")
    assert refused(problem) == 412
    assert content(client, key) == b"first"


def test_a_key_is_only_replaced_by_who_knows_what_it_holds(client: Any, key: str) -> None:
    known = client.put_object(Bucket=BUCKET, Key=key, Body=b"first")["ETag"]
    client.put_object(Bucket=BUCKET, Key=key, Body=b"second", IfMatch=known)
    with pytest.raises(ClientError) as problem:
        client.put_object(Bucket=BUCKET, Key=key, Body=b"third", IfMatch=known)
    assert refused(problem) == 412
    assert content(client, key) == b"second"


def test_a_reader_that_goes_on_finds_out_that_the_object_was_replaced(client: Any, key: str) -> None:
    known = client.put_object(Bucket=BUCKET, Key=key, Body=b"first")["ETag"]
    assert content(client, key, IfMatch=known, Range="bytes=1-2") == b"ir"
    client.put_object(Bucket=BUCKET, Key=key, Body=b"second")
    with pytest.raises(ClientError) as problem:
        content(client, key, IfMatch=known, Range="bytes=1-2")
    assert refused(problem) == 412


def test_an_upload_in_parts_is_no_object_until_it_is_completed(client: Any, key: str) -> None:
    upload, parts = begun(client, key, PART, b"the rest")
    assert "Contents" not in client.list_objects_v2(Bucket=BUCKET, Prefix=key)
    assert [one["Key"] for one in uploads(client, key)] == [key]
    client.complete_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})
    assert client.head_object(Bucket=BUCKET, Key=key)["Metadata"] == {"sha256": "ab"}
    assert content(client, key) == PART + b"the rest"
    assert uploads(client, key) == []


def test_an_aborted_upload_leaves_nothing(client: Any, key: str) -> None:
    upload, _ = begun(client, key, PART)
    client.abort_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload)
    assert uploads(client, key) == []
    assert "Contents" not in client.list_objects_v2(Bucket=BUCKET, Prefix=key)


def test_a_listing_has_all_keys_below_a_prefix_and_their_sizes_over_many_pages(client: Any, key: str) -> None:
    keys = [f"{key}/{number}" for number in range(5)]
    for number, one in enumerate(keys):
        client.put_object(Bucket=BUCKET, Key=one, Body=b"x" * number)
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{key}/", MaxKeys=2)
    listed = {one["Key"]: one["Size"] for page in pages for one in page["Contents"]}
    assert listed == {one: number for number, one in enumerate(keys)}


def test_what_was_overwritten_or_deleted_can_be_brought_back(client: Any, key: str) -> None:
    first = client.put_object(Bucket=BUCKET, Key=key, Body=b"first")["VersionId"]
    client.put_object(Bucket=BUCKET, Key=key, Body=b"second")
    client.delete_object(Bucket=BUCKET, Key=key)
    assert content(client, key, VersionId=first) == b"first"


def test_what_is_not_there_and_who_is_not_known_are_told_apart(client: Any, store: S3Server, key: str) -> None:
    with pytest.raises(ClientError) as missing:
        content(client, key)
    with pytest.raises(ClientError) as unknown:
        content(store.client(password="wrong"), key)
    assert (refused(missing), refused(unknown)) == (404, 403)
