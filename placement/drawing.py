"""SVG elements and colours: just enough of them, with every text escaped."""

import colorsys
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'DejaVu Sans', Arial, sans-serif"

PAPER, INK, MUTED = "#ffffff", "#1e293b", "#64748b"
GROUP, LINE, EMPTY = "#f8fafc", "#cbd5e1", "#f1f5f9"
PART = "#475569"
"""What belongs to the platform and is no engine."""
BAD, BAD_PAPER, BAD_LINE = "#b91c1c", "#fef2f2", "#fca5a5"

_PALETTE = (
    "#1d4ed8",
    "#c2410c",
    "#047857",
    "#7e22ce",
    "#be185d",
    "#0e7490",
    "#854d0e",
    "#4d7c0f",
    "#4338ca",
    "#9f1239",
)
"""Dark enough for white letters (contrast at least 4.5), and apart for most colour-blind eyes."""
_GOLDEN = 0.618034
_BROAD, _NARROW = 0.62, 0.53
"""Width of a letter by its height: bold, and not."""


@dataclass(frozen=True, kw_only=True)
class Box:
    """A rectangle, in pixels."""

    x: float
    y: float
    width: float
    height: float

    def inset(self, by: float) -> "Box":
        """The rectangle inside, `by` from every edge."""
        return Box(x=self.x + by, y=self.y + by, width=self.width - 2 * by, height=self.height - 2 * by)


def colour(index: int) -> str:
    """The colour of the engine with this number; always the same."""
    if index < len(_PALETTE):
        return _PALETTE[index]
    red, green, blue = colorsys.hls_to_rgb((index * _GOLDEN) % 1, 0.3, 0.55)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"


def rectangle(
    box: Box, *, fill: str, stroke: str | None = None, radius: float = 6, dashed: bool = False, hint: str = ""
) -> str:
    """A rectangle with round corners; `hint` appears under the mouse."""
    line = f' stroke="{stroke}"' if stroke else ""
    dashes = ' stroke-dasharray="4 3"' if dashed else ""
    shape = (
        f'<rect x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}" rx="{radius:g}" '
        f'fill="{fill}"{line}{dashes}'
    )
    return f"{shape}><title>{clean(hint)}</title></rect>" if hint else f"{shape}/>"


def text(
    words: str, x: float, y: float, *, size: float = 12, fill: str = INK, bold: bool = False, middle: bool = False
) -> str:
    """One line of text with its baseline at `y`, from `x` or, when `middle`, around it."""
    weight = ' font-weight="600"' if bold else ""
    anchor = ' text-anchor="middle"' if middle else ""
    return f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" fill="{fill}"{weight}{anchor}>{clean(words)}</text>'


def group(elements: Iterable[str], hint: str = "") -> str:
    """Elements that belong together; `hint` appears under the mouse."""
    label = f"<title>{clean(hint)}</title>" if hint else ""
    return f"<g>{label}{''.join(elements)}</g>"


def document(width: float, height: float, *, title: str, description: str, elements: Sequence[str]) -> str:
    """The whole picture, on its own paper, with a title and a description for those who do not see it."""
    paper = rectangle(Box(x=0.5, y=0.5, width=width - 1, height=height - 1), fill=PAPER, stroke=LINE, radius=12)
    body = "\n".join([paper, *elements])
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" role="img" aria-labelledby="title description" '
        f"font-family={quoteattr(FONT)}>\n"
        f'<title id="title">{clean(title)}</title>\n<desc id="description">{clean(description)}</desc>\n'
        f"{body}\n</svg>\n"
    )


def clean(words: str) -> str:
    """Text for XML: escaped, and without the characters that XML has no place for."""
    return escape("".join(letter if letter.isprintable() else " " for letter in words))


def width_of(words: str, size: float, *, bold: bool = False) -> float:
    """About how wide a text is; fonts differ, so it is rather too much."""
    return len(words) * size * (_BROAD if bold else _NARROW)


def shortened(words: str, width: float, size: float, *, bold: bool = False) -> str:
    """As much of a text as fits, with an ellipsis where that is not all."""
    letters = max(int(width / (size * (_BROAD if bold else _NARROW))), 1)
    return words if len(words) <= letters else f"{words[: letters - 1]}…"


def folded(words: str, width: float, size: float) -> list[str]:
    """All of a text, in lines that fit."""
    return textwrap.wrap(" ".join(words.split()), max(int(width / (size * _NARROW)), 8), break_on_hyphens=False)
