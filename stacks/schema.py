"""What the models say about each place in the settings: its keys, its meaning, what a pattern asks for."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, cast

from stacks.problems import inside
from stacks.settings import Settings


@cache
def settings_schema() -> Mapping[str, Any]:
    """The settings' JSON Schema, with the keys that users write."""
    return Settings.model_json_schema(by_alias=True)


def section_at(location: Sequence[str | int], whole: object) -> Mapping[str, Any]:
    """The schema of the place `location` within `whole`, the settings as the user wrote them; empty if unknown."""
    node: Any = settings_schema()
    for depth, part in enumerate(location):
        node = _resolved(node, inside(whole, location[:depth]))
        node = node.get("items", {}) if isinstance(part, int) else node.get("properties", {}).get(part, {})
    return _resolved(node, inside(whole, location))


def keys_at(location: Sequence[str | int], whole: object) -> list[str]:
    """Keys that the section at a place takes."""
    return list(section_at(location, whole).get("properties", {}))


def choices_at(location: Sequence[str | int], whole: object) -> list[str]:
    """Values that the place takes, where they are few."""
    node = section_at(location, whole)
    if location[-1:] == ("kind",):
        named = _members(_unresolved(location[:-1], whole))
        kinds = [one["properties"]["kind"].get("const") for one in named if "kind" in one.get("properties", {})]
        if any(kinds):
            return [kind for kind in kinds if kind]
    return [str(one) for one in node.get("enum", [])]


def meaning_at(location: Sequence[str | int], whole: object) -> str:
    """What the key at a place is for, in one line; empty where its name says all."""
    described = _unresolved(location, whole).get("description") or section_at(location, whole).get("description", "")
    return " ".join(described.split())


@cache
def rules() -> Mapping[str, str]:
    """What each pattern asks for, in words."""
    found: dict[str, str] = {}
    pending: list[Any] = [settings_schema()]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            fields = cast(dict[str, Any], node)
            if "pattern" in fields and "patternErrorMessage" in fields:
                found[fields["pattern"]] = fields["patternErrorMessage"]
            pending += fields.values()
        elif isinstance(node, list):
            pending += cast(list[Any], node)
    return found


def _unresolved(location: Sequence[str | int], whole: object) -> Any:
    """The place as its parent describes it: a union is still one."""
    parent = section_at(location[:-1], whole)
    last = location[-1]
    return parent.get("items", {}) if isinstance(last, int) else parent.get("properties", {}).get(last, {})


def _members(node: Any) -> list[Any]:
    while "$ref" in node:
        node = settings_schema()["$defs"][node["$ref"].rsplit("/", 1)[1]]
    options: list[Any] = [*node.get("oneOf", []), *node.get("anyOf", [])]
    return [_resolved(option, None) for option in options]


def _resolved(node: Any, value: object) -> Any:
    """The section that a schema node means: behind references, and of a union the member that the value names."""
    while "$ref" in node:
        node = settings_schema()["$defs"][node["$ref"].rsplit("/", 1)[1]]
    members = _members(node)
    kind = inside(value, ("kind",))
    for member in members:
        if kind and member.get("properties", {}).get("kind", {}).get("const") == kind:
            return member
    return next((member for member in members if "properties" in member), node)
