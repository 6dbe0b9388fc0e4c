"""What is wrong with settings: where, what, and what would be right, as text that any terminal may show."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

PREFIX = "inference:"
_SHOWN = 60
"""Characters of a value that are shown."""
_SHOWN_DIGITS = 30
_CREDENTIALS = re.compile(r"//[^/@\s]*@")


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
    """A value as it may be printed: short, without secrets, and without anything that a terminal would act on."""
    match value:
        case str():
            return f'"{plain(value)}"'
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case float():
            return str(value)
        case int():
            return str(value) if abs(value) < 10**_SHOWN_DIGITS else f"a number of more than {_SHOWN_DIGITS} digits"
        case Mapping():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case _:
            return f"a {type(value).__name__}"


def plain(text: str, *, most: int = _SHOWN) -> str:
    """Text without quotes around it and of at most so many characters, otherwise as `shown`."""
    if "PRIVATE KEY" in text:
        return "(a private key)"
    text = _CREDENTIALS.sub("//***@", text[: 10 * most])
    ascii_text = "".join(one if " " <= one <= "~" else ascii(one)[1:-1] for one in text)
    return ascii_text if len(ascii_text) <= most else f"{ascii_text[:most]}..."


def nearest(wrong: str, known: Iterable[str]) -> str:
    """`; did you mean "x"?`, or else what there is."""
    names = sorted(known)
    close = difflib.get_close_matches(wrong[: 2 * _SHOWN], names, n=1)
    if close:
        return f'; did you mean "{close[0]}"?'
    return f"; there are: {', '.join(names)}" if names else "; there are none"


def path_of(location: Sequence[str | int]) -> str:
    """`("engines", 2, "cluster")` as `engines[2].cluster`."""
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{plain(part)}" if path else plain(part)
    return path


def inside(value: object, location: Sequence[str | int]) -> object:
    """What stands at a place in a tree of mappings and lists; None where there is nothing."""
    for part in location:
        try:
            value = cast(Any, value)[part]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _sortable(path: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"[\[\].]+", path) if part]
