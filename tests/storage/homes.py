"""A model's home in a bucket, syncs to it in processes of their own, and what can go wrong on the way."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from itertools import count
from typing import Any

from tests.hub import COMMIT, Hub, Request
from tests.object_store import S3Server
from tests.unit.recording import REPOSITORY

BUCKET = "models"
SOURCE = f"hf://org/model@{COMMIT}"
MIB = 2**20
LEASE_SECONDS = 1.5
"""So that nobody waits half a minute for those who were killed."""
FILES = {
    "config.json": b"{}",
    "empty": b"",
    "tokenizer/merges.txt": os.urandom(900),
    "weights/part-1.safetensors": os.urandom(20 * MIB + 17),
    "weights/part-2.safetensors": os.urandom(16 * MIB),
    "weights/small.safetensors": os.urandom(3 * MIB),
}
_numbers = count()


class Home:
    """A prefix of its own in a bucket, and what comes there."""

    def __init__(self, store: S3Server, hub: Hub) -> None:
        self.store, self.hub, self.prefix = store, hub, f"general/model-{next(_numbers)}/{COMMIT}"
        self.client = store.client()

    def __str__(self) -> str:
        return f"s3://{BUCKET}/{self.prefix}"

    def begin(self, *options: str, **environment: str) -> "subprocess.Popen[str]":
        """`sync` in a process of its own."""
        command = [sys.executable, "-m", "components.storage.sync", "sync", SOURCE, str(self)]
        return subprocess.Popen(
            [*command, "--lease-seconds", str(LEASE_SECONDS), *options],
            cwd=REPOSITORY,
            env=self.store.environment() | self.hub.environment() | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def sync(self, *options: str, **environment: str) -> str:
        """`sync` that succeeds. What it said."""
        process = self.begin(*options, **environment)
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0, said
        return said

    def refused(self, *options: str, **environment: str) -> str:
        """`sync` that fails, in words and not with a traceback. What it said."""
        process = self.begin(*options, **environment)
        said, _ = process.communicate(timeout=120)
        assert process.returncode in (1, 3), said
        assert "Traceback" not in said
        return said

    def content(self) -> dict[str, bytes]:
        """All objects, by their path within the model."""
        return {path: self._read(f"{self.prefix}/{path}") for path in self.paths()}

    def paths(self) -> set[str]:
        """Of all objects, within the model."""
        listed = self.client.list_objects_v2(Bucket=BUCKET, Prefix=self.prefix).get("Contents", ())
        return {one["Key"][len(self.prefix) + 1 :] for one in listed}

    def uploads(self) -> list[Any]:
        """Uploads that nobody ended. MinIO lists them by whole keys only."""
        keys = [f"{self.prefix}/{path}" for path in FILES]
        pages = [self.client.list_multipart_uploads(Bucket=BUCKET, Prefix=key) for key in keys]
        return [one for page in pages for one in page.get("Uploads", ())]

    def parts(self) -> list[Any]:
        """Parts of uploads that nobody ended."""
        answers = [
            self.client.list_parts(Bucket=BUCKET, Key=one["Key"], UploadId=one["UploadId"]) for one in self.uploads()
        ]
        return [part for answer in answers for part in answer.get("Parts", ())]

    def assert_whole(self) -> None:
        """A complete model, with a manifest that is true, and nothing else."""
        content = self.content()
        text = content.pop("manifest.json")
        manifest = json.loads(text)
        assert json.loads(content.pop(".complete"))["manifest"] == sha256(text).hexdigest()
        assert content == FILES
        listed = {one["path"]: (one["size"], one["sha256"]) for one in manifest["files"]}
        assert listed == {path: (len(file), sha256(file).hexdigest()) for path, file in FILES.items()}
        assert (manifest["source"], manifest["revision"], manifest["licence"]) == (SOURCE, COMMIT, "apache-2.0")
        assert self.uploads() == []

    def assert_no_model(self) -> None:
        """Nothing that anybody would take for a model."""
        assert ".complete" not in self.paths()

    def _read(self, key: str) -> bytes:
        return self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()


def once(fault: Callable[[Request], bool], path: str, times: int = 1) -> Callable[[Request], bool]:
    """The fault, so many times, where the path has this in it."""
    left = [times]

    def some(request: Request) -> bool:
        if path not in request.path or left[0] == 0:
            return False
        left[0] -= 1
        return fault(request)

    return some


def cut(request: Request) -> bool:
    """Half of a file, and the connection is closed."""
    whole = FILES[request.path.removeprefix("/cdn/")]
    start = int(request.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
    request.send_response(206 if start else 200)
    request.send_header("Content-Length", str(len(whole) - start))
    request.end_headers()
    request.wfile.write(whole[start : start + (len(whole) - start) // 2])
    request.close_connection = True
    return True


def busy(request: Request) -> bool:
    """Too many requests."""
    request.answer(429, b"", {"Retry-After": "1"})
    return True


def broken(request: Request) -> bool:
    """The hub's own trouble."""
    request.answer(503, b"", {})
    return True


def damaged(request: Request) -> bool:
    """A file with one bit flipped."""
    text = bytearray(FILES[request.path.removeprefix("/cdn/")])
    text[len(text) // 2] ^= 1
    request.content(bytes(text))
    return True


def short(request: Request) -> bool:
    """A file that says of itself that it is shorter than it is."""
    request.content(FILES[request.path.removeprefix("/cdn/")][:-1])
    return True


def until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.02)
