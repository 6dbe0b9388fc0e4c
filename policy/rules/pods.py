"""Pods, wherever they stand in an object: in a template, in an operator's custom resource, or by themselves."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from policy.rules.resource import Resource, at, items, mapping, text

_LISTS = ("containers", "initContainers", "ephemeralContainers")
_DESCRIPTIONS = ("CustomResourceDefinition", "ConfigMap", "Secret")
"""Kinds that speak of pods and have none."""


@dataclass(frozen=True, kw_only=True)
class Pod:
    """A pod's spec, with what is around it."""

    place: str
    """For sentences: `Deployment inference/legal`, and of several pods which one."""
    spec: Mapping[str, object]
    labels: Mapping[str, object]

    @property
    def containers(self) -> Iterator[tuple[str, Mapping[str, object]]]:
        """All of them, each with a name for sentences."""
        for key in _LISTS:
            for number, container in enumerate(items(self.spec.get(key))):
                name = text(at(container, "name")) or f"{key}[{number}]"
                yield f"container {name} of {self.place}", mapping(container)


def pods(resource: Resource) -> Iterator[Pod]:
    """Every pod that the object has or asks its controller for."""
    if not resource.is_kubernetes or resource.kind in _DESCRIPTIONS:
        return
    around = mapping(at(resource.inputs, "metadata", "labels"))
    found = list(_below(resource.inputs, around, ""))
    for path, spec, labels in found:
        place = resource.where if len(found) == 1 else f"{resource.where} ({path})"
        yield Pod(place=place, spec=spec, labels=labels)


def _below(
    value: object, labels: Mapping[str, object], path: str
) -> Iterator[tuple[str, Mapping[str, object], Mapping[str, object]]]:
    fields = mapping(value)
    if any(isinstance(mapping(one).get("image"), str) for one in items(fields.get("containers"))):
        yield path, fields, mapping(fields.get("labels")) or labels
        return
    own = mapping(at(fields, "metadata", "labels")) or labels
    for key, inner in fields.items():
        yield from _below(inner, own, f"{path}.{key}" if path else key)
    for number, inner in enumerate(items(value)):
        yield from _below(inner, labels, f"{path}[{number}]")
