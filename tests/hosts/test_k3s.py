"""Two clusters of one node each, and what can be wrong with a release of k3s."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from tests.e2e.deployment import Deployment
from tests.hosts import k3s, onprem
from tests.hosts.conftest import NewHost
from tests.hosts.machine import Machine
from tests.hosts.mirror import Mirror

PROGRAM = f"/k3s/{k3s.FIRST}/k3s"
VOLUMES = "/var/lib/inference-volumes"
SUMS = f"/k3s/{k3s.FIRST}/sha256sum-amd64.txt"


@dataclass(frozen=True, kw_only=True)
class Two:
    """Two hosts, each a cluster of its own."""

    hosts: tuple[Machine, Machine]
    deployment: Deployment
    mirror: Mirror


@pytest.fixture(scope="module")
def two(new_host: NewHost, mirror: Mirror, tmp_path_factory: pytest.TempPathFactory) -> Two:
    hosts = new_host("radeon"), new_host("geforce")
    stack = onprem.settings(mirror, {machine.hostname: (machine,) for machine in hosts})
    deployment = onprem.created(tmp_path_factory.mktemp("two"), stack, hosts[0].private_key)
    return Two(hosts=hosts, deployment=deployment, mirror=mirror)


@pytest.fixture
def published(two: Two) -> Iterator[Mirror]:
    """The mirror, whole again afterwards."""
    whole = dict(two.mirror.files)
    yield two.mirror
    two.mirror.files.clear()
    two.mirror.files.update(whole)


def _program(mirror: Mirror) -> bytes:
    found = mirror.found(PROGRAM)
    assert found
    assert isinstance(found[0], Path)
    return found[0].read_bytes()


def test_a_corrupt_program_is_refused_and_not_installed(two: Two, published: Mirror) -> None:
    published.files[PROGRAM] = _program(published)[:-1]
    failed = two.deployment.up(check=False)
    assert failed.returncode != 0
    assert "k3s is corrupt: its sha256 is" in failed.stdout
    assert "nothing was installed" in failed.stdout
    for machine in two.hosts:
        assert machine.run("ls -A /usr/local/bin; systemctl list-unit-files --no-legend 'k3s*' || true") == ""


def test_a_program_for_another_architecture_is_refused(two: Two, published: Mirror) -> None:
    foreign = bytearray(_program(published))
    foreign[18] = 183
    published.files[PROGRAM] = bytes(foreign)
    published.files[SUMS] = f"{sha256(foreign).hexdigest()}  k3s\n".encode()
    failed = two.deployment.up(check=False)
    assert failed.returncode != 0
    assert "is not a program for amd64" in failed.stdout


def test_a_release_that_is_not_there_is_named(two: Two, published: Mirror) -> None:
    del published.files[PROGRAM]
    failed = two.deployment.up(check=False)
    assert failed.returncode != 0
    assert f"{published.url}/k3s/v1.36.1%2Bk3s1/k3s cannot be downloaded" in failed.stdout


def test_what_failed_is_taken_up_where_it_ended_and_each_host_is_a_cluster(two: Two) -> None:
    two.deployment.up()
    for machine in two.hosts:
        nodes = two.deployment.api_server(machine.hostname).get("nodes")["items"]
        assert [node["metadata"]["name"] for node in nodes] == [machine.hostname]
    two.deployment.up("--expect-no-changes")


def test_data_of_a_cluster_with_another_token_is_named(two: Two) -> None:
    machine = two.hosts[0]
    machine.run("rm /var/lib/rancher/k3s/server/token")
    token = next(one["urn"] for one in two.deployment.resources() if one["urn"].endswith("::radeon-server-token"))
    failed = two.deployment.up("--replace", token, check=False)
    assert failed.returncode != 0
    assert "belongs to a cluster with another token" in failed.stdout
    assert machine.run("ls /var/lib/rancher/k3s/server/db") != "", "nothing was lost"


def test_volumes_outlive_the_cluster_unless_settings_say_otherwise(two: Two) -> None:
    kept, purged = two.hosts
    for machine in two.hosts:
        machine.run(f"mkdir -p {VOLUMES}/pvc-1_inference_models && echo weights >{VOLUMES}/pvc-1_inference_models/file")
    clusters = {machine.hostname: (machine,) for machine in two.hosts}
    k3s_settings = {"version": k3s.FIRST, "purgeData": True}
    two.deployment.write_settings(onprem.settings(two.mirror, clusters, k3s=k3s_settings))
    step = next(one["urn"] for one in two.deployment.resources() if one["urn"].endswith("::geforce-geforce-k3s"))
    two.deployment.up("--target", step)
    for machine in two.hosts:  # what a destroy sends; the other cluster's API server is not there for all of it
        machine.run("bash -s down", stdin=two.deployment.sent(f"{machine.hostname}-{machine.hostname}-k3s"))
    assert kept.run(f"cat {VOLUMES}/pvc-*/file") == "weights"
    assert purged.run(f"ls -d {VOLUMES} 2>/dev/null || true") == ""
