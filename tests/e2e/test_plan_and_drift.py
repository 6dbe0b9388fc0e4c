"""What CI relies on: a deployment does what its plan says, and a change by hand is found. On the real Pulumi engine."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.deployment import Deployment
from tests.unit.recording import stack_settings

DRIFT = ("preview", "--refresh", "--expect-no-changes")


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The dev stack, brought up by its plan."""
    deployment = Deployment(state=tmp_path_factory.mktemp("state"))
    deployment.create(stack_settings("dev"))
    try:
        deployment.pulumi("preview", "--save-plan", str(plan_of(deployment)))
        deployment.up("--plan", str(plan_of(deployment)))
        yield deployment
    finally:
        deployment.destroy()


def plan_of(deployment: Deployment) -> Path:
    return deployment.state / "plan.json"


def files_of(deployment: Deployment) -> Mapping[str, bytes]:
    """Pulumi's backend, byte by byte."""
    folder = deployment.state / ".pulumi"
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_plan_holds_no_secret_in_plain_text(deployed: Deployment) -> None:
    state = json.loads(deployed.pulumi("stack", "export", "--show-secrets").stdout)["deployment"]
    passwords = [one["outputs"]["result"] for one in state["resources"] if one["type"].startswith("random:")]
    kubeconfigs = json.dumps(deployed.outputs()["kubeconfigs"])
    deployed.pulumi("preview", "--save-plan", str(plan_of(deployed)))
    plan = plan_of(deployed).read_text()

    assert passwords
    assert [password for password in map(plain, passwords) if password in plan] == []
    assert "client-key-data" in kubeconfigs
    assert "client-key-data" not in plan


def plain(secret: Any) -> str:
    """A value of an export that shows secrets."""
    return secret if isinstance(secret, str) else json.loads(secret["plaintext"])


def test_a_preview_writes_nothing_to_the_state(deployed: Deployment) -> None:
    before = files_of(deployed)
    deployed.pulumi("preview")
    assert files_of(deployed) == before


def test_more_than_was_planned_is_not_done(deployed: Deployment) -> None:
    settings = stack_settings("dev")
    deployed.pulumi("preview", "--save-plan", str(plan_of(deployed)))
    *others, chat = settings["engines"]
    deployed.write_settings(settings | {"engines": [*others, {**chat, "replicas": 3}]})
    try:
        done = deployed.up("--plan", str(plan_of(deployed)), check=False)
    finally:
        deployed.write_settings(settings)

    assert done.returncode != 0
    assert "violates plan" in done.stdout + done.stderr
    assert deployed.api_server().get("deployment", "chat", "--namespace", "inference")["spec"]["replicas"] == 2


def test_what_was_just_deployed_has_not_drifted(deployed: Deployment) -> None:
    done = deployed.pulumi(*DRIFT, check=False)
    assert done.returncode == 0, done.stdout


def test_a_change_by_hand_is_drift_and_named(deployed: Deployment) -> None:
    api_server = deployed.api_server()
    api_server.kubectl("delete", "poddisruptionbudget", "chat", "--namespace", "inference")
    done = deployed.pulumi(*DRIFT, check=False)
    assert done.returncode != 0
    assert "dev-chat" in done.stdout
    assert "1 to create" in done.stdout or "1 to delete" in done.stdout

    deployed.up("--refresh")
    assert api_server.get("poddisruptionbudget", "chat", "--namespace", "inference")["metadata"]["name"] == "chat"
