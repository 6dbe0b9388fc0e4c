"""Addresses outside a cluster: which Services have one, who is let in, and what the user is told."""

from typing import Any

import pytest

from placement.deployed import deployed, report
from placement.text import Style
from tests.unit.manifests import manifests, plain
from tests.unit.placements import cluster, node
from tests.unit.recording import RANDOM, Recording, record, stack_settings


def recorded(settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Recording:
    secrets = {"sshPrivateKey": f"{RANDOM}-private-key"}
    return record(settings, stack="onprem", monkeypatch=monkeypatch, secrets=secrets)


def named(recording: Recording, kind: str, name: str) -> list[dict[str, Any]]:
    return [one for one in manifests(recording) if (one["kind"], one["metadata"]["name"]) == (kind, name)]


def test_each_cluster_with_engines_has_the_gateways_ports_and_one_has_the_stores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recording = recorded(stack_settings("onprem"), monkeypatch)
    gateways = named(recording, "Service", "litellm-node-port")
    assert len(gateways) == 3
    for service in gateways:
        assert service["spec"]["type"] == "NodePort"
        assert [(one["name"], one["nodePort"]) for one in service["spec"]["ports"]] == [
            ("http", 30400),
            ("chat", 30800),
        ]
    (store,) = named(recording, "Service", "minio-node-port")
    assert [(one["targetPort"], one["nodePort"]) for one in store["spec"]["ports"]] == [(9000, 30900)]


def test_of_a_pod_with_two_ports_only_the_one_that_is_asked_for_is_open_outside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = stack_settings("onprem")
    del settings["gateway"]["openWebui"]["nodePort"]
    recording = recorded(settings, monkeypatch)
    for service in named(recording, "Service", "litellm-node-port"):
        assert [one["nodePort"] for one in service["spec"]["ports"]] == [30400]
    for policy in named(recording, "NetworkPolicy", "litellm"):
        assert [one["ports"][0]["port"] for one in policy["spec"]["ingress"] if "from" not in one] == [4000]


def test_a_quota_allows_the_ports_that_settings_ask_for_beside_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = stack_settings("onprem") | {"quota": {"nodePorts": 3}}
    allowed = {
        (one["metadata"]["namespace"], one["spec"]["hard"]["services.nodeports"])
        for one in named(recorded(settings, monkeypatch), "ResourceQuota", "quota")
    }
    assert allowed >= {("gateway", "5"), ("storage", "4"), ("inference", "3")}


def test_nothing_is_open_outside_unless_settings_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = stack_settings("onprem")
    settings["store"] |= {"nodePort": None, "url": "http://192.168.1.9:9000"}
    settings["gateway"] = {"litellm": {"replicas": 2}}
    recording = recorded(settings, monkeypatch)
    objects = manifests(recording)
    assert {one["spec"]["type"] for one in objects if one["kind"] == "Service"} == {"ClusterIP"}
    policies = [one for one in objects if one["kind"] == "NetworkPolicy"]
    assert all("from" in rule for policy in policies for rule in policy["spec"].get("ingress", ()))
    assert not any("outside" in one for one in plain(recording.outputs["exports"])["endpoints"].values())


def test_the_user_is_told_the_address_of_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = plain(recorded(stack_settings("onprem"), monkeypatch).outputs["exports"])
    assert outputs["endpoints"]["home"]["outside"] == {
        "api": "http://192.168.1.20:30400/v1",
        "chat": "http://192.168.1.20:30800",
        "store": "https://192.168.1.20:30900",
    }
    assert set(outputs["endpoints"]["radeon"]["outside"]) == {"api", "chat"}
    lines = report(deployed("onprem", outputs), [cluster("home", [node("aimax")])], Style()).splitlines()
    assert "API of all engines http://192.168.1.20:30400/v1" in [" ".join(line.split()) for line in lines]


def test_an_ipv6_address_of_a_host_is_put_in_brackets(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = stack_settings("onprem")
    settings["clusters"][1]["nodes"][0]["host"] = "fd00::30"
    outputs = plain(recorded(settings, monkeypatch).outputs["exports"])
    assert outputs["endpoints"]["radeon"]["outside"]["api"] == "http://[fd00::30]:30400/v1"
