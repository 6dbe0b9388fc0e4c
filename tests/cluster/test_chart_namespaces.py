"""Namespaces of all third-party charts, on a real API server."""

from collections.abc import Iterator
from typing import Any

import pytest

from components.gitops.charts import PUBLISHED
from components.gitops.namespaces import NEEDS
from tests.api_server import ApiServer, KubectlError
from tests.unit.manifests import manifests
from tests.unit.recording import record, stack_settings

CLUSTERS = {"amd-gpu-operator": "radeon"}
"""Where there are GPUs for it; all others fit the cluster with NVIDIA's."""


@pytest.fixture(scope="module")
def namespaces(api_server: ApiServer) -> Iterator[ApiServer]:
    """All of them, applied with strict field validation."""
    charts = [
        {"name": name, "cluster": CLUSTERS.get(name, "geforce")}
        for name, published in PUBLISHED.items()
        if published.namespace in NEEDS
    ]
    settings: dict[str, Any] = {**stack_settings("onprem"), "argocd": {}, "charts": charts}
    secrets = {"sshPrivateKey": "key", "storeSecretKey": "key"}
    with pytest.MonkeyPatch.context() as monkeypatch:
        objects = manifests(record(settings, stack="onprem", monkeypatch=monkeypatch, secrets=secrets))
    made = [one for one in objects if one["kind"] == "Namespace" and one["metadata"]["name"] in NEEDS]
    policies = [one for one in objects if one["kind"] == "NetworkPolicy" and one["metadata"]["namespace"] in NEEDS]
    api_server.apply(*made, *policies)
    yield api_server
    api_server.kubectl("delete", "namespace", *NEEDS, "--timeout=60s")


def test_each_is_closed_but_for_what_its_pods_need(namespaces: ApiServer) -> None:
    for namespace in NEEDS:
        policies = namespaces.get("networkpolicies", f"--namespace={namespace}")["items"]
        assert {one["metadata"]["name"] for one in policies} == {"default-deny", "allow-dns", "charts"}


@pytest.mark.parametrize("namespace", NEEDS)
def test_pods_that_look_after_nodes_run_where_such_pods_belong_alone(namespaces: ApiServer, namespace: str) -> None:
    container = {"name": "one", "image": "one:1.0.0", "securityContext": {"privileged": True}}
    pod = {"metadata": {"name": "one", "namespace": namespace}, "spec": {"containers": [container]}}
    if NEEDS[namespace].security == "privileged":
        namespaces.apply({"apiVersion": "v1", "kind": "Pod", **pod})
    else:
        with pytest.raises(KubectlError, match='violates PodSecurity "baseline'):
            namespaces.apply({"apiVersion": "v1", "kind": "Pod", **pod})
