"""Bad settings in the hands of the real engine: every mistake, no traceback, nothing registered."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.deployment import Deployment
from tests.unit.recording import stack_settings

EXTERNAL = {"kind": "external", "endpoint": "http://s3.lan:9000", "accessKey": "reader"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """The dev stack, never brought up: each test gives it settings of its own."""
    deployment = Deployment(state=tmp_path_factory.mktemp("state"))
    deployment.create(stack_settings("dev"))
    return deployment


@pytest.fixture(autouse=True)
def untouched(stack: Deployment) -> Iterator[None]:
    """What holds after every test: nothing of ours was registered, and no control plane was started."""
    yield
    assert {resource["type"] for resource in stack.resources()} <= {"pulumi:pulumi:Stack"}
    assert not (stack.state / "dev" / "dev").exists()


def refused(stack: Deployment, settings: Mapping[str, Any] | None = None) -> str:
    """What `pulumi up` prints about settings that it must refuse."""
    if settings is not None:
        stack.write_settings(settings)
    done = stack.up(check=False)
    printed = done.stdout + done.stderr
    assert done.returncode != 0
    assert "Traceback" not in printed
    assert len(printed) < 10_000
    return printed


def test_every_mistake_is_reported_at_once(stack: Deployment) -> None:
    settings = stack_settings("dev")
    settings["engines"][0]["cluster"] = "hoem"
    settings["engines"][1] |= {"replicas": "two", "model": "nothing"}
    settings["engines"][2]["accelerator"] = {"kind": "rocm", "count": 8}
    settings["enginse"] = []
    settings["store"] = EXTERNAL
    printed = refused(stack, settings)
    report = " ".join(printed.split())
    assert "6 problems in Pulumi.dev.yaml:" in report
    assert 'inference:engines[0].cluster "hoem" is not a cluster; there are: dev' in report
    assert 'inference:engines[1].replicas "two" must be a whole number' in report
    assert 'inference:engines[1].model "nothing" is not a model; there are: legal-8b, chat-gguf' in report
    assert "inference:engines[2].accelerator asks for 8 rocm GPUs on one node; the largest node in" in report
    assert 'inference:enginse unknown key; did you mean "engines"?' in report
    assert "pulumi config set --secret inference:storeSecretKey --stack dev" in report
    assert "Nothing was changed." in report


def test_names_with_shell_and_terminal_metacharacters_are_shown_harmless(stack: Deployment) -> None:
    settings = stack_settings("dev")
    settings["engines"][0]["name"] = "$(touch owned)"
    settings["models"][0]["name"] = "\x1b]0;owned\x07"
    settings["clusters"][0]["simulated"][0]["name"] = "ünïcode"
    printed = refused(stack, settings)
    assert "3 problems in Pulumi.dev.yaml:" in printed
    assert not {"$(touch", "\x1b]0", "ü"} & set(re.findall(r"\$\(touch|\x1b]0|ü", printed))


def test_no_gateway_is_a_setting_like_any_other(stack: Deployment) -> None:
    settings = stack_settings("dev") | {"gateway": None, "target": "prod"}
    printed = refused(stack, settings)
    assert "1 problem in Pulumi.dev.yaml:" in printed
    assert 'inference:target   "prod" is not one of: dev, onprem, eks' in printed


def test_the_command_in_the_report_makes_a_secret_setting_plain_again(stack: Deployment) -> None:
    stack.write_settings(stack_settings("dev") | {"target": "prod"})
    pulumi(stack, "pulumi config set --secret --stack dev inference:quota '{\"pods\": 100}'")
    printed = refused(stack)
    assert "2 problems in Pulumi.dev.yaml:" in printed
    found = re.search(r"inference:quota\s+must not be a secret; run: (.*)", printed)
    assert found
    pulumi(stack, found[1])
    assert "1 problem in Pulumi.dev.yaml:" in refused(stack)


def test_ten_megabytes_are_refused_in_one_sentence(stack: Deployment) -> None:
    settings = stack_settings("dev")
    del settings["engines"]
    stack.write_settings(settings)
    entry = "    - {name: legal, kind: vllm, model: legal-8b, cluster: dev}\n"
    text = stack.settings_file.read_text()
    many = "config:\n  inference:engines:\n" + entry * (10_000_000 // len(entry) + 1)
    stack.settings_file.write_text(text.replace("config:\n", many))
    try:
        assert "have more than 1 MiB; they are a page or two: is it another file?" in refused(stack)
    finally:
        stack.settings_file.write_text(text)


@pytest.mark.parametrize("text", ["- a\n- b\n", "config: 7\n", "config:\n\tinference:target: dev\n", "{"])
def test_a_file_that_is_no_mapping_stops_the_engine_itself(stack: Deployment, text: str) -> None:
    before = stack.settings_file.read_text()
    stack.settings_file.write_text(text)
    try:
        assert "error: " in refused(stack)
    finally:
        stack.settings_file.write_text(before)


def pulumi(stack: Deployment, command: str) -> None:
    """Run a command line as a user would, beside the stack's settings."""
    subprocess.run(["bash", "-c", command], cwd=Path(stack.state), env=stack.environment, check=True)
