"""Hosts over SSH, as far as they can be known without one."""

import json
from itertools import pairwise
from typing import Any

import pulumi
import pytest

from components.node.driver import driver_step
from components.node.firewall import rules
from components.node.gpu_node import docker_step
from components.node.settings import Drivers, Host, Mirror
from components.node.system import Firewall
from tests.unit.recording import RANDOM, SECRET_SIGNATURE, Recording, record, stack_settings


def host(name: str, address: str, **more: Any) -> Host:
    key = stack_settings("onprem")["clusters"][0]["nodes"][0]["hostKey"]
    return Host.model_validate({"name": name, "host": address, "user": "ops", "hostKey": key} | more)


SERVER = host("one", "10.0.0.1", role="server")
AGENT = host("two", "10.0.0.2", port=2222)


@pytest.fixture(scope="module")
def recording() -> Recording:
    secrets = {"sshPrivateKey": f"{RANDOM}-private-key"}
    with pytest.MonkeyPatch.context() as monkeypatch:
        return record(stack_settings("onprem"), stack="onprem", monkeypatch=monkeypatch, secrets=secrets)


def accepted(text: str) -> set[str]:
    return {line.strip().removesuffix(" accept") for line in text.splitlines() if line.endswith(" accept")}


def test_a_host_lets_in_ssh_and_a_server_the_api_and_nothing_else_from_anywhere() -> None:
    anywhere = {line for line in accepted(rules(Firewall(), SERVER, (SERVER, AGENT))) if line.startswith("tcp")}
    assert anywhere == {"tcp dport 22", "tcp dport 6443"}
    anywhere = {line for line in accepted(rules(Firewall(), AGENT, (SERVER, AGENT))) if line.startswith("tcp")}
    assert anywhere == {"tcp dport 2222"}


def test_only_nodes_of_the_cluster_reach_kubelets_and_the_pod_network() -> None:
    lines = accepted(rules(Firewall(), AGENT, (SERVER, AGENT)))
    for port in ("tcp dport 10250", "udp dport 8472"):
        assert {line for line in lines if port in line} == {f"ip saddr {ip} {port}" for ip in ("10.0.0.1", "10.0.0.2")}


def test_clients_are_let_in_and_no_others() -> None:
    firewall = Firewall.model_validate({"clients": ["10.9.0.0/16", "fd00::/8"], "open": ["9100/tcp"]})
    lines = accepted(rules(firewall, SERVER, (SERVER,)))
    assert {"ip saddr 10.9.0.0/16 tcp dport 22", "ip6 saddr fd00::/8 tcp dport 6443", "tcp dport 9100"} <= lines
    assert not {"tcp dport 22", "tcp dport 6443"} & lines


def test_a_service_account_is_made_when_the_groups_that_own_gpus_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = stack_settings("onprem")
    key = settings["clusters"][0]["nodes"][0]["hostKey"]
    settings["system"] = {"serviceAccount": {"name": "watch", "keys": [key]}}
    made = record(settings, stack="onprem", monkeypatch=monkeypatch, secrets={"sshPrivateKey": f"{RANDOM}-private-key"})
    resources = {resource.name: resource for resource in made.resources}
    assert resources["radeon-radeon-prove"].urn in resources["radeon-radeon-account"].dependencies
    assert resources["radeon-radeon-account"].urn in resources["radeon-radeon-k3s"].dependencies


def test_docker_is_there_before_k3s_which_is_told_to_use_it(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = stack_settings("onprem") | {"k3s": {"containerRuntime": "docker"}}
    made = record(settings, stack="onprem", monkeypatch=monkeypatch, secrets={"sshPrivateKey": f"{RANDOM}-private-key"})
    resources = {resource.name: resource for resource in made.resources}
    for node in ("radeon-radeon", "geforce-geforce"):
        assert resources[f"{node}-prove"].urn in resources[f"{node}-docker"].dependencies
        assert resources[f"{node}-docker"].urn in resources[f"{node}-k3s"].dependencies
        assert "docker: true" in json.dumps(resources[f"{node}-k3s"].inputs)


def test_docker_knows_nvidias_runtime_where_there_are_cards_for_it() -> None:
    assert docker_step(host("gpu", "10.0.0.3", accelerator={"kind": "cuda"})).variables == {"NVIDIA": "yes"}
    assert docker_step(host("gpu", "10.0.0.3", accelerator={"kind": "rocm"})).variables == {"NVIDIA": ""}


def test_containerd_is_k3ss_own_and_needs_no_step(recording: Recording) -> None:
    assert [one.name for one in recording.resources if one.name.endswith("-docker")] == []
    assert "docker: true" not in json.dumps([one.inputs for one in recording.resources])


def test_a_missing_key_stops_the_program_with_the_command_that_sets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(pulumi.RunError, match=r"config set --secret inference:sshPrivateKey --stack onprem < ~/\.ssh"):
        record(stack_settings("onprem"), stack="onprem", monkeypatch=monkeypatch)


@pytest.fixture
def three_servers(monkeypatch: pytest.MonkeyPatch) -> Recording:
    settings = stack_settings("onprem")
    home = settings["clusters"][0]
    more = [{**home["nodes"][0], "name": f"server-{n}", "host": f"192.168.1.4{n}"} for n in (2, 3)]
    home |= {"endpoint": "k3s.lan", "nodes": [*home["nodes"], *more]}
    settings["k3s"] = {"rotation": {"tokens": 2}}
    return record(settings, stack="onprem", monkeypatch=monkeypatch, secrets={"sshPrivateKey": "key"})


def sent(recording: Recording, name: str) -> str:
    found = next(one for one in recording.resources if one.name == name).inputs["stdin"]
    return found if isinstance(found, str) else found["value"]


def test_servers_form_a_chain_and_join_the_first(three_servers: Recording) -> None:
    resources = {resource.name: resource for resource in three_servers.resources}
    assert resources["home-aimax-k3s"].urn in resources["home-server-2-k3s"].dependencies
    assert resources["home-server-2-k3s"].urn in resources["home-server-3-k3s"].dependencies
    assert "cluster-init: true" in sent(three_servers, "home-aimax-k3s")
    for name in ("server-2", "server-3"):
        assert "server: https://192.168.1.20:6443" in sent(three_servers, f"home-{name}-k3s")


def test_an_endpoint_is_what_agents_and_users_talk_to_and_what_certificates_name(three_servers: Recording) -> None:
    assert "server: https://k3s.lan:6443" in sent(three_servers, "home-thor-k3s")
    assert "SERVER=https://k3s.lan:6443" in sent(three_servers, "home-access")
    for name in ("aimax", "server-2", "server-3"):
        assert "- k3s.lan\n" in sent(three_servers, f"home-{name}-k3s")


def test_tokens_are_made_anew_for_another_number_only(recording: Recording, three_servers: Recording) -> None:
    def keepers(recording: Recording) -> list[Any]:
        tokens = [one for one in recording.resources if one.name in ("home-server-token", "home-agent-token")]
        return [one.inputs.get("keepers") for one in tokens]

    assert keepers(recording) == [None, None]
    assert keepers(three_servers) == [{"rotation": "2"}, {"rotation": "2"}]
    assert sent(recording, "home-access") != sent(three_servers, "home-access")


def test_agents_join_once_the_servers_api_answers_and_engines_come_after_all_nodes(recording: Recording) -> None:
    resources = {resource.name: resource for resource in recording.resources}
    urns = {name: resource.urn for name, resource in resources.items()}
    assert urns["home-aimax-k3s"] in resources["home-thor-k3s"].dependencies
    assert urns["home-aimax-k3s-ready"] not in resources["home-thor-k3s"].dependencies
    first = next(one for one in recording.resources if one.type.endswith(":Namespace") and one.name == "home-engines")
    assert {urns[f"home-{step}"] for step in ("aimax-k3s", "aimax-k3s-ready", "thor-k3s")} <= set(first.dependencies)


def test_a_host_goes_through_its_steps_in_order(recording: Recording) -> None:
    resources = {resource.name: resource for resource in recording.resources}
    caches = {"home-aimax": ["cache"], "home-thor": ["cache"], "radeon-radeon": [], "geforce-geforce": []}
    for node, cache in caches.items():
        steps = [f"{node}-{step}" for step in ("preflight", "system", "driver", "reboot", "prove", *cache, "k3s")]
        for before, after in pairwise(steps):
            assert resources[before].urn in resources[after].dependencies


@pytest.mark.parametrize(
    ("kind", "product", "script", "variables"),
    [
        (
            "rocm",
            "radeon-pro-w7900",
            "rocm.sh",
            {"SOURCE": "https://repo.radeon.com/amdgpu/latest/ubuntu @ubuntu main"},
        ),
        ("rocm", "strix-halo", "rocm.sh", {"GTT_MIB": "126976"}),
        ("cuda", "rtx-4090", "cuda.sh", {"DRIVER": "", "TOOLKIT": ""}),
        ("cuda", "jetson-thor", "jetson.sh", {"LOWEST": "39"}),
    ],
)
def test_each_product_gets_the_driver_that_fits(
    kind: str, product: str, script: str, variables: dict[str, str]
) -> None:
    machine = host("gpu", "10.0.0.3", memory="128Gi", accelerator={"kind": kind, "product": product})
    step = driver_step(machine, Drivers(), Mirror())
    assert step
    assert step.script.name == script
    assert variables.items() <= step.variables.items()


def test_a_host_without_gpus_or_with_a_driver_of_its_own_gets_none() -> None:
    assert driver_step(host("cpu", "10.0.0.4"), Drivers(), Mirror()) is None
    machine = host("gpu", "10.0.0.3", accelerator={"kind": "cuda"})
    assert driver_step(machine, Drivers(install=False), Mirror()) is None


def test_every_connection_checks_the_hosts_key(recording: Recording) -> None:
    connections = [json.dumps(one.inputs["connection"]) for one in recording.resources if "connection" in one.inputs]
    assert len(connections) > 10
    for connection in connections:
        assert '"hostKey": "ssh-ed25519 ' in connection
        assert '"dialErrorLimit": ' in connection
        assert SECRET_SIGNATURE in connection


def test_a_named_host_in_a_cluster_needs_an_address_for_the_firewall(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = stack_settings("onprem")
    settings["clusters"][0]["nodes"][0]["host"] = "aimax.lan"
    with pytest.raises(pulumi.RunError, match=r'nodes\[0\]\.host +"aimax\.lan" is a name; the firewall needs its IP'):
        record(settings, stack="onprem", monkeypatch=monkeypatch, secrets={"sshPrivateKey": "key"})
