"""The settings' JSON Schema and reference page, made from the models alone."""

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from stacks.problems import PREFIX
from stacks.schema import Node, file_schema, settings_schema
from stacks.secrets import SECRETS, set_command

_DOCS = Path(__file__).parents[1] / "docs"
_LONG = 60
"""Longer examples would make the tables unreadable."""
_TYPES = {"integer": "whole number", "number": "number", "boolean": "`true` or `false`", "string": "text"}
_INTRODUCTION = f"""# Settings

What stands in `Pulumi.<stack>.yaml` below `config:`. Every key at the top begins with `{PREFIX}`, as in
`{PREFIX}target`; keys of other namespaces belong to Pulumi's providers. This page is made from the models by
`make format`; editors read the same from `settings.schema.json`. `python -m stacks check FILE` tells everything that is
wrong with a file.
"""


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
        print(f"{generated.path.name} is stale; run: {generated.command}", file=sys.stderr)
        return 1
    generated.path.write_text(text, encoding="utf-8")
    print(f"wrote {generated.path}")
    return 0


def schema_text() -> str:
    """JSON Schema of a whole `Pulumi.<stack>.yaml`."""
    return json.dumps(file_schema(), indent=2, sort_keys=True) + "\n"


def page_text() -> str:
    """The reference page."""
    sections = _sections()
    lines = [_INTRODUCTION, *_table(settings_schema(), sections)]
    for section in sections.values():
        lines += [f"## {section.heading}", "", _one_line(section.schema.get("description", "")), ""]
        if others := list(dict.fromkeys(section.places))[1:]:
            lines += [f"The same stands in {', '.join(f'`{place}`' for place in others)}.", ""]
        lines += _table(section.schema, sections)
    return "\n".join([*lines, *_secrets()]).rstrip() + "\n"


@dataclass(frozen=True, kw_only=True)
class _Section:
    """One table of the page."""

    heading: str
    kind: str
    """Of the member of a union that it is, or is within."""
    schema: Node
    places: list[str]
    """Every place where it may stand."""

    @property
    def anchor(self) -> str:
        """The heading's address, as GitHub makes it."""
        return "#" + re.sub(r"[^\w -]", "", self.heading.lower()).replace(" ", "-")


def _sections() -> Mapping[str, _Section]:
    """By the name of its definition, in the order in which a reader meets them."""
    found: dict[str, _Section] = {}
    pending = [(key, "", node) for key, node in settings_schema()["properties"].items()]
    while pending:
        place, kind, node = pending.pop(0)
        inside: list[tuple[str, str, Node]] = []
        for name, which in _references(node):
            where = place + {"array": "[]", "object": ".NAME"}.get(node.get("type", ""), "")
            if name in found:
                found[name].places.append(where)
                continue
            schema = settings_schema()["$defs"][name]
            heading = f"{where} of kind {which}" if which else where
            found[name] = _Section(heading=heading, kind=which or kind, schema=schema, places=[where])
            inside += [(f"{where}.{key}", which or kind, inner) for key, inner in schema["properties"].items()]
        pending = inside + pending
    headings = [section.heading for section in found.values()]
    return {
        name: replace(section, heading=f"{section.heading} of kind {section.kind}")
        if headings.count(section.heading) > 1
        else section
        for name, section in found.items()
    }


def _references(node: Node) -> Iterator[tuple[str, str]]:
    """Definitions that a setting may be, and for a union the kind that means it."""
    for kind, reference in node.get("discriminator", {}).get("mapping", {}).items():
        yield _name(reference), kind
    if "$ref" in node:
        yield _name(node["$ref"]), ""
    several = (*node.get("patternProperties", {}).values(), *([node["items"]] if "items" in node else []))
    for option in (*node.get("anyOf", []), *several):
        yield from _references(option)


def _table(schema: Node, sections: Mapping[str, _Section]) -> Iterator[str]:
    yield from ("| key | value | default | meaning |", "|---|---|---|---|")
    required = schema.get("required", [])
    for key, node in schema["properties"].items():
        default = "required" if key in required else _default(node)
        meaning = node.get("description") or _described(node)
        yield f"| `{key}` | {_value(node, sections)} | {default} | {_one_line(meaning)} |"
    yield ""


def _described(node: Node) -> str:
    """The section's own words, where the setting adds none."""
    names = [name for name, _ in _references(node)]
    return settings_schema()["$defs"][names[0]].get("description", "") if len(names) == 1 else ""


def _value(node: Node, sections: Mapping[str, _Section]) -> str:
    """What may stand there, in words."""
    if references := list(_references(node)):
        links = " or ".join(f"[{which or 'mapping'}]({sections[name].anchor})" for name, which in references)
        text = {"array": "list of ", "object": "mapping of text to "}.get(node.get("type", ""), "") + links
    elif "enum" in node or "const" in node:
        text = ", ".join(f"`{one}`" for one in node.get("enum", [node.get("const")]))
    elif options := [option for option in node.get("anyOf", []) if option.get("type") != "null"]:
        text = _value({**options[-1], **_examples(node)}, sections)
    elif node.get("type") == "array":
        text = f"list of {_value(node['items'], sections)}"
    elif node.get("type") == "object":
        inner = node.get("additionalProperties", {})
        text = "mapping" if inner is True else "mapping of text to text" + (" or numbers" if "anyOf" in inner else "")
    else:
        text = _TYPES[node["type"]] + "".join(
            f", such as `{one}`" for one in node.get("examples", [])[:1] if len(str(one)) <= _LONG
        )
    return text.replace("|", "\\|")


def _examples(node: Node) -> Node:
    return {"examples": node["examples"]} if "examples" in node else {}


def _default(node: Node) -> str:
    default = node.get("default")
    if isinstance(default, dict):
        default = _changed(cast("dict[str, Any]", default), node)
    if default in (None, {}, []):
        return ""
    text = json.dumps(default).strip('"') if isinstance(default, str) else json.dumps(default)
    return f"`{text}`".replace("|", "\\|")


def _changed(default: Mapping[str, Any], node: Node) -> dict[str, Any]:
    """What a section's default says other than the defaults of its own settings."""
    name = next(name for name, kind in _references(node) if kind in ("", default.get("kind")))
    own = settings_schema()["$defs"][name]["properties"]
    changed = {
        key: value
        for key, value in default.items()
        if key == "kind" or value not in (own[key].get("default"), {})  # an empty mapping is no default of its own
    }
    return {
        key: _changed(cast("dict[str, Any]", value), own[key]) if isinstance(value, dict) else value
        for key, value in changed.items()
    }


def _secrets() -> Iterator[str]:
    yield from ("## Secrets", "", "Never part of the settings: each is a key of its own, stored encrypted.", "")
    yield from ("| key | meaning | set it with |", "|---|---|---|")
    for key, secret in SECRETS.items():
        yield f"| `{PREFIX}{key}` | {secret.meaning} | `{set_command(key)}` |"


def _name(reference: str) -> str:
    return reference.rpartition("/")[2]


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


SCHEMA = Generated(path=_DOCS / "settings.schema.json", text=schema_text, command="python -m stacks schema")
PAGE = Generated(path=_DOCS / "settings.md", text=page_text, command="python -m stacks reference")
