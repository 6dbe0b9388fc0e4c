"""What is wrong with settings, and how it is told: where, what, and what would be right."""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

PREFIX = "inference:"
MOST_SHOWN = 50
"""Problems in one report: who sees these has enough to begin with."""
_CHARACTERS = 40
"""Characters of a value that are shown."""
_NAMES = 12
"""Names that are listed."""
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]{1,40}")
_CREDENTIALS = re.compile(r"//[^/@]*@")
"""A user and password in a URL."""
_ACTIVE = re.compile(r"""[^ -~]|[$`\\"'!;|&<>()]""")
"""What a terminal or a shell would act on, or what a reader could mistake for something else."""

Place = tuple[str | int, ...]
"""Keys and indices from the top of the settings, as the user wrote them."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One mistake in the settings."""

    place: Place | str
    """Where; plain words for what has no place in the settings, such as a line of the file."""
    message: str


class SettingsError(Exception):
    """The settings cannot be used. The text is the whole report."""

    def __init__(self, file: str, problems: Iterable[Problem], *, closing: str = "Nothing was changed.") -> None:
        self.problems = sorted(set(problems), key=lambda problem: (_order(problem.place), problem.message))
        super().__init__(_report(file, self.problems, closing))


def _report(file: str, problems: list[Problem], closing: str) -> str:
    listed = [(path(problem.place), problem.message) for problem in problems[:MOST_SHOWN]]
    width = max(len(where) for where, _ in listed)
    title = f"{len(problems)} problem{'s' if len(problems) > 1 else ''} in {file}:"
    more = len(problems) - len(listed)
    lines = [f"  {where:<{width}}   {message}" for where, message in listed]
    return "\n".join([title, *lines, *([f"  and {more} more"] if more else []), closing])


def path(place: Place | str) -> str:
    """`("engines", 2, "cluster")` as `inference:engines[2].cluster`."""
    if isinstance(place, str):
        return place
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN_KEY.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f"[{echo(part)}]" if text else echo(part)[1:-1]
    return f"{PREFIX}{text}"


def echo(value: object) -> str:
    """A value that a user wrote, fit for any terminal: short, in quotes, ASCII, nothing that a shell acts on."""
    if isinstance(value, str):
        if "PRIVATE KEY" in value:
            return "a private key"
        value = _CREDENTIALS.sub("//...@", value)
        text = value[:_CHARACTERS] + ("..." if len(value) > _CHARACTERS else "")
        return '"' + _ACTIVE.sub(_escaped, text) + '"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(value)
    if isinstance(value, int):
        return str(value) if abs(value) < 10**_CHARACTERS else "a number of many digits"
    if value is None:
        return "empty"
    what = "mapping" if isinstance(value, Mapping) else "list"
    return f"a {what}" if value else f"an empty {what}"


def nearest(wrong: str, known: Iterable[str]) -> str:
    """`; did you mean "x"?`, or else what there is."""
    names = list(known)
    close = closest(wrong, names)
    return f"; did you mean {echo(close)}?" if close else there_are(wrong, names)


def there_are(wrong: str, known: Iterable[str]) -> str:
    """`; there are: a, b`, the likeliest first where they are many."""
    names = list(known)
    if len(names) > _NAMES:
        names = list(dict.fromkeys([*difflib.get_close_matches(wrong[:_CHARACTERS], names, _NAMES, 0.5), *names]))
    return f"; there are: {listed(names)}" if names else "; there are none"


def listed(names: Iterable[str]) -> str:
    """`a, b, c`, cut where they are many."""
    shown = [echo(name)[1:-1] for name in names]
    return ", ".join(shown[:_NAMES]) + (f" and {len(shown) - _NAMES} more" if len(shown) > _NAMES else "")


def closest(wrong: str, known: Iterable[str]) -> str | None:
    """The known name that was most likely meant, if any is near."""
    folded = {name.replace("_", "").lower(): name for name in known}
    close = difflib.get_close_matches(wrong[:_CHARACTERS].replace("_", "").lower(), folded, n=1)
    return folded[close[0]] if close else None


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _order(place: Place | str) -> list[tuple[int, str]]:
    parts = (place,) if isinstance(place, str) else place
    return [(part, "") if isinstance(part, int) else (-1, part) for part in parts]
