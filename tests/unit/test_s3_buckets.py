"""Buckets at Amazon, as Pulumi's engine would be asked for them."""

import json
import subprocess
import sys
from typing import Any

import pulumi
import pulumi_aws as aws
import pytest

from components.storage.s3 import S3Buckets
from components.storage.settings import S3Store
from tests.unit.manifests import plain
from tests.unit.recording import REPOSITORY, Recording, Registration, recorded

MODELS = "site-models"
SETTINGS = {"kind": "s3", "bucket": MODELS, "region": "eu-central-1"}


@pytest.fixture
def buckets(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What these settings ask for."""

    def make(**settings: Any) -> Recording:
        def program() -> None:
            opts = pulumi.ResourceOptions(provider=aws.Provider("aws"))
            store = S3Store.model_validate({**SETTINGS, **settings})
            S3Buckets("store", store, readers={"legal": ["legal/a"]}, writes=["legal/a"], opts=opts)

        return recorded(program, monkeypatch=monkeypatch)

    return make


def of_kind(recording: Recording, kind: str, bucket: str = MODELS) -> Registration:
    """The resource `aws:s3/…:KIND` that speaks of the bucket."""
    (found,) = [
        one for one in recording.resources if one.type.endswith(f":{kind}") and one.inputs.get("bucket") == bucket
    ]
    return found


def inputs(recording: Recording, kind: str, bucket: str = MODELS) -> dict[str, Any]:
    return plain(of_kind(recording, kind, bucket).inputs)


def test_the_models_bucket_is_encrypted_private_and_versioned(buckets: Any) -> None:
    made = buckets()
    encryption = inputs(made, "BucketServerSideEncryptionConfiguration")["rules"]
    assert encryption == [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}]
    assert inputs(made, "BucketVersioning")["versioningConfiguration"] == {"status": "Enabled"}
    block = inputs(made, "BucketPublicAccessBlock")
    assert {key for key, value in block.items() if value is True} == {
        "blockPublicAcls",
        "blockPublicPolicy",
        "ignorePublicAcls",
        "restrictPublicBuckets",
    }


def test_nobody_reaches_a_bucket_over_plain_http(buckets: Any) -> None:
    (statement,) = json.loads(inputs(buckets(), "BucketPolicy")["policy"])["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == [f"arn:aws:s3:::{MODELS}", f"arn:aws:s3:::{MODELS}/*"]


def test_unfinished_uploads_and_old_versions_go_when_settings_say_so(buckets: Any) -> None:
    (uploads,) = inputs(buckets(), "BucketLifecycleConfiguration")["rules"]
    assert uploads["abortIncompleteMultipartUpload"] == {"daysAfterInitiation": 7}
    made = buckets(abortUploadsDays=2, buckets=[{"name": MODELS, "expireNoncurrentDays": 30}])
    uploads, versions = inputs(made, "BucketLifecycleConfiguration")["rules"]
    assert uploads["abortIncompleteMultipartUpload"] == {"daysAfterInitiation": 2}
    assert versions["noncurrentVersionExpiration"] == {"noncurrentDays": 30}


def test_a_bucket_and_its_guards_outlive_settings_that_no_longer_name_it_and_a_destroy(buckets: Any) -> None:
    made = buckets(buckets=[{"name": "backups"}])
    guards = [one for one in made.resources if one.custom and "bucket" in one.inputs]
    assert len(guards) == 12
    assert all(one.retained for one in guards)
    assert inputs(made, "Bucket", "backups")["forceDestroy"] is False


def test_purge_lets_one_bucket_go_with_all_that_is_in_it_and_no_other(buckets: Any) -> None:
    made = buckets(buckets=[{"name": "backups", "purge": True}])
    assert inputs(made, "Bucket", "backups")["forceDestroy"] is True
    assert not of_kind(made, "Bucket", "backups").retained
    assert inputs(made, "Bucket")["forceDestroy"] is False
    assert of_kind(made, "Bucket").retained


def test_a_stack_that_keeps_no_data_gives_everything_back_on_destroy(buckets: Any) -> None:
    made = buckets(keepData=False)
    assert not [one.name for one in made.resources if one.retained]
    assert inputs(made, "Bucket")["forceDestroy"] is True


def test_a_replica_is_guarded_alike_and_gets_what_is_written_but_no_deletion(buckets: Any) -> None:
    made = buckets(replica={"bucket": "spare", "region": "eu-west-1"})
    for kind in ("Bucket", "BucketVersioning", "BucketPublicAccessBlock", "BucketPolicy"):
        assert inputs(made, kind, "spare")["region"] == "eu-west-1"
    (rule,) = inputs(made, "BucketReplicationConfig")["rules"]
    assert rule["destination"] == {"bucket": "arn:aws:s3:::spare"}
    assert rule["deleteMarkerReplication"] == {"status": "Disabled"}
    (role,) = [one for one in made.resources if one.type.endswith(":RolePolicy")]
    assert "Delete" not in role.inputs["policy"]


def test_pods_have_policies_and_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[S3Buckets] = []

    def program() -> None:
        opts = pulumi.ResourceOptions(provider=aws.Provider("aws"))
        store = S3Store.model_validate(SETTINGS)
        seen.append(S3Buckets("store", store, readers={"legal": ["legal/a"]}, writes=["legal/a"], opts=opts))

    recorded(program, monkeypatch=monkeypatch)
    assert seen[0].readers["legal"]["Statement"][0]["Resource"] == [f"arn:aws:s3:::{MODELS}/legal/a/*"]
    assert seen[0].writer
    assert not seen[0].store.readers
    assert seen[0].store.writer is None


def test_no_other_target_imports_pulumis_package_for_aws() -> None:
    program = "import sys, stacks, stacks.platform; sys.exit('pulumi_aws' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, check=True)
