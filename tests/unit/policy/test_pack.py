"""The rules as Pulumi is told them, and as people read of them."""

import json
from pathlib import Path

import pytest
from pulumi_policy import EnforcementLevel

from policy.pack import Rules, settings
from policy.rules import RULES
from policy.rules.resource import HIDDEN, UNKNOWN, seen
from policy.rules.settings import PolicySettings, PolicySettingsError
from tests.unit.policy.samples import DIGEST
from tests.unit.recording import REPOSITORY

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = {SIGNATURE: "1b47061264138c4ac30d75fd1eb44270", "value": {"password": "hunter2"}}


def test_every_rule_is_mandatory_but_those_that_the_stack_lets_warn() -> None:
    policies = Rules(PolicySettings(advisory=frozenset({"no-root"}))).policies()
    advisory = [one.name for one in policies if one.enforcement_level is EnforcementLevel.ADVISORY]
    mandatory = [one.name for one in policies if one.enforcement_level is EnforcementLevel.MANDATORY]
    assert advisory == ["no-root"]
    assert len(mandatory) == len(RULES) - 1


def test_every_rule_has_a_name_of_its_own_a_description_and_a_remedy() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert all(rule.description.endswith(".") and rule.remedy.endswith(".") for rule in RULES)


def test_the_documentation_has_every_rule_as_it_is() -> None:
    text = (REPOSITORY / "docs/policy.md").read_text()
    missing = [rule.name for rule in RULES if f"| `{rule.name}` | {rule.description} | {rule.remedy} |\n" not in text]
    assert missing == []


def test_a_rule_that_there_is_none_of_cannot_be_made_advisory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps({"policy:advisory": '["no-rot"]'}))
    with pytest.raises(PolicySettingsError, match="no-rot is no rule; there are: exact-images, "):
        settings()


def test_the_digests_that_are_asked_for_are_those_of_the_image_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "images.lock"
    lock.write_text(f"# Filled by make pin.\n{DIGEST}  docker.io/vllm/vllm-openai:v0.30.0\n")
    monkeypatch.setenv("INFERENCE_IMAGE_LOCK", str(lock))
    monkeypatch.setenv("PULUMI_CONFIG", "{}")
    assert settings().digests == {"docker.io/vllm/vllm-openai:v0.30.0": DIGEST}


@pytest.mark.parametrize(
    ("target", "production"), [("dev", False), ("onprem", True), ("eks", True), ("nothing", False)]
)
def test_real_machines_are_production(target: str, production: bool) -> None:
    assert PolicySettings.read({"inference:target": target}).production is production


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (SECRET, HIDDEN),
        ({"data": [SECRET]}, {"data": [HIDDEN]}),
        ("04da6b54-80e4-46f7-96ec-b56ff0331ba9", UNKNOWN),
        ({SIGNATURE: "c44067f5952c0a294b673a41bacd8c17", "path": "a.txt"}, UNKNOWN),
        ({SIGNATURE: "d0e6a833031e9bbcd3f4e8bde6ca49a4", "value": "known", "secret": True}, HIDDEN),
        ({SIGNATURE: "d0e6a833031e9bbcd3f4e8bde6ca49a4", "value": "known"}, "known"),
        ({"replicas": 2.0}, {"replicas": 2.0}),
    ],
)
def test_no_rule_is_shown_a_secret_or_stopped_by_what_is_not_known_yet(value: object, shown: object) -> None:
    assert seen(value) == shown
