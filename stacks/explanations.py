"""Pydantic's errors in the words of the person who wrote the YAML."""

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from stacks.problems import Place, Problem, closest, echo, nearest
from stacks.schema import KEY, Setting, find
from stacks.secrets import SECRETS, set_command

_MOST = 1000
"""Errors that are explained: more than anybody reads."""
_LONG = 200
"""Characters of values that are shown whole; of longer lists the likeliest is enough."""
_COMMAND = re.compile(r"Get it with: `([^`]+)`")
_BLANK = re.compile(r"\b[A-Z]{2,}\b")
_HARMLESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}")
_CONFIDENTIAL = re.compile("key|secret|token|password", re.IGNORECASE)


def explained(error: ValidationError, raw: object) -> Iterator[Problem]:
    """One problem for each mistake in `raw`, the whole of the settings."""
    seen: set[tuple[Place, str]] = set()
    for detail in islice(error.errors(include_url=False), _MOST):
        problem = _problem(detail, raw)
        # A value that fits no member of a union is one mistake, not one for each member.
        if problem and (problem.place, problem.message) not in seen:
            seen.add((cast(Place, problem.place), problem.message))
            yield problem


def _problem(detail: ErrorDetails, raw: object) -> Problem | None:
    location, given, context = detail["loc"], detail["input"], detail.get("ctx", {})
    match detail["type"]:
        case "missing":
            return _missing(find(location[:-1]), str(location[-1]), raw)
        case "extra_forbidden":
            return unknown(find(location[:-1]), str(location[-1]))
        case "union_tag_not_found":
            return _missing(find(location), context["discriminator"].strip("'"), raw)
        case "union_tag_invalid":
            kind, kinds = context["discriminator"].strip("'"), context["expected_tags"].replace("'", "")
            message = f"{echo(context['tag'])} is not one of: {kinds}"
            return Problem(place=(*find(location).place, kind), message=message)
        case "literal_error":
            setting = find(location)
            values = setting.wanted.removeprefix("one of ")
            if len(values) > _LONG:
                message = f"{echo(given)} is not one of its values{nearest(str(given), values.split(', '))}"
                return Problem(place=setting.place, message=message)
            return Problem(place=setting.place, message=f"{echo(given)} is not one of: {values}")
        case "value_error" if not find(location).one_of_several:
            setting = find(location)
            return Problem(place=setting.place, message=f"{context['error']}{_remedy(setting, raw)}")
        case "too_short" if len(given) >= context["min_length"]:
            return None  # entries are there, and are reported themselves
        case "json_invalid":
            message = "hold text that is not valid Unicode, or are nested too deeply"
            return Problem(place="the settings", message=message)
        case _:
            return _wrong(location, given, raw)


def unknown(section: Setting, key: str) -> Problem:
    """A key that the section does not have."""
    place = (*section.place, key)
    if key in section.keys:  # of a section which says that it is empty
        return Problem(place=place, message="cannot be given here")
    known = section.keys if section.place else (*section.keys, *SECRETS)
    if _CONFIDENTIAL.search(key) and not closest(key, known):
        message = f"unknown key; secrets have keys of their own: {set_command('KEY')}, of {', '.join(SECRETS)}"
        return Problem(place=place, message=message)
    return Problem(place=place, message=f"unknown key{nearest(key, known)}")


def _missing(section: Setting, key: str, raw: object) -> Problem:
    setting = section[key] if key in section.keys else None
    if setting is None:  # of the union's members, each has it
        return Problem(place=section.place, message=f"{key} is missing; it must be one of: {', '.join(section.kinds)}")
    command = _command(setting, raw)
    remedy = f"get it with: {command}" if command else f"it must be {setting.wanted}"
    if not section.place:
        return Problem(place=setting.place, message=f"is missing; {remedy}")
    return Problem(place=section.place, message=f"{key} is missing; {remedy}")


def _wrong(location: tuple[str | int, ...], given: object, raw: object) -> Problem:
    setting = find(location)
    remedy = _remedy(setting, raw)
    if KEY in location:
        key = setting.place[-1]
        return Problem(place=setting.place[:-1], message=f"the key {echo(key)} must be {setting.wanted}")
    confidential = bool(setting.place and _CONFIDENTIAL.search(str(setting.place[-1])))
    if isinstance(given, str) and given and not confidential:
        return Problem(place=setting.place, message=f"{echo(given)} must be {setting.wanted}{remedy}")
    what = "" if confidential and given else f"; it is {'empty' if given == '' else echo(given)}"
    return Problem(place=setting.place, message=f"must be {setting.wanted}{what}{remedy}")


def _remedy(setting: Setting, raw: object) -> str:
    command = _command(setting, raw)
    return f"; get it with: {command}" if command else ""


def _command(setting: Setting, raw: object) -> str | None:
    """The command in the setting's description that prints a right value, with what is known filled in.

    Words in capitals are blanks for the settings beside it; what stands in `[brackets]` is left out where such a
    setting is not given. A value that a shell might act on is never filled in.
    """
    found = _COMMAND.search(setting.description)
    if not found:
        return None
    beside = _inside(raw, setting.place[:-1])
    known = {key: str(value) for key, value in beside.items() if _HARMLESS.fullmatch(str(value))}

    def filled(match: re.Match[str]) -> str:
        return known.get(match[0].lower(), match[0])

    def optional(match: re.Match[str]) -> str:
        inner = _BLANK.sub(filled, match[1])
        return "" if _BLANK.search(inner) else inner

    return " ".join(_BLANK.sub(filled, re.sub(r"\[([^]]*)\]", optional, found[1])).split())


def _inside(raw: Any, place: Place) -> Mapping[str, object]:
    for part in place:
        try:
            raw = raw[part]
        except (KeyError, IndexError, TypeError):
            return {}
    return cast(Mapping[str, object], raw) if isinstance(raw, Mapping) else {}
