"""Parts as Markdown, within what a comment may hold."""

import re
from collections.abc import Sequence

from reporting.parts import TITLES, Part

COMMENT = 65_536
"""GitHub's limit for the text of a comment or issue, in characters; counted in bytes here, which are never fewer."""
SUMMARY = 1_000_000
"""GitHub's limit for the summary of a step is 1 MiB."""

_ERROR_LINES = 40
_TICKS = re.compile("`+")
_CHANGE = re.compile(r"^(?P<indent>\s+)(?P<sign>[-+~])(?=[-+>]?\s)", re.MULTILINE)


def report(stack: str, parts: Sequence[Part], *, footer: str, limit: int) -> str:
    """What is said of one stack; parts that are too long lose lines of their middle, the longest ones first."""
    failed = sum(not part.passed for part in parts)
    heading = f"## Stack `{stack}`: {f'{failed} of {len(parts)} failed' if failed else 'all passed'}\n"
    texts = [_text(part) for part in parts]
    around = [_around(part, text) for part, text in zip(parts, texts, strict=True)]
    fixed = [heading, *(f"{before}{after}" for before, after in around), footer]
    room = limit - sum(_size(text) + 1 for text in fixed)
    shortened = _shortened(texts, room)
    body = [f"{before}{text}{after}" for (before, after), text in zip(around, shortened, strict=True)]
    return "\n".join([heading, *body, footer])


def _around(part: Part, text: str) -> tuple[str, str]:
    ended = "passed" if part.passed else f"failed, exit {part.code}"
    fence = "`" * max([3, *(len(ticks) + 1 for ticks in _TICKS.findall(text))])
    language = "diff" if part.kind in ("rendering", "preview", "drift") else "text"
    before = (
        f"<details{'' if part.passed else ' open'}><summary>{TITLES[part.kind]}: {ended}</summary>\n\n"
        f"{fence}{language}\n"
    )
    return before, f"\n{fence}\n</details>\n"


def _text(part: Part) -> str:
    """What it said; where it failed, the end of its complaints too."""
    said = part.output
    if part.kind in ("preview", "drift"):
        # GitHub colours a change only where its sign stands first in the line.
        said = _CHANGE.sub(lambda match: ("!" if match["sign"] == "~" else match["sign"]) + match["indent"], said)
    complaints = "\n".join(part.errors.splitlines()[-_ERROR_LINES:])
    return "\n\n".join(text for text in (said, "" if part.passed else complaints) if text) or "It said nothing."


def _shortened(texts: Sequence[str], room: int) -> list[str]:
    """Each within an equal share of the room; what short ones leave goes to the longer ones."""
    shortened = dict[int, str]()
    by_size = sorted(range(len(texts)), key=lambda index: _size(texts[index]))
    for left, index in zip(range(len(texts), 0, -1), by_size, strict=True):
        shortened[index] = _cut(texts[index], max(0, room // left))
        room -= _size(shortened[index])
    return [shortened[index] for index in range(len(texts))]


def _cut(text: str, room: int) -> str:
    if _size(text) <= room:
        return text
    lines = text.splitlines()
    note = f"\n… of {len(lines)} lines, those of the middle were left out: the log of the run has them …\n"
    half = max(0, (room - _size(note)) // 2)
    head = text.encode()[:half].decode(errors="ignore").rpartition("\n")[0]
    tail = text.encode()[-half:].decode(errors="ignore").partition("\n")[2] if half else ""
    return f"{head}{note}{tail}"


def _size(text: str) -> int:
    return len(text.encode())
