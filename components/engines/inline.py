"""A pod among the fields of a custom resource, where others stand beside its own."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from pulumi_kubernetes.core import v1
from pydantic.alias_generators import to_camel

TYPES: Mapping[str, Callable[..., object]] = {
    "init_containers": v1.ContainerArgs,
    "containers": v1.ContainerArgs,
    "security_context": v1.PodSecurityContextArgs,
    "tolerations": v1.TolerationArgs,
    "topology_spread_constraints": v1.TopologySpreadConstraintArgs,
    "volumes": v1.VolumeArgs,
}
"""Of those fields of a pod that are more than a value."""


def inline_pod(template: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a pod template's spec in the names of Kubernetes' API, and the pod's labels among them."""
    stated = {
        name: value
        for name, field in vars(v1.PodSpecArgs).items()
        if isinstance(field, property) and (value := getattr(template["spec"], name)) is not None
    }
    fields = {to_camel(name): _typed(TYPES.get(name), value) for name, value in stated.items()}
    return {**fields, "labels": template["metadata"]["labels"]}


def _typed(of: Callable[..., object] | None, value: Any) -> Any:
    if of is None:
        return value
    return [of(**one) for one in cast("list[dict[str, Any]]", value)] if isinstance(value, list) else of(**value)
