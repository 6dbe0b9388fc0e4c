"""Models below a prefix of another bucket, at the same endpoint or another."""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import botocore.session  # pyright: ignore[reportMissingTypeStubs]
import urllib3
from botocore.config import Config  # pyright: ignore[reportMissingTypeStubs]
from botocore.exceptions import ClientError  # pyright: ignore[reportMissingTypeStubs]

from . import http
from .bucket import Bucket, code
from .home import Home
from .manifest import OURS, Manifest, Refused, Unusable, parsed
from .source import Offered, chosen

SIGNED_FOR = 3600
"""Seconds in which a file's reading must begin. It may take longer: each connection gets a signature of its own."""


class Prefix:
    """What lies below a prefix. One that was synced by us keeps its hashes; of others, size and ETag are pinned."""

    licence: str | None = None

    def __init__(
        self,
        bucket: str,
        prefix: str,
        *,
        text: str,
        revision: str,
        files: Sequence[str] = ("*",),
        client: Any,
        through: urllib3.PoolManager,
    ) -> None:
        self.text, self.revision = text, revision
        self._patterns = tuple(files)
        self._bucket, self._prefix = bucket, prefix.strip("/")
        self._client, self._through = client, through
        self._tags: dict[str, str] = {}

    def offered(self) -> Sequence[Offered]:
        """All files that the patterns choose."""
        try:
            if known := self._synced():
                self.licence = known.licence
                files = [Offered(path=file.path, size=file.size, sha256=file.sha256) for file in known.files]
            else:
                files = list(self._listed())
        except ClientError as problem:
            raise Refused(f"{self.text}: {_refusal(problem)}") from problem
        if any(file.path in OURS for file in files):
            raise Unusable(f"{self.text}: a model of which not all is there yet; sync it to there first")
        return chosen(files, self._patterns, self.text)

    def chunks(self, file: Offered) -> Iterator[bytes]:
        """By signed URLs, so that a connection that breaks is taken up as with any other server."""
        where = {"Bucket": self._bucket, "Key": f"{self._prefix}/{file.path}"}

        def signed() -> str:
            return self._client.generate_presigned_url("get_object", Params=where, ExpiresIn=SIGNED_FOR)

        tag = self._tags.get(file.path)
        try:
            yield from http.chunks(self._through, signed, {"If-Match": tag} if tag else {}, size=file.size)
        except http.Denied as problem:
            if problem.status == 412:
                raise Unusable(f"{self.text}: {file.path} has changed since it was listed; sync again") from problem
            raise

    def _synced(self) -> Manifest | None:
        """The manifest, if this was synced. Its seal's ETags are not compared: copying a bucket changes them."""
        state = Home(bucket=Bucket(self._bucket, client=self._client), prefix=self._prefix).state()
        if state.seal_text is None or state.manifest_text is None:
            return None
        if state.manifest_is_changed():
            raise Unusable(f"{self.text}: its manifest was changed after it had been verified; sync it to there again")
        return parsed(state.manifest_text)

    def _listed(self) -> Iterator[Offered]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=f"{self._prefix}/")
        for one in (one for page in pages for one in page.get("Contents", ())):
            path = one["Key"][len(self._prefix) + 1 :]
            if path and not path.endswith("/"):  # what consoles put there for a directory
                self._tags[path] = one["ETag"]
                yield Offered(path=path, size=one["Size"])


def client(*, endpoint: str | None, region: str | None, key: str | None, secret: str | None) -> Any:
    """An S3 client. What is None is as botocore finds it: as for the bucket that models come to."""
    # Version 2 of signatures, which botocore still takes for some regions' URLs, is refused by most servers.
    config = Config(signature_version="s3v4", connect_timeout=15, read_timeout=60)
    session = cast(Any, botocore.session).get_session()
    try:
        return session.create_client(
            "s3",
            endpoint_url=endpoint,
            region_name=region,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            config=config,
        )
    except ValueError as problem:
        raise Refused(f"{problem}: SOURCE_AWS_ENDPOINT_URL must be like https://s3.lan:9000") from problem


def _refusal(problem: ClientError) -> str:
    match code(problem):
        case "404" | "NoSuchBucket":
            return "there is no such bucket"
        case "403" | "AccessDenied" | "InvalidAccessKeyId" | "SignatureDoesNotMatch" as which:
            return (
                f"the object store refuses the key ({which}): check SOURCE_AWS_ACCESS_KEY_ID and its secret, and that "
                "its user has s3:ListBucket and s3:GetObject there"
            )
        case which:
            return f"the object store answered {which}"
