"""The stack eks as the engine would see it, and what Amazon would be asked for."""

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.unit.manifests import plain
from tests.unit.recording import Recording, Registration, record, stack_settings


def made(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[dict[str, Any]], None] | None = None, *, stack: str = "eks"
) -> Recording:
    """The shipped settings through the whole program, after a change of them."""
    settings = copy.deepcopy(stack_settings("eks"))
    if change:
        change(settings)
    return record(settings, stack=stack, monkeypatch=monkeypatch)


def eks_of(settings: dict[str, Any]) -> dict[str, Any]:
    """Where the settings of the cluster at Amazon are."""
    return settings["clusters"][0]["eks"]


def autoscale(settings: dict[str, Any], by: str) -> None:
    """Have nodes added by somebody, who comes as a chart if that is Karpenter."""
    eks_of(settings)["autoscaler"] = by
    if by == "karpenter":
        settings |= {"argocd": {}, "charts": [{"name": "karpenter"}]}


def group_of(settings: dict[str, Any], name: str) -> dict[str, Any]:
    """The settings of a node group."""
    return next(one for one in settings["clusters"][0]["nodeGroups"] if one["name"] == name)


def all_of(recording: Recording, kind: str) -> list[Registration]:
    """Every resource of a type, without its module: `aws:eks/nodeGroup:NodeGroup` is `NodeGroup`."""
    return [one for one in recording.resources if one.type.startswith("aws:") and one.type.endswith(f":{kind}")]


def one_of(recording: Recording, kind: str, name: str | None = None) -> Registration:
    """The only one, or the one of this name in the program."""
    (found,) = [one for one in all_of(recording, kind) if name in (None, one.name)]
    return found


def inputs(recording: Recording, kind: str, name: str | None = None) -> dict[str, Any]:
    """What it is asked to be."""
    return plain(one_of(recording, kind, name).inputs)


def document(text: str) -> Mapping[str, Any]:
    """A policy."""
    return json.loads(text)


def needs(recording: Recording, resource: Registration) -> set[str]:
    """Names of all that must be there before it, and is deleted after it: through parents and components too."""
    by_urn = {one.urn: one for one in recording.resources}
    found: set[str] = set()
    urns = [resource.urn]
    while urns:
        if not (one := by_urn.get(urns.pop())):
            continue
        if one.urn in found:
            continue
        found.add(one.urn)
        urns += [*one.dependencies, one.parent, one.provider.rpartition("::")[0]]
    return {f"{by_urn[urn].type.rpartition(':')[2]} {by_urn[urn].name}" for urn in found - {resource.urn}}
