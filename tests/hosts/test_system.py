"""What settings change in a host's operating system, and that it goes again."""

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.small_stacks import SmallStack
from tests.hosts import node, onprem, vendors
from tests.hosts.machine import Machine
from tests.hosts.mirror import Mirror

SOURCES = "ls /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null || true"
KNOWN = "apt-cache policy | sed -n 's/^ *[0-9]* \\(http[^ ]*\\) .*/\\1/p' | sort -u"
SERVICE_LIMITS = "systemctl show --property=DefaultLimitNOFILESoft,DefaultLimitMEMLOCK"
TOOL = vendors.Package(name="site-tool", version="1", files={"usr/bin/site-tool": "#!/bin/sh\necho works\n"})


@pytest.fixture
def repository(mirror: Mirror, tmp_path: Path) -> dict[str, Any]:
    """A signed repository with one package, as settings name it."""
    (tmp_path / "site").mkdir()
    return {"name": "site", "url": f"{mirror.url}/apt/site", "key": vendors.signed(mirror, {"site": [TOOL]}, tmp_path)}


def test_a_repository_of_the_site_takes_the_place_of_all_others_until_the_host_is_given_back(
    stack: SmallStack, host: Machine, mirror: Mirror, repository: dict[str, Any]
) -> None:
    host.run("echo 'deb http://unreachable.invalid/debian x main' >/etc/apt/sources.list.d/extra.list")
    host.run("echo >/etc/apt/sources.list.d/inference-nvidia-driver.sources")
    before, sources = onprem.looks(host), host.run(SOURCES)
    closed: dict[str, Any] = {"aptSources": [repository], "onlyAptSources": True}

    node.write(stack, host, mirror, packages=["site-tool"], **closed)
    up = stack.up()
    assert up.status == 0, up.text
    assert host.run("site-tool") == "works"
    assert host.run(KNOWN) == f"{mirror.url}/apt/site"
    assert "/etc/apt/sources.list.d/inference-nvidia-driver.sources" in host.run(SOURCES), "a driver's stays"

    node.write(stack, host, mirror, **closed)
    assert stack.up().status == 0
    assert host.run("which site-tool || true") == ""
    assert host.run(KNOWN) == f"{mirror.url}/apt/site", "the others are still set aside"

    host.run("rm -rf /var/lib/apt/lists/*")
    assert stack.destroy().status == 0, "though a source that comes back cannot be reached"
    assert host.run(SOURCES) == sources
    assert onprem.differences(before, host) == {}
    host.run("rm /etc/apt/sources.list.d/extra.list /etc/apt/sources.list.d/inference-nvidia-driver.sources")


def test_a_repository_that_another_key_signs_is_refused_and_the_next_up_goes_on_with_the_right_one(
    stack: SmallStack, host: Machine, mirror: Mirror, repository: dict[str, Any], tmp_path: Path
) -> None:
    before = onprem.looks(host)
    (tmp_path / "other").mkdir()
    another = vendors.signed(mirror, {"other": [TOOL]}, tmp_path / "other")
    node.write(stack, host, mirror, packages=["site-tool"], aptSources=[repository | {"key": another}])
    failed = stack.up()
    assert failed.status != 0
    assert "a package repository is not signed by the key that is set for it" in failed.text
    assert "correct the key or the url in system.aptSources" in failed.text
    assert host.run("which site-tool || true") == ""

    node.write(stack, host, mirror, packages=["site-tool"], aptSources=[repository])
    corrected = stack.up()
    assert corrected.status == 0, corrected.text
    assert host.run("site-tool") == "works"
    assert stack.destroy().status == 0
    assert onprem.differences(before, host) == {}


def test_a_repository_that_was_wrong_and_is_left_out_is_in_nobodys_way(
    stack: SmallStack, host: Machine, mirror: Mirror, repository: dict[str, Any]
) -> None:
    node.write(stack, host, mirror, aptSources=[repository | {"suites": ["gone"], "components": ["main"]}])
    assert stack.up().status != 0
    node.write(stack, host, mirror)
    without = stack.up()
    assert without.status == 0, without.text
    assert stack.destroy().status == 0


def test_limits_hold_for_logins_and_services_until_the_host_is_given_back(
    stack: SmallStack, host: Machine, mirror: Mirror
) -> None:
    before, own = onprem.looks(host), host.run(SERVICE_LIMITS)
    boot = host.run("systemctl show --property=UserspaceTimestampMonotonic --value")

    node.write(stack, host, mirror)
    up = stack.up()
    assert up.status == 0, up.text
    stays = any("locked memory stays at 8192" in line for line in up.messages("node-system"))
    files = min(65536, int(host.run("systemctl show --property=DefaultLimitNOFILE --value")))
    for asked in ("sh -c", "sudo -n systemd-run --quiet --pipe --wait sh -c"):
        open_files, locked = host.over_ssh(f"{asked} 'ulimit -S -n; ulimit -l'").split()
        assert open_files == str(files)
        assert locked == ("8192" if stays else "unlimited")
    assert "vm.max_map_count = 1048576" in host.run("cat /etc/sysctl.d/60-inference.conf")
    assert host.run("systemctl show --property=UserspaceTimestampMonotonic --value") == boot, "nothing was restarted"
    assert host.run("systemctl list-units --failed --no-legend") == ""

    node.write(stack, host, mirror, limits=False)
    assert stack.up().status == 0
    assert host.run(SERVICE_LIMITS) == own
    assert host.run("cat /etc/sysctl.d/60-inference.conf") == "net.ipv4.ip_forward = 1"
    assert stack.destroy().status == 0
    assert onprem.differences(before, host) == {}


def test_logs_are_kept_as_long_as_set_and_compressed(stack: SmallStack, host: Machine, mirror: Mirror) -> None:
    node.write(stack, host, mirror, journalDays=14)
    assert stack.up().status == 0
    journal = host.run("systemd-analyze cat-config systemd/journald.conf")
    assert "SystemMaxUse=1073741824" in journal
    assert "MaxRetentionSec=14day" in journal
    said = host.run("cat /var/lib/inference/system/log")
    assert "nothing to change" not in said
    host.run("logrotate --force /etc/logrotate.d/inference")
    assert host.run("zcat /var/lib/inference/system/log.1.gz") == said
    for _ in range(3):
        host.run("logrotate --force /etc/logrotate.d/inference")
    assert host.run("ls /var/lib/inference/system/log.*").split() == [
        f"/var/lib/inference/system/log.{number}.gz" for number in (1, 2)
    ], "2 weeks"
    assert stack.up("--expect-no-changes").status == 0
    assert stack.destroy().status == 0
