"""What is wrong with a host is told before anything is changed, all at once, each with what to do."""

from collections.abc import Iterator

import pytest

from tests.e2e.small_stacks import Outcome, SmallStack
from tests.hosts import onprem
from tests.hosts.machine import Machine
from tests.hosts.mirror import Mirror
from tests.unit.recording import REPOSITORY

PROGRAM = """
sys.path.insert(0, {repository!r})
from pathlib import Path
from components.node.gpu_node import preflight_variables
from components.node.settings import Host
from components.node.step import SCRIPTS, inspect

host = Host.model_validate({host!r})
variables = preflight_variables(host, {lookups!r}) | {extra!r}
key = Path({key!r}).read_text()
reached = {{"host": str(host.host), "user": host.user, "host_key": host.host_key, "private_key": key}}
inspect("preflight", SCRIPTS / "preflight.sh", variables, reached, opts=pulumi.ResourceOptions())
"""


@pytest.fixture
def spoiled(host: Machine) -> Iterator[Machine]:
    """A host with much wrong about it, put right afterwards."""
    host.run("mkdir -p /var/lib/rancher/k3s/server/db; touch /var/lib/rancher/k3s/server/db/old")
    host.run("ip route delete default")
    host.run("mv /etc/resolv.conf /etc/resolv.conf.off; sed -i /deb.debian.org/d /etc/hosts")
    yield host
    host.run("rm -rf /var/lib/rancher; mv /etc/resolv.conf.off /etc/resolv.conf")
    host.run(f"ip route add default via {host.gateway}; echo '{host.gateway} deb.debian.org' >>/etc/hosts")


def _look(stack: SmallStack, machine: Machine, *, extra: dict[str, str] | None = None, **settings: object) -> Outcome:
    entry = onprem.entry(machine, role="server") | settings
    program = PROGRAM.format(
        repository=str(REPOSITORY),
        host=entry,
        lookups=("deb.debian.org",),
        extra=extra or {},
        key=str(machine.private_key),
    )
    stack.write(program)
    return stack.up()


def test_a_sound_host_passes(stack: SmallStack, host: Machine) -> None:
    passed = _look(stack, host)
    assert passed.status == 0, passed.text
    assert "target: fit to become a node" in passed.messages("preflight")


def test_everything_that_is_wrong_is_told_at_once_and_nothing_is_changed(stack: SmallStack, spoiled: Machine) -> None:
    before = onprem.looks(spoiled)
    failed = _look(stack, spoiled, arch="arm64", cpu=512, memory="8Ti", disk="900Ti", accelerator={"kind": "cuda"})
    assert failed.status != 0
    for problem in (
        "this host is amd64, settings say arm64",
        "settings say 512 CPUs, this host has",
        "MiB of memory, this host has",
        "GiB of disk, /var/lib has",
        "settings say 1 x cuda, the PCI bus shows 0",
        "there is no default route",
        "deb.debian.org cannot be resolved",
        "/var/lib/rancher/k3s holds the data of an earlier k3s",
        "target: 8 problems; nothing was changed",
    ):
        assert problem in failed.text
    assert failed.text.count("what to do: ") >= 8
    assert onprem.differences(before, spoiled) == {}


def test_an_unknown_system_is_refused(stack: SmallStack, host: Machine) -> None:
    host.run("printf 'ID=slackware\\nVERSION_ID=15\\n' >/tmp/release")
    failed = _look(stack, host, extra={"RELEASE": "/tmp/release"})
    assert "the system is slackware 15" in failed.text


def test_gpus_are_counted_on_the_pci_bus(stack: SmallStack, host: Machine) -> None:
    for number, (vendor, kind) in enumerate((("0x10de", "0x030000"), ("0x10de", "0x040300"), ("0x1002", "0x120000"))):
        device = f"/tmp/sys/bus/pci/devices/{number}"
        host.run(f"mkdir -p {device}; echo {vendor} >{device}/vendor; echo {kind} >{device}/class")
    for accelerator in ({"kind": "cuda"}, {"kind": "rocm"}):
        passed = _look(stack, host, extra={"SYSFS": "/tmp/sys"}, accelerator=accelerator)
        assert passed.status == 0, passed.text
    failed = _look(stack, host, extra={"SYSFS": "/tmp/sys"}, accelerator={"kind": "cuda", "count": 2})
    assert "settings say 2 x cuda, the PCI bus shows 1" in failed.text, "a sound card of the same vendor is no GPU"


def test_secure_boot_is_found(stack: SmallStack, host: Machine) -> None:
    host.run("mkdir -p /tmp/secure/firmware/efi/efivars /tmp/secure/bus/pci/devices/0")
    host.run("printf '\\6\\0\\0\\0\\1' >/tmp/secure/firmware/efi/efivars/SecureBoot-8be4df61")
    host.run("echo 0x10de >/tmp/secure/bus/pci/devices/0/vendor; echo 0x030000 >/tmp/secure/bus/pci/devices/0/class")
    failed = _look(stack, host, extra={"SYSFS": "/tmp/secure"}, accelerator={"kind": "cuda"})
    assert "Secure Boot is on" in failed.text
    assert "mokutil --import" in failed.text


def test_a_clock_that_is_off_is_found(stack: SmallStack, host: Machine, mirror: Mirror) -> None:
    mirror.clock.append(7200)
    try:
        failed = _look(stack, host)
    finally:
        mirror.clock.clear()
    assert "seconds off by what deb.debian.org says" in failed.text


def test_a_user_who_may_not_become_root_is_told_how(stack: SmallStack, host: Machine) -> None:
    host.run("mv /etc/sudoers.d/ops /root/ops")
    try:
        failed = _look(stack, host)
    finally:
        host.run("mv /root/ops /etc/sudoers.d/ops")
    assert failed.status != 0
    assert "Allow ops to become root: echo 'ops ALL=(ALL) NOPASSWD: ALL'" in failed.text
