"""Namespaces of third-party charts: who may connect to whom."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from components.gitops.charts import PUBLISHED
from components.gitops.namespaces import KUBE_SYSTEM, NEEDS
from tests.unit.manifests import manifests
from tests.unit.recording import Recording, record, stack_settings

SECRETS = {"sshPrivateKey": "key", "storeSecretKey": "key"}
API_SERVER = 6443
ALL = [{"name": name} for name in PUBLISHED if name not in ("karpenter", "nvidia-gpu-operator", "amd-gpu-operator")]


@pytest.fixture(scope="module")
def every() -> Recording:
    """A cluster with all charts that need no node of a certain sort."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        return stack(monkeypatch, *ALL)


def stack(monkeypatch: pytest.MonkeyPatch, *charts: Mapping[str, Any], **changed: Any) -> Recording:
    here = [{**one, "cluster": "geforce"} for one in charts]
    settings: dict[str, Any] = {**stack_settings("onprem"), "argocd": {}, "charts": here, **changed}
    return record(settings, stack="onprem", monkeypatch=monkeypatch, secrets=SECRETS)


def policy(recording: Recording, namespace: str) -> dict[str, Any]:
    (found,) = [
        one["spec"]
        for one in manifests(recording)
        if one["kind"] == "NetworkPolicy"
        and (one["metadata"]["namespace"], one["metadata"]["name"]) == (namespace, "charts")
    ]
    return found


def peers(rules: list[dict[str, Any]], side: str) -> Iterator[tuple[str | None, int | None]]:
    """Namespace and port of each rule; None for any."""
    nothing: list[dict[str, Any]] = [{}]
    for rule in rules:
        (port,) = rule.get("ports", nothing)
        (peer,) = rule.get(side, nothing)
        labels: dict[str, str] = peer.get("namespaceSelector", {}).get("matchLabels", {})
        yield labels.get("kubernetes.io/metadata.name"), port.get("port")


def incoming(recording: Recording, namespace: str) -> set[tuple[str | None, int | None]]:
    return {*peers(policy(recording, namespace)["ingress"], "from")}


def outgoing(recording: Recording, namespace: str) -> set[tuple[str | None, int | None]]:
    return {*peers(policy(recording, namespace)["egress"], "to")}


def test_it_is_known_of_every_chart_what_its_namespace_needs() -> None:
    assert {one.namespace for one in PUBLISHED.values()} - {KUBE_SYSTEM} == set(NEEDS)


def test_each_namespace_is_closed_before_a_chart_comes_to_it(every: Recording) -> None:
    denied = {
        one["metadata"]["namespace"]
        for one in manifests(every)
        if one["kind"] == "NetworkPolicy" and one["metadata"]["name"] == "default-deny"
    }
    assert set(NEEDS) - {"gpu-operator", "kube-amd-gpu"} <= denied
    for application in (one for one in every.resources if one.name.endswith("-chart")):
        namespace = application.object["spec"]["destination"]["namespace"]
        assert any(one.endswith(f"::geforce-{namespace}-charts-network") for one in application.dependencies)
        assert "CreateNamespace=true" not in application.object["spec"]["syncPolicy"]["syncOptions"]


def test_pods_have_the_api_each_other_and_prometheus(every: Recording) -> None:
    assert incoming(every, "kuberay-system") == {("kuberay-system", None), ("monitoring", None)}
    assert {("kuberay-system", None), (None, API_SERVER)} <= outgoing(every, "kuberay-system")
    assert (None, None) not in outgoing(every, "kuberay-system")


def test_kubernetes_reaches_webhooks_and_what_answers_for_its_api(every: Recording) -> None:
    assert {(None, 6443), (None, 9443)} <= incoming(every, "keda")
    assert (None, 10250) in incoming(every, "cert-manager")


def test_prometheus_reaches_whatever_it_is_to_read(every: Recording) -> None:
    assert (None, None) in outgoing(every, "monitoring")


def test_keda_reaches_the_prometheus_that_settings_name(every: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    scaling = {"by": "keda", "max": 2, "signal": "queue", "prometheus": "http://metrics.lan:9091"}
    engines = [
        {key: value for key, value in one.items() if key != "replicas"} | {"scaling": scaling}
        for one in stack_settings("onprem")["engines"]
        if one["name"] == "cyber"
    ]
    assert (None, 9091) in outgoing(stack(monkeypatch, {"name": "keda"}, engines=engines), "keda")
    assert ("monitoring", None) in outgoing(every, "keda")


def test_settings_can_open_a_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = stack(monkeypatch, {"name": "keda", "network": "open"}, {"name": "kuberay"})
    assert incoming(recording, "keda") == outgoing(recording, "keda") == {(None, None)}
    assert (None, None) not in incoming(recording, "kuberay-system")


def test_no_quota_stops_a_chart(monkeypatch: pytest.MonkeyPatch) -> None:
    bounded = {
        one["metadata"]["namespace"] for one in manifests(stack(monkeypatch, *ALL)) if one["kind"] == "ResourceQuota"
    }
    assert not bounded & set(NEEDS)


def test_what_is_in_it_survives_that_a_chart_is_forgotten(every: Recording) -> None:
    (namespace,) = [
        one
        for one in every.resources
        if one.type == "kubernetes:core/v1:Namespace" and one.object["metadata"]["name"] == "monitoring"
    ]
    assert namespace.retained


def test_only_what_looks_after_nodes_may_be_privileged(every: Recording) -> None:
    enforced = {
        one["metadata"]["name"]: one["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        for one in manifests(every)
        if one["kind"] == "Namespace" and one["metadata"]["name"] in NEEDS
    }
    assert {name for name, security in enforced.items() if security != "baseline"} == {"monitoring"}
