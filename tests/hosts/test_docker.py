"""Docker in place of k3s's own containerd: Debian's package, on a host that gets only it."""

import json

import pytest

from tests.e2e.small_stacks import SmallStack
from tests.hosts import node, onprem
from tests.hosts.conftest import NewHost
from tests.hosts.machine import Machine
from tests.hosts.mirror import Mirror

STEP = "STEP=docker bash /var/lib/inference/docker/script.sh"

WRITABLE = "for group in /sys/fs/cgroup/*/; do ! mountpoint -q $group || mount -o remount,bind,rw $group; done"
"""What a host that is not a container has by itself."""


@pytest.fixture(scope="module")
def host(new_host: NewHost) -> Machine:
    machine = new_host("target")
    machine.run(WRITABLE)
    return machine


def _rules(host: Machine) -> set[str]:
    """Rules and chains of packet filters, but for empty ones that every table has."""
    saved = host.run("iptables-save; ip6tables-save").splitlines()
    return {line for line in saved if line.startswith(("-A", ":")) and " ACCEPT [" not in line}


def test_docker_is_installed_from_debian_set_held_and_leaves_nothing_behind(
    stack: SmallStack, host: Machine, mirror: Mirror
) -> None:
    before, rules = onprem.looks(host), _rules(host)
    node.write(stack, host, mirror, runtime="docker")
    up = stack.up()
    assert up.status == 0, up.text
    said = json.loads(host.run("docker info --format '{{json .}}'"))
    assert said["LoggingDriver"] == "json-file"
    assert said["LiveRestoreEnabled"] is True
    assert {"docker.io", "containerd", "runc"} <= set(host.run("apt-mark showhold").split())
    assert "/debian/pool/main/d/docker.io/" in " ".join(mirror.requests)

    assert stack.up("--expect-no-changes").status == 0
    assert host.run(f"{STEP} --check") == "nothing to change"

    host.run("tar --create --directory=/opt/kube kubectl | docker import - tool")
    host.run("docker run --detach --restart=always --publish=8099:8001 tool /kubectl proxy --address=0.0.0.0")
    assert "restart docker" in host.run(f"NVIDIA=yes {STEP} up"), "as for a host with a new card"
    assert (
        json.loads(host.run("docker info --format '{{json .Runtimes}}'"))["nvidia"]["path"]
        == "nvidia-container-runtime"
    )
    assert host.run("docker ps --format '{{.Status}}'").startswith("Up"), "containers outlive a restart of docker"
    assert stack.destroy().status == 0
    assert onprem.differences(before, host) == {}
    assert _rules(host) - rules == set()
    assert host.run("ls -d /run/docker* /var/run/docker* 2>/dev/null || true") == ""


@pytest.mark.parametrize("file", ["/etc/docker/daemon.json", "/usr/local/bin/dockerd"])
def test_a_docker_that_is_there_already_is_named_and_left_as_it_is(
    stack: SmallStack, host: Machine, mirror: Mirror, file: str
) -> None:
    host.run(f"mkdir -p /etc/docker && echo '{{}}' >{file} && chmod +x {file}")
    before = onprem.looks(host)
    node.write(stack, host, mirror, runtime="docker")
    failed = stack.up()
    assert failed.status != 0
    assert f"{file} is " in failed.text
    assert "or set k3s.containerRuntime to containerd" in failed.text
    assert stack.destroy().status == 0
    assert onprem.differences(before, host).keys() <= {"directories"}, "there is only our account of the failed step"
    host.run(f"rm {file}; rmdir /etc/docker")
