"""Charts as a stack asks for them, synced by a real Argo CD onto a real API server, placed by its scheduler."""

import shutil
import time
from collections.abc import Iterator
from typing import Any

import pytest

from components.gitops.versions import KEDA
from tests.api_server import ApiServer, KubectlError, SimulatedNode
from tests.argocd import ArgoCd, argocd
from tests.charts import chart_repository
from tests.unit.manifests import manifests
from tests.unit.recording import record, stack_settings
from toolchain.problems import ToolchainError

NODES = (
    SimulatedNode(name="chart-plain"),
    SimulatedNode(name="chart-gpu", gpus={"amd.com/gpu": 1}, labels={"inference/accelerator": "rocm"}),
)
SERVER = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}, labels: {app.kubernetes.io/instance: {{ .Release.Name }}}}
spec:
  replicas: {{ .Values.server.replicaCount }}
  selector: {matchLabels: {app.kubernetes.io/instance: {{ .Release.Name }}}}
  template:
    metadata: {labels: {app.kubernetes.io/instance: {{ .Release.Name }}}}
    spec:
      nodeSelector: {{ toJson .Values.server.nodeSelector }}
      tolerations: {{ toJson .Values.server.tolerations }}
      securityContext: {runAsNonRoot: true, runAsUser: 10001, seccompProfile: {type: RuntimeDefault}}
      containers:
        - name: server
          image: registry.invalid/reranker:1.4.2
          args: ["--model={{ .Values.model }}"]
          resources: {{ toJson .Values.server.resources }}
          securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
"""
ROLE = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: {{ .Release.Name }}-of-the-chart}
rules: []
"""
OPERATOR = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: operator}
spec:
  selector: {matchLabels: {app: operator}}
  template:
    metadata: {labels: {app: operator}}
    spec:
      containers:
        - {name: operator, image: "registry.invalid/operator:1.0.0"}
"""
ENGINE: dict[str, Any] = {
    "name": "reranker",
    "kind": "chart",
    "cluster": "home",
    "chart": "reranker",
    "version": "1.4.2",
    "values": {"model": "org/model"},
    "placementAt": "server",
    "accelerator": {"kind": "rocm"},
}


@pytest.fixture(scope="module")
def argo(api_server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArgoCd]:
    """What a stack of one engine and one operator says to its Argo CD."""
    if not shutil.which("redis-server"):
        pytest.skip("no redis-server; get it with: apt-get install redis-server")
    api_server.apply(*(node.manifest() for node in NODES))
    try:
        with (
            argocd(api_server, tmp_path_factory.mktemp("argocd")) as running,
            chart_repository(tmp_path_factory.mktemp("charts")) as charts,
        ):
            charts.publish("reranker", "1.4.2", {"templates/server.yaml": SERVER})
            charts.publish("greedy", "1.0.0", {"templates/role.yaml": ROLE})
            charts.publish("keda", KEDA, {"templates/role.yaml": ROLE, "templates/operator.yaml": OPERATOR})
            api_server.apply(*_said(charts.url))
            yield running
            _take_away(running)
    except ToolchainError as error:
        pytest.skip(f"no Argo CD: {error}")
    finally:
        api_server.kubectl("delete", "node", *(node.name for node in NODES))


def test_an_engine_that_is_a_chart_runs_on_the_node_with_its_accelerator(argo: ArgoCd) -> None:
    argo.wait("home-reranker")
    selected = ("--namespace", "inference", "--selector", "app.kubernetes.io/instance=reranker")
    (pod,) = argo.api_server.get("pods", *selected)["items"]
    assert pod["spec"]["nodeName"] == "chart-gpu"
    assert pod["spec"]["containers"][0]["args"] == ["--model=org/model"]


def test_a_chart_that_wants_more_than_its_namespace_is_stopped(argo: ArgoCd) -> None:
    assert "ClusterRole" in _refusal(argo, "home-greedy")


def test_an_operators_chart_may_define_what_belongs_to_the_cluster(argo: ArgoCd) -> None:
    argo.wait("home-keda")
    assert argo.api_server.get("clusterrole", "keda-of-the-chart")


def test_an_operators_pods_run_in_a_namespace_that_is_closed_and_unbounded(argo: ArgoCd) -> None:
    argo.wait("home-keda")
    (pod,) = argo.api_server.get("pods", "--namespace=keda")["items"]
    assert pod["status"]["phase"] == "Running"
    policies = argo.api_server.get("networkpolicies", "--namespace=keda")["items"]
    assert {one["metadata"]["name"] for one in policies} == {"default-deny", "allow-dns", "charts"}
    assert not argo.api_server.get("resourcequotas", "--namespace=keda")["items"]


def test_nothing_privileged_runs_beside_an_operator_that_does_not_need_it(argo: ArgoCd) -> None:
    pod = {"containers": [{"name": "one", "image": "one:1.0.0", "securityContext": {"privileged": True}}]}
    with pytest.raises(KubectlError, match='violates PodSecurity "baseline'):
        argo.api_server.apply(
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one", "namespace": "keda"}, "spec": pod}
        )


def _said(url: str) -> list[dict[str, Any]]:
    greedy = {**ENGINE, "name": "greedy", "chart": "greedy", "version": "1.0.0", "accelerator": {"kind": "cpu"}}
    engines = [{**ENGINE, "repository": url}, {**greedy, "repository": url}]
    settings = {
        **stack_settings("onprem"),
        "engines": engines,
        "models": [],
        "argocd": {},
        "charts": [{"name": "keda", "cluster": "home"}],
        "mirror": {"charts": url},
    }
    secrets = {"sshPrivateKey": "key", "storeSecretKey": "key"}
    with pytest.MonkeyPatch.context() as monkeypatch:
        objects = manifests(record(settings, stack="onprem", monkeypatch=monkeypatch, secrets=secrets))
    names = ("inference", "keda")
    namespaces = [one for one in objects if one["kind"] == "Namespace" and one["metadata"]["name"] in names]
    policies = [one for one in objects if one["kind"] == "NetworkPolicy" and one["metadata"]["namespace"] == "keda"]
    ours = [one for one in objects if one["kind"] in ("AppProject", "Application")]
    return [*namespaces, *policies, *(one for one in ours if one["metadata"]["name"].startswith("home-"))]


def _refusal(argo: ArgoCd, name: str) -> str:
    argo.wait(name, sync="OutOfSync")
    give_up = time.monotonic() + 60
    while "not permitted" not in (said := str(argo.application(name)["status"].get("operationState"))):
        assert time.monotonic() < give_up, said
        time.sleep(0.3)
    return said


def _take_away(argo: ArgoCd) -> None:
    """With what they made, as their finalizers say; the greedy one made nothing, and is busy with trying again."""
    argo.api_server.kubectl(
        "delete", "application", "home-reranker", "home-keda", "--namespace", argo.namespace, "--timeout=60s"
    )
    argo.api_server.kubectl("delete", "namespace", "inference", "keda", "--timeout=60s")
