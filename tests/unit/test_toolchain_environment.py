"""The variables under which Pulumi and the tests run."""

import json
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.machine import Machine, bare_machine
from toolchain import environment, targets
from toolchain.catalogue import TOOLS, in_groups
from toolchain.tool import GoPackage


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """With all tools, and the stack dev."""
    with bare_machine(tmp_path, monkeypatch) as machine:
        machine.have_tools()
        machine.have_stack("dev", "dev")
        yield machine


def test_what_was_brought_comes_first_on_path_and_the_users_own_path_stays(machine: Machine) -> None:
    path = environment(stack="dev")["PATH"].split(os.pathsep)

    brought = {str(machine.installed(tool).parent) for tool in in_groups("dev")}
    assert {*path[: len(brought)]} == brought
    assert str(machine.bin) in path


def test_only_tests_get_the_tools_that_only_tests_need(machine: Machine) -> None:
    programs = [tool for tool in TOOLS if tool.groups - {"bench", "lint"} and isinstance(tool.source, GoPackage)]
    wanted = {str(machine.installed(tool).parent) for tool in programs}

    assert not wanted <= {*environment(stack="dev")["PATH"].split(os.pathsep)}
    assert wanted <= {*environment(stack="dev", tests=True)["PATH"].split(os.pathsep)}


@pytest.mark.usefixtures("machine")
def test_it_is_the_same_when_it_is_already_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    first = environment(stack="dev")
    for name, value in first.items():
        monkeypatch.setenv(name, value)

    assert environment(stack="dev") == first


def test_state_is_kept_in_a_local_backend_with_a_passphrase_that_only_its_owner_can_read(machine: Machine) -> None:
    variables = environment(stack="dev")

    passphrase = Path(variables["PULUMI_CONFIG_PASSPHRASE_FILE"])
    assert variables["PULUMI_BACKEND_URL"] == f"file://{machine.state}?metadata=skip"
    assert stat.S_IMODE(passphrase.stat().st_mode) == 0o600
    assert stat.S_IMODE(machine.state.stat().st_mode) == 0o700
    assert len(passphrase.read_text().strip()) > 30


def test_the_passphrase_is_made_once(machine: Machine) -> None:
    environment(stack="dev")
    first = (machine.state / "passphrase").read_text()

    environment(stack="dev")

    assert (machine.state / "passphrase").read_text() == first


def test_a_salt_of_a_passphrase_that_is_gone_is_forgotten_by_the_dev_stack_alone(machine: Machine) -> None:
    for stack, target in (("dev", "dev"), ("eks", "eks")):
        (machine.repository / f"Pulumi.{stack}.yaml").write_text(
            f"encryptionsalt: v1:x\nconfig:\n  inference:target: {target}\n"
        )
    environment(stack="dev")
    assert "encryptionsalt" not in (machine.repository / "Pulumi.dev.yaml").read_text()
    assert "encryptionsalt" in (machine.repository / "Pulumi.eks.yaml").read_text()


def test_a_backend_that_the_user_chose_is_left_alone(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://our-states")

    assert not {"PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE_FILE"} & environment(stack="dev").keys()
    assert not (machine.state / "passphrase").exists()


@pytest.mark.parametrize("name", ["PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"])
def test_a_passphrase_that_the_user_chose_is_left_alone(
    machine: Machine, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "theirs")

    assert "PULUMI_CONFIG_PASSPHRASE_FILE" not in environment(stack="dev")
    assert not (machine.state / "passphrase").exists()


@pytest.mark.parametrize("purpose", ["tests", "rehearsal"])
def test_tests_and_rehearsals_never_see_the_users_backend(
    machine: Machine, purpose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://our-states")

    variables = environment(stack="dev", tests=purpose == "tests", rehearsal=purpose == "rehearsal")

    assert variables["PULUMI_BACKEND_URL"] == f"file://{machine.state}?metadata=skip"


def test_the_shell_reads_what_is_printed_whatever_is_in_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("INFERENCE_STATE", str(machine.home / "it's a $HOME"))

    assert machine.run("env", "--stack", "dev", "--json") == 0
    wanted = json.loads(capsys.readouterr().out)
    assert machine.run("env", "--stack", "dev", "--shell") == 0
    printed = capsys.readouterr().out

    names = " ".join(f'"${name}"' for name in wanted)
    script = f'eval "$1"; for value in {names}; do echo "$value"; done'
    shown = subprocess.check_output(["/bin/sh", "-c", script, "sh", printed], text=True)
    assert shown.splitlines() == [*wanted.values()]


def test_eval_of_what_could_not_be_brought_fails_so_that_a_script_stops(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.have_stack("eks", "eks")
    assert machine.run("env", "--stack", "eks") == 3

    done = subprocess.run(["/bin/sh", "-c", 'eval "$1"', "sh", capsys.readouterr().out], check=False)

    assert done.returncode == 3


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("config:\n  inference:target: dev\n", "dev"),
        ("config:\n  'inference:target': \"eks\"  # the cloud\n", "eks"),
        ("config: {inference:target: onprem, inference:models: []}\n", "onprem"),
        ("# inference:target: dev\nconfig:\n  inference:target: eks\n", "eks"),
        ("config:\n  inference:target: eks  # was inference:target: dev\n", "eks"),
        ("config:\n  other: x  # inference:target: dev\n", None),
        ("config:\n  inference:target: dev\n  inference:target: eks\n", None),
        ("config:\n  other:target: dev\n", None),
        ("config:\n  inference:target: [dev]\n", None),
        ("", None),
    ],
)
def test_the_target_is_read_without_a_yaml_parser_and_doubt_means_none(
    machine: Machine, text: str, target: str | None
) -> None:
    (machine.repository / "Pulumi.some.yaml").write_text(text)

    assert targets.target("some") == target
    assert targets.target("organisation/inference/some") == target


def test_cleaning_up_where_nothing_runs_keeps_the_tools_and_says_where_they_are(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert machine.run("clean") == 0

    assert capsys.readouterr().err.startswith(f"Tools stay in {machine.cache}")
    assert machine.installed(TOOLS[0]).exists()


def test_cleaning_up_is_refused_while_another_stack_is_up(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    stacks = machine.state / ".pulumi" / "stacks" / "inference"
    stacks.mkdir(parents=True)
    (stacks / "onprem.json").write_text('{"resources":[{"type":"pulumi:pulumi:Stack"}]}')
    assert machine.run("clean") == 3
    assert "make destroy STACK=onprem" in capsys.readouterr().err
