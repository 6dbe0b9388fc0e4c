"""What engines and the sync may do in MinIO, with users made by the script that makes them in a cluster."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError  # pyright: ignore[reportMissingTypeStubs]

from components.storage.provision import WRITER, owner_user, reader_user, wanted
from components.storage.settings import MinioStore
from components.storage.sync.bucket import code
from tests.minio import Minio, running

BUCKET = "models"
STORE = MinioStore(kind="minio", bucket=BUCKET)
READERS = {"legal": ["legal/a"], "cyber": ["cyber/b", "cyber/adapter"]}
WRITES = ["legal/a", "legal/ab", "cyber/b", "cyber/adapter"]
OBJECTS = [f"{directory}/1/config.json" for directory in WRITES]


@pytest.fixture(scope="module")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Minio]:
    with running(tmp_path_factory.mktemp("minio")) as minio:
        yield minio


@pytest.fixture
def store(minio: Minio) -> Minio:
    """With two engines and the sync, and an object in each model."""
    minio.restore(wanted(STORE, READERS, WRITES))
    for key in OBJECTS:
        minio.server.client().put_object(Bucket=BUCKET, Key=key, Body=b"{}")
    return minio


def refusal(request: Callable[..., Any], **arguments: Any) -> str:
    """The code with which the store refuses."""
    with pytest.raises(ClientError) as problem:
        request(**arguments)
    return code(problem.value)


def listed(client: Any, prefix: str) -> list[str]:
    return [one["Key"] for one in client.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", ())]


@pytest.mark.parametrize("engine", READERS)
def test_an_engine_reads_and_lists_its_own_models(store: Minio, engine: str) -> None:
    client = store.user(reader_user(engine))
    for directory in READERS[engine]:
        assert client.get_object(Bucket=BUCKET, Key=f"{directory}/1/config.json")["Body"].read() == b"{}"
        assert listed(client, f"{directory}/1") == [f"{directory}/1/config.json"]


@pytest.mark.parametrize("key", ["legal/ab/1/config.json", "cyber/b/1/config.json", "legal/a"])
def test_an_engine_can_read_no_model_of_another(store: Minio, key: str) -> None:
    assert refusal(store.user(reader_user("legal")).get_object, Bucket=BUCKET, Key=key) == "AccessDenied"


@pytest.mark.parametrize("prefix", ["", "legal", "legal/", "legal/a", "legal/ab/", "cyber/b/"])
def test_an_engine_can_list_no_model_of_another(store: Minio, prefix: str) -> None:
    client = store.user(reader_user("legal"))
    assert refusal(client.list_objects_v2, Bucket=BUCKET, Prefix=prefix) == "AccessDenied"
    assert refusal(client.list_object_versions, Bucket=BUCKET, Prefix=prefix) == "AccessDenied"


def test_an_engine_hears_that_an_object_of_its_own_is_not_there(store: Minio) -> None:
    assert refusal(store.user(reader_user("legal")).get_object, Bucket=BUCKET, Key="legal/a/2/x") == "NoSuchKey"


def test_an_engine_can_change_nothing(store: Minio) -> None:
    client, where = store.user(reader_user("legal")), {"Bucket": BUCKET, "Key": "legal/a/1/config.json"}
    assert refusal(client.put_object, **where, Body=b"changed") == "AccessDenied"
    assert refusal(client.delete_object, **where) == "AccessDenied"
    assert refusal(client.create_multipart_upload, **where) == "AccessDenied"
    assert refusal(client.put_object_tagging, **where, Tagging={"TagSet": []}) == "AccessDenied"
    assert refusal(client.copy_object, Bucket=BUCKET, Key="legal/a/1/copy", CopySource=where) == "AccessDenied"


def test_the_sync_writes_and_deletes_below_every_model_and_nowhere_else(store: Minio) -> None:
    client = store.user(WRITER)
    for directory in WRITES:
        where = {"Bucket": BUCKET, "Key": f"{directory}/2/weights"}
        version = client.put_object(**where, Body=b"")["VersionId"]
        client.delete_object(**where, VersionId=version)
        upload = {**where, "UploadId": client.create_multipart_upload(**where)["UploadId"]}
        assert client.list_multipart_uploads(Bucket=BUCKET, Prefix=where["Key"])["Uploads"]
        client.list_parts(**upload)
        client.abort_multipart_upload(**upload)
        assert listed(client, f"{directory}/2/") == []
    assert set(OBJECTS) <= set(listed(client, ""))  # whether a model fits depends on all that is there
    for key in ("legal/abc/1/x", "legal/a", "x"):
        assert refusal(client.put_object, Bucket=BUCKET, Key=key, Body=b"") == "AccessDenied"


@pytest.mark.parametrize("user", [reader_user("legal"), WRITER])
def test_nobody_but_the_administrator_touches_a_bucket(store: Minio, user: str) -> None:
    client = store.user(user)
    suspended = {"Status": "Suspended"}
    assert refusal(client.create_bucket, Bucket="another") == "AccessDenied"
    assert refusal(client.delete_bucket, Bucket=BUCKET) == "AccessDenied"
    assert refusal(client.delete_bucket_lifecycle, Bucket=BUCKET) == "AccessDenied"
    assert refusal(client.put_bucket_policy, Bucket=BUCKET, Policy="{}") == "AccessDenied"
    assert refusal(client.put_bucket_versioning, Bucket=BUCKET, VersioningConfiguration=suspended) == "AccessDenied"


def test_who_has_a_part_of_the_bucket_does_what_it_wants_there_and_nothing_elsewhere(store: Minio) -> None:
    store.provision(wanted(STORE, READERS, WRITES, {"workflows": ["workflows"]}))
    client = store.user(owner_user("workflows"))
    client.put_object(Bucket=BUCKET, Key="workflows/results/x", Body=b"{}")
    assert client.get_object(Bucket=BUCKET, Key="workflows/results/x")["Body"].read() == b"{}"
    assert listed(client, "workflows/") == ["workflows/results/x"]
    for request in (client.get_object, client.delete_object):
        assert refusal(request, Bucket=BUCKET, Key="legal/a/1/config.json") == "AccessDenied"
    assert refusal(client.put_object, Bucket=BUCKET, Key="workflows-of-others/x", Body=b"") == "AccessDenied"
    assert refusal(client.list_objects_v2, Bucket=BUCKET, Prefix="legal/a/") == "AccessDenied"
    assert (
        refusal(store.user(reader_user("legal")).get_object, Bucket=BUCKET, Key="workflows/results/x") == "AccessDenied"
    )
    client.delete_object(Bucket=BUCKET, Key="workflows/results/x")
    store.provision(wanted(STORE, READERS, WRITES))
    assert refusal(client.get_object, Bucket=BUCKET, Key="workflows/results/x") == "InvalidAccessKeyId"


def test_a_user_that_is_not_wanted_any_more_is_let_in_no_longer(store: Minio) -> None:
    gone = store.user(reader_user("cyber"))
    store.provision(wanted(STORE, {"legal": READERS["legal"]}, []))
    assert refusal(gone.get_object, Bucket=BUCKET, Key="cyber/b/1/config.json") == "InvalidAccessKeyId"
    assert listed(store.user(reader_user("legal")), "legal/a/") == ["legal/a/1/config.json"]
    assert store.administer("user", "list", "--json").count("accessKey") == 1
    policies = store.administer("policy", "list", "--json")
    assert reader_user("legal") in policies
    assert reader_user("cyber") not in policies
    assert WRITER not in policies


def test_users_and_policies_of_somebody_else_stay(store: Minio, tmp_path: Path) -> None:
    policy = tmp_path / "policy"
    policy.write_text(wanted(STORE, READERS, [])[f"{reader_user('legal')}.policy"])
    store.administer("user", "add", given="backup\nsecret-of-backup\n")
    store.administer("policy", "create", "inference-backup", str(policy))
    store.provision(wanted(STORE, {}, []))
    assert '"backup"' in store.administer("user", "list", "--json")
    assert "inference-backup" in store.administer("policy", "list", "--json")


def test_another_model_is_what_an_engine_reads_once_settings_say_so(store: Minio) -> None:
    store.provision(wanted(STORE, {**READERS, "legal": ["legal/ab"]}, WRITES))
    client = store.user(reader_user("legal"))
    assert listed(client, "legal/ab/") == ["legal/ab/1/config.json"]
    assert refusal(client.get_object, Bucket=BUCKET, Key="legal/a/1/config.json") == "AccessDenied"


def test_a_new_generation_of_keys_ends_the_old_ones(store: Minio) -> None:
    old = store.user(reader_user("legal"))
    store.provision(wanted(STORE, READERS, WRITES), generation="second")
    where = {"Bucket": BUCKET, "Key": "legal/a/1/config.json"}
    assert refusal(old.get_object, **where) == "SignatureDoesNotMatch"
    assert store.user(reader_user("legal")).get_object(**where)["Body"].read() == b"{}"


def test_another_administrators_key_finds_everything_as_it_was(tmp_path: Path) -> None:
    with running(tmp_path) as before:
        before.provision(wanted(STORE, READERS, WRITES))
        before.server.client().put_object(Bucket=BUCKET, Key=OBJECTS[0], Body=b"{}")
    with running(tmp_path) as after:
        assert after.server.password != before.server.password
        old = after.server.client(reader_user("legal"), before.keys[reader_user("legal")])
        assert old.get_object(Bucket=BUCKET, Key=OBJECTS[0])["Body"].read() == b"{}"
        after.provision(wanted(STORE, READERS, WRITES), generation="second")
        assert listed(after.user(reader_user("legal")), "legal/a/") == [OBJECTS[0]]


def test_provisioning_again_changes_nothing(store: Minio) -> None:
    before = [store.administer(what, "list", "--json") for what in ("user", "policy")]
    store.provision(wanted(STORE, READERS, WRITES))
    assert sorted("".join(before).splitlines()) == sorted(
        "".join(store.administer(what, "list", "--json") for what in ("user", "policy")).splitlines()
    )
    assert listed(store.user(reader_user("legal")), "legal/a/") == ["legal/a/1/config.json"]
