"""One bucket, by plain S3 calls that any server understands."""

import base64
import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, cast

import botocore.session  # pyright: ignore[reportMissingTypeStubs]
from botocore.config import Config  # pyright: ignore[reportMissingTypeStubs]
from botocore.exceptions import ClientError  # pyright: ignore[reportMissingTypeStubs]

PART = 8 * 2**20
"""Bytes of one part of an upload; more where a file would have over 9000 of them (S3 takes 10,000)."""
MOST_PARTS = 9000
ABSENT = ("404", "NoSuchKey", "NotFound")
SHA256 = "sha256"
"""Metadata of every object of ours: what its content hashes to."""
GIT_BLOB = "git-blob"
"""And what git calls it, where its source knows nothing better."""


@dataclass(frozen=True, kw_only=True)
class Listed:
    """An object as the bucket lists it."""

    key: str
    size: int
    """Bytes."""
    etag: str


class Conflict(Exception):
    """Somebody else was quicker."""


@dataclass(frozen=True, kw_only=True)
class Stamp:
    """Which writing of an object this is."""

    etag: str
    version: str | None
    """None where the bucket keeps no versions."""
    age: float = 0
    """Seconds since it was written, by the store's clock."""


class Memory:
    """The buffers of all transfers, of so many bytes together at most.

    They are lent again rather than freed: what comes and goes in megabytes left holes in the heap, of its own size.
    """

    def __init__(self, limit: int) -> None:
        self._free, self._changed, self._limit = limit, threading.Condition(), limit
        self._idle: list[bytearray] = []

    def take(self, size: int) -> bytearray:
        """A buffer, as soon as so many bytes are free. What is in it is left over."""
        with self._changed:
            self._changed.wait_for(lambda: self._free >= min(size, self._limit))
            self._free -= size
            if size == PART and self._idle:
                return self._idle.pop()
        return bytearray(size)

    def give(self, buffer: bytearray) -> None:
        """It is not used any more."""
        with self._changed:
            self._free += len(buffer)
            if len(buffer) == PART:
                self._idle.append(buffer)
            self._changed.notify_all()


class Bucket:
    """Objects below a prefix."""

    def __init__(self, name: str, *, connections: int = 16, client: Any = None) -> None:
        retries = {"mode": "standard", "max_attempts": 8}
        config = Config(
            max_pool_connections=connections, retries=cast(Any, retries), connect_timeout=15, read_timeout=60
        )
        self.name = name
        self.session = cast(Any, botocore.session).get_session()
        """As AWS's environment variables tell."""
        self._client = client or self.session.create_client("s3", config=config)

    def objects(self, prefix: str = "") -> Iterator[Listed]:
        """Everything below the prefix, by key."""
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix):
            for one in page.get("Contents", ()):
                yield Listed(key=one["Key"], size=one["Size"], etag=one["ETag"])

    def metadata(self, key: str) -> Mapping[str, str] | None:
        """What an object was stored with; None where there is none."""
        try:
            return self._client.head_object(Bucket=self.name, Key=key)["Metadata"]
        except ClientError as problem:
            if code(problem) in ABSENT:
                return None
            raise

    def read(self, key: str) -> bytes | None:
        """A small object; None where there is none."""
        try:
            return self._client.get_object(Bucket=self.name, Key=key)["Body"].read()
        except ClientError as problem:
            if code(problem) in ABSENT:
                return None
            raise

    def chunks(self, key: str, size: int = PART) -> Iterator[bytes]:
        """An object's bytes."""
        yield from self._client.get_object(Bucket=self.name, Key=key)["Body"].iter_chunks(size)

    def put(self, key: str, content: bytes, git_blob: str | None = None) -> str:
        """A small object, whole. Its ETag."""
        digest = hashlib.sha256(content)
        return self._client.put_object(
            Bucket=self.name,
            Key=key,
            Body=content,
            ChecksumSHA256=base64.b64encode(digest.digest()).decode(),
            Metadata=_metadata(digest.hexdigest(), git_blob),
        )["ETag"]

    def delete(self, key: str) -> None:
        """It is gone; a bucket with versions keeps what it was."""
        self._client.delete_object(Bucket=self.name, Key=key)

    def stamp(self, key: str) -> Stamp | None:
        """Of the object there is; None where there is none."""
        try:
            answer = self._client.head_object(Bucket=self.name, Key=key)
        except ClientError as problem:
            if code(problem) in ABSENT:
                return None
            raise
        now = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        age = (now - answer["LastModified"]).total_seconds()
        return Stamp(etag=answer["ETag"], version=_version(answer), age=age)

    def claim(self, key: str, content: bytes, instead_of: Stamp | None = None) -> Stamp:
        """Write it if there is nothing, or `instead_of` exactly that; Conflict otherwise."""
        condition = {"IfMatch": instead_of.etag} if instead_of else {"IfNoneMatch": "*"}
        try:
            answer = self._client.put_object(Bucket=self.name, Key=key, Body=content, **condition)
        except ClientError as problem:
            if code(problem) in ("PreconditionFailed", "ConditionalRequestConflict", "412", *ABSENT):
                raise Conflict from problem
            raise
        return Stamp(etag=answer["ETag"], version=_version(answer))

    def forget(self, key: str, stamp: Stamp, *, only_version: bool = False) -> None:
        """Remove that writing without a trace; `only_version`: unless the bucket keeps none."""
        if stamp.version:
            self._client.delete_object(Bucket=self.name, Key=key, VersionId=stamp.version)
        elif not only_version:
            self._client.delete_object(Bucket=self.name, Key=key)

    def abandon(self, key: str) -> None:
        """End uploads to this key that a killed run left open. Not below a prefix: MinIO lists them by whole keys."""
        for page in self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self.name, Prefix=key):
            for one in page.get("Uploads", ()):
                if one["Key"] == key:
                    self._client.abort_multipart_upload(Bucket=self.name, Key=key, UploadId=one["UploadId"])

    def erase(self, prefix: str, ending: str = "") -> int:
        """Everything below the prefix whose key ends so is gone for good, old versions too. How many those were."""
        erased = 0
        for page in self._client.get_paginator("list_object_versions").paginate(Bucket=self.name, Prefix=prefix):
            found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            keys = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in found if one["Key"].endswith(ending)]
            if not keys:
                continue
            answer = self._client.delete_objects(Bucket=self.name, Delete={"Objects": keys, "Quiet": True})
            if failed := answer.get("Errors"):
                raise ClientError(cast(Any, {"Error": failed[0]}), f"DeleteObjects, {failed[0]['Key']}")
            erased += len(keys)
        return erased

    def upload(self, key: str, sha256: str | None) -> "Upload":
        """An upload in parts, to be completed when its content has turned out to be right."""
        begun = self._client.create_multipart_upload(Bucket=self.name, Key=key, Metadata=_metadata(sha256))
        return Upload(self._client, self.name, key, begun["UploadId"])


class Upload:
    """Parts that are no object yet."""

    def __init__(self, client: Any, bucket: str, key: str, identity: str) -> None:
        self._client, self._where = client, {"Bucket": bucket, "Key": key, "UploadId": identity}
        self._parts: list[Future[dict[str, Any]]] = []

    def send(self, part: bytes | bytearray, pool: ThreadPoolExecutor, ended: Callable[[], None]) -> None:
        """In the background; calls `ended` when that has, well or not."""
        number = len(self._parts) + 1

        def sending() -> dict[str, Any]:
            answer = self._client.upload_part(**self._where, PartNumber=number, Body=part)
            return {"PartNumber": number, "ETag": answer["ETag"]}

        sent = pool.submit(sending)
        sent.add_done_callback(lambda _: ended())
        self._parts.append(sent)

    def complete(self) -> str:
        """Make it an object. Its ETag."""
        parts = [part.result() for part in self._parts]
        return self._client.complete_multipart_upload(**self._where, MultipartUpload={"Parts": parts})["ETag"]

    def abort(self) -> None:
        """Leave nothing behind."""
        wait([part for part in self._parts if not part.cancel()])
        self._client.abort_multipart_upload(**self._where)


def code(problem: ClientError) -> str:
    """S3's own code, for example `NoSuchKey`."""
    response: dict[str, dict[str, Any]] = cast(Any, problem).response
    return str(response.get("Error", {}).get("Code", "an error without a code"))


def _metadata(sha256: str | None, git_blob: str | None = None) -> Mapping[str, str]:
    return {key: value for key, value in ((SHA256, sha256), (GIT_BLOB, git_blob)) if value}


def _version(answer: Mapping[str, Any]) -> str | None:
    version = answer.get("VersionId")
    return None if version == "null" else version
