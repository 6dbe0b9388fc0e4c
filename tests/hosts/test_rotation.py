"""New tokens and new certificates come to every node, while pods run on."""

import ssl
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from cryptography import x509

from tests.e2e.deployment import Deployment
from tests.hosts import k3s, onprem
from tests.hosts.conftest import NewHost
from tests.hosts.machine import Machine
from tests.hosts.mirror import Mirror

CONFIG = "/etc/rancher/k3s/config.yaml"


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A server and an agent, with a pod on each."""

    server: Machine
    agent: Machine
    deployment: Deployment
    mirror: Mirror

    @property
    def machines(self) -> tuple[Machine, Machine]:
        return self.server, self.agent

    def up(self, **rotation: int) -> str:
        stack = onprem.settings(self.mirror, {"pair": self.machines}, k3s={"version": k3s.FIRST, "rotation": rotation})
        self.deployment.write_settings(stack)
        return self.deployment.up().stdout

    def pods(self) -> set[tuple[str, str]]:
        """Pods that are Running, and since when their containers are."""
        found = self.deployment.api_server("pair").get("pods", "--selector=app=web")["items"]
        return {
            (pod["metadata"]["uid"], pod["status"]["containerStatuses"][0]["state"]["running"]["startedAt"])
            for pod in found
        }

    def ready(self) -> set[str]:
        nodes = self.deployment.api_server("pair").get("nodes")["items"]
        return {
            node["metadata"]["name"]
            for node in nodes
            if any(one["type"] == "Ready" and one["status"] == "True" for one in node["status"]["conditions"])
        }

    def tokens(self) -> tuple[str, str]:
        """The secret parts of what servers and agents join with."""
        config = yaml.safe_load(self.server.run(f"cat {CONFIG}"))
        return config["token"], config["agent-token"]

    def certificates(self) -> tuple[int, str, str]:
        """The API server's serial number, and a hash of what each kubelet shows."""
        served = ssl.get_server_certificate((self.server.address, 6443))
        kubelets = [
            one.run("sha256sum </var/lib/rancher/k3s/agent/pki/kubelet-client-current.pem") for one in self.machines
        ]
        return x509.load_pem_x509_certificate(served.encode()).serial_number, kubelets[0], kubelets[1]


@pytest.fixture(scope="module")
def pair(new_host: NewHost, mirror: Mirror, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    server, agent = new_host("one"), new_host("two")
    stack: dict[str, Any] = onprem.settings(mirror, {"pair": (server, agent)})
    deployment = onprem.created(tmp_path_factory.mktemp("pair"), stack, server.private_key)
    made = Pair(server=server, agent=agent, deployment=deployment, mirror=mirror)
    made.deployment.up()
    api = deployment.api_server("pair")
    api.kubectl("apply", "--filename", "-", stdin=k3s.web(unsatisfiable="DoNotSchedule"))
    api.kubectl("rollout", "status", "deployment/web", "--timeout=120s")
    return made


def test_new_tokens_come_to_every_node_and_the_old_ones_are_worth_nothing(pair: Pair) -> None:
    old, pods = pair.tokens(), pair.pods()
    with _arguments_watched(pair.server), _arguments_watched(pair.agent):
        pair.up(tokens=2)
    new = pair.tokens()
    assert not set(old) & set(new)
    assert pair.ready() == {"one", "two"}
    assert pair.pods() == pods
    assert [_asked(pair.server, token) for token in (*old, *new)] == ["401", "401", "200", "200"]
    for machine in pair.machines:
        machine.run("journalctl --no-pager >/run/journal.txt")
        for secret in old:
            assert _files_with(machine, secret) == ""
        arguments = (machine.root / "root/arguments").read_text(errors="replace")
        assert "kubelet" in arguments
        for secret in (*old, *new):
            assert secret not in arguments
    assert CONFIG in _files_with(pair.server, new[0])
    pair.deployment.up("--expect-no-changes")


def test_a_rotation_that_was_killed_before_it_was_written_down_is_finished(pair: Pair) -> None:
    before = pair.tokens()[0]
    pair.up(tokens=3)
    after, step = pair.tokens()[0], pair.deployment.sent("pair-one-k3s")
    config = pair.server.run(f"cat {CONFIG}").replace(after, before)
    pair.server.run(
        f"cat >{CONFIG}; rm /var/lib/inference/k3s/done; systemctl restart --no-block k3s", stdin=f"{config}\n"
    )
    pair.server.run(
        "for _ in $(seq 100); do journalctl -u k3s | grep -q 'different token' && exit; sleep 0.2; done; exit 1"
    )
    said = pair.server.run("bash -s up", stdin=step)
    assert "node one is Ready" in said
    assert pair.tokens()[0] == after


def test_a_restart_renews_no_certificate(pair: Pair) -> None:
    before = pair.certificates()
    pair.server.run("systemctl restart k3s")
    assert pair.certificates() == before


def test_new_certificates_come_to_every_node_and_to_the_administrator(pair: Pair) -> None:
    before, kubeconfig, pods = pair.certificates(), pair.deployment.outputs()["kubeconfigs"]["pair"], pair.pods()
    pair.up(tokens=3, certificates=2)
    for old, new in zip(before, pair.certificates(), strict=True):
        assert old != new
    assert pair.deployment.outputs()["kubeconfigs"]["pair"] != kubeconfig
    assert pair.ready() == {"one", "two"}
    assert pair.pods() == pods
    pair.deployment.up("--expect-no-changes")


def _asked(machine: Machine, token: str) -> str:
    """How the API server answers whoever has this token."""
    header = f'header = "Authorization: Bearer {token}"\n'
    url = f"https://{machine.address}:6443/api"
    return machine.run(f"curl -sk -o /dev/null -w '%{{http_code}}' --config - {url}", stdin=header)


def _files_with(machine: Machine, secret: str) -> str:
    """Files that have the secret in them, which grep gets by standard input so as not to show it itself."""
    places = "/etc /home /opt /root /run /srv /tmp /usr/local /var"
    return machine.run(f"grep -rlsF --file=- --exclude-dir=proc {places} || true", stdin=f"{secret}\n")


@contextmanager
def _arguments_watched(machine: Machine) -> Generator[None]:
    """Every process's arguments, ten times a second."""
    watch = "while sleep 0.1; do cat /proc/[0-9]*/cmdline; done 2>/dev/null | tr '\\0' ' ' >/root/arguments"
    machine.run(f"systemd-run --quiet --collect --unit=watch-arguments bash -c {watch!r}")
    try:
        yield
    finally:
        machine.run("systemctl stop watch-arguments")
