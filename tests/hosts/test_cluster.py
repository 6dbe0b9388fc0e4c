"""Two bare Debian hosts become a k3s cluster, are upgraded, and are given back as they were."""

import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml

from tests.api_server import ApiServer
from tests.e2e.deployment import Deployment
from tests.hosts import k3s, onprem
from tests.hosts.conftest import NewHost
from tests.hosts.machine import Machine
from tests.hosts.mirror import Mirror

WEB = (
    k3s.web(unsatisfiable="ScheduleAnyway")
    + """
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web, namespace: default}
spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, targetPort: 8080, nodePort: 30080}]}
"""
)


@dataclass(frozen=True, kw_only=True)
class Home:
    """A cluster of a server and an agent."""

    server: Machine
    agent: Machine
    before: Mapping[str, Mapping[str, frozenset[str]]]
    deployment: Deployment
    mirror: Mirror
    said: list[str] = field(default_factory=list[str])
    """Everything that Pulumi printed."""

    def settings(self, **more: Any) -> dict[str, Any]:
        return onprem.settings(self.mirror, {"home": (self.server, self.agent)}, **more)

    def up(self, *options: str) -> str:
        """`pulumi up`; what it printed."""
        done = self.deployment.up(*options)
        self.said.append(done.stdout + done.stderr)
        return self.said[-1]

    @property
    def api(self) -> ApiServer:
        return self.deployment.api_server("home")

    def nodes(self) -> dict[str, Any]:
        """Node objects by name."""
        return {node["metadata"]["name"]: node for node in self.api.get("nodes")["items"]}


@pytest.fixture(scope="module")
def home(new_host: NewHost, mirror: Mirror, tmp_path_factory: pytest.TempPathFactory) -> Home:
    server, agent = new_host("one"), new_host("two")
    stack = onprem.settings(mirror, {"home": (server, agent)})
    made = Home(
        server=server,
        agent=agent,
        before={machine.hostname: onprem.looks(machine) for machine in (server, agent)},
        deployment=onprem.created(tmp_path_factory.mktemp("home"), stack, server.private_key),
        mirror=mirror,
    )
    made.up()
    return made


def test_hosts_become_nodes_that_are_ready(home: Home) -> None:
    nodes = home.nodes()
    assert set(nodes) == {"one", "two"}
    for node in nodes.values():
        ready = next(one for one in node["status"]["conditions"] if one["type"] == "Ready")
        assert ready["status"] == "True"
        assert node["metadata"]["labels"]["inference/accelerator"] == "cpu"


def test_pods_run_on_both_and_answer_at_each_hosts_address(home: Home) -> None:
    home.api.kubectl("apply", "--filename", "-", stdin=WEB)
    home.api.kubectl("rollout", "status", "deployment/web", "--timeout=120s")
    pods = home.api.get("pods", "--namespace", "default", "--selector", "app=web")["items"]
    assert {pod["spec"]["nodeName"] for pod in pods} == {"one", "two"}
    for machine in (home.server, home.agent):
        assert _asked(machine, attempts=50).startswith("web-")


def test_the_images_came_through_the_mirror(home: Home) -> None:
    repository = k3s.WEB.partition(":")[0]
    assert f"/v2/{repository}/manifests/1" in home.mirror.requests


def test_a_first_up_opens_few_connections(home: Home) -> None:
    assert 0 < onprem.connections(home.server) <= 12
    assert 0 < onprem.connections(home.agent) <= 12


def test_a_second_up_changes_nothing_and_opens_no_connection(home: Home) -> None:
    before = [onprem.connections(machine) for machine in (home.server, home.agent)]
    home.up("--expect-no-changes")
    assert [onprem.connections(machine) for machine in (home.server, home.agent)] == before


def test_progress_is_told_line_by_line(home: Home) -> None:
    said = home.said[0]
    for line in ("one: fit to become a node", "install unattended-upgrades", "node two is Ready, k3s"):
        assert line in said


def test_an_agent_joins_while_the_servers_node_is_not_ready_yet(home: Home) -> None:
    said = home.said[0]
    assert said.rindex("install k3s") < said.index("node one is Ready, k3s")


def test_nothing_that_is_reachable_on_a_host_was_not_meant_to_be(home: Home) -> None:
    for machine, port in ((home.server, 6443), (home.agent, 22)):
        assert _connects(machine, port)
    for machine, port in ((home.server, 2379), (home.server, 10250), (home.agent, 10250)):
        assert not _connects(machine, port)


def test_an_agents_token_makes_no_administrator(home: Home) -> None:
    config = home.agent.run("cat /etc/rancher/k3s/config.yaml")
    token = next(line for line in config.splitlines() if line.startswith("token:")).rpartition(":")[2]
    url = f"https://{home.server.address}:6443/api/v1/namespaces/kube-system/secrets"
    code = home.agent.run(f"curl -sk -o /dev/null -w '%{{http_code}}' -H 'Authorization: Bearer {token}' {url}")
    assert code == "403"


def test_no_secret_can_be_read_where_it_does_not_belong(home: Home) -> None:
    kubeconfig = yaml.safe_load(home.deployment.outputs()["kubeconfigs"]["home"])
    key = kubeconfig["users"][0]["user"]["client-key-data"]
    token = home.server.run("cut -d: -f4 /var/lib/rancher/k3s/server/token")
    private = home.server.private_key.read_text().splitlines()[2]
    assert min(map(len, (key, token, private))) > 20
    state = home.deployment.exported()
    for secret in (key, token, private):
        assert secret not in "".join(home.said)
        assert secret not in str(state)
        for machine in (home.server, home.agent):
            found = machine.run(
                f"grep -rlsF '{secret}' /etc /home /root /var /run /tmp --exclude-dir=db | "
                "xargs -r stat --format='%a %n' | grep -v '^600 ' || true; "
                f"ps axww -o args | grep -F '{secret}' | grep -v grep || true; "
                f"journalctl --no-pager | grep -F '{secret}' || true"
            )
            assert found == ""


@pytest.mark.parametrize("step", ["system", "k3s"])
def test_a_step_that_is_run_again_changes_nothing(home: Home, step: str) -> None:
    for machine in (home.server, home.agent):
        before = onprem.looks(machine)
        onprem.assert_nothing_to_change(machine, step, home.deployment.sent(f"home-{machine.hostname}-{step}"))
        assert onprem.differences(before, machine) == {}


def test_a_new_version_comes_to_one_node_at_a_time_while_the_workload_answers(home: Home) -> None:
    home.deployment.write_settings(home.settings(k3s={"version": k3s.NEXT}))
    with _Asking(home) as answers:
        home.up()
    assert answers.failed == 0, f"of {answers.asked}"
    assert answers.asked > 20
    done = [line for line in home.said[-1].splitlines() if f"is Ready, k3s {k3s.NEXT}" in line]
    assert [line.split("node ")[1].split()[0] for line in done[:1]] == ["one"]
    for machine in (home.server, home.agent):
        assert k3s.NEXT in machine.run("k3s --version")
    assert not any(node["spec"].get("unschedulable") for node in home.nodes().values())


def test_a_node_that_settings_no_longer_name_leaves_the_cluster_and_is_given_back(home: Home) -> None:
    home.deployment.write_settings(onprem.settings(home.mirror, {"home": (home.server,)}, k3s={"version": k3s.NEXT}))
    home.up()
    assert set(home.nodes()) == {"one"}
    assert onprem.differences(home.before["two"], home.agent) == {}


def test_a_host_that_was_wiped_can_join_again_under_its_name(home: Home) -> None:
    home.deployment.write_settings(home.settings(k3s={"version": k3s.NEXT}))
    home.up()
    home.agent.run("k3s-agent-uninstall.sh; rm -rf /etc/rancher/node /var/lib/inference/k3s")
    urn = next(one["urn"] for one in home.deployment.resources() if one["urn"].endswith("::home-two-k3s"))
    home.up("--target-replace", urn)
    assert set(home.nodes()) == {"one", "two"}


def test_destroy_gives_the_hosts_back(home: Home) -> None:
    home.deployment.destroy()
    assert not [one for one in home.deployment.resources() if one["type"] != "pulumi:pulumi:Stack"]
    for machine in (home.server, home.agent):
        assert onprem.differences(home.before[machine.hostname], machine) == {}
        assert machine.run("ls /var/lib/inference 2>/dev/null || true") == ""


def _asked(machine: Machine, *, attempts: int = 1) -> str:
    """What the workload answers at a host's address; empty if nothing."""
    answer = ""
    for _ in range(attempts):
        command = ["curl", "--silent", "--max-time", "2", f"http://{machine.address}:30080/"]
        answer = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
        if answer:
            break
        time.sleep(0.2)
    return answer


def _connects(machine: Machine, port: int) -> bool:
    command = ["timeout", "1", "bash", "-c", f"</dev/tcp/{machine.address}/{port}"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


class _Asking:
    """Asks the workload for an answer ten times a second, at the address of whichever node has a pod."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.asked = self.failed = 0

    def __enter__(self) -> "_Asking":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            self.asked += 1
            # A client behind a load balancer: a node that does not answer is not asked twice.
            if not any(_asked(machine) for machine in (self._home.server, self._home.agent)):
                self.failed += 1
