"""What is wrong with settings, in words: where, what, and what would be right."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from stacks.settings import Settings

PREFIX = "inference:"
_SHOWN = 60
"""Characters of a value that are shown."""
Location = tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One mistake in the settings."""

    path: str
    """As the user wrote it, for example `engines[2].cluster`."""
    message: str


def report(problems: Iterable[Problem], file: str) -> str:
    """All problems of a file, and that nothing was changed."""
    found = sorted(set(problems), key=lambda problem: (_sortable(problem.path), problem.message))
    width = max(len(PREFIX + problem.path) for problem in found)
    title = f"{len(found)} problem{'s' if len(found) > 1 else ''} in {file}:"
    lines = [f"  {PREFIX + problem.path:<{width}}  {problem.message}".rstrip() for problem in found]
    return "\n".join([title, *lines, "Nothing was changed."])


def shown(value: object) -> str:
    """A value as it may be printed: short, quoted, and without anything that a terminal would act on."""
    text = value if isinstance(value, str) else repr(value)
    quoted = text.encode("ascii", "backslashreplace").decode() if not text.isprintable() or not text.isascii() else text
    quoted = quoted.replace("\n", "\\n").replace("\x1b", "\\x1b").replace("\t", "\\t").replace("\r", "\\r")
    quoted = re.sub(r"[\x00-\x1f\x7f]", "?", quoted)
    return f'"{quoted[:_SHOWN]}{"…" if len(quoted) > _SHOWN else ""}"'


def nearest(wrong: str, known: Iterable[str]) -> str:
    """`; did you mean "x"?`, or else what there is."""
    names = sorted(known)
    close = difflib.get_close_matches(wrong, names, n=1)
    if close:
        return f'; did you mean "{close[0]}"?'
    return f"; there are: {', '.join(names)}" if names else "; there are none"


def path_of(location: Sequence[str | int]) -> str:
    """`("engines", 2, "cluster")` as `engines[2].cluster`."""
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{shown(part)[1:-1]}" if path else shown(part)[1:-1]
    return path


def shape_problems(error: ValidationError, at: Location, value: object) -> Iterator[Problem]:
    """Pydantic's errors about `value`, which stands at `at`, without its words for unions and types."""
    found: dict[object, Problem] = {}
    for detail in error.errors(include_url=False):
        problem = _problem(detail, at, _written(detail["loc"], value), value)
        # A value that fits none of several types is one mistake: what the last of them says, our own, is clearest.
        several = detail["type"] in ("missing", "extra_forbidden", "value_error")
        found[problem if several else problem.path] = problem
    yield from found.values()


def _problem(detail: ErrorDetails, at: Location, location: Location, value: object) -> Problem:
    kind, context, given = detail["type"], detail.get("ctx", {}), detail["input"]
    here = path_of(at + location)
    if kind == "missing":
        key = str(location[-1])
        parent = _inside(value, location[:-1])
        return Problem(path=path_of(at + location[:-1]) or key, message=f"{key} is missing{_remedy(key, parent)}")
    if kind == "extra_forbidden":
        known = _known_keys(at, location[:-1], value)
        key = str(location[-1])
        return Problem(path=path_of(at + location[:-1]), message=f"unknown key {shown(key)}{nearest(key, known)}")
    if kind == "string_pattern_mismatch":
        words = rules().get(context["pattern"], f"must match {context['pattern']}")
        return Problem(path=here, message=f"{shown(given)} {words}")
    if kind == "literal_error":
        return Problem(path=here, message=f"{shown(given)} is not one of: {context['expected'].replace(' or ', ', ')}")
    if kind == "union_tag_invalid":
        expected = context["expected_tags"].replace("'", "")
        return Problem(path=f"{here}.kind", message=f"{shown(context['tag'])} is not one of: {expected}")
    if kind == "union_tag_not_found":
        return Problem(path=here, message="kind is missing")
    if kind == "value_error":
        return Problem(path=here, message=str(context["error"]))
    message = detail["msg"][0].lower() + detail["msg"][1:]
    return Problem(path=here, message=message.replace("input should", f"{shown(given)} should"))


def _written(location: Sequence[str | int], value: Any) -> Location:
    """The location without what pydantic adds: names of union members, which the user never wrote."""
    kept: list[str | int] = []
    for number, part in enumerate(location):
        is_last = number == len(location) - 1
        if isinstance(part, int):
            inside = isinstance(value, list | tuple) and part < len(cast(list[Any], value))
        else:
            inside = isinstance(value, Mapping) and (part in value or is_last)
        if inside:
            kept.append(part)
            value = cast(Any, _inside(cast(object, value), (part,)))
    return tuple(kept)


def _inside(value: object, location: Location) -> object:
    for part in location:
        try:
            value = cast(Any, value)[part]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _remedy(key: str, parent: object) -> str:
    if key == "hostKey" and isinstance(parent, Mapping) and "host" in parent:
        return f"; get it with: ssh-keyscan -t ed25519 {shown(str(cast(Any, parent)['host']))[1:-1]}"
    return ""


def _known_keys(at: Location, location: Location, value: object) -> list[str]:
    """Keys that the section at this place takes; `value` stands at `at`."""
    whole = settings_schema()
    node: Any = whole
    for part in at:
        node = _child(_resolved(whole, node, None), part)
    for part in location:
        node = _child(_resolved(whole, node, value), part)
        value = _inside(value, (part,))
    return list(_resolved(whole, node, value).get("properties", {}))


def _child(node: Any, part: str | int) -> Any:
    return node.get("items", {}) if isinstance(part, int) else node.get("properties", {}).get(part, {})


def _resolved(schema: Any, node: Any, value: object) -> Any:
    """The section that a schema node means: behind references, and of a union the member that the value names."""
    while "$ref" in node:
        node = schema["$defs"][node["$ref"].rsplit("/", 1)[1]]
    options: list[Any] = [*node.get("oneOf", []), *node.get("anyOf", [])]
    members: list[Any] = [_resolved(schema, option, value) for option in options]
    kind = cast(Any, value).get("kind") if isinstance(value, Mapping) else None
    for member in members:
        if kind and member.get("properties", {}).get("kind", {}).get("const") == kind:
            return member
    return next((member for member in members if "properties" in member), node) if members else node


@cache
def settings_schema() -> Mapping[str, Any]:
    """The settings' JSON Schema, with the keys that users write."""
    return Settings.model_json_schema(by_alias=True)


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


def _sortable(path: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"[\[\].]+", path) if part]
