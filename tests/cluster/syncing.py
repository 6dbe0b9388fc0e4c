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
from tests.unit.recording import REPOSITORY

BUCKET = "models"
_numbers = count()


@dataclass(kw_only=True)
class Syncing:
    """One source, and a prefix of its own for what comes from it."""

    store: S3Server
    source: str
    environment: dict[str, str] = field(default_factory=dict[str, str])
    prefix: str = field(default_factory=lambda: f"general/source-{next(_numbers)}/1")

    def sync(self, *options: str, **environment: str) -> str:
        """One that succeeds. What it said."""
        code, said = self._run(*options, **environment)
        assert code == 0, said
        return said

    def fails(self, *options: str, **environment: str) -> str:
        """One that fails, in words and not with a traceback. What it said."""
        code, said = self._run(*options, **environment)
        assert code == 1, said
        assert "Traceback" not in said
        return said

    def refused(self, *options: str, **environment: str) -> str:
        """One that fails and leaves no model. What it said."""
        said = self.fails(*options, **environment)
        assert ".complete" not in self.content()
        assert self.uploads() == []
        return said

    def content(self) -> dict[str, bytes]:
        """All objects, by their path within the model."""
        client = self.store.client()
        listed = client.list_objects_v2(Bucket=BUCKET, Prefix=f"{self.prefix}/").get("Contents", ())
        keys = [one["Key"] for one in listed]
        read = {key: client.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}
        return {key.removeprefix(f"{self.prefix}/"): text for key, text in read.items()}

    def uploads(self) -> list[Any]:
        """Uploads that nobody ended; MinIO lists those of whole keys only."""
        listed = (self.store.client().list_multipart_uploads(Bucket=BUCKET, Prefix=key) for key in self.keys())
        return [one for page in listed for one in page.get("Uploads", ())]

    def keys(self) -> list[str]:
        """Where uploads are looked for."""
        return [f"{self.prefix}/{path}" for path in ("large.safetensors", "weights/large.safetensors")]

    def assert_holds(
        self, files: Mapping[str, bytes], *, source: str | None = None, licence: str | None = None
    ) -> None:
        """A complete model of these files, with a manifest that is true, and nothing else."""
        content = self.content()
        manifest = json.loads(content.pop("manifest.json"))
        assert content.pop(".complete") == b""
        assert content == files
        listed = {one["path"]: (one["size"], one["sha256"]) for one in manifest["files"]}
        assert listed == {path: (len(text), sha256(text).hexdigest()) for path, text in files.items()}
        assert (manifest["source"], manifest["licence"]) == (source or self.source, licence)

    def _run(self, *options: str, **environment: str) -> tuple[int, str]:
        home = f"s3://{BUCKET}/{self.prefix}"
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
