"""Packages on a host whose apt is busy, broken or out of room."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts.conftest import NewHost
from tests.hosts.machine import Machine
from tests.unit.recording import REPOSITORY

HOST = REPOSITORY / "components" / "node" / "scripts" / "host.sh"
STEP = """
STEP=few . "$(dirname "$0")/host.sh"
state() {
    await_apt
    [ -n "$CHECK" ] || apt update
    packages tree
    hold tree
}
main "$@"
"""
HOLD_LOCK = (
    "use Fcntl; open(F, '>>', '/var/lib/dpkg/lock-frontend'); "
    "fcntl(F, F_SETLK, pack('s s l! l! i', F_WRLCK, 0, 0, 0, 0)) or die; sleep 6"
)


@pytest.fixture(scope="module")
def debian(new_host: NewHost) -> Machine:
    machine = new_host("target")
    machine.run("mkdir -p /opt/step && cat >/opt/step/host.sh", stdin=Path(HOST).read_text())
    machine.run("cat >/opt/step/few.sh", stdin=STEP)
    return machine


@pytest.fixture
def host(debian: Machine) -> Iterator[Machine]:
    yield debian
    _few(debian, "down")


def _few(machine: Machine, action: str, *, check: bool = True) -> str:
    return machine.run(f"bash /opt/step/few.sh {action} 2>&1", check=check)


def _has_tree(machine: Machine) -> bool:
    return machine.run("dpkg-query --show --showformat='${db:Status-Abbrev}' tree 2>/dev/null || true") in ("ii", "hi")


def test_what_would_be_done_is_told_and_not_done(host: Machine) -> None:
    assert "would install tree" in _few(host, "--check")
    assert not _has_tree(host)
    assert host.run("ls /var/lib/inference 2>/dev/null || true") == ""


def test_packages_are_held_and_go_again(host: Machine) -> None:
    _few(host, "up")
    assert _has_tree(host)
    assert host.run("apt-mark showhold") == "tree"
    assert "nothing to change" in _few(host, "up")
    _few(host, "down")
    assert not _has_tree(host)
    assert host.run("apt-mark showhold") == ""


def test_a_lock_that_another_program_holds_is_waited_for(host: Machine) -> None:
    host.run(f'systemd-run --quiet perl -e "{HOLD_LOCK}"')
    _few(host, "up")
    assert _has_tree(host)


def test_an_installation_that_was_cut_off_is_finished_first(host: Machine) -> None:
    host.run("cd /tmp && apt-get update -qq && apt-get download -qq less && dpkg --unpack less_*.deb")
    assert "finishing an interrupted installation" in _few(host, "up")
    assert host.run("dpkg --audit") == ""
    host.run("dpkg --purge less")


def test_a_full_disk_is_an_error_and_nothing_is_lost(host: Machine) -> None:
    host.run("mount -t tmpfs -o size=16k tmpfs /var/cache/apt/archives && mkdir /var/cache/apt/archives/partial")
    failed = _few(host, "up", check=False)
    host.run("umount /var/cache/apt/archives")
    assert "enough free space" in failed
    assert not _has_tree(host)
    _few(host, "up")
    assert _has_tree(host)


def test_packages_that_a_killed_run_installed_are_taken_back_too(host: Machine) -> None:
    host.run("mkdir -p /var/lib/inference/few/before; cd /var/lib/inference/few/before; touch ../ledger")
    host.run("dpkg-query --show --showformat='${Package}\\n' | sort -u >/var/lib/inference/few/before/packages")
    host.run(
        "{ sed 's/^/user:/;s/:x:.*//' /etc/passwd; sed 's/^/group:/;s/:x:.*//' /etc/group; } | sort"
        " >/var/lib/inference/few/before/accounts"
    )
    host.run("apt-get update -qq && apt-get install -y -qq tree")
    _few(host, "up")
    _few(host, "down")
    assert not _has_tree(host)
