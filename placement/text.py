"""Plain text for people: aligned columns that fit a terminal, and colours only where they are welcome."""

import os
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

WIDTH = 100
"""Columns that every line fits into."""
GAP = 3
_NARROWEST = 12


@dataclass(frozen=True)
class Style:
    """Colours, or none."""

    colours: bool = False

    def bold(self, text: str) -> str:
        """For headings."""
        return self._in("1", text)

    def dim(self, text: str) -> str:
        """For column names."""
        return self._in("2", text)

    def bad(self, text: str) -> str:
        """For what does not fit."""
        return self._in("1;31", text)

    def _in(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colours and text else text


def style_for(stream: TextIO = sys.stdout) -> Style:
    """Colours on a terminal, unless NO_COLOR is set (https://no-color.org) or the terminal has none."""
    welcome = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return Style(colours=welcome)


def printable(text: str) -> str:
    """`text` in one line, without anything that could steer a terminal."""
    return "".join(character if character.isprintable() else "?" for character in " ".join(text.split()))


def table(header: Sequence[str], rows: Sequence[Sequence[str]], style: Style, bad: Sequence[int] = ()) -> list[str]:
    """Lines of aligned columns, indented by two; long cells are wrapped. `bad` are the rows to show as such."""
    cells = [[printable(cell) for cell in row] for row in [header, *rows]]
    widths = _widths(cells)
    lines: list[str] = []
    for index, row in enumerate(cells):
        paint = style.dim if index == 0 else style.bad if index - 1 in bad else str
        lines += [paint(line) for line in _wrapped(row, widths)]
    return lines


def paragraph(text: str, indent: int) -> list[str]:
    """Lines of running text; its words stay as they are."""
    margin = " " * indent
    return [f"{margin}{line}" for line in _lines(printable(text), WIDTH - indent)]


def _widths(cells: Sequence[Sequence[str]]) -> list[int]:
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    while 2 + sum(widths) + GAP * (len(widths) - 1) > WIDTH and max(widths) > _NARROWEST:
        widths[widths.index(max(widths))] -= 1
    return widths


def _wrapped(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    columns = [_lines(cell, width) for cell, width in zip(row, widths, strict=True)]
    height = max(map(len, columns))
    padded = [[*column, *[""] * (height - len(column))] for column in columns]
    lines = [
        (" " * GAP).join(f"{part:<{width}}" for part, width in zip(parts, widths, strict=True))
        for parts in zip(*padded, strict=True)
    ]
    return [f"  {line}".rstrip() for line in lines]


def _lines(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_on_hyphens=False) or [""]
