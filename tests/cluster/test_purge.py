"""Purging a model: the one thing that deletes weights, with the sync's own key."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError  # pyright: ignore[reportMissingTypeStubs]

from components.storage.provision import WRITER, wanted
from components.storage.settings import MinioStore
from components.storage.sync.bucket import Bucket
from components.storage.sync.manifest import Refused
from components.storage.sync.purging import purge
from tests.minio import Minio, running

BUCKET = "inference-models"
FILES = {"config.json": b"{}", "weights/part-1.safetensors": b"weights"}


@pytest.fixture(scope="module")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Minio]:
    with running(tmp_path_factory.mktemp("minio")) as minio:
        minio.provision(wanted(MinioStore(kind="minio"), {}, ["legal/a", "legal/ab"]))
        yield minio


@pytest.fixture
def bucket(minio: Minio) -> Bucket:
    """With two models of two revisions, one of which was written twice."""
    for prefix in ("legal/a/1", "legal/a/1", "legal/a/2", "legal/ab/1"):
        minio.server.put_model(BUCKET, prefix, FILES)
    return Bucket(BUCKET, client=minio.user(WRITER))


def versions(minio: Minio, prefix: str) -> list[Any]:
    """All that is or was below it."""
    page = minio.server.client().list_object_versions(Bucket=BUCKET, Prefix=prefix)
    return [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]


def test_a_purged_model_is_gone_with_every_revision_and_version(minio: Minio, bucket: Bucket) -> None:
    assert purge(bucket, "legal/a") >= 3 * (len(FILES) + 2)
    assert versions(minio, "legal/a/") == []
    assert purge(bucket, "legal/a") == 0


def test_a_model_whose_name_begins_alike_stays(minio: Minio, bucket: Bucket) -> None:
    purge(bucket, "legal/a")
    assert {one["Key"].removeprefix("legal/ab/1/") for one in versions(minio, "legal/ab/")} >= {*FILES, ".complete"}


def test_a_purge_that_is_interrupted_leaves_nothing_that_looks_whole(
    minio: Minio, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    erase = Bucket.erase

    def interrupted(self: Bucket, prefix: str, ending: str = "") -> int:
        if not ending:
            raise KeyboardInterrupt
        return erase(self, prefix, ending)

    monkeypatch.setattr(Bucket, "erase", interrupted)
    with pytest.raises(KeyboardInterrupt):
        purge(bucket, "legal/a")
    assert {one["Key"].rpartition("/")[2] for one in versions(minio, "legal/a/")} == {
        "config.json",
        "part-1.safetensors",
        "manifest.json",
    }
    minio.server.put_model(BUCKET, "legal/a/1", FILES)


def test_what_the_store_does_not_let_go_is_an_error_and_not_silence(minio: Minio, bucket: Bucket) -> None:
    minio.server.put_model(BUCKET, "general/of-somebody-else/1", FILES)
    with pytest.raises(ClientError, match="AccessDenied"):
        purge(bucket, "general/of-somebody-else")
    assert versions(minio, "general/of-somebody-else/")


@pytest.mark.parametrize("model", ["", "/", "legal", "legal/", "/a", "legal/a/1"])
def test_nothing_but_a_models_own_directory_is_purged(minio: Minio, bucket: Bucket, model: str) -> None:
    with pytest.raises(Refused, match="is not DOMAIN/NAME"):
        purge(bucket, model)
    assert versions(minio, "legal/ab/")
