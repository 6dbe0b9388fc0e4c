"""What could lock everybody out of a host is undone by the host itself, unless a new connection proves it harmless."""

from pathlib import Path

from tests.e2e import small_stacks
from tests.e2e.small_stacks import SmallStack
from tests.hosts import onprem
from tests.hosts.machine import Machine
from tests.unit.recording import REPOSITORY

PROGRAM = """
sys.path.insert(0, {repository!r})
from pathlib import Path
from components.node.gpu_node import system_variables
from components.node.settings import Host
from components.node.step import SCRIPTS, Step, run_step
from components.node.system import System

host = Host.model_validate({host!r})
key = Path({key!r}).read_text()
reached = {{"host": str(host.host), "user": host.user, "host_key": host.host_key, "private_key": key}}
system = System.model_validate({{"securityUpgrades": False, "timeSync": False, "firewall": {{"clients": {clients!r}}}}})
variables = system_variables(system, host, (host,))
options = pulumi.ResourceOptions()
step = Step(name="system", script=SCRIPTS / "system.sh", variables=variables)
first = run_step("system", step, reached, opts=options)
if {follow!r}:
    run_step("next", Step(name="next", script=Path({script!r})), reached, after=[first], opts=options)
"""
NEXT = """#!/usr/bin/env bash
. "$(dirname "${BASH_SOURCE[0]}")/host.sh"
state() { say "the next step"; }
main "$@"
"""


def _write(stack: SmallStack, machine: Machine, tmp_path: Path, *, clients: tuple[str, ...], follow: bool) -> None:
    script = tmp_path / "next.sh"
    script.write_text(NEXT)
    stack.write(
        PROGRAM.format(
            repository=str(REPOSITORY),
            host=onprem.entry(machine, role="server"),
            key=str(machine.private_key),
            clients=clients,
            follow=follow,
            script=str(script),
        )
    )


def _is_guarded(machine: Machine) -> bool:
    return "inference" in machine.run("nft list tables")


def _waits_for_proof(machine: Machine) -> bool:
    return machine.run("systemctl is-active inference-proof.timer || true") == "active"


def _let_time_pass(machine: Machine) -> None:
    """What the timer does when its 5 minutes are over."""
    machine.run("systemctl start --wait inference-proof.service; systemctl stop inference-proof.timer")


def test_a_firewall_that_locks_out_is_undone_corrected_and_proven(host: Machine, tmp_path: Path) -> None:
    stack = small_stacks.made(tmp_path / "stack")
    _write(stack, host, tmp_path, clients=("192.0.2.0/24",), follow=False)
    assert stack.up().status == 0
    assert _is_guarded(host)
    assert _waits_for_proof(host)

    _let_time_pass(host)
    assert not _is_guarded(host)
    assert host.run("ls /etc/ssh/sshd_config.d") == ""

    everybody = (f"{host.gateway}/32",)
    _write(stack, host, tmp_path, clients=everybody, follow=False)
    assert stack.up().status == 0
    assert _is_guarded(host)
    assert host.run("ls /etc/ssh/sshd_config.d") == "10-inference.conf"
    assert _waits_for_proof(host)

    _let_time_pass(host)
    _write(stack, host, tmp_path, clients=everybody, follow=True)
    failed = stack.up()
    assert failed.status != 0
    assert "SSH and firewall had been put back" in failed.text
    assert _is_guarded(host)
    assert _waits_for_proof(host)

    proven = stack.up()
    assert proven.status == 0, proven.text
    assert _is_guarded(host)
    assert not _waits_for_proof(host)
    assert stack.destroy().status == 0
    assert not _is_guarded(host)
