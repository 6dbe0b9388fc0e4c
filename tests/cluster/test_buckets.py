"""Buckets in MinIO: what settings say of them is there, and what they no longer say deletes nothing."""

import ssl
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest
from botocore.exceptions import ClientError  # pyright: ignore[reportMissingTypeStubs]

from components.storage.certificate import issued
from components.storage.minio import environment
from components.storage.provision import wanted
from components.storage.settings import MinioStore
from components.storage.sync.bucket import code
from tests.minio import Minio, running

MODELS = "inference-models"
SETTINGS = MinioStore(kind="minio", abort_uploads_days=3)


@pytest.fixture(scope="module")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Minio]:
    """With the settings that its Deployment gives it, over TLS."""
    certificate = issued("secret", ["127.0.0.1"])
    directory = tmp_path_factory.mktemp("minio")
    with running(directory, environment=environment(SETTINGS), certificate=certificate) as minio:
        yield minio


def provision(minio: Minio, *buckets: dict[str, Any]) -> None:
    """Bring it to these buckets."""
    minio.provision(wanted(MinioStore.model_validate({"kind": "minio", "buckets": buckets}), {}, []))


def names(minio: Minio) -> set[str]:
    return {one["Name"] for one in minio.server.client().list_buckets()["Buckets"]}


def rules(minio: Minio, bucket: str) -> list[dict[str, Any]]:
    """Its lifecycle rules."""
    try:
        return minio.server.client().get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    except ClientError as problem:
        if code(problem) != "NoSuchLifecycleConfiguration":
            raise
        return []


def test_the_store_answers_over_tls_alone_to_who_trusts_its_authority(minio: Minio) -> None:
    with pytest.raises(URLError, match="certificate verify failed"):
        urlopen(f"{minio.server.url}/minio/health/live", timeout=10)
    with pytest.raises(HTTPError, match="400"):
        urlopen(f"http://{minio.server.host}/minio/health/live", timeout=10)
    trusting = ssl.create_default_context(cafile=minio.server.authority)
    assert urlopen(f"{minio.server.url}/minio/health/live", timeout=10, context=trusting).status == 200


def test_the_models_have_a_bucket_that_keeps_old_versions_for_ever(minio: Minio) -> None:
    provision(minio)
    assert minio.server.client().get_bucket_versioning(Bucket=MODELS)["Status"] == "Enabled"
    assert rules(minio, MODELS) == []


def test_a_deleted_object_of_a_versioned_bucket_can_be_had_back(minio: Minio) -> None:
    provision(minio)
    where, client = {"Bucket": MODELS, "Key": "legal/a/1/x"}, minio.server.client()
    version = client.put_object(**where, Body=b"weights")["VersionId"]
    client.delete_object(**where)
    assert client.get_object(**where, VersionId=version)["Body"].read() == b"weights"


def test_old_versions_go_after_the_days_that_settings_say(minio: Minio) -> None:
    provision(minio, {"name": MODELS, "expireNoncurrentDays": 30})
    (rule,) = rules(minio, MODELS)
    assert rule["Status"] == "Enabled"
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    assert rule["Expiration"] == {"ExpiredObjectDeleteMarker": True}
    provision(minio)
    assert rules(minio, MODELS) == []


def test_versioning_can_be_switched_off_and_on(minio: Minio) -> None:
    for versioning, status in ((False, "Suspended"), (True, "Enabled")):
        provision(minio, {"name": "backups", "versioning": versioning})
        assert minio.server.client().get_bucket_versioning(Bucket="backups")["Status"] == status


def test_what_would_exceed_a_quota_is_refused_until_settings_raise_it(minio: Minio) -> None:
    provision(minio, {"name": "small", "quota": "1Mi"})
    where, client = {"Bucket": "small", "Key": "large"}, minio.server.client()
    with pytest.raises(ClientError, match="QuotaExceeded"):
        client.put_object(**where, Body=bytes(2**20 + 1))
    client.put_object(**where, Body=bytes(2**19))
    provision(minio, {"name": "small"})
    client.put_object(**where, Body=bytes(2**20 + 1))


def test_uploads_that_nobody_finished_are_dropped_after_the_days_that_settings_say(minio: Minio) -> None:
    assert "MINIO_API_STALE_UPLOADS_EXPIRY=72h" in minio.administer("config", "get", "api")


def test_a_bucket_that_is_removed_from_settings_stays_with_all_that_is_in_it(minio: Minio) -> None:
    provision(minio, {"name": "kept"})
    minio.server.client().put_object(Bucket="kept", Key="x", Body=b"data")
    provision(minio)
    assert minio.server.client().get_object(Bucket="kept", Key="x")["Body"].read() == b"data"


def test_a_bucket_goes_when_settings_say_purge_and_no_other_does(minio: Minio) -> None:
    provision(minio, {"name": "doomed"}, {"name": "doomed-not"})
    client = minio.server.client()
    for name in ("doomed", "doomed-not"):
        client.put_object(Bucket=name, Key="x", Body=b"first")
        client.put_object(Bucket=name, Key="x", Body=b"second")
        client.create_multipart_upload(Bucket=name, Key="y")
    provision(minio, {"name": "doomed", "purge": True})
    assert names(minio) & {"doomed", "doomed-not", MODELS} == {"doomed-not", MODELS}
    provision(minio, {"name": "doomed", "purge": True})
    assert client.get_object(Bucket="doomed-not", Key="x")["Body"].read() == b"second"
