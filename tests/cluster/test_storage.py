"""What runs beside the object store, against a real S3 server."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.engines.service import FETCH_PROGRAM
from components.storage.provision import reader_user, wanted
from components.storage.settings import MinioStore
from tests.minio import Minio, running
from tests.object_store import S3Server

BUCKET = "models"
PREFIX = "legal/legal-8b/0123"
FILES = {"config.json": b"{}", "weights/part-1.safetensors": os.urandom(3 * 2**20)}


@pytest.fixture(scope="module")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Minio]:
    """With our bucket and a reader."""
    models = ["legal/legal-8b", "general/half", "general/damaged", "general/escape"]
    with running(tmp_path_factory.mktemp("minio")) as minio:
        minio.provision(wanted(MinioStore(kind="minio", bucket=BUCKET), {"legal": models}, []))
        yield minio


@pytest.fixture
def store(minio: Minio) -> S3Server:
    """The server alone."""
    return minio.server


def upload(store: S3Server, prefix: str, *, complete: bool = True, sha256: str | None = None) -> None:
    store.put_model(BUCKET, prefix, FILES, complete=complete, sha256=sha256)


def fetch(minio: Minio, *arguments: str) -> subprocess.CompletedProcess[str]:
    user = reader_user("legal")
    return subprocess.run(
        [sys.executable, FETCH_PROGRAM, *arguments],
        env=minio.server.environment(user, minio.keys[user]),
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_complete_model_is_copied_whole(minio: Minio, store: S3Server, tmp_path: Path) -> None:
    upload(store, PREFIX)
    done = fetch(minio, "copy", f"s3://{BUCKET}/{PREFIX}", str(tmp_path / "model"))
    assert done.returncode == 0, done.stderr
    assert {path: (tmp_path / "model" / path).read_bytes() for path in FILES} == FILES
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_a_copy_that_is_there_is_not_fetched_again(minio: Minio, store: S3Server, tmp_path: Path) -> None:
    upload(store, PREFIX)
    (tmp_path / "model").mkdir()
    assert fetch(minio, "copy", f"s3://{BUCKET}/{PREFIX}", str(tmp_path / "model")).returncode == 0
    assert list((tmp_path / "model").iterdir()) == []


def test_a_model_that_was_never_completed_is_refused(minio: Minio, store: S3Server) -> None:
    upload(store, "general/half/1", complete=False)
    done = fetch(minio, "check", f"s3://{BUCKET}/general/half/1")
    assert done.returncode == 1
    assert "is not complete in the object store; sync the model first" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_damaged_file_is_refused_and_leaves_nothing_behind(minio: Minio, store: S3Server, tmp_path: Path) -> None:
    upload(store, "general/damaged/1", sha256="0" * 64)
    done = fetch(minio, "copy", f"s3://{BUCKET}/general/damaged/1", str(tmp_path / "model"))
    assert done.returncode == 1
    assert "config.json differs from its manifest" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_cannot_write_outside_the_model(minio: Minio, store: S3Server, tmp_path: Path) -> None:
    manifest = {"files": [{"path": "../escaped", "size": 2, "sha256": "0" * 64}]}
    client = store.client()
    client.put_object(Bucket=BUCKET, Key="general/escape/1/manifest.json", Body=json.dumps(manifest).encode())
    client.put_object(Bucket=BUCKET, Key="general/escape/1/.complete", Body=b"")
    done = fetch(minio, "copy", f"s3://{BUCKET}/general/escape/1", str(tmp_path / "model"))
    assert done.returncode == 1
    assert "outside the model" in done.stderr


def test_a_store_that_cannot_be_reached_is_named_without_a_traceback(store: S3Server) -> None:
    environment = store.environment() | {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_MAX_ATTEMPTS": "1"}
    done = subprocess.run(
        [sys.executable, FETCH_PROGRAM, "check", f"s3://{BUCKET}/x/y/1"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr
