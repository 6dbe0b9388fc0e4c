"""A server and an agent: ours, and k3s-io/k3s-ansible's playbook, on the same hosts with the same stand-in for k3s.

K3S_ANSIBLE names a checkout of it; `ansible-playbook` is taken from PATH, with the collections that it asks for, and
netaddr.
"""

import os
import shutil
import statistics
import subprocess
import time
from pathlib import Path

import yaml

from benchmarks.hosts_at_hand import Hosts, hosts_at_hand, seconds_of_up
from tests.hosts import k3s
from tests.hosts.machine import Machine

ROUNDS = 3
BARE = {
    "securityUpgrades": False,
    "sshByKey": False,
    "timeSync": False,
    "firewall": None,
    "journalSize": None,
}
"""What k3s-ansible does not set up either."""
UNINSTALL = "k3s-agent-uninstall.sh || k3s-uninstall.sh; rm -rf /etc/rancher /usr/local/bin/k3s-install.sh"


def run() -> list[str]:
    """Rows of a table: seconds, medians of rounds taken in turn, and their ratios to the playbook."""
    checkout = os.environ.get("K3S_ANSIBLE")
    if not checkout or not shutil.which("ansible-playbook"):
        return ["Not run: set K3S_ANSIBLE to a checkout of k3s-io/k3s-ansible, and put ansible-playbook on PATH."]
    with hosts_at_hand() as hosts:
        machines = hosts.host("one"), hosts.host("two")
        for machine in machines:  # which Ansible needs there, and we do not
            machine.run("apt-get update -qq && apt-get install -y -qq --no-install-recommends python3 python3-apt")
        inventory = _inventory(hosts, machines)
        full, bare = hosts.deployment({"home": machines}), hosts.deployment({"home": machines}, system=BARE)
        full.up()
        full.destroy()
        took: dict[str, list[float]] = {"k3s-ansible": [], "ours, the same work": [], "ours, all of it": []}
        for _ in range(ROUNDS):
            took["k3s-ansible"].append(_playbook(Path(checkout), inventory, machines[0]))
            for machine in machines:
                machine.run(UNINSTALL)
            for name, deployment in (("ours, the same work", bare), ("ours, all of it", full)):
                took[name].append(seconds_of_up(deployment))
                deployment.destroy()
    base = statistics.median(took["k3s-ansible"])
    rows = [
        f"| {name} | {statistics.median(s):.1f} | {statistics.median(s) / base:.2f} x |" for name, s in took.items()
    ]
    return ["| way | seconds | ratio |", "|---|---|---|", *rows]


def _inventory(hosts: Hosts, machines: tuple[Machine, Machine]) -> Path:
    """Its air-gapped way, in which it brings the program itself."""
    airgap = hosts.place.directory / "airgap"
    airgap.mkdir()
    shutil.copy(hosts.program, airgap / "k3s")
    shutil.copy(k3s.SOURCE / "install.sh", airgap / "k3s-install.sh")
    known = hosts.place.directory / "known_hosts"
    known.write_text("".join(f"{machine.address} {machine.host_key}\n" for machine in machines))
    server, agent = ({machine.address: dict[str, str]()} for machine in machines)
    variables = {
        "ansible_user": "ops",
        "ansible_ssh_private_key_file": str(machines[0].private_key),
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={known}",
        "k3s_version": k3s.FIRST,
        "token": "benchmark",
        "api_endpoint": machines[0].address,
        "airgap_dir": str(airgap),
        "registries_config_yaml": yaml.safe_dump({"mirrors": {"*": {"endpoint": [hosts.mirror.url]}}}),
        "user_kubectl": False,
        "kubeconfig": str(hosts.place.directory / "kubeconfig"),
    }
    children = {"server": {"hosts": server}, "agent": {"hosts": agent}}
    file = hosts.place.directory / "inventory.yml"
    file.write_text(yaml.safe_dump({"k3s_cluster": {"children": children, "vars": variables}}))
    return file


def _playbook(checkout: Path, inventory: Path, server: Machine) -> float:
    """Until both nodes are Ready, for which ours waits and the playbook does not."""
    start = time.monotonic()
    command = ["ansible-playbook", "--inventory", str(inventory), "playbooks/site.yml"]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"ansible-playbook failed:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
    server.run("until [ $(k3s kubectl get nodes --no-headers | grep -cw Ready) = 2 ]; do sleep 0.5; done")
    return time.monotonic() - start
