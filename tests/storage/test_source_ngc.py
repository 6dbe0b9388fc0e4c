"""Models from NGC: public and private, by keys of both kinds, whole and verified or not at all."""

import os
from collections.abc import Iterator
from os import environ

import pytest

from tests import stub
from tests.ngc import KEY, MODEL, OLD_KEY, ORG, TEAM, VERSION, Ngc
from tests.object_store import S3Server
from tests.storage.syncing import Syncing, resolve
from tests.stub import Request, busy, cut, damaged, once, short

NAME = f"ngc://{ORG}/{TEAM}/{MODEL}"
FILES = {
    "config.json": b"{}",
    "labels.txt": b"person",
    "with space/and+plus.txt": b"names are quoted",
    "weights/large.safetensors": os.urandom(9 * 2**20 + 5),
    "weights/small.safetensors": os.urandom(2**20),
}
LICENCE = "nvidia-open-model-license"


@pytest.fixture
def ngc() -> Iterator[Ngc]:
    served = Ngc(files=dict(FILES))
    with stub.serving(served):
        yield served


@pytest.fixture
def model(models: S3Server, ngc: Ngc) -> Syncing:
    return Syncing(store=models, source=f"{NAME}:{VERSION}", environment=ngc.environment())


@pytest.mark.parametrize("key", [KEY, OLD_KEY, None], ids=["nvapi", "exchanged", "guest"])
def test_a_model_comes_whole_with_each_kind_of_key_and_without_one(model: Syncing, ngc: Ngc, key: str | None) -> None:
    model.environment = ngc.environment(key)
    model.sync()
    model.assert_holds(FILES, licence=LICENCE)
    assert ngc.leaked == []


def test_only_the_files_that_are_wanted_come(model: Syncing) -> None:
    model.sync("--files", "*.json", "--files", "labels*")
    assert set(model.content()) == {"config.json", "labels.txt", "manifest.json", ".complete"}


@pytest.mark.parametrize("fault", [cut, busy], ids=["cut", "busy"])
def test_what_passes_is_waited_for_and_a_file_is_taken_up_with_a_new_signature(
    model: Syncing, ngc: Ngc, fault: stub.Fault
) -> None:
    ngc.faults.append(once(fault, "/weights/large.safetensors", times=2))
    model.sync()
    model.assert_holds(FILES, licence=LICENCE)
    signed = {path for path in ngc.requests if path.startswith("/signed/weights/large")}
    assert len(signed) == (3 if fault is cut else 1)


@pytest.mark.parametrize("path", ["weights/large.safetensors", "weights/small.safetensors"])
def test_a_flipped_bit_is_found(model: Syncing, ngc: Ngc, path: str) -> None:
    ngc.faults.append(once(damaged, f"/{path}"))
    assert f"{path} is damaged" in model.fails()
    assert path not in model.content()
    model.sync()
    model.assert_holds(FILES, licence=LICENCE)


def test_without_a_checksum_a_file_must_have_its_size_and_its_sha256_is_recorded(model: Syncing, ngc: Ngc) -> None:
    ngc.digests = False
    ngc.faults.append(once(short, "/labels.txt", times=100))
    assert "labels.txt cannot be read: it ended after 5 of 6 bytes" in model.fails()
    ngc.faults.clear()
    model.sync()
    model.assert_holds(FILES, licence=LICENCE)


def test_without_a_checksum_nothing_of_an_earlier_run_is_trusted(model: Syncing, ngc: Ngc) -> None:
    ngc.digests = False
    ngc.faults.append(once(short, "/weights/small.safetensors", times=100))
    model.fails()
    assert "config.json" in model.content()
    ngc.faults.clear()
    ngc.files["config.json"] = b"[]"
    model.sync()
    model.assert_holds(ngc.files, licence=LICENCE)


def test_a_file_that_changes_while_it_is_read_is_refused(model: Syncing, ngc: Ngc) -> None:
    def change(request: Request) -> bool:
        request.cut(ngc.files["weights/large.safetensors"])
        ngc.files["weights/large.safetensors"] = os.urandom(len(FILES["weights/large.safetensors"]))
        return True

    ngc.digests = False
    ngc.faults.append(once(change, "/weights/large.safetensors"))
    said = model.fails()
    assert "/signed/weights/large.safetensors has changed while it was read" in said
    assert "signature=" not in said


@pytest.mark.parametrize("key", ["nvapi-wrong", "d3Jvbmc"], ids=["nvapi", "exchanged"])
def test_a_wrong_key_is_said_and_not_shown(model: Syncing, key: str) -> None:
    said = model.refused(NGC_API_KEY=key)
    assert f"{NAME}:{VERSION}: refuses the key in NGC_API_KEY: it is wrong or expired" in said
    assert key not in said


def test_a_private_model_needs_a_key(model: Syncing, ngc: Ngc) -> None:
    ngc.guests = False
    model.environment = ngc.environment(None)
    assert "needs NGC_API_KEY" in model.refused()


def test_a_token_that_expires_on_the_way_is_renewed(model: Syncing, ngc: Ngc) -> None:
    def expire(_: Request) -> bool:
        ngc.tokens.clear()
        return False

    model.environment = ngc.environment(OLD_KEY)
    ngc.faults.append(once(expire, f"{VERSION}/files"))
    model.sync()
    model.assert_holds(FILES, licence=LICENCE)


def test_a_model_or_version_that_does_not_exist_is_said(model: Syncing) -> None:
    model.source = f"{NAME}:9.9"
    assert "does not exist, or is private: check its name and version" in model.refused()


def test_terms_that_nobody_accepted_are_named_with_where_to_accept_them(model: Syncing, ngc: Ngc) -> None:
    ngc.accepted = False
    page = f"https://catalog.ngc.nvidia.com/orgs/{ORG}/teams/{TEAM}/models/{MODEL}"
    assert f"has terms that were not accepted: accept them at {page}" in model.refused()


def test_a_version_that_is_still_being_uploaded_is_refused(model: Syncing, ngc: Ngc) -> None:
    ngc.state = "UPLOAD_PENDING"
    assert "its state is UPLOAD_PENDING" in model.fails()


def test_a_licence_that_is_not_wanted_is_refused_before_anything_comes(model: Syncing) -> None:
    said = model.refused("--licence", "apache-2.0", "--licence", "mit")
    assert f"has the licence {LICENCE}, and the model's `licences` are apache-2.0, mit; to accept it, add" in said
    assert model.content() == {}
    model.sync("--licence", LICENCE)


def test_the_latest_version_is_resolved(ngc: Ngc) -> None:
    assert resolve(NAME, environ | ngc.environment()) == (0, f"{NAME}:{VERSION}")
    assert resolve(f"{NAME}:latest", environ | ngc.environment()) == (0, f"{NAME}:{VERSION}")


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b'{"model": 3}', b'{"model": {"licenseTerms": [1]}}'])
def test_a_server_that_is_not_ngc_is_said_to_be_none(model: Syncing, ngc: Ngc, answer: bytes) -> None:
    def other(request: Request) -> bool:
        request.send(200, answer)
        return True

    ngc.faults.append(other)
    said = model.fails()
    assert "did not answer in JSON" in said or "answered in a form that is not known" in said
