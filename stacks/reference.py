"""The settings' JSON Schema and reference page, made from the models alone."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stacks.problems import PREFIX
from stacks.schema import settings_schema
from stacks.secrets import SECRETS

_DOCS = Path(__file__).parents[1] / "docs"


@dataclass(frozen=True, kw_only=True)
class Generated:
    """A file that is made from the models."""

    path: Path
    text: Callable[[], str]
    command: str


def write(generated: Generated, *, only_check: bool) -> int:
    """Write the file, or say whether it is up to date. Returns 1 for a stale one."""
    text = generated.text()
    if generated.path.exists() and generated.path.read_text(encoding="utf-8") == text:
        return 0
    if only_check:
        print(f"{generated.path.name} is stale. Next: {generated.command}", file=sys.stderr)
        return 1
    generated.path.write_text(text, encoding="utf-8")
    print(f"wrote {generated.path}")
    return 0


def schema_text() -> str:
    """JSON Schema of a whole `Pulumi.<stack>.yaml`."""
    settings = dict(settings_schema())
    definitions = settings.pop("$defs")
    secure = {
        "type": "object",
        "properties": {"secure": {"type": "string"}},
        "required": ["secure"],
        "additionalProperties": False,
    }
    secrets = {f"{PREFIX}{key}": {**secure, "description": what} for key, what in SECRETS.items()}
    properties = {f"{PREFIX}{key}": value for key, value in settings["properties"].items()}
    document: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A stack of inference",
        "type": "object",
        "properties": {
            "config": {
                "type": "object",
                "properties": properties | secrets,
                "required": [f"{PREFIX}{key}" for key in settings["required"]],
                "patternProperties": {f"^(?!{PREFIX})[^:]+:": {}},
                "additionalProperties": False,
            }
        },
        "required": ["config"],
        "$defs": definitions,
    }
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def page_text() -> str:
    """The reference page."""
    schema = settings_schema()
    lines = [
        "# Settings",
        "",
        "Everything that `Pulumi.<stack>.yaml` says below `config:`, each key with `inference:` in front. Made from",
        "the models by `make format`; editors read the same from `settings.schema.json`.",
        "",
        *_section("Stack", schema, schema),
        "## Secrets",
        "",
        "Never part of the settings: set each with `pulumi config set --secret inference:KEY`.",
        "",
        "| key | meaning |",
        "|---|---|",
        *(f"| `{key}` | {what} |" for key, what in SECRETS.items()),
        "",
    ]
    for name, definition in sorted(schema["$defs"].items()):
        if "properties" in definition:
            lines += _section(name, definition, schema)
    return "\n".join(lines).rstrip() + "\n"


def _section(name: str, definition: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"## {name}", "", _one_line(definition.get("description", "")), "")
    yield from ("| key | type | default | meaning |", "|---|---|---|---|")
    required = definition.get("required", [])
    for key, value in definition["properties"].items():
        default = "**required**" if key in required else _default(value)
        yield f"| `{key}` | {_type(value, schema)} | {default} | {_meaning(value, schema)} |"
    yield ""


def _meaning(value: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    # A key that says the same as its section is left without words of its own.
    section = schema["$defs"].get(value.get("$ref", "").rsplit("/", 1)[-1], {})
    return _one_line(value.get("description") or section.get("description", ""))


def _default(value: Mapping[str, Any]) -> str:
    if value.get("default") is None:
        return ""
    if isinstance(value["default"], dict):
        return "its own defaults"
    return f"`{json.dumps(value['default'])}`".replace("|", "\\|")


def _type(value: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    if "$ref" in value:
        name = value["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})" if "properties" in schema["$defs"][name] else name
    options = [*value.get("anyOf", []), *value.get("oneOf", []), *value.get("allOf", [])]
    if options:
        return " or ".join(dict.fromkeys(_type(option, schema) for option in options if option.get("type") != "null"))
    if "enum" in value or "const" in value:
        return ", ".join(f"`{one}`" for one in value.get("enum", [value.get("const")]))
    if value.get("type") == "array":
        return f"list of {_type(value.get('items', {}), schema)}"
    given: str = value.get("type", "any")
    return "mapping" if given == "object" else given


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


SCHEMA = Generated(path=_DOCS / "settings.schema.json", text=schema_text, command="python -m stacks schema")
PAGE = Generated(path=_DOCS / "settings.md", text=page_text, command="python -m stacks reference")
