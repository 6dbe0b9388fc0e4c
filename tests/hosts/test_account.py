"""The service account, over SSH as whoever has its key: what it may, and what it may not."""

from typing import Any

import pytest

from tests.e2e.small_stacks import SmallStack
from tests.hosts import node, onprem
from tests.hosts.machine import Machine
from tests.hosts.mirror import Mirror

NAME = "watch"


def _account(machine: Machine, **more: Any) -> dict[str, Any]:
    """Settings with a service account that the test's own key opens."""
    public = machine.private_key.with_suffix(".pub").read_text().strip()
    return {"serviceAccount": {"name": NAME, "keys": [f"{public} watcher@site"], **more}}


def test_it_sees_all_that_monitoring_needs_restarts_k3s_does_nothing_else_and_goes_with_all_it_had(
    stack: SmallStack, host: Machine, mirror: Mirror
) -> None:
    host.run("groupadd --system render")
    before = onprem.looks(host)
    node.write(stack, host, mirror, **_account(host))
    up = stack.up()
    assert up.status == 0, up.text
    host.run(
        "mkdir -p /etc/rancher/k3s && echo secret >/etc/rancher/k3s/k3s.yaml && chmod 600 /etc/rancher/k3s/k3s.yaml"
    )
    host.run("printf '[Service]\\nExecStart=/bin/sleep infinity\\n' >/run/systemd/system/k3s.service")
    host.run("systemctl daemon-reload")

    def asked(command: str) -> str:
        return host.over_ssh(command, user=NAME, check=False)

    assert asked("id --name --user") == NAME
    assert "Accepted publickey for watch" in asked("journalctl --unit=ssh --no-pager")
    assert {"systemd-journal", "render", "video"} <= set(asked("id --name --groups").split())

    assert asked("sudo -n systemctl restart k3s && systemctl is-active k3s") == "active"
    assert "Active: active (running)" in asked("sudo -n systemctl status --no-pager k3s")

    for forbidden in (
        "id",
        "systemctl restart ssh",
        "systemctl restart k3s ssh",
        "systemctl status k3s",
        "systemctl stop k3s",
        "journalctl",
        "-u ops id",
    ):
        assert "a password is required" in asked(f"sudo -n {forbidden}"), forbidden
    for forbidden in (
        "cat /etc/rancher/k3s/k3s.yaml",
        "echo ssh-ed25519 AAAA >>~/.ssh/authorized_keys",
        "mv ~/.ssh ~/ssh",
        "cat /etc/shadow",
        "ls /var/lib/inference",
    ):
        assert "Permission denied" in asked(forbidden), forbidden
    assert host.run(f"getent shadow {NAME} | cut -d: -f2") == "*", "there is no password"

    assert stack.up("--expect-no-changes").status == 0
    host.run("systemctl stop k3s; rm -r /run/systemd/system/k3s.service /etc/rancher; systemctl daemon-reload")
    host.run(f"su {NAME} --command 'sleep infinity' >/dev/null 2>&1 & sleep 0.5")
    assert stack.destroy().status == 0
    assert host.run(f"ls -d /home/{NAME} /etc/sudoers.d/*{NAME}* 2>/dev/null || true") == ""
    assert onprem.differences(before, host) == {}


def test_an_account_that_was_there_before_is_left_alone(stack: SmallStack, host: Machine, mirror: Mirror) -> None:
    before = host.run("getent passwd ops; ls -la /home/ops /etc/sudoers.d")
    node.write(stack, host, mirror, **_account(host, name="ops"))
    failed = stack.up()
    assert failed.status != 0
    assert "ops is the name of an account" in failed.text
    assert "choose another system.serviceAccount.name" in failed.text
    assert stack.destroy().status == 0
    assert host.run("getent passwd ops; ls -la /home/ops /etc/sudoers.d") == before


@pytest.mark.parametrize(
    ("others", "itself"),
    [("AllowUsers ops", "AllowUsers ops wat*"), ("AllowGroups ops", "AllowGroups ops systemd-journal")],
)
def test_an_account_that_sshd_would_turn_away_is_refused_before_it_is_made(
    stack: SmallStack, host: Machine, mirror: Mirror, others: str, itself: str
) -> None:
    rule = "/etc/ssh/sshd_config.d/50-site.conf"
    host.run(f"echo '{others}' >{rule} && systemctl reload ssh")
    node.write(stack, host, mirror, **_account(host))
    failed = stack.up()
    assert failed.status != 0
    assert f"sshd would not let {NAME} in" in failed.text
    assert host.run(f"getent passwd {NAME} || true") == ""

    host.run(f"echo '{itself}' >{rule} && systemctl reload ssh")
    assert stack.up().status == 0
    assert host.over_ssh("id --name --user", user=NAME) == NAME
    assert stack.destroy().status == 0
    host.run(f"rm {rule} && systemctl reload ssh")
