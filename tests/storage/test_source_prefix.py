"""Models from another prefix, in the same store or another: those synced before keep their hashes."""

import os
from collections.abc import Iterator
from hashlib import sha256
from itertools import count
from pathlib import Path

import pytest

from components.storage.sync import http, opening
from components.storage.sync.manifest import Unusable
from tests.object_store import S3Server, serve
from tests.storage.syncing import BUCKET, Syncing
from toolchain import bring, catalogue
from toolchain.download import Network

FILES = {
    "config.json": b"{}",
    "large.safetensors": os.urandom(9 * 2**20 + 5),
    "sub dir/x+y.txt": b"names are quoted",
}
ELSEWHERE = "their-models"
_numbers = count()


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    (minio,) = bring.ensure([catalogue.named("minio")], Network())
    with serve(minio.path, tmp_path_factory.mktemp("theirs")) as server:
        server.client().create_bucket(Bucket=ELSEWHERE)
        yield server


@pytest.fixture
def prefix() -> str:
    return f"shared/model-{next(_numbers)}"


@pytest.fixture
def model(models: S3Server, theirs: S3Server, prefix: str) -> Syncing:
    environment = {
        "SOURCE_AWS_ENDPOINT_URL": theirs.url,
        "SOURCE_AWS_ACCESS_KEY_ID": "root",
        "SOURCE_AWS_SECRET_ACCESS_KEY": theirs.password,
        "SOURCE_AWS_REGION": "us-east-1",
    }
    return Syncing(store=models, source=f"s3://{ELSEWHERE}/{prefix}@2026-11", environment=environment)


def put(server: S3Server, prefix: str) -> None:
    """The files alone, as anybody would copy them there."""
    for path, text in FILES.items():
        server.client().put_object(Bucket=ELSEWHERE, Key=f"{prefix}/{path}", Body=text)


def test_files_come_from_another_store_with_its_own_key(model: Syncing, theirs: S3Server, prefix: str) -> None:
    put(theirs, prefix)
    theirs.client().put_object(Bucket=ELSEWHERE, Key=f"{prefix}/sub dir/", Body=b"")
    theirs.client().put_object(Bucket=ELSEWHERE, Key=f"{prefix}-other/x", Body=b"")
    model.sync()
    model.assert_holds(FILES)


def test_without_settings_of_its_own_the_source_is_in_the_store_itself(models: S3Server, prefix: str) -> None:
    for path, text in FILES.items():
        models.client().put_object(Bucket=BUCKET, Key=f"{prefix}/{path}", Body=text)
    model = Syncing(store=models, source=f"s3://{BUCKET}/{prefix}@1")
    model.sync()
    model.assert_holds(FILES)


@pytest.fixture
def synced(theirs: S3Server, prefix: str, tmp_path: Path) -> None:
    """The same, brought there by a sync."""
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(text)
    source = f"path://{tmp_path}@2026-11"
    Syncing(store=theirs, source=source, bucket=ELSEWHERE, prefix=prefix).sync()
    theirs.client().put_object(Bucket=ELSEWHERE, Key=f"{prefix}/not-listed", Body=b"x")


@pytest.mark.usefixtures("synced")
def test_of_a_model_that_was_synced_before_comes_what_its_manifest_names(model: Syncing) -> None:
    model.sync()
    model.assert_holds(FILES)


@pytest.mark.usefixtures("synced")
def test_a_model_that_was_synced_before_and_is_damaged_is_refused(
    model: Syncing, theirs: S3Server, prefix: str
) -> None:
    theirs.client().put_object(Bucket=ELSEWHERE, Key=f"{prefix}/config.json", Body=b"[]")
    listed = sha256(FILES["config.json"]).hexdigest()
    assert f"config.json is damaged: its sha256 is {sha256(b'[]').hexdigest()}; its source lists {listed}" in (
        model.fails()
    )


@pytest.mark.usefixtures("synced")
def test_a_model_whose_manifest_was_changed_is_refused(model: Syncing, theirs: S3Server, prefix: str) -> None:
    manifest = theirs.client().get_object(Bucket=ELSEWHERE, Key=f"{prefix}/manifest.json")["Body"].read()
    theirs.client().put_object(Bucket=ELSEWHERE, Key=f"{prefix}/manifest.json", Body=manifest + b" ")
    assert "its manifest was changed after it had been verified; sync it to there again" in model.fails()


@pytest.mark.usefixtures("synced")
def test_a_model_that_was_never_completed_is_refused(model: Syncing, theirs: S3Server, prefix: str) -> None:
    theirs.client().delete_object(Bucket=ELSEWHERE, Key=f"{prefix}/.complete")
    assert "a model of which not all is there yet; sync it to there first" in model.fails()


def test_an_object_that_changes_after_it_was_listed_is_refused(
    model: Syncing, theirs: S3Server, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(theirs, prefix)
    for name, value in model.environment.items():
        monkeypatch.setenv(name, value)
    source = opening.opened(model.source, through=http.pool(1))
    listed = {file.path: file for file in source.offered()}
    theirs.client().put_object(Bucket=ELSEWHERE, Key=f"{prefix}/config.json", Body=b"[]")
    with pytest.raises(Unusable, match=r"config\.json has changed since it was listed"):
        list(source.chunks(listed["config.json"]))


def test_a_wrong_key_is_said_and_not_shown(model: Syncing) -> None:
    said = model.refused(SOURCE_AWS_SECRET_ACCESS_KEY="wr0ng")
    assert (
        "the object store refuses the key (SignatureDoesNotMatch): check SOURCE_AWS_ACCESS_KEY_ID and its secret"
        in said
    )
    assert "wr0ng" not in said


def test_half_a_key_is_said(model: Syncing) -> None:
    assert "belong together: set both, or none" in model.refused(SOURCE_AWS_SECRET_ACCESS_KEY="")


def test_a_bucket_or_a_prefix_that_does_not_exist_is_said(model: Syncing, prefix: str) -> None:
    assert f"s3://{ELSEWHERE}/{prefix}@2026-11: no file matches *" in model.refused()
    model.source = "s3://no-such-bucket/x@1"
    assert "s3://no-such-bucket/x@1: there is no such bucket" in model.refused()
