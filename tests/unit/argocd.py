"""Argo CD as a cluster would get it, with definitions that are small."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import pytest

from components.gitops.argocd import DEFINITIONS, ArgoCdService
from components.gitops.settings import ArgoCd
from components.workload.namespace import Quota
from tests.unit.recording import Recording, recorded


def definition(name: str) -> dict[str, Any]:
    """A CustomResourceDefinition that takes anything."""
    plural, _, group = name.partition(".")
    kind = {"applications": "Application", "applicationsets": "ApplicationSet", "appprojects": "AppProject"}[plural]
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1alpha1", "served": True, "storage": True, "schema": {"openAPIV3Schema": anything}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/part-of": "argocd"}},
        "spec": {
            "group": group,
            "names": {"kind": kind, "plural": plural},
            "scope": "Namespaced",
            "versions": [version],
        },
    }


def argocd(
    monkeypatch: pytest.MonkeyPatch,
    *,
    taints: tuple[str, ...] = (),
    repositories: Sequence[str] = (),
    secrets: Mapping[str, str] | None = None,
    definitions: Sequence[Mapping[str, Any]] | None = None,
    **settings: Any,
) -> Recording:
    """What these settings ask for, and what the component says of itself. `secrets` are arguments of the component."""
    small = [definition(name) for name in DEFINITIONS]

    def program() -> dict[str, Any]:
        provider = kubernetes.Provider("kubernetes", kubeconfig="{}")
        made = ArgoCdService(
            "argocd",
            ArgoCd.model_validate(settings),
            definitions=definitions or small,
            quota=Quota(),
            taints=taints,
            repositories=repositories,
            opts=pulumi.ResourceOptions(providers=[provider]),
            **{key: pulumi.Output.secret(value) for key, value in (secrets or {}).items()},
        )
        kubernetes.apiextensions.CustomResource(
            "application",
            api_version="argoproj.io/v1alpha1",
            kind="Application",
            metadata={"name": "shop", "namespace": made.namespace},
            spec={"project": "shop"},
            opts=pulumi.ResourceOptions(provider=provider, depends_on=made.ready),
        )
        return {"url": made.url, "password": made.admin_password, "namespace": made.namespace}

    return recorded(program, monkeypatch=monkeypatch)
