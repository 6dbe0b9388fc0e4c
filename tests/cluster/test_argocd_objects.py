"""Argo CD's objects on a real API server, with its publisher's own definitions."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.api_server import ApiServer, SimulatedNode
from tests.operators import await_definitions
from tests.unit.argocd import argocd
from tests.unit.manifests import manifests
from toolchain import definitions
from toolchain.problems import ToolchainError

SETTINGS: dict[str, Any] = {
    "availability": "ha",
    "url": "https://argocd.example.com",
    "nodePort": 30443,
    "admin": True,
    "sso": {"issuer": "https://login.example.com", "clientId": "argocd", "others": "readonly"},
    "notifications": {"kind": "slack", "channel": "deployments"},
}
SECRETS = {"sso_secret": "client-secret", "notification_token": "xoxb-token"}


@pytest.fixture(scope="module")
def applied(api_server: ApiServer) -> Iterator[list[dict[str, Any]]]:
    """Every object, applied with strict field validation; and a node that keeps pods Ready."""
    try:
        files = sorted(definitions.argocd().glob("*.yaml"))
    except ToolchainError as error:
        pytest.skip(f"no definitions: {error}")
    with pytest.MonkeyPatch.context() as monkeypatch:
        defined = [yaml.safe_load(file.read_text()) for file in files]
        objects = manifests(argocd(monkeypatch, secrets=SECRETS, definitions=defined, **SETTINGS))
    kinds = [one for one in objects if one["kind"] == "CustomResourceDefinition"]
    names = [f"customresourcedefinition/{one['metadata']['name']}" for one in kinds]
    # An Application needs more than its name to be one.
    others = [one for one in objects if one not in kinds and one["kind"] != "Application"]
    node = SimulatedNode(name="argocd-node")
    api_server.apply(node.manifest(), *kinds)
    await_definitions(api_server)
    api_server.apply(*others)
    yield others
    api_server.kubectl("delete", "namespace", "--timeout=60s", "argocd")
    wide = [one for one in others if one["kind"].startswith("ClusterRole")]
    api_server.kubectl("delete", *(f"{one['kind']}/{one['metadata']['name']}" for one in wide))
    api_server.kubectl("delete", "--timeout=60s", *names)
    api_server.kubectl("delete", "--wait=false", "node", node.name)


def test_every_pod_passes_restricted_pod_security(api_server: ApiServer, applied: list[dict[str, Any]]) -> None:
    wanted = {one["metadata"]["name"]: one["spec"]["replicas"] for one in applied if one["kind"] == "Deployment"}
    assert len(wanted) == 6
    for name in wanted:
        api_server.await_condition("condition=Available", f"deployment/{name}", "--namespace", "argocd")
    labels = api_server.get("namespace", "argocd")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    running = {
        one["metadata"]["name"]: one["status"]["readyReplicas"]
        for one in api_server.get("deployments", "--namespace", "argocd")["items"]
    }
    assert running == wanted


def test_its_definitions_are_there_in_full(api_server: ApiServer, applied: list[dict[str, Any]]) -> None:
    del applied
    explained = api_server.kubectl("explain", "application.spec.syncPolicy.automated.selfHeal")
    assert "<boolean>" in explained


def test_the_project_default_is_taken_and_closed(api_server: ApiServer, applied: list[dict[str, Any]]) -> None:
    del applied
    spec = api_server.get("appproject", "default", "--namespace", "argocd")["spec"]
    assert not spec.get("destinations")
    assert not spec.get("sourceRepos")


@pytest.mark.parametrize(
    ("account", "verb", "what", "where", "may"),
    [
        ("application-controller", "create", "deployments.apps", "inference", True),
        ("server", "get", "pods/log", "inference", True),
        ("server", "create", "deployments.apps", "inference", False),
        ("server", "list", "secrets", "inference", False),
        ("applicationset-controller", "create", "applications.argoproj.io", "argocd", True),
        ("applicationset-controller", "get", "secrets", "inference", False),
        ("repo-server", "get", "secrets", "argocd", False),
        ("notifications-controller", "get", "secrets/argocd-notifications-secret", "argocd", True),
        ("notifications-controller", "get", "secrets/argocd-secret", "argocd", False),
    ],
)
def test_a_part_may_do_what_it_needs_and_no_more(
    account: str, verb: str, what: str, where: str, may: bool, api_server: ApiServer, applied: list[dict[str, Any]]
) -> None:
    del applied
    resource, _, rest = what.partition("/")
    named = rest and rest != "log"
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": f"system:serviceaccount:argocd:argocd-{account}",
            "groups": ["system:serviceaccounts", "system:authenticated"],
            "resourceAttributes": {
                "namespace": where,
                "verb": verb,
                "resource": resource.partition(".")[0],
                "group": resource.partition(".")[2],
                "subresource": "" if named else rest,
                "name": rest if named else "",
            },
        },
    }
    said = api_server.kubectl(
        "create", "--output=jsonpath={.status.allowed}", "--filename=-", stdin=yaml.safe_dump(review)
    )
    assert said == ("true" if may else "false")
