"""The program's own stack `onprem` on test hosts, and what can be seen of a host from outside of it."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.e2e.deployment import Deployment
from tests.hosts import k3s
from tests.hosts.machine import Machine
from tests.hosts.mirror import Mirror

_LEFT_BY_EVERY_BOOT = re.compile(
    r"^/etc/(ld\.so\.cache|machine-id|resolv\.conf|\.pwd\.lock|(passwd|shadow|group|gshadow)-|mtab|adjtime)$"
)


def settings(
    mirror: Mirror, clusters: Mapping[str, Sequence[Machine]], *, servers: int = 1, **more: Any
) -> dict[str, Any]:
    """The first hosts of each cluster are its servers. No engines: an empty platform."""
    return {
        "target": "onprem",
        "clusters": [
            {
                "name": name,
                "nodes": [
                    entry(machine, role="server" if index < servers else "agent")
                    for index, machine in enumerate(machines)
                ],
            }
            for name, machines in clusters.items()
        ],
        "store": {"kind": "external", "endpoint": "http://s3.invalid:9000", "bucket": "models", "accessKey": "reader"},
        "mirror": {"images": mirror.url, "k3s": f"{mirror.url}/k3s"},
        "k3s": {"version": k3s.FIRST},
        "gateway": None,
        **more,
    }


def entry(machine: Machine, *, role: str) -> dict[str, Any]:
    """The host as settings list it: modest, so that any machine has as much."""
    return {
        "name": machine.hostname,
        "host": machine.address,
        "user": "ops",
        "hostKey": machine.host_key,
        "role": role,
        "cpu": 1,
        "memory": "1Gi",
        "disk": "1Gi",
        "accelerator": {"kind": "cpu"},
    }


def created(state: Path, stack: Mapping[str, Any], key: Path) -> Deployment:
    """The stack, with its secrets, not yet up."""
    deployment = Deployment(state=state, stack="onprem")
    create(deployment, stack, key)
    return deployment


def create(deployment: Deployment, stack: Mapping[str, Any], key: Path) -> None:
    """Its settings and secrets."""
    deployment.create(stack)
    deployment.set_secret("sshPrivateKey", key.read_text())
    deployment.set_secret("storeSecretKey", "never-asked-for")


_CHECK = """
eval "$(head -n -1)"
directory=$(mktemp -d)
printf %s "$SCRIPT" >"$directory/script.sh"
printf %s "$LIBRARY" >"$directory/host.sh"
set -a
eval "$VARIABLES"
bash "$directory/script.sh" --check
rm -r "$directory"
"""
"""Takes a step apart as its runner does, and only asks what it would change."""


def assert_nothing_to_change(machine: Machine, step: str, text: str) -> None:
    """Neither asked nor done once more, from whatever directory."""
    asked = machine.run(f"cd /usr && {_CHECK}", stdin=text)
    assert "nothing to change" in asked, asked
    machine.run(f"rm /var/lib/inference/{step}/done")
    done = machine.run("cd /srv && bash -s up", stdin=text)
    assert "nothing to change" in done, done


def connections(machine: Machine) -> int:
    """Logins over SSH since the host was made."""
    return int(machine.run("journalctl --unit=ssh --output=cat | grep -c '^Accepted' || true"))


def differences(before: Mapping[str, frozenset[str]], machine: Machine) -> dict[str, dict[str, list[str]]]:
    """How the host looks now against before: empty when it is the same."""
    now = looks(machine)
    return {
        name: {"gone": sorted(before[name] - now[name]), "new": sorted(now[name] - before[name])}
        for name in now
        if now[name] != before[name]
    }


def looks(machine: Machine) -> dict[str, frozenset[str]]:
    """What a node leaves its marks on: packages, units, files, users, firewall, kernel parameters, programs."""
    asked = {
        "packages": "dpkg-query --show --showformat='${Package} ${Version} ${db:Status-Abbrev}\\n'",
        "holds": "apt-mark showhold",
        "units": "systemctl list-unit-files --no-legend --type=service,timer,socket | awk '{print $1, $2}'",
        "failed": "systemctl list-units --failed --no-legend --plain | cut -d' ' -f1",
        "files": "find /etc -type f -exec sha256sum {} +",
        "modes": "find /etc -printf '%p %m %u %g %l\\n'",
        "directories": "find /etc /usr/local /opt /var/lib -xdev -maxdepth 2 -type d",
        "programs": "ls /usr/local/bin /usr/local/sbin",
        "users": "cut -d: -f1,3,7 /etc/passwd /etc/group",
        "firewall": "nft list tables | grep inference; iptables-save | grep -E 'KUBE-SVC|KUBE-SEP|CNI-' || true",
        "parameters": "sysctl -a 2>/dev/null | grep -E '^(net.ipv4.ip_forward|fs.inotify.max)'",
        "interfaces": "ls /sys/class/net",
        "routes": "ip route show | grep -v 'dev host0' || true",
        "mounts": "awk '{print $2}' /proc/mounts | grep -E 'k3s|kubelet|rancher|sysctl' || true",
    }
    found = {name: frozenset(machine.run(command).splitlines()) for name, command in asked.items()}
    files = frozenset(line for line in found["files"] if not _LEFT_BY_EVERY_BOOT.match(line.split()[-1]))
    return found | {"files": files}
