"""`sync` in a process of its own, from any source into a real bucket, and what came there."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from typing import Any

from tests.object_store import S3Server
from tests.storage.homes import BUCKET
from tests.unit.recording import REPOSITORY

_numbers = count()


@dataclass(kw_only=True)
class Syncing:
    """One source, and a prefix of its own for what comes from it."""

    store: S3Server
    source: str
    environment: dict[str, str] = field(default_factory=dict[str, str])
    bucket: str = BUCKET
    prefix: str = field(default_factory=lambda: f"general/source-{next(_numbers)}/1")

    def sync(self, *options: str, **environment: str) -> str:
        """One that succeeds. What it said."""
        code, said = self._run(*options, **environment)
        assert code == 0, said
        return said

    def fails(self, *options: str, **environment: str) -> str:
        """One that leaves no model, and may be tried again. What it said."""
        return self._ends(1, *options, **environment)

    def refused(self, *options: str, **environment: str) -> str:
        """One that leaves no model, as another try would. What it said."""
        return self._ends(3, *options, **environment)

    def content(self) -> dict[str, bytes]:
        """All objects, by their path within the model."""
        client = self.store.client()
        listed = client.list_objects_v2(Bucket=self.bucket, Prefix=f"{self.prefix}/").get("Contents", ())
        keys = [one["Key"] for one in listed]
        read = {key: client.get_object(Bucket=self.bucket, Key=key)["Body"].read() for key in keys}
        return {key.removeprefix(f"{self.prefix}/"): text for key, text in read.items()}

    def uploads(self) -> list[Any]:
        """Uploads that nobody ended; MinIO lists those of whole keys only."""
        listed = (self.store.client().list_multipart_uploads(Bucket=self.bucket, Prefix=key) for key in self.keys())
        return [one for page in listed for one in page.get("Uploads", ())]

    def keys(self) -> list[str]:
        """Where uploads are looked for."""
        return [f"{self.prefix}/{path}" for path in ("large.safetensors", "weights/large.safetensors")]

    def assert_holds(
        self, files: Mapping[str, bytes], *, source: str | None = None, licence: str | None = None
    ) -> None:
        """A complete model of these files, with a manifest that is true, and nothing else."""
        content = self.content()
        text = content.pop("manifest.json")
        manifest = json.loads(text)
        assert json.loads(content.pop(".complete"))["manifest"] == sha256(text).hexdigest()
        assert content == files
        listed = {one["path"]: (one["size"], one["sha256"]) for one in manifest["files"]}
        assert listed == {path: (len(text), sha256(text).hexdigest()) for path, text in files.items()}
        assert (manifest["source"], manifest["licence"]) == (source or self.source, licence)

    def _ends(self, code: int, *options: str, **environment: str) -> str:
        before = self.content()
        ended, said = self._run(*options, **environment)
        assert ended == code, said
        assert "Traceback" not in said
        assert ".complete" not in self.content() or self.content() == before
        assert self.uploads() == []
        return said

    def _run(self, *options: str, **environment: str) -> tuple[int, str]:
        home = f"s3://{self.bucket}/{self.prefix}"
        done = _run(self.store.environment() | self.environment | environment, "sync", self.source, home, *options)
        return done.returncode, done.stdout


def resolve(source: str, environment: Mapping[str, str]) -> tuple[int, str]:
    """How `resolve` ends, and what it says."""
    done = _run(environment, "resolve", source)
    assert "Traceback" not in done.stdout
    return done.returncode, done.stdout.strip()


def _run(environment: Mapping[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "components.storage.sync", *arguments],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
