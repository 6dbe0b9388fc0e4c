"""Models from the Hugging Face hub: who may read them, under which licence, and what else it may answer."""

from collections.abc import Iterator
from os import environ

import pytest
from huggingface_hub import HfApi, hf_hub_url

from tests import hub as hubs
from tests.hub import COMMIT, Hub, Request
from tests.object_store import S3Server
from tests.storage.syncing import Syncing, resolve

FILES = {"config.json": b"{}", "sub dir/large+x.safetensors": b"x" * 5000}


@pytest.fixture
def hub() -> Iterator[Hub]:
    with hubs.serving(FILES) as served:
        yield served


@pytest.fixture
def model(models: S3Server, hub: Hub) -> Syncing:
    return Syncing(store=models, source=f"hf://org/model@{COMMIT}", environment=hub.environment())


def test_the_hub_of_these_tests_answers_the_hubs_own_client_as_it_does_us(model: Syncing, hub: Hub) -> None:
    info = HfApi(endpoint=hub.address).model_info("org/model", revision=COMMIT, files_metadata=True, token=False)
    asked = list(hub.requests)
    model.sync("--files", "config.json")
    model.assert_holds({"config.json": FILES["config.json"]}, licence="apache-2.0")
    assert info.sha == COMMIT
    assert hub.requests[len(asked) :][:1] == asked
    url = hf_hub_url("org/model", "sub dir/large+x.safetensors", revision=COMMIT, endpoint=hub.address)
    model.prefix += "-all"
    model.sync()
    assert url.removeprefix(hub.address) in hub.requests


def test_a_branch_is_resolved_to_its_commit(hub: Hub) -> None:
    for branch in ("hf://org/model", "hf://org/model@main"):
        assert resolve(branch, environ | hub.environment()) == (0, f"hf://org/model@{COMMIT}")
    code, said = resolve("hf://org/model@none", environ | hub.environment())
    assert (code, said) == (3, "hf://org/model@none: has no such commit, branch or tag")
    assert resolve("hf://org/other@main", environ | hub.environment())[0] == 3


def test_a_private_model_says_what_is_wrong_with_the_token_and_does_not_show_it(model: Syncing, hub: Hub) -> None:
    hub.token = "right"
    assert "does not exist, or is private: check its name, and that HF_TOKEN has a token which may" in model.refused()
    said = model.refused(HF_TOKEN="wr0ng")
    assert "refuses the token in HF_TOKEN" in said
    assert "wr0ng" not in said
    model.sync(HF_TOKEN="right\n")
    model.assert_holds(FILES, licence="apache-2.0")


def test_a_token_without_the_right_to_read_is_said(model: Syncing, hub: Hub) -> None:
    def forbid(request: Request) -> bool:
        request.answer(403, b"", {})
        return True

    hub.faults.append(forbid)
    assert "may not be read with the token in HF_TOKEN: give that token the right" in model.refused(HF_TOKEN="narrow")


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ({"license": "mit"}, "mit"),
        ({"license": "other", "license_name": "llama3-community"}, "llama3-community"),
        ({}, None),
    ],
)
def test_the_licence_is_the_cards_own(model: Syncing, hub: Hub, card: dict[str, str], licence: str | None) -> None:
    hub.card = card
    model.sync()
    model.assert_holds(FILES, licence=licence)


def test_a_licence_that_is_not_wanted_is_refused_before_anything_comes_and_afterwards_too(model: Syncing) -> None:
    said = model.refused("--licence", "mit")
    assert "has the licence apache-2.0, and the model's `licences` are mit; to accept it, add apache-2.0" in said
    assert model.content() == {}
    model.sync("--licence", "mit", "--licence", "apache-2.0")
    assert "has the licence apache-2.0" in model.refused("--licence", "mit")


def test_a_small_file_that_is_another_now_is_not_taken_for_the_same(model: Syncing, hub: Hub) -> None:
    model.sync("--files", "config.json")
    hub.files["config.json"] = b"[]"
    model.sync()
    model.assert_holds(hub.files, licence="apache-2.0")


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b"{}", b'{"sha": 1}', b'{"siblings": [{}]}'])
def test_a_server_that_is_no_hub_is_said_to_be_none(model: Syncing, hub: Hub, answer: bytes) -> None:
    def other(request: Request) -> bool:
        request.answer(200, answer, {})
        return True

    hub.faults.append(other)
    said = model.fails()
    assert any(
        words in said for words in ("did not answer in JSON", "in a form that is not known", "answered with commit 1")
    )


def test_a_hub_that_cannot_be_reached_is_said(model: Syncing) -> None:
    said = model.fails(HF_ENDPOINT="http://127.0.0.1:9")
    assert f"http://127.0.0.1:9/api/models/org/model/revision/{COMMIT} cannot be read: " in said
    assert "Connection refused" in said


def test_a_proxy_is_asked_if_the_environment_names_one_and_not_for_the_store(model: Syncing, hub: Hub) -> None:
    proxied = {"HF_ENDPOINT": "http://hub.invalid", "HTTP_PROXY": hub.address, "NO_PROXY": "127.0.0.1"}
    hub.cdn = "http://files.invalid"
    model.sync(**proxied)
    model.assert_holds(FILES, licence="apache-2.0")
