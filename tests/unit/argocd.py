"""Argo CD as a cluster would get it."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import pytest

from components.gitops.argocd import ArgoCdService
from components.gitops.settings import ArgoCd
from components.workload.namespace import Quota
from tests.unit.definitions import small_definitions
from tests.unit.recording import Recording, recorded


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

    def program() -> dict[str, Any]:
        provider = kubernetes.Provider("kubernetes", kubeconfig="{}")
        made = ArgoCdService(
            "argocd",
            ArgoCd.model_validate(settings),
            definitions=definitions or small_definitions(),
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
