"""Secrets stay out of the settings, and settings out of the secrets."""

import json
from collections.abc import Mapping
from typing import Any

import pulumi
import pytest
from pulumi.runtime import set_all_config

from stacks.loading import load
from stacks.settings import Settings
from tests.unit.mistakes import report
from tests.unit.recording import stack_settings

EXTERNAL = {"kind": "external", "endpoint": "http://s3.lan:9000", "accessKey": "reader"}
HIDDEN = "hunter2"


def loaded(settings: Mapping[str, Any], *secret: str) -> Settings:
    """What the program gets when the engine hands it this configuration."""
    values = {
        f"inference:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in settings.items()
    }
    set_all_config({"aws:region": "eu-central-1", **values}, [f"inference:{key}" for key in secret])
    return load("dev")


def refused(settings: Mapping[str, Any], *secret: str) -> str:
    """What the user reads when the program stops."""
    with pytest.raises(pulumi.RunError) as caught:
        loaded(settings, *secret)
    return str(caught.value)


def test_a_missing_secret_is_named_with_the_command_that_sets_it_among_all_other_problems() -> None:
    text = refused(stack_settings("dev") | {"store": EXTERNAL, "engines": {}})
    assert "2 problems in Pulumi.dev.yaml:" in text
    command = "pulumi config set --secret inference:storeSecretKey --stack dev"
    assert f"inference:storeSecretKey   the secret is missing; run: {command}\n" in text


def test_an_external_stores_writer_needs_a_secret_of_its_own() -> None:
    text = refused(stack_settings("dev") | {"store": EXTERNAL | {"writerAccessKey": "writer"}})
    for key in ("storeSecretKey", "storeWriterSecretKey"):
        assert f"the secret is missing; run: pulumi config set --secret inference:{key} --stack dev" in text


def test_a_rehearsal_needs_no_secret() -> None:
    assert loaded(stack_settings("dev") | {"store": EXTERNAL, "rehearsal": True}).rehearsal


def test_a_secret_is_never_part_of_the_settings() -> None:
    settings = loaded(stack_settings("dev") | {"store": EXTERNAL, "storeSecretKey": HIDDEN}, "storeSecretKey")
    assert HIDDEN not in repr(settings)


def test_a_secret_in_plain_text_is_refused_and_not_shown() -> None:
    text = refused(stack_settings("dev") | {"store": EXTERNAL, "storeSecretKey": HIDDEN})
    assert (
        "inference:storeSecretKey   is in plain text; run: pulumi config set --secret inference:storeSecretKey" in text
    )
    assert HIDDEN not in text


def test_a_secret_under_a_misspelt_key_is_refused_and_not_shown() -> None:
    text = refused(stack_settings("dev") | {"storeSecretKye": HIDDEN}, "storeSecretKye")
    assert 'inference:storeSecretKye   unknown key; did you mean "storeSecretKey"?' in text
    assert HIDDEN not in text


def test_a_private_key_is_read_from_a_file_and_not_from_the_command_line() -> None:
    text = refused(stack_settings("dev") | {"sshPrivateKey": HIDDEN})
    assert "pulumi config set --secret inference:sshPrivateKey --stack dev < ~/.ssh/id_ed25519" in text


@pytest.mark.parametrize("key", ["target", "clusters", "store", "engines", "models"])
def test_a_setting_that_is_stored_as_a_secret_is_refused_and_nothing_follows_from_it(key: str) -> None:
    text = refused(stack_settings("dev"), key)
    name = f"inference:{key}"
    assert text.splitlines()[1] == (
        f"  {name}   must not be a secret; "
        f'run: pulumi config set --plaintext --stack dev {name} "$(pulumi config get --stack dev {name})"'
    )
    assert len(text.splitlines()) == 3


def test_a_secret_deep_in_a_setting_hides_all_of_it_and_is_refused() -> None:
    settings = stack_settings("dev")
    settings["engines"][0]["contextLength"] = {"secure": "v1:abc:def"}
    document = {"config": {f"inference:{key}": value for key, value in settings.items()}}
    assert "inference:engines   must not be a secret; run: " in report(json.dumps(document).encode())


def test_a_secret_in_a_file_is_known_by_its_encryption() -> None:
    wrong: dict[str, Any] = {"store": EXTERNAL, "storeSecretKey": {"secure": "v1:abc:def"}, "enginse": []}
    settings = stack_settings("dev") | wrong
    document = {"config": {f"inference:{key}": value for key, value in settings.items()}}
    assert report(json.dumps(document).encode()).count("\n  ") == 1


def test_none_is_what_pulumi_makes_of_it() -> None:
    assert loaded(stack_settings("dev") | {"gateway": ""}).gateway is None


def test_settings_larger_than_a_megabyte_are_refused() -> None:
    assert "the settings   have more than 1 MiB" in refused(stack_settings("dev") | {"models": "x" * 2**21})


@pytest.mark.parametrize("value", ["[" * 100_000, "9" * 10_000, '{"a": NaN}', '"\\ud800"', "\ud800", "{'a': 1}"])
def test_whatever_the_engine_hands_over_is_reported(value: str) -> None:
    assert refused(stack_settings("dev") | {"models": value}).startswith("1 problem in Pulumi.dev.yaml:")
