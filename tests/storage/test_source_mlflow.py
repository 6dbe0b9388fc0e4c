"""Models and adapters from an MLflow registry, through its proxy or from its own bucket."""

import os
from collections.abc import Iterator
from os import environ

import pytest

from tests import stub
from tests.mlflow import Mlflow, basic
from tests.object_store import S3Server
from tests.storage.syncing import BUCKET, Syncing, resolve
from tests.stub import Request, busy, cut, once, short

FILES = {
    "adapter_config.json": b"{}",
    "large.safetensors": os.urandom(9 * 2**20 + 5),
    "sub dir/deeper/x y.txt": b"names are quoted",
}


@pytest.fixture
def mlflow() -> Iterator[Mlflow]:
    served = Mlflow(files=dict(FILES))
    with stub.serving(served):
        yield served


@pytest.fixture
def adapter(models: S3Server, mlflow: Mlflow) -> Syncing:
    return Syncing(store=models, source="mlflow://legal-lora@2", environment=mlflow.environment())


def test_a_version_comes_whole(adapter: Syncing) -> None:
    adapter.sync()
    adapter.assert_holds(FILES)


def test_an_alias_stands_for_the_version_that_has_it_now(adapter: Syncing) -> None:
    adapter.source = "mlflow://legal-lora@champion"
    adapter.sync()
    adapter.assert_holds(FILES, source="mlflow://legal-lora@2")


def test_an_alias_is_resolved(mlflow: Mlflow) -> None:
    assert resolve("mlflow://legal-lora@champion", environ | mlflow.environment()) == (0, "mlflow://legal-lora@2")


@pytest.mark.parametrize("fault", [cut, busy], ids=["cut", "busy"])
def test_what_passes_is_waited_for(adapter: Syncing, mlflow: Mlflow, fault: stub.Fault) -> None:
    mlflow.faults.append(once(fault, "/large.safetensors", times=2))
    adapter.sync()
    adapter.assert_holds(FILES)


@pytest.fixture
def in_a_bucket(mlflow: Mlflow) -> None:
    """MLflow before its bucket: it tells neither ETag nor length, and begins at the first byte always. Breaks twice."""

    def stream(request: Request) -> bool:
        path = request.route.rpartition("/artifacts/lora/")[2]
        if path in mlflow.files:
            earlier = mlflow.requests.count(request.path) - 1
            request.stream(mlflow.files[path], whole=earlier >= 2)
        return path in mlflow.files

    mlflow.faults.append(stream)


@pytest.mark.usefixtures("in_a_bucket")
def test_a_proxy_that_cannot_begin_in_the_middle_is_read_from_the_start(adapter: Syncing, mlflow: Mlflow) -> None:
    adapter.sync("--files", "large*")
    adapter.assert_holds({"large.safetensors": FILES["large.safetensors"]})
    assert len([path for path in mlflow.requests if path.endswith("/large.safetensors")]) == 3


@pytest.mark.usefixtures("in_a_bucket")
def test_and_must_give_the_same_again(adapter: Syncing, mlflow: Mlflow) -> None:
    def change(request: Request) -> bool:
        if request.route.endswith("/large.safetensors"):
            mlflow.files["large.safetensors"] = os.urandom(len(FILES["large.safetensors"]))
        return False

    mlflow.faults.insert(0, change)
    assert "/large.safetensors has changed while it was read" in adapter.fails("--files", "large*")


def test_a_file_that_changes_while_it_is_read_is_refused(adapter: Syncing, mlflow: Mlflow) -> None:
    def change(request: Request) -> bool:
        request.cut(mlflow.files["large.safetensors"])
        mlflow.files["large.safetensors"] = os.urandom(len(FILES["large.safetensors"]))
        return True

    mlflow.faults.append(once(change, "/large.safetensors"))
    assert "/large.safetensors has changed while it was read" in adapter.fails()


def test_a_file_that_is_shorter_than_listed_is_refused(adapter: Syncing, mlflow: Mlflow) -> None:
    mlflow.faults.append(once(short, "/large.safetensors", times=100))
    assert "large.safetensors cannot be read: it ended after 9437188 of 9437189 bytes" in adapter.fails()


@pytest.mark.parametrize("source", ["mlflow://none@1", "mlflow://legal-lora@9", "mlflow://legal-lora@none"])
def test_a_model_version_or_alias_that_does_not_exist_is_said(adapter: Syncing, mlflow: Mlflow, source: str) -> None:
    adapter.source = source
    assert f"{source}: there is no such model, version, alias or file at {mlflow.address}" in adapter.refused()


def test_a_login_is_asked_for_sent_and_never_shown(adapter: Syncing, mlflow: Mlflow) -> None:
    mlflow.login = "Bearer right"
    assert "asks for MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME" in adapter.refused()
    said = adapter.refused(MLFLOW_TRACKING_TOKEN="wr0ng")
    assert "refuses MLFLOW_TRACKING_TOKEN" in said
    assert "wr0ng" not in said
    adapter.sync(MLFLOW_TRACKING_TOKEN="right\n")
    adapter.assert_holds(FILES)


def test_a_name_and_a_password_do_too(adapter: Syncing, mlflow: Mlflow) -> None:
    mlflow.login = basic("ops", "right")
    adapter.sync(MLFLOW_TRACKING_USERNAME="ops", MLFLOW_TRACKING_PASSWORD="right")
    adapter.assert_holds(FILES)


def test_artifacts_in_a_bucket_are_read_from_there(adapter: Syncing, mlflow: Mlflow, models: S3Server) -> None:
    mlflow.artifact_uri = f"s3://{BUCKET}/mlflow/1/run/artifacts/lora"
    for path, text in FILES.items():
        models.client().put_object(Bucket=BUCKET, Key=f"mlflow/1/run/artifacts/lora/{path}", Body=text)
    adapter.sync()
    adapter.assert_holds(FILES)


def test_artifacts_that_only_mlflow_reaches_are_said_to_be_so(adapter: Syncing, mlflow: Mlflow) -> None:
    mlflow.artifact_uri = "/srv/mlruns/1/run/artifacts/lora"
    assert "which only MLflow itself reaches; run it with --serve-artifacts" in adapter.refused()


def test_without_an_address_the_variable_for_it_is_named(adapter: Syncing) -> None:
    assert "MLFLOW_TRACKING_URI is not set" in adapter.refused(MLFLOW_TRACKING_URI="")
    assert "MLFLOW_TRACKING_URI must be a URL" in adapter.refused(MLFLOW_TRACKING_URI="sqlite:///mlflow.db")
