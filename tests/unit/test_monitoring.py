"""Where Prometheus finds the metrics of engines, and what else that lets it do."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.unit.manifests import manifests
from tests.unit.ray_stack import SECRETS, ray_settings
from tests.unit.recording import record, stack_settings

CHART: Mapping[str, Any] = {"argocd": {}, "charts": [{"name": "kube-prometheus-stack"}]}
Object = Mapping[str, Any]


def made(monkeypatch: pytest.MonkeyPatch, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    return manifests(record(settings, stack="onprem", monkeypatch=monkeypatch, secrets=SECRETS))


def monitored(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    return made(monkeypatch, {**stack_settings("onprem"), **CHART})


def the(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    (found,) = (one for one in objects if one["kind"] == kind and one["metadata"]["name"] == name)
    return found


def test_every_engine_with_metrics_has_a_monitor_where_prometheus_comes_with_the_stack(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monitors = {one["metadata"]["name"] for one in monitored(monkeypatch) if one["kind"] == "ServiceMonitor"}
    assert monitors == {one["name"] for one in stack_settings("onprem")["engines"]}


def test_a_monitor_finds_the_engines_own_service(monkeypatch: pytest.MonkeyPatch) -> None:
    objects = monitored(monkeypatch)
    wanted = the(objects, "ServiceMonitor", "legal")["spec"]
    labels = wanted["selector"]["matchLabels"].items()
    services = [one for one in objects if one["kind"] == "Service" and labels <= one["metadata"]["labels"].items()]
    assert [one["metadata"]["name"] for one in services] == ["legal"]
    assert wanted["endpoints"][0]["port"] in [port["name"] for port in services[0]["spec"]["ports"]]


def test_prometheus_shows_the_key_of_an_engine_that_asks_for_it_and_never_has_it_in_the_monitor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (endpoint,) = the(monitored(monkeypatch), "ServiceMonitor", "chat")["spec"]["endpoints"]
    credentials = {"name": "chat-api-key", "key": "key"}
    assert endpoint == {
        "port": "http",
        "path": "/metrics",
        "authorization": {"type": "Bearer", "credentials": credentials},
    }


def test_only_the_monitoring_namespace_may_read_them(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = the(monitored(monkeypatch), "NetworkPolicy", "legal")["spec"]
    spaces = [
        rule["from"][0]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for rule in policy["ingress"]
    ]
    assert sorted(spaces) == ["gateway", "monitoring"]


def test_pods_that_an_operator_makes_are_found_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    found = the(made(monkeypatch, {**ray_settings(), **CHART}), "PodMonitor", "chat")["spec"]
    assert found["podMetricsEndpoints"][0]["port"] == "metrics"


def test_without_prometheus_there_is_no_monitor_and_nobody_else_is_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    objects = made(monkeypatch, stack_settings("onprem"))
    assert not [one for one in objects if one["kind"] in ("ServiceMonitor", "PodMonitor")]
    assert len(the(objects, "NetworkPolicy", "legal")["spec"]["ingress"]) == 1
