"""Our Argo CD beside its publisher's own manifests of the same version: another version may need something else."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
import yaml

from components.gitops.versions import ARGO_CD, REDIS
from tests import operators
from tests.unit.argocd import argocd
from tests.unit.manifests import manifests
from toolchain import versions
from toolchain.problems import ToolchainError

NOT_OURS = {
    # Only where it runs as several, which share clusters among them.
    ("argocd-application-controller", "Role", "apps", "deployments"),
    # Only for applications and sets in other namespaces than its own.
    ("argocd-server", "ClusterRole", "argoproj.io", "applications"),
    ("argocd-server", "ClusterRole", "argoproj.io", "applicationsets"),
    # Only for an action on objects of Argo Workflows.
    ("argocd-server", "ClusterRole", "argoproj.io", "workflows"),
    # `create` of a lease by its name: Kubernetes knows no name yet when something is created, so it allows nothing.
    ("argocd-applicationset-controller", "Role", "coordination.k8s.io", "leases"),
}
"""Rights that the publisher's manifests give, and ours do not."""
Right = tuple[str, str, str, str, str, str]


@pytest.fixture(scope="module")
def published() -> Sequence[Mapping[str, Any]]:
    """Every object of install.yaml but the definitions."""
    try:
        file = operators.source("argocd-definitions", "github.com/argoproj/argo-cd/v3", "manifests/install.yaml")
    except ToolchainError as error:
        pytest.skip(f"no manifests of Argo CD's: {error}")
    documents = file.read_text().split("\n---\n")
    return [yaml.safe_load(one) for one in documents if "kind: CustomResourceDefinition" not in one]


@pytest.fixture
def ours(monkeypatch: pytest.MonkeyPatch) -> Sequence[Mapping[str, Any]]:
    told = {"kind": "webhook", "url": "https://alerts.lan/argocd"}
    return manifests(argocd(monkeypatch, notifications=told))


def rights(objects: Sequence[Mapping[str, Any]], kinds: Sequence[str]) -> Iterator[Right]:
    """One by one: role, kind, group, resource, verb, and name of an object if it is for that alone."""
    for one in objects:
        for rule in one.get("rules", ()) if one["kind"] in kinds else ():
            for group in rule.get("apiGroups", ["URLs"]):
                for resource in rule.get("resources", ["*"]):
                    for verb in rule["verbs"]:
                        for name in rule.get("resourceNames", [""]):
                            yield one["metadata"]["name"], one["kind"], group, resource, verb, name


def containers(objects: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """By the name of what they are in."""
    return {
        one["metadata"]["name"]: one["spec"]["template"]["spec"]["containers"][0]
        for one in objects
        if one["kind"] in ("Deployment", "StatefulSet")
    }


def test_images_are_those_of_its_publisher(published: Sequence[Mapping[str, Any]]) -> None:
    images = {name: one["image"] for name, one in containers(published).items()}
    assert images["argocd-server"] == ARGO_CD
    assert images["argocd-redis"] == REDIS


def test_the_definitions_are_of_the_version_that_runs() -> None:
    assert ARGO_CD.endswith(f":v{versions.ARGOCD_DEFINITIONS}")


def test_ports_are_those_of_its_publisher(
    published: Sequence[Mapping[str, Any]], ours: Sequence[Mapping[str, Any]]
) -> None:
    theirs = containers(published)
    for name, one in containers(ours).items():
        if name == "argocd-notifications-controller":
            port = theirs[name]["livenessProbe"]["tcpSocket"]["port"]
            assert {each["containerPort"] for each in one["ports"]} == {port}
        else:
            wanted = {each["containerPort"] for each in theirs[name]["ports"]}
            assert {each["containerPort"] for each in one["ports"]} == wanted, name


@pytest.mark.parametrize("kind", ["Role", "ClusterRole"])
def test_no_part_has_a_right_that_its_publisher_does_not_give_it(
    kind: str, published: Sequence[Mapping[str, Any]], ours: Sequence[Mapping[str, Any]]
) -> None:
    assert set(rights(ours, [kind])) - set(rights(published, [kind])) == set()


def test_every_right_that_is_left_out_is_left_out_on_purpose(
    published: Sequence[Mapping[str, Any]], ours: Sequence[Mapping[str, Any]]
) -> None:
    here = {one["metadata"]["name"] for one in ours if one["kind"] == "Role"}
    left_out = set(rights(published, ["Role", "ClusterRole"])) - set(rights(ours, ["Role", "ClusterRole"]))
    # The rights of a set's controller are given for one namespace, as in the publisher's own Role.
    lacking = {
        one[:4] for one in left_out if one[0] in here and one[:2] != ("argocd-applicationset-controller", "ClusterRole")
    }
    assert lacking == NOT_OURS
