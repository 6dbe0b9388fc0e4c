"""GPU drivers, from repositories to a proof that they work: stub packages, but real apt, real holds, real reboots."""

import platform
from pathlib import Path
from typing import Any

import pytest

from components.node.step import SCRIPTS
from tests.e2e import small_stacks
from tests.e2e.small_stacks import SmallStack
from tests.hosts import onprem, vendors
from tests.hosts.conftest import NewHost
from tests.hosts.machine import Machine
from tests.hosts.mirror import Mirror
from tests.unit.recording import REPOSITORY

PROGRAM = """
sys.path.insert(0, {repository!r})
from pathlib import Path
from components.node.gpu_node import GpuNode
from components.node.settings import Drivers, Host, Mirror
from components.node.system import System

GpuNode(
    "node",
    Host.model_validate({host!r}),
    system=System.model_validate({{"securityUpgrades": False, "timeSync": False, "firewall": None}}),
    drivers=Drivers.model_validate({drivers!r}),
    mirror=Mirror.model_validate({mirror!r}),
    private_key=pulumi.Output.secret(Path({key!r}).read_text()),
)
"""
CARDS = {"cuda": "0x10de", "rocm": "0x1002"}


@pytest.fixture(scope="module")
def repositories(mirror: Mirror, tmp_path_factory: pytest.TempPathFactory) -> Mirror:
    vendors.publish(mirror, platform.release(), tmp_path_factory.mktemp("vendors"))
    return mirror


@pytest.fixture
def stack(tmp_path: Path) -> SmallStack:
    return small_stacks.made(tmp_path / "stack")


@pytest.fixture(params=["cuda", "rocm"])
def host(request: pytest.FixtureRequest, new_host: NewHost) -> tuple[Machine, str]:
    """A host with one card on its PCI bus, and whose."""
    kind: str = request.param
    machine = new_host(f"{kind}-host")
    machine.run(
        f"mkdir -p /run/pci/0 && echo {CARDS[kind]} >/run/pci/0/vendor && echo 0x030000 >/run/pci/0/class && "
        "mount --bind /run/pci /sys/bus/pci/devices"
    )
    return machine, kind


def _write(stack: SmallStack, machine: Machine, mirror: Mirror, accelerator: dict[str, Any], **drivers: str) -> None:
    stack.write(
        PROGRAM.format(
            repository=str(REPOSITORY),
            host=onprem.entry(machine, role="server") | {"accelerator": accelerator},
            drivers=drivers,
            mirror={"apt": f"{mirror.url}/apt", "k3s": f"{mirror.url}/k3s"},
            key=str(machine.private_key),
        )
    )


def test_a_driver_is_installed_loaded_by_a_reboot_proven_held_and_taken_back(
    stack: SmallStack, host: tuple[Machine, str], repositories: Mirror
) -> None:
    machine, kind = host
    before, boot = onprem.looks(machine), machine.run("cat /proc/sys/kernel/random/boot_id")
    _write(stack, machine, repositories, {"kind": kind}, containerToolkit="1.19.0-1")

    up = stack.up()
    assert up.status == 0, up.text
    assert any("reboots: " in message for message in up.messages("node-reboot"))
    assert machine.run("cat /proc/sys/kernel/random/boot_id") != boot
    assert f"{machine.hostname}: the driver works, 1 x {kind}" in up.messages("node-prove")
    held = machine.run("apt-mark showhold").split()
    if kind == "cuda":
        assert {"nvidia-open", "nvidia-kernel-open-dkms", "nvidia-container-toolkit"} <= set(held)
        assert machine.run("dpkg-query --show --showformat='${Version}' nvidia-container-toolkit") == "1.19.0-1"
        assert machine.run("systemctl is-active nvidia-persistenced") == "active"
    else:
        assert held == ["amdgpu-dkms"]

    assert stack.up("--expect-no-changes").status == 0

    _write(stack, machine, repositories, {"kind": kind, "count": 2}, containerToolkit="1.19.0-1")
    machine.run("mkdir -p /run/pci/0 /run/pci/1; mount --bind /run/pci /sys/bus/pci/devices")
    for card in (0, 1):
        machine.run(f"echo {CARDS[kind]} >/run/pci/{card}/vendor; echo 0x030000 >/run/pci/{card}/class")
    failed = stack.up()
    assert f"settings promise 2 x {kind} on {machine.hostname}, the driver finds 1" in failed.text

    assert stack.destroy().status == 0
    assert onprem.differences(before, machine) == {}


def test_a_version_that_is_not_there_is_an_error_that_changes_nothing_else(
    stack: SmallStack, new_host: NewHost, repositories: Mirror
) -> None:
    machine = new_host("other")
    machine.run("mkdir -p /run/pci/0 && echo 0x10de >/run/pci/0/vendor && echo 0x030000 >/run/pci/0/class")
    machine.run("mount --bind /run/pci /sys/bus/pci/devices")
    _write(stack, machine, repositories, {"kind": "cuda"}, cuda="599.1-1")
    failed = stack.up()
    assert failed.status != 0
    assert "Version '599.1-1' for 'nvidia-open' was not found" in failed.text
    assert machine.run("dpkg-query --show 'nvidia*' 2>/dev/null || true") == ""


def test_a_node_at_work_is_not_rebooted(new_host: NewHost) -> None:
    machine = new_host("busy")
    boot = machine.run("cat /proc/sys/kernel/random/boot_id")
    machine.run("mkdir -p /run/inference && echo 'a new driver' >/run/inference/reboot")
    machine.run("systemd-run --quiet --unit=k3s sleep infinity")
    refused = machine.run("NODE=busy bash -s 2>&1", stdin=(SCRIPTS / "reboot.sh").read_text(), check=False)
    assert "busy must reboot (a new driver), but it is a node at work" in refused
    assert "kubectl drain busy" in refused
    assert machine.run("cat /proc/sys/kernel/random/boot_id") == boot
