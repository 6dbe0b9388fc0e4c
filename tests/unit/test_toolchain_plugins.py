"""Official Pulumi plugins win; stand-ins serve the dev target and tests, and are refused for everything else."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.machine import Machine, bare_machine
from tests.unit.release_server import program, put_program, sha256, tar
from toolchain import environment, plugins
from toolchain.catalogue import PULUMI
from toolchain.problems import ToolchainError
from toolchain.tool import this_platform

PROGRAMS = {plugin.program for plugin in plugins.PLUGINS}
KUBERNETES = next(plugin for plugin in plugins.PROVIDERS if plugin.name == "kubernetes")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """With all tools, the stacks dev and eks, and no way to any plugin."""
    with bare_machine(tmp_path, monkeypatch) as machine:
        machine.have_tools()
        machine.have_stack("dev", "dev")
        machine.have_stack("eks", "eks")
        yield machine


def launchers(machine: Machine) -> set[str]:
    return {path.name for path in machine.state.glob("standins/*")}


def in_plugin_home(machine: Machine, plugin: plugins.Plugin) -> Path:
    folder = machine.home / "pulumi-home/plugins" / f"{plugin.kind}-{plugin.name}-v{plugin.version}"
    return put_program(folder / plugin.program, "official")


def let_pulumi_install_plugins(machine: Machine) -> None:
    """A `pulumi` whose `plugin install` puts an archive where the real one does."""
    machine.installed(PULUMI).write_text(
        '#!/bin/sh\n[ "$1 $2 $3 $6" = "plugin install resource --file" ] || exit 1\n'
        'to="$PULUMI_HOME/plugins/resource-$4-v$5"\n/bin/mkdir -p "$to" && PATH=/usr/bin:/bin tar -xzf "$7" -C "$to"\n'
    )


def test_without_official_plugins_the_dev_stack_gets_stand_ins_and_one_line_says_so(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    variables = environment(stack="dev")

    assert launchers(machine) == PROGRAMS
    assert variables["INFERENCE_STANDINS"] == "dev"
    assert variables["PATH"].split(os.pathsep)[-1] == str(machine.state / "standins")
    assert capsys.readouterr().err.splitlines() == [
        "stand-ins for pulumi-language-python, kubernetes, command, random (official plugins not reachable): "
        "dev and tests only"
    ]


def test_a_launcher_starts_the_stand_in_with_the_engines_arguments_and_what_it_may_be_used_for(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    standin = machine.repository / "tests/standins/kubernetes.py"
    standin.parent.mkdir(parents=True)
    standin.write_text("import os, sys; print(os.environ.get('INFERENCE_STANDINS'), sys.argv[1:], os.getcwd())")
    environment(stack="dev")
    launcher = machine.state / "standins/pulumi-resource-kubernetes"

    monkeypatch.setenv("INFERENCE_STANDINS", "tests")
    said = subprocess.check_output([launcher, "127.0.0.1:1", "a b"], cwd="/", text=True)

    assert said == "tests ['127.0.0.1:1', 'a b'] /\n"


def test_a_launcher_permits_nothing_by_itself(machine: Machine) -> None:
    environment(stack="dev")

    assert all("=dev" not in path.read_text() for path in machine.state.glob("standins/*"))


@pytest.mark.parametrize("stack", ["eks", "no-such-stack"])
def test_stand_ins_are_refused_for_any_target_but_dev_with_what_to_install(
    machine: Machine, stack: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert machine.run("env", "--stack", stack) == 3

    said = capsys.readouterr()
    assert "export" not in said.out
    assert "stand-ins are for dev and tests only" in said.err
    assert f"pulumi plugin install resource kubernetes {KUBERNETES.version}" in said.err
    assert "https://www.pulumi.com/docs/install/" in said.err
    assert launchers(machine) == set()


def test_tests_may_use_stand_ins_for_any_target(machine: Machine) -> None:
    assert environment(stack="eks", tests=True)["INFERENCE_STANDINS"] == "tests"
    assert launchers(machine) == PROGRAMS | {plugins.AWS.program}


def test_only_the_target_eks_asks_for_the_provider_of_aws_and_not_for_its_rehearsal(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    environment(stack="dev")
    environment(stack="eks", rehearsal=True)
    assert not [url for url in machine.server.asked if "pulumi-aws" in url]

    assert machine.run("env", "--stack", "eks") == 3
    assert f"pulumi plugin install resource aws {plugins.AWS.version}" in capsys.readouterr().err


@pytest.mark.usefixtures("machine")
def test_a_rehearsal_of_any_target_may_use_stand_ins() -> None:
    assert environment(stack="eks", rehearsal=True)["INFERENCE_STANDINS"] == "dev"


def test_official_plugins_on_path_win(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    for name in (*PROGRAMS, plugins.AWS.program):
        put_program(machine.bin / name, "official")

    variables = environment(stack="eks")

    assert launchers(machine) == set()
    assert "INFERENCE_STANDINS" not in variables
    assert "standins" not in variables["PATH"]
    assert capsys.readouterr().err == ""


def test_a_stale_launcher_goes_when_the_official_plugin_appears(machine: Machine) -> None:
    environment(stack="dev")
    in_plugin_home(machine, KUBERNETES)

    environment(stack="dev")

    assert launchers(machine) == PROGRAMS - {KUBERNETES.program}


def test_an_official_language_host_beside_pulumi_is_found(machine: Machine) -> None:
    put_program(machine.installed(PULUMI).parent / "pulumi-language-python", "official")

    environment(stack="dev")

    assert launchers(machine) == PROGRAMS - {"pulumi-language-python"}


def test_a_half_installed_official_plugin_does_not_count(machine: Machine) -> None:
    folder = in_plugin_home(machine, KUBERNETES).parent
    folder.with_name(f"{folder.name}.partial").touch()

    environment(stack="dev")

    assert KUBERNETES.program in launchers(machine)


def test_the_launchers_of_another_clone_are_not_taken_for_official_plugins(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment(stack="dev")
    (machine.state / "standins").rename(machine.home / "other-clone")
    monkeypatch.setenv("PATH", f"{machine.bin}:{machine.home / 'other-clone'}")

    environment(stack="dev")

    assert launchers(machine) == PROGRAMS


def test_official_plugins_that_can_be_downloaded_are_verified_and_installed(machine: Machine) -> None:
    let_pulumi_install_plugins(machine)
    machine.server.publish(PULUMI, tar({"pulumi/pulumi": machine.installed(PULUMI).read_bytes() + b"echo 3.259.0"}))
    for plugin in plugins.PROVIDERS:
        url, archive = plugin.release.url_for(this_platform()), tar({plugin.program: program("official")})
        machine.server.put(url, archive)
        digest = f'{{"assets": [{{"name": "{url.rpartition("/")[2]}", "digest": "sha256:{sha256(archive)}"}}]}}'
        machine.server.put(plugin.release.checksums_for(this_platform()), digest.encode())

    environment(stack="dev")

    assert launchers(machine) == {"pulumi-language-python"}


def test_an_altered_official_plugin_stops_everything(machine: Machine) -> None:
    url = KUBERNETES.release.url_for(this_platform())
    machine.server.put(url, b"altered")
    digest = f'{{"assets": [{{"name": "{url.rpartition("/")[2]}", "digest": "sha256:{"f" * 64}"}}]}}'
    machine.server.put(KUBERNETES.release.checksums_for(this_platform()), digest.encode())

    with pytest.raises(ToolchainError, match="does not have the expected checksum"):
        environment(stack="dev")


def test_a_pulumi_built_here_is_replaced_by_the_release_as_soon_as_that_brings_the_language_host(
    machine: Machine,
) -> None:
    members = ("pulumi/pulumi", "pulumi/pulumi-language-python")
    machine.server.publish(PULUMI, tar({name: program("v3.259.0") for name in members}))

    environment(stack="dev")

    assert launchers(machine) == PROGRAMS - {"pulumi-language-python"}


def test_where_stand_ins_serve_the_publishers_are_not_asked_every_time(machine: Machine) -> None:
    environment(stack="dev")
    asked = len(machine.server.asked)

    environment(stack="dev")

    assert asked > 0
    assert len(machine.server.asked) == asked
