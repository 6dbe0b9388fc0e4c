"""Check or copy a model from its home in the object store. Runs inside the cluster, before an engine starts.

Reads the endpoint and the key from AWS's environment variables. Needs only Python and boto3, and nothing of ours,
since it is mounted into an image that does not have us.
"""

import argparse
import hashlib
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple, cast

import boto3  # pyright: ignore[reportMissingTypeStubs]
from botocore.exceptions import (  # pyright: ignore[reportMissingTypeStubs]
    BotoCoreError,
    ClientError,
)

CHUNK = 8 * 2**20
"""Bytes read at a time: bounds the memory, whatever a file's size."""


class Entry(NamedTuple):
    """One file of a model, as its manifest describes it."""

    path: str
    size: int
    sha256: str


class Unusable(Exception):
    """The model cannot be used; the message says why and what to do."""


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    check = actions.add_parser("check", help="succeed only if the model is complete")
    check.add_argument("uri", help="s3://BUCKET/PREFIX")
    copy = actions.add_parser("copy", help="copy a complete model and verify every file")
    copy.add_argument("uri", help="s3://BUCKET/PREFIX")
    copy.add_argument("directory", type=Path)
    arguments = parser.parse_args()
    bucket, _, prefix = arguments.uri.removeprefix("s3://").partition("/")
    try:
        store = cast(Any, boto3).client("s3")
        entries = manifest(store, bucket, prefix)
        if arguments.action == "copy":
            copy_model(store, bucket, prefix, entries, arguments.directory)
    except Unusable as problem:
        sys.exit(f"{arguments.uri}: {problem}")
    except BotoCoreError as problem:
        sys.exit(f"{arguments.uri}: the object store cannot be reached: {problem}")
    print(f"{arguments.uri}: complete, {len(entries)} files", flush=True)


def manifest(store: Any, bucket: str, prefix: str) -> list[Entry]:
    """The files of a model, or Unusable where it was never completed."""
    try:
        store.head_object(Bucket=bucket, Key=f"{prefix}/.complete")
        body = store.get_object(Bucket=bucket, Key=f"{prefix}/manifest.json")["Body"].read()
    except ClientError as problem:
        code = error_code(problem)
        if code in ("404", "NoSuchKey", "NoSuchBucket"):
            raise Unusable("is not complete in the object store; sync the model first") from problem
        raise Unusable(f"the object store answered {code}; check the reader's key and policy") from problem
    entries = [Entry(file["path"], file["size"], file["sha256"]) for file in json.loads(body)["files"]]
    for entry in entries:
        if Path(entry.path).is_absolute() or ".." in Path(entry.path).parts:
            raise Unusable(f"its manifest names {entry.path!r}, which is outside the model; sync it again")
    return entries


def copy_model(store: Any, bucket: str, prefix: str, entries: list[Entry], directory: Path) -> None:
    """Copy into a temporary directory beside `directory`, verify, and rename: it is there whole or not at all."""
    if directory.exists():
        return
    directory.parent.mkdir(parents=True, exist_ok=True)
    needed, free = sum(entry.size for entry in entries), shutil.disk_usage(directory.parent).free
    if needed > free:
        raise Unusable(f"needs {needed} bytes and {directory.parent} has {free} free; raise the model's `size`")
    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=directory.parent))
    try:
        for entry in entries:
            copy_file(store, bucket, f"{prefix}/{entry.path}", partial / entry.path, entry)
            print(f"{entry.path}: {entry.size} bytes, verified", flush=True)
        partial.rename(directory)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def copy_file(store: Any, bucket: str, key: str, target: Path, entry: Entry) -> None:
    """Copy one object and compare its SHA-256 with the manifest's while it passes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    seen = hashlib.sha256()
    try:
        body = store.get_object(Bucket=bucket, Key=key)["Body"]
        with target.open("wb") as file:
            while chunk := body.read(CHUNK):
                seen.update(chunk)
                file.write(chunk)
    except ClientError as problem:
        raise Unusable(f"{entry.path} cannot be read: {error_code(problem)}") from problem
    if seen.hexdigest() != entry.sha256:
        raise Unusable(f"{entry.path} differs from its manifest: the object is damaged; sync the model again")


def error_code(problem: ClientError) -> str:
    """S3's own code, for example `NoSuchKey`."""
    response: dict[str, dict[str, Any]] = cast(Any, problem).response
    return str(response.get("Error", {}).get("Code", "an error without a code"))


if __name__ == "__main__":
    main()
