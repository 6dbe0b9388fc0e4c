"""Definitions of Argo CD's objects that are small: its own have forty thousand properties, which take seconds to send.

Its own are tried on a real API server, in tests/cluster/test_argocd_objects.py.
"""

from collections.abc import Sequence
from typing import Any

from components.gitops.argocd import DEFINITIONS


def small_definitions() -> Sequence[dict[str, Any]]:
    """All that there are."""
    return [definition(name) for name in DEFINITIONS]


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
