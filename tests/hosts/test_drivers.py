"""GPU drivers, from repositories to a proof that they work: stub packages, but real apt, real holds, real reboots."""

import platform

import pytest

from components.node.step import SCRIPTS
from tests.e2e.small_stacks import SmallStack
from tests.hosts import node, onprem, vendors
from tests.hosts.conftest import NewHost
from tests.hosts.machine import Machine
from tests.hosts.mirror import Mirror

TOOLKIT = {"containerToolkit": "1.19.0-1"}


@pytest.fixture(scope="module")
def repositories(mirror: Mirror, tmp_path_factory: pytest.TempPathFactory) -> Mirror:
    vendors.publish(mirror, platform.release(), tmp_path_factory.mktemp("vendors"))
    return mirror


@pytest.fixture(params=["cuda", "rocm"])
def host(request: pytest.FixtureRequest, new_host: NewHost) -> tuple[Machine, str]:
    """A host with one card on its PCI bus, and whose."""
    kind: str = request.param
    machine = new_host(f"{kind}-host")
    vendors.plug_in(machine, kind, cards=1)
    return machine, kind


def test_a_driver_is_installed_loaded_by_a_reboot_proven_held_and_taken_back(
    stack: SmallStack, host: tuple[Machine, str], repositories: Mirror
) -> None:
    machine, kind = host
    before, boot = onprem.looks(machine), machine.run("cat /proc/sys/kernel/random/boot_id")
    node.write(stack, machine, repositories, accelerator={"kind": kind}, drivers=TOOLKIT)

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

    node.write(stack, machine, repositories, accelerator={"kind": kind, "count": 2}, drivers=TOOLKIT)
    vendors.plug_in(machine, kind, cards=2)
    failed = stack.up()
    assert f"settings promise 2 x {kind} on {machine.hostname}, the driver finds 1" in failed.text

    assert stack.destroy().status == 0
    assert onprem.differences(before, machine) == {}


def test_a_version_that_is_not_there_is_an_error_that_changes_nothing_else(
    stack: SmallStack, new_host: NewHost, repositories: Mirror
) -> None:
    machine = new_host("other")
    vendors.plug_in(machine, "cuda", cards=1)
    node.write(stack, machine, repositories, accelerator={"kind": "cuda"}, drivers={"cuda": "599.1-1"})
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
