"""The policy pack, started by the real engine: what it stops, what it lets pass, and what it says."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.deployment import Deployment
from tests.unit.recording import stack_settings

PACK = ("--policy-pack", "policy")
FLOATING = {
    "name": "pictures",
    "kind": "custom",
    "cluster": "dev",
    "image": "registry.lan:5000/pictures:3",
    "port": 8188,
    "health": "/health",
}


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Deployment]:
    """The dev stack, never brought up."""
    deployment = Deployment(state=tmp_path)
    deployment.create(stack_settings("dev"))
    yield deployment
    assert {resource["type"] for resource in deployment.resources()} <= {"pulumi:pulumi:Stack"}


def with_floating_tag(stack: Deployment, *, advisory: object = None) -> None:
    """One engine more, whose image may be another one tomorrow."""
    settings = stack_settings("dev")
    settings["engines"].append(FLOATING)
    stack.write_settings(settings)
    if advisory is not None:
        document: dict[str, Any] = yaml.safe_load(stack.settings_file.read_text())
        document["config"]["policy:advisory"] = advisory
        stack.settings_file.write_text(yaml.safe_dump(document))


def previewed(stack: Deployment) -> tuple[int, str]:
    """How a preview with the pack ends, and what is read then, in one line."""
    done = stack.pulumi("preview", *PACK, "--color", "never", check=False)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_the_dev_stack_is_let_pass(stack: Deployment) -> None:
    status, printed = previewed(stack)
    assert status == 0, printed
    assert re.search(r"inference@v\S+ \(local: policy\)", printed)
    assert "mandatory" not in printed
    assert "can't run policy" not in printed


def test_a_floating_tag_stops_the_preview_with_a_next_step(stack: Deployment) -> None:
    with_floating_tag(stack)
    status, printed = previewed(stack)
    assert status != 0
    assert "[mandatory] exact-images (kubernetes:apps/v1:Deployment: dev-pictures)" in printed
    assert "runs registry.lan:5000/pictures:3, which has the tag 3, which its publisher moves. Next:" in printed


def test_an_update_is_stopped_by_its_preview_before_anything_is_made(stack: Deployment) -> None:
    with_floating_tag(stack)
    done = stack.pulumi("up", "--yes", *PACK, check=False)
    assert done.returncode != 0
    assert "exact-images" in done.stdout


def test_a_rule_that_is_advisory_warns_and_lets_pass(stack: Deployment) -> None:
    with_floating_tag(stack, advisory=["exact-images"])
    status, printed = previewed(stack)
    assert status == 0, printed
    assert "[advisory] exact-images" in printed


def test_an_advisory_rule_that_there_is_none_of_is_named_with_those_that_there_are(stack: Deployment) -> None:
    with_floating_tag(stack, advisory=["exact-image"])
    status, printed = previewed(stack)
    assert status != 0
    assert "policy:advisory: exact-image is no rule; there are: exact-images, " in printed
    assert "Traceback" not in printed


def test_secrets_of_the_configuration_are_neither_taken_for_plain_ones_nor_printed(stack: Deployment) -> None:
    token = "hf_" + "aB3dE5fG7h" * 3
    stack.set_secret("huggingFaceToken", token)
    status, printed = previewed(stack)
    assert status == 0, printed
    settings = stack_settings("dev")
    settings["engines"].append({**FLOATING, "image": "registry.lan:5000/pictures:3.0.1", "env": {"HUB": token}})
    stack.write_settings(settings)
    status, printed = previewed(stack)
    assert status != 0
    assert "[mandatory] no-plain-secrets (kubernetes:apps/v1:Deployment: dev-pictures)" in printed
    assert "[mandatory] no-plain-secrets-in-config" in printed
    policies = printed.partition("Policies:")[2].partition("Diagnostics:")[0]
    assert json.dumps(token) not in policies
