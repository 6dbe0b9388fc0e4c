"""Engines that an operator of the cluster runs: it makes their pods from a custom resource, and their Service."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

import pulumi_kubernetes as kubernetes
from pydantic import field_validator

from components.engines.engine import Engine
from components.engines.scaling import Scaling
from components.node.settings import Architecture
from components.section import Name
from components.workload.around import apart, spread
from components.workload.fields import stated
from components.workload.pod import labels, pod_spec
from components.workload.spec import Peer, Placement, Pod, Resources

MAIN = "engine"
"""The group of pods that compute. Its pods carry the engine's own name; those of others have theirs behind it."""
INSTANCE = "app.kubernetes.io/instance"
"""Label with the engine's name on all of its pods."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Pods of one kind."""

    pod: Pod
    replicas: int
    """How many there are in the beginning, and at least."""
    egress: Sequence[Peer] = ()
    """Where these alone may connect to."""
    apart_by: str | None = None
    """Label of the operator's whose value pods have in common that must not share a node."""


@dataclass(frozen=True, kw_only=True)
class Beside:
    """What a pod that computes nothing may use, and the architectures that its image is for."""

    resources: Resources
    built_for: Sequence[Architecture] = ("amd64", "arm64")


@dataclass(frozen=True, kw_only=True)
class CustomResource:
    """What the operator is told, in its own words."""

    api_version: str
    kind: str
    spec: Mapping[str, Any]
    ready: str
    """What `pulumi up` waits for, as in `kubectl wait --for`."""
    fixed: Sequence[str] = ()
    """Properties that the operator leaves as they are: another value takes a new object, after the old one is gone."""
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    asked: str | None = None
    """The group that answers requests, for a Service with the engine's name; None where the operator makes that."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What an engine says in its custom resource beside its pods."""

    models: Mapping[Name, str]
    """Directories by model."""
    surge: bool
    """Whether there is room for all of it twice, while a new version takes the place of the old one."""


class OperatorEngine(Engine):
    """Settings of an engine with an operator, which must run in the engine's cluster: see docs/operations.md."""

    GROUPS: ClassVar[Sequence[str]]
    """Names of all groups of its pods, `MAIN` among them."""
    OPERATOR_PORTS: ClassVar[Sequence[int]]
    """Ports of its pods that the operator asks."""
    ALL_OR_NONE: ClassVar[bool] = False
    """Whether a replica is lost with any of its pods."""

    operator_namespace: Name
    """Where the operator runs."""

    @field_validator("scaling")
    @classmethod
    def _has_its_own(cls, scaling: Scaling | None) -> Scaling | None:
        if scaling:
            raise ValueError("is for engines without an operator; this one scales by settings of its own: remove it")
        return scaling

    @property
    def surge(self) -> int:
        """Operators make all replicas anew before they take the old ones away."""
        return self.most_replicas

    @property
    def further_names(self) -> Sequence[str]:
        """What objects of its are called that do not carry its own name alone."""
        return [group_name(self, group) for group in self.GROUPS if group != MAIN]

    @property
    def beside(self) -> Mapping[tuple[str, ...], Beside]:
        """Pods without a GPU, by the place in its settings that says what they may use."""
        return {}

    @abstractmethod
    def groups(self, pod: Pod, elsewhere: Placement) -> Mapping[str, Group]:
        """All pods by group. `pod` serves the engine; `elsewhere` is where one without GPUs goes."""

    @abstractmethod
    def custom_resource(self, templates: Mapping[str, Mapping[str, Any]], asked: Asked) -> CustomResource:
        """The object from which the operator makes the groups' pods: `templates` are theirs, as in a Deployment."""


def group_labels(engine: OperatorEngine, group: str) -> dict[str, str]:
    """Labels of the pods of a group."""
    return {**labels(group_name(engine, group), group), INSTANCE: engine.name}


def group_name(engine: OperatorEngine, group: str) -> str:
    """What a group's pods and objects are called."""
    return engine.name if group == MAIN else f"{engine.name}-{group}"


def template(
    engine: OperatorEngine, group: str, what: Group, annotations: Mapping[str, str] | None = None
) -> Mapping[str, Any]:
    """The pod template of a group, in the names of Kubernetes' API once it is sent."""
    spec = pod_spec(what.pod)
    spec["service_account_name"] = engine.name
    mine = group_labels(engine, group)
    if what.replicas > 1:
        spec["topology_spread_constraints"] = [spread(mine)]
    if what.apart_by:
        spec["affinity"] = {"pod_anti_affinity": apart({INSTANCE: engine.name}, what.apart_by)}
    metadata = stated({"labels": mine, "annotations": annotations})
    return {"metadata": metadata, "spec": kubernetes.core.v1.PodSpecArgs(**cast("dict[str, Any]", spec))}
