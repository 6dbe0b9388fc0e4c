"""Settings as Pulumi hands them over: text and JSON, some of it secret."""

import contextvars
import json
from collections.abc import Mapping

import pulumi
import pytest
from pulumi.runtime import set_all_config

from stacks.loading import load
from stacks.settings import Settings
from tests.unit.recording import stack_settings

EXTERNAL = {"kind": "external", "endpoint": "http://s3.lan:9000", "accessKey": "reader"}


def loaded(changes: Mapping[str, object], secret: tuple[str, ...] = ()) -> Settings:
    """What `load` makes of the dev stack's settings with changes, of which some are stored as secrets."""
    values: dict[str, object] = {**stack_settings("dev"), **changes}
    config = {
        f"inference:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in values.items()
    }

    def run() -> Settings:
        set_all_config(config | {"aws:region": "us-east-1"}, [f"inference:{key}" for key in secret])
        return load("dev")

    return contextvars.copy_context().run(run)


def problems(changes: Mapping[str, object], secret: tuple[str, ...] = ()) -> str:
    """The report, its spaces put together."""
    with pytest.raises(pulumi.RunError) as caught:
        loaded(changes, secret)
    return " ".join(str(caught.value).split())


def test_the_settings_arrive_whole() -> None:
    assert loaded({}) == Settings.model_validate(stack_settings("dev"))


def test_a_secret_that_the_store_needs_is_asked_for_together_with_everything_else() -> None:
    report = problems({"store": EXTERNAL, "enginse": []})
    assert report.startswith("2 problems in Pulumi.dev.yaml:")
    assert "inference:storeSecretKey the secret is missing; run: pulumi config set --secret" in report
    assert loaded({"store": EXTERNAL, "storeSecretKey": "hunter2"}, secret=("storeSecretKey",)).store.kind == "external"


def test_a_rehearsal_needs_no_secret() -> None:
    assert loaded({"store": EXTERNAL, "rehearsal": True}).rehearsal


def test_a_secret_is_in_no_setting() -> None:
    settings = loaded({"store": EXTERNAL, "storeSecretKey": "hunter2"}, secret=("storeSecretKey",))
    assert "hunter2" not in repr(settings)


def test_a_secret_in_plain_text_is_refused_and_not_shown() -> None:
    report = problems({"storeSecretKey": "hunter2"})
    command = "pulumi config set --secret inference:storeSecretKey"
    assert f"inference:storeSecretKey is in plain text; run: {command}" in report
    assert "hunter2" not in report


@pytest.mark.parametrize("key", ["target", "clusters", "store", "models", "engines"])
def test_a_setting_that_was_stored_as_a_secret_is_refused_and_nothing_follows_from_it(key: str) -> None:
    report = problems({}, secret=(key,))
    assert report.startswith(f"1 problem in Pulumi.dev.yaml: inference:{key} must not be a secret, nor hold one; run: ")
    assert f"pulumi config rm inference:{key}," in report


def test_a_mistyped_secret_is_refused_and_not_shown() -> None:
    report = problems({"storeSecretkey": "hunter2"}, secret=("storeSecretkey",))
    assert 'inference:storeSecretkey unknown key; did you mean "storeSecretKey"?' in report
    assert "hunter2" not in report


def test_settings_of_megabytes_are_refused() -> None:
    report = problems({"engines": [{"name": "x" * 1000}] * 10_000})
    assert "settings have at most 1048576. Is it the right file?" in report


def test_settings_nested_beyond_reason_are_reported() -> None:
    assert "inference:engines" in problems({"engines": "[" * 100_000 + "]" * 100_000})
