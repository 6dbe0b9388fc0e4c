"""Pydantic's errors in the words of the person who wrote the YAML."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from stacks.problems import PREFIX, Problem, inside, nearest, path_of, plain, shown
from stacks.schema import choices_at, keys_at, meaning_at, rules
from stacks.secrets import SECRETS

Location = tuple[str | int, ...]

_SEVERAL = ("missing", "extra_forbidden", "value_error")
_LOOKS_SECRET = re.compile("secret|password|token|private", re.IGNORECASE)
_WORDS = {
    "string_type": "must be text",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "union_tag_not_found": "kind is missing",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "string_too_long": "is longer than {max_length} characters",
    "string_too_short": "must have at least {min_length} characters",
    "finite_number": "must be a finite number",
    "too_short": "must have at least {min_length} entries",
}
"""By pydantic's error type, with the fields of its context."""
_KINDS = {"int": "must be a whole number", "float": "must be a number", "bool": "must be true or false"}
"""By the first word of pydantic's error type."""


def shape_problems(error: ValidationError, at: Location, whole: object) -> Iterator[Problem]:
    """What is wrong with the part at `at` of `whole`, the settings as the user wrote them."""
    found: dict[object, Problem] = {}
    for detail in error.errors(include_url=False):
        location = at + _written(detail["loc"], inside(whole, at))
        problem = _problem(detail, location, whole)
        # A value that fits none of several types is one mistake: what the last of them says, our own, is clearest.
        found[problem if detail["type"] in _SEVERAL else problem.path] = problem
    yield from found.values()


def missing(location: Location, whole: object) -> Problem:
    """A key that must be there is not."""
    key = str(location[-1])
    choices, meaning = choices_at(location, whole), meaning_at(location, whole)
    right = f"; one of: {', '.join(choices)}" if choices else f": {meaning}" if meaning else ""
    words = f"{key} is missing{_command(location, whole) or right}"
    return (
        Problem(path=path_of(location[:-1]), message=words)
        if location[:-1]
        else Problem(path=key, message=words.removeprefix(f"{key} "))
    )


def unknown(location: Location, whole: object) -> Problem:
    """A key that means nothing, which is a slip or a secret."""
    key, section = str(location[-1]), location[:-1]
    known = [*keys_at(section, whole), *(() if section else SECRETS)]
    right = nearest(key, known)
    if _LOOKS_SECRET.search(key) and "did you mean" not in right:
        commands = " or ".join(f"pulumi config set --secret {PREFIX}{name}" for name in SECRETS)
        right = f"; secrets are never part of the settings; run: {commands}"
    if not section:
        return Problem(path=plain(key), message=f"unknown key{right}")
    return Problem(path=path_of(section), message=f"unknown key {shown(key)}{right}")


def _problem(detail: ErrorDetails, location: Location, whole: object) -> Problem:
    kind, context, given = detail["type"], detail.get("ctx", {}), detail["input"]
    path = path_of(location)
    if kind == "missing":
        return missing(location, whole)
    if kind == "extra_forbidden":
        return unknown(location, whole)
    if kind in ("literal_error", "enum"):
        choices = choices_at(location, whole) or [context["expected"]]
        return Problem(path=path, message=f"{shown(given)} is not one of: {', '.join(choices)}")
    if kind == "union_tag_invalid":
        location = (*location, "kind")
        choices = ", ".join(choices_at(location, whole))
        return Problem(path=path_of(location), message=f"{shown(context['tag'])} is not one of: {choices}")
    if kind == "union_tag_not_found":
        return missing((*location, "kind"), whole)
    if kind == "value_error":
        words = str(context["error"])
    elif kind == "string_pattern_mismatch":
        words = f"{shown(given)} {rules().get(context['pattern'], 'has characters that it must not have')}"
    else:
        words = _sentence(detail, kind, context, given)
    return Problem(path=path, message=words + _command(location, whole))


def _sentence(detail: ErrorDetails, kind: str, context: Mapping[str, Any], given: object) -> str:
    words = _WORDS.get(kind, _KINDS.get(kind.split("_", maxsplit=1)[0], ""))
    if not words:
        return f"{shown(given)}: {plain(detail['msg'], most=300)}"
    if isinstance(given, Mapping | list | tuple):
        return f"{words.format_map(context)}, not {shown(cast(object, given))}"
    is_number = isinstance(given, bool | int | float)
    quotes = f': put it in quotes, "{shown(given)}"' if kind == "string_type" and is_number else ""
    return f"{shown(given)} {words.format_map(context)}{quotes}"


def _command(location: Location, whole: object) -> str:
    """How to get a host's key."""
    host = inside(whole, (*location[:-1], "host"))
    if location[-1:] == ("hostKey",) and isinstance(host, str):
        return f"; get it with: ssh-keyscan -t ed25519 {plain(host)}"
    return ""


def _written(location: Sequence[str | int], value: Any) -> Location:
    """The location without what pydantic adds: names of union members, which the user never wrote."""
    kept: list[str | int] = []
    for number, part in enumerate(location):
        is_last = number == len(location) - 1
        if isinstance(part, int):
            is_there = isinstance(value, list | tuple) and part < len(cast(list[Any], value))
        else:
            is_there = isinstance(value, Mapping) and (part in value or is_last)
        if is_there:
            kept.append(part)
            value = inside(cast(object, value), (part,))
    return tuple(kept)
