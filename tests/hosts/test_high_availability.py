"""Three hosts become the servers of one cluster, which outlives any one of them."""

import json
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.api_server import ApiServer
from tests.e2e.deployment import Deployment
from tests.hosts import k3s, onprem
from tests.hosts.balancer import balancing
from tests.hosts.conftest import NewHost
from tests.hosts.machine import Machine
from tests.hosts.mirror import Mirror

LATER = {"version": k3s.NEXT, "rotation": {"tokens": 2}}


@dataclass(frozen=True, kw_only=True)
class Trio:
    """A cluster of three servers."""

    machines: tuple[Machine, Machine, Machine]
    before: Mapping[str, Mapping[str, frozenset[str]]]
    deployment: Deployment
    mirror: Mirror

    def settings(self, count: int = 3, **more: Any) -> dict[str, Any]:
        """With a load balancer in front."""
        stack = onprem.settings(self.mirror, {"trio": self.machines[:count]}, servers=3, **more)
        stack["clusters"][0]["endpoint"] = self.machines[0].gateway
        return stack

    @property
    def balanced(self) -> ApiServer:
        """The API as users have it, by the load balancer."""
        return self.deployment.api_server("trio")

    def api(self, machine: Machine, directory: Path) -> ApiServer:
        """The API as this server has it, with the credentials of the stack."""
        first = self.balanced
        config = first.kubeconfig.replace(f"{machine.gateway}:6443", f"{machine.address}:6443")
        path = directory / f"{machine.hostname}.kubeconfig"
        path.write_text(config)
        return replace(first, kubeconfig=config, kubeconfig_path=path)


@pytest.fixture(scope="module")
def trio(new_host: NewHost, mirror: Mirror, tmp_path_factory: pytest.TempPathFactory) -> Generator[Trio]:
    machines = (new_host("one"), new_host("two"), new_host("three"))
    made = Trio(
        machines=machines,
        before={machine.hostname: onprem.looks(machine) for machine in machines},
        deployment=Deployment(state=tmp_path_factory.mktemp("trio"), stack="onprem"),
        mirror=mirror,
    )
    onprem.created(made.deployment.state, made.settings(), machines[0].private_key)
    with balancing(machines[0].gateway, [machine.address for machine in machines]):
        made.deployment.up()
        yield made


def test_three_hosts_become_servers_that_share_one_datastore(trio: Trio, tmp_path: Path) -> None:
    for machine in trio.machines:
        assert _ready(trio.api(machine, tmp_path)) == {"one", "two", "three"}
        assert _members(machine) == {"one", "two", "three"}


def test_a_second_up_changes_nothing(trio: Trio) -> None:
    trio.deployment.up("--expect-no-changes")


def test_what_one_server_signs_the_others_accept(trio: Trio, tmp_path: Path) -> None:
    first, _, third = (trio.api(machine, tmp_path) for machine in trio.machines)
    token = first.kubectl("create", "token", "default", "--namespace=default").strip()
    url = f"https://{trio.machines[2].address}:6443/apis"
    header = f'header = "Authorization: Bearer {token}"'
    code = trio.machines[2].run(f"curl -sk -o /dev/null -w '%{{http_code}}' --config - {url}", stdin=header)
    assert code == "200"
    assert third.get("namespaces")["items"]


def test_the_cluster_is_served_while_the_server_that_began_it_has_no_power(trio: Trio, tmp_path: Path) -> None:
    lost = trio.machines[0]
    there, balanced = trio.api(lost, tmp_path), trio.balanced
    with _without_power(lost):
        _until(lambda: _writes(balanced, "while-it-is-down"))
        _until(lambda: lost.hostname not in _ready(balanced))
    _until(lambda: _ready(there) == {"one", "two", "three"})
    names = {one["metadata"]["name"] for one in there.get("configmaps")["items"]}
    assert "while-it-is-down" in names


def test_a_new_version_and_new_tokens_come_to_one_server_at_a_time(trio: Trio, tmp_path: Path) -> None:
    before = {_token(machine) for machine in trio.machines}
    trio.deployment.write_settings(trio.settings(k3s=LATER))
    said = trio.deployment.up().stdout
    done = [line.split("node ")[1].split()[0] for line in said.splitlines() if f"is Ready, k3s {k3s.NEXT}" in line]
    assert list(dict.fromkeys(done)) == ["one", "two", "three"]
    nodes = trio.api(trio.machines[1], tmp_path).get("nodes")["items"]
    assert not any(node["spec"].get("unschedulable") for node in nodes)
    assert all(k3s.NEXT in machine.run("k3s --version") for machine in trio.machines)
    after = {_token(machine) for machine in trio.machines}
    assert len(before) == len(after) == 1
    assert before != after


def test_servers_that_settings_no_longer_name_leave_and_the_one_that_stays_goes_on(trio: Trio) -> None:
    trio.deployment.write_settings(trio.settings(1, k3s=LATER))
    trio.deployment.up()
    assert _members(trio.machines[0]) == {"one"}
    assert _ready(trio.balanced) == {"one"}
    for machine in trio.machines[1:]:
        assert onprem.differences(trio.before[machine.hostname], machine) == {}


def test_they_can_join_again(trio: Trio) -> None:
    trio.deployment.write_settings(trio.settings(k3s=LATER))
    trio.deployment.up()
    assert _members(trio.machines[0]) == {"one", "two", "three"}


def test_destroy_gives_all_three_hosts_back(trio: Trio) -> None:
    trio.deployment.destroy()
    for machine in trio.machines:
        assert onprem.differences(trio.before[machine.hostname], machine) == {}


def _ready(api: ApiServer) -> set[str]:
    return {
        node["metadata"]["name"]
        for node in api.get("nodes", "--selector=node-role.kubernetes.io/control-plane")["items"]
        if any(one["type"] == "Ready" and one["status"] == "True" for one in node["status"]["conditions"])
    }


def _members(machine: Machine) -> set[str]:
    """Voting members of etcd, as this server's own tells them, by the node they are named after."""
    command = "curl --silent --fail http://127.0.0.1:2379/v3/cluster/member/list --data '{}'"
    members = json.loads(machine.run(command))["members"]
    return {one["name"].rpartition("-")[0] for one in members if not one.get("isLearner")}


def _token(machine: Machine) -> str:
    """What servers join with, by the file that this one has written for k3s."""
    return yaml.safe_load(machine.run("cat /etc/rancher/k3s/config.yaml"))["token"]


def _writes(api: ApiServer, name: str) -> bool:
    api.kubectl("create", "configmap", name, "--request-timeout=10s")
    return True


@contextmanager
def _without_power(machine: Machine) -> Generator[None]:
    machine.kill()
    try:
        yield
    finally:
        machine.boot()


def _until(happens: Callable[[], bool], seconds: int = 90) -> None:
    """Until it is true; whatever it raises meanwhile counts as no."""
    give_up = time.monotonic() + seconds
    while True:
        try:
            if happens():
                return
        except AssertionError:
            if time.monotonic() > give_up:
                raise
        assert time.monotonic() < give_up
        time.sleep(0.5)
