"""The whole program for each stack file, as the engine would see it."""

import json
import re

import pytest

from tests.unit.recording import RANDOM, Recording, masked, record, stack_settings


@pytest.fixture(scope="module", params=["dev", "onprem", "onprem, rehearsed", "eks", "eks, rehearsed"])
def recording(request: pytest.FixtureRequest) -> Recording:
    """What the program registers for each stack file."""
    stack, _, rehearsed = str(request.param).partition(", ")
    settings = stack_settings(stack)
    if rehearsed:
        settings["rehearsal"] = True
    secrets = {"sshPrivateKey": f"{RANDOM}-private-key"} if stack == "onprem" else {}
    with pytest.MonkeyPatch.context() as monkeypatch:
        return record(settings, stack=stack, monkeypatch=monkeypatch, secrets=secrets)


def test_every_resource_has_an_explicit_provider(recording: Recording) -> None:
    without = [
        f"{resource.type} {resource.name}"
        for resource in recording.resources
        if resource.custom and not resource.type.startswith("pulumi:providers:") and not resource.provider
    ]
    assert recording.resources
    assert without == []


def test_every_resource_has_a_parent(recording: Recording) -> None:
    assert [resource.name for resource in recording.resources if not resource.parent] == []


def test_every_custom_resource_belongs_to_a_component(recording: Recording) -> None:
    loose = [
        resource.name
        for resource in recording.resources
        if resource.custom
        and "$" not in resource.parent
        and not resource.parent.split("::")[2].startswith("inference:")
    ]
    assert [name for name in loose if name not in ("command", "random", "aws")] == []


def test_no_resource_is_made_inside_an_apply(recording: Recording) -> None:
    assert [resource.name for resource in recording.resources if resource.inside_apply] == []


def test_no_secret_is_in_plain_text_in_any_input_or_output(recording: Recording) -> None:
    inputs = {resource.name: resource.object for resource in recording.resources}
    wrapped = [resource.name for resource in recording.resources if RANDOM in json.dumps(resource.inputs)]
    assert wrapped, "the secrets must have gone somewhere, or this test proves nothing"
    assert [name for name, seen in inputs.items() if RANDOM in json.dumps(seen)] == []
    assert any(RANDOM in json.dumps(outputs) for outputs in recording.outputs.values())
    assert [urn for urn, outputs in recording.outputs.items() if RANDOM in json.dumps(masked(outputs))] == []


def test_every_image_is_of_an_exact_version(recording: Recording) -> None:
    images = set(
        re.findall(r'"image": "([^"]+)"', json.dumps([resource.object for resource in recording.kubernetes()]))
    )
    assert images
    assert [image for image in images if not re.search(r":[^:/]*[0-9][^:/]*$", image)] == []


def test_every_container_says_what_it_needs_and_may_use(recording: Recording) -> None:
    for resource in recording.kubernetes():
        template = resource.object.get("spec", {}).get("template")
        if template and "spec" in template:
            for container in template["spec"]["containers"] + template["spec"].get("initContainers", []):
                assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
                assert {"cpu", "memory"} <= container["resources"]["limits"].keys()
