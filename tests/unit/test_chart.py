"""Charts as engines, and charts of others: what Argo CD is told."""

from collections.abc import Mapping
from typing import Any

import pytest

from components.gitops.versions import KUBERAY
from tests.unit.mistakes import add, put, told
from tests.unit.recording import Recording, record, stack_settings

SECRETS = {"sshPrivateKey": "key", "storeSecretKey": "key"}
EXAMPLE: Mapping[str, Any] = {
    "name": "reranker",
    "kind": "chart",
    "cluster": "home",
    "repository": "https://charts.example.com",
    "chart": "reranker",
    "version": "1.4.2",
    "values": {"model": "org/model", "server": {"logLevel": "info"}},
    "placementAt": "server",
    "accelerator": {"kind": "rocm"},
    "port": 8080,
    "clients": ["evaluation"],
}


def recorded(monkeypatch: pytest.MonkeyPatch, *engines: Mapping[str, Any], **settings: Any) -> Recording:
    given: dict[str, Any] = {
        **stack_settings("onprem"),
        "engines": list(engines),
        "argocd": {},
        "models": [],
        **settings,
    }
    return record(given, stack="onprem", monkeypatch=monkeypatch, secrets=SECRETS)


def one(recording: Recording, kind: str, name: str) -> Mapping[str, Any]:
    (found,) = [
        each.object
        for each in recording.kubernetes()
        if each.object["kind"] == kind and each.object["metadata"]["name"] == name
    ]
    return found


def test_argo_cd_is_told_the_chart_with_its_exact_version_and_values(monkeypatch: pytest.MonkeyPatch) -> None:
    source = one(recorded(monkeypatch, EXAMPLE), "Application", "home-reranker")["spec"]["source"]
    assert source["repoURL"] == "https://charts.example.com"
    assert (source["chart"], source["targetRevision"]) == ("reranker", "1.4.2")
    assert source["helm"]["releaseName"] == "reranker"
    assert source["helm"]["valuesObject"]["model"] == "org/model"


def test_its_pods_are_placed_where_its_accelerator_is(monkeypatch: pytest.MonkeyPatch) -> None:
    values = one(recorded(monkeypatch, EXAMPLE), "Application", "home-reranker")["spec"]["source"]["helm"]
    server = values["valuesObject"]["server"]
    assert server["nodeSelector"] == {"inference/accelerator": "rocm"}
    assert server["tolerations"][0]["key"] == "rocm-inference"
    assert server["resources"]["limits"]["amd.com/gpu"] == "1"
    assert server["logLevel"] == "info"


def test_only_its_clients_and_its_own_pods_reach_it(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = one(recorded(monkeypatch, {**EXAMPLE, "reaches": [443]}), "NetworkPolicy", "reranker")["spec"]
    assert policy["podSelector"] == {"matchLabels": {"app.kubernetes.io/instance": "reranker"}}
    allowed = [rule["ports"][0]["port"] if "ports" in rule else "any" for rule in policy["ingress"]]
    assert allowed == [8080, "any"]
    assert [rule["ports"][0]["port"] for rule in policy["egress"] if "ports" in rule] == [443]


def test_it_may_make_nothing_outside_of_its_namespace_unless_it_is_said_to(monkeypatch: pytest.MonkeyPatch) -> None:
    bounds = one(recorded(monkeypatch, EXAMPLE), "AppProject", "home-reranker")["spec"]
    assert bounds["clusterResourceWhitelist"] == []
    assert [each["namespace"] for each in bounds["destinations"]] == ["inference"]
    bounds = one(recorded(monkeypatch, {**EXAMPLE, "clusterWide": True}), "AppProject", "home-reranker")["spec"]
    assert bounds["clusterResourceWhitelist"] == [{"group": "*", "kind": "*"}]


def test_one_with_openais_api_is_behind_the_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = recorded(monkeypatch, {**EXAMPLE, "protocol": "openai", "service": "reranker-server"})
    configuration = one(recording, "ConfigMap", "litellm-config")["data"]["config.yaml"]
    assert '"api_base": "http://reranker-server.inference:8080/v1"' in configuration


def test_a_pod_with_its_resources_stands_for_it_in_a_rehearsal(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = recorded(monkeypatch, EXAMPLE, rehearsal=True)
    pod = one(recording, "Deployment", "reranker")["spec"]["template"]["spec"]
    assert pod["containers"][0]["resources"]["limits"]["amd.com/gpu"] == "1"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"values": {"auth": {"password": "hunter2"}}}, "auth.password looks like a secret"),
        ({"version": "latest"}, "must be an exact version"),
        ({"extraArgs": ["--verbose"]}, "say it in its `values`"),
    ],
)
def test_what_a_chart_cannot_have_is_told(change: Mapping[str, Any], said: str) -> None:
    (problem,) = told(add("engines", value={**EXAMPLE, **change}), put("argocd", to={}), stack="onprem")
    assert said in problem


def test_without_argo_cd_nobody_would_apply_it() -> None:
    (problem,) = told(add("engines", value=EXAMPLE), stack="onprem")
    assert "which only Argo CD applies: add inference:argocd" in problem


def test_charts_of_others_are_pinned_and_come_before_the_engines_that_need_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = {k: v for k, v in EXAMPLE.items() if k != "placementAt"}
    recording = recorded(monkeypatch, engine, charts=[{"name": "kuberay"}, {"name": "keda", "cluster": "home"}])
    source = one(recording, "Application", "home-kuberay")["spec"]["source"]
    assert (source["chart"], source["targetRevision"]) == ("kuberay-operator", KUBERAY)
    applications = [each for each in recording.kubernetes() if each.object["kind"] == "Application"]
    names = [each.object["metadata"]["name"] for each in applications]
    assert sorted(names) == ["geforce-kuberay", "home-keda", "home-kuberay", "home-reranker", "radeon-kuberay"]
    component = next(each for each in recording.resources if each.type == "inference:gitops:ChartService")
    assert any(dependency.endswith("::home-kuberay-chart") for dependency in component.dependencies)


def test_a_closed_network_has_all_charts_in_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    mirror = {"charts": "http://mirror.lan/charts"}
    recording = recorded(monkeypatch, charts=[{"name": "keda", "cluster": "home"}], mirror=mirror)
    assert one(recording, "Application", "home-keda")["spec"]["source"]["repoURL"] == "http://mirror.lan/charts"
    assert one(recording, "AppProject", "home-charts")["spec"]["sourceRepos"] == ["http://mirror.lan/charts"]


def test_a_chart_that_needs_another_says_so() -> None:
    said = told(put("charts", to=[{"name": "kserve"}]), put("argocd", to={}))
    assert said == [
        "inference:charts[0].name kserve needs cert-manager: add {name: cert-manager} to inference:charts",
        "inference:charts[0].name kserve needs kserve-crd: add {name: kserve-crd} to inference:charts",
    ]


def test_a_chart_is_asked_for_once_in_a_cluster() -> None:
    (said,) = told(put("charts", to=[{"name": "keda"}, {"name": "keda", "cluster": "dev"}]), put("argocd", to={}))
    assert said == "inference:charts[1].name keda is asked for twice in one cluster"
