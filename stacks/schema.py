"""The settings' JSON Schema: what editors, the reference page and error messages know of a setting."""

import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, cast

from stacks.docstrings import docstrings, sections
from stacks.problems import PREFIX, Place
from stacks.secrets import SECRETS
from stacks.settings import Settings

Node = Mapping[str, Any]
"""One part of a JSON Schema."""
KEY = "[key]"
"""Pydantic's mark behind a location that means a mapping's key itself."""
OWN_KEYS = ("encryptionsalt", "encryptedkey", "secretsprovider", "environment")
"""What Pulumi itself keeps in a stack's file, beside `config`."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What may stand at one place."""

    place: Place
    schema: Node
    """References followed."""
    description: str
    one_of_several: bool = False
    """Whether the location went on into one member of a union that has no `kind`, such as address or name."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of a section."""
        return tuple(self.schema.get("properties", {}))

    @property
    def kinds(self) -> Mapping[str, str]:
        """The members of a union by their `kind`, as references."""
        return self.schema.get("discriminator", {}).get("mapping", {})

    def __getitem__(self, key: str) -> "Setting":
        """A setting of this section."""
        return _setting((*self.place, key), self.schema["properties"][key])

    @property
    def wanted(self) -> str:
        """What is right here, in words: `a whole number of at least 1`."""
        return _wanted(self.schema)

    @property
    def example(self) -> object:
        """A value that would be right, where the model has one."""
        options: list[Node] = [self.schema, *self.schema.get("anyOf", [])]
        return next((example for option in options for example in option.get("examples", [])), None)


@cache
def settings_schema() -> Node:
    """JSON Schema of the settings, with the keys that users write. A union says which member by `kind`: required."""
    whole = Settings.model_json_schema(by_alias=True)
    for name, section in sections().items():
        properties = (whole if section is Settings else whole["$defs"].get(name, {})).get("properties", {})
        for key, text in docstrings(section).items():
            if key in properties:
                properties[key]["description"] = text
    for node in _nodes(whole):
        for reference in cast("dict[str, str]", node.get("discriminator", {}).get("mapping", {})).values():
            member = whole["$defs"][reference.rpartition("/")[2]]
            required = {*member.get("required", []), node["discriminator"]["propertyName"]}
            member["required"] = sorted(required)
            # What must be there comes first, wherever people read it.
            member["properties"] = dict(sorted(member["properties"].items(), key=lambda one: one[0] not in required))
    return whole


def find(location: tuple[str | int, ...]) -> Setting:
    """The setting at a location in pydantic's words, which name union members that users never wrote."""
    node, place = settings_schema(), Place()
    section = setting = _setting(place, node)
    for part in location:
        if part in setting.kinds:
            setting = _setting(place, {"$ref": setting.kinds[str(part)]})
            continue
        if part == KEY:
            return _setting(place, section.schema.get("propertyNames", {}))
        child = _child(setting.schema, part)
        if child is None:
            return replace(setting, one_of_several="anyOf" in setting.schema)
        place = (*place, part)
        section, setting = setting, _setting(place, child)
    return setting


def _child(schema: Node, part: str | int) -> Node | None:
    if isinstance(part, int):
        return schema.get("items")
    if part in schema.get("properties", {}):
        return schema["properties"][part]
    return next(iter(schema.get("patternProperties", {}).values()), None)


def _setting(place: Place, node: Node) -> Setting:
    described = node.get("description", "")
    while True:
        if "$ref" in node:
            node = settings_schema()["$defs"][node["$ref"].rpartition("/")[2]]
        elif len(options := [option for option in node.get("anyOf", []) if option.get("type") != "null"]) == 1:
            node = options[0]
        else:
            return Setting(place=place, schema=node, description=described or node.get("description", ""))


def _wanted(schema: Node) -> str:
    options: list[Node] = [schema, *schema.get("anyOf", [])]
    for option in options:
        if words := option.get("patternErrorMessage"):
            return str(words).removeprefix("must be ")
    if "discriminator" in schema:
        return "a mapping"
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return f"one of {', '.join(map(str, values))}" if len(values) > 1 else str(values[0])
    match schema.get("type"):
        case "integer":
            return f"a whole number{_bounds(schema, 1)}"
        case "number":
            return f"a number{_bounds(schema, None)}"
        case "boolean":
            return "true or false"
        case "array":
            return f"a list{_entries(schema.get('minItems'), schema.get('maxItems'))}"
        case "object":
            return f"a mapping{_entries(schema.get('minProperties'), schema.get('maxProperties'))}"
        case _:
            most = schema.get("maxLength")
            return f"text of at most {most} characters" if most else "text"


def _entries(least: int | None, most: int | None) -> str:
    if least and most:
        return f" of {least} to {most} entries"
    if least:
        return " of at least one entry" if least == 1 else f" of at least {least} entries"
    return f" of at most {most} entries" if most else ""


def _bounds(schema: Node, step: int | None) -> str:
    words: list[str] = []
    if "minimum" in schema or (step and "exclusiveMinimum" in schema):
        words.append(f"at least {schema.get('minimum', schema.get('exclusiveMinimum', 0) + (step or 0))}")
    elif "exclusiveMinimum" in schema:
        words.append(f"more than {schema['exclusiveMinimum']:g}")
    if "maximum" in schema:
        words.append(f"at most {schema['maximum']:g}")
    return f" of {' and '.join(words)}" if words else ""


def file_schema() -> Node:
    """JSON Schema of a whole `Pulumi.<stack>.yaml`, for editors."""
    settings = deepcopy(dict(settings_schema()))
    definitions = {name: _for_editors(node) for name, node in settings["$defs"].items()}
    secure = {"type": "object", "properties": {"secure": {"type": "string"}}, "required": ["secure"]}
    secrets = {
        f"{PREFIX}{key}": {**secure, "additionalProperties": False, "description": secret.meaning}
        for key, secret in SECRETS.items()
    }
    ours = {f"{PREFIX}{key}": node for key, node in _for_editors(settings)["properties"].items()}
    config: dict[str, Any] = {
        "type": "object",
        "description": "Settings of the stack. Keys of other namespaces belong to Pulumi's providers.",
        "properties": ours | secrets,
        "patternProperties": {f"^(?!{re.escape(PREFIX)})[^:]+:.+$": {}},
        "required": [f"{PREFIX}{key}" for key in settings["required"]],
        "additionalProperties": False,
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Pulumi.<stack>.yaml",
        "type": "object",
        "properties": {"config": config, **{key: {} for key in OWN_KEYS}},
        "required": ["config"],
        "additionalProperties": False,
        "$defs": definitions,
    }


def _for_editors(schema: Node) -> dict[str, Any]:
    """Draft 7, which every editor knows, ignores what stands beside a `$ref`; and it has no `discriminator`."""
    copied = cast(dict[str, Any], deepcopy(schema))
    for node in _nodes(copied):
        node.pop("discriminator", None)
        if "properties" in node:
            node.pop("title", None)
            for inner in node["properties"].values():
                inner.pop("title", None)
        if "$ref" in node and len(node) > 1:
            node["allOf"] = [{"$ref": node.pop("$ref")}]
    return copied


def _nodes(tree: Any) -> list[dict[str, Any]]:
    """Every mapping in a tree. Made whole before it is used, so that nodes may be changed."""
    found: list[dict[str, Any]] = []
    pending: list[Any] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            found.append(cast(dict[str, Any], node))
            pending += cast(dict[str, Any], node).values()
        elif isinstance(node, list):
            pending += cast(list[Any], node)
    return found
