"""The placement as a picture: clusters as groups, nodes as boxes, GPUs as cells, engines as colours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from placement import drawing
from placement.drawing import Box
from placement.model import ENGINE, Cluster, Workload
from placement.node_card import Card, Colours
from placement.report import lacking, off, summary, title

WIDTH = 1200
MARGIN = 28
COLUMNS = 4
GAP = 16
PADDING = 16
CARD_GAP = 12
HEADING = 34
_LEGEND_LINE = 24
_NOTE = 11.5
_NOTE_LINE = 16


@dataclass(frozen=True, kw_only=True)
class _Group:
    """A cluster with the room that it takes."""

    cluster: Cluster
    colours: Colours
    columns: int

    @property
    def width(self) -> float:
        return self.columns * (WIDTH - 2 * MARGIN + GAP) / COLUMNS - GAP

    @property
    def card_width(self) -> float:
        return (self.width - 2 * PADDING - (self.columns - 1) * CARD_GAP) / self.columns

    @property
    def rows(self) -> list[list[Card]]:
        cards = [
            Card(cluster=self.cluster, node=node, width=self.card_width, colours=self.colours)
            for node in self.cluster.nodes
        ]
        return [cards[start : start + self.columns] for start in range(0, len(cards), self.columns)]

    @property
    def notes(self) -> list["_Note"]:
        """What is not on any node."""
        width = self.width - 2 * PADDING
        misfits = [
            _Note(
                heading=f"{misfit.workload.app} does not fit",
                words=f"{lacking(misfit)}. {misfit.reason}",
                width=width,
                colour=self._colour(misfit.workload),
                bad=True,
            )
            for misfit in self.cluster.misfits()
        ]
        idle = [workload for workload in self.cluster.workloads if not workload.wanted]
        return misfits + [
            _Note(heading=f"{title(one)} is off", words=off(one), width=width, colour=self._colour(one)) for one in idle
        ]

    def _colour(self, workload: Workload) -> str:
        return self.colours.get((self.cluster.name, workload.app), drawing.PART)

    @property
    def height(self) -> float:
        cards = sum(max(card.height for card in row) + CARD_GAP for row in self.rows)
        notes = sum(note.height + CARD_GAP for note in self.notes)
        return HEADING + cards + notes - CARD_GAP + PADDING

    def draw(self, x: float, y: float, height: float) -> str:
        box = Box(x=x, y=y, width=self.width, height=height)
        elements = [
            drawing.rectangle(box, fill=drawing.GROUP, stroke=drawing.LINE, radius=10),
            drawing.text(self.cluster.name, x + PADDING, y + 23, size=14, bold=True),
        ]
        below = y + HEADING
        for row in self.rows:
            tallest = max(card.height for card in row)
            for index, card in enumerate(row):
                elements.append(card.draw(x + PADDING + index * (self.card_width + CARD_GAP), below, tallest))
            below += tallest + CARD_GAP
        for note in self.notes:
            elements.append(note.draw(x + PADDING, below))
            below += note.height + CARD_GAP
        return drawing.group(elements)


@dataclass(frozen=True, kw_only=True)
class _Note:
    """Something that is on no node, and why."""

    heading: str
    words: str
    width: float
    colour: str
    bad: bool = False

    @property
    def lines(self) -> list[str]:
        return drawing.folded(self.words, self.width - 24, _NOTE)

    @property
    def height(self) -> float:
        return 32 + len(self.lines) * _NOTE_LINE

    def draw(self, x: float, y: float) -> str:
        box = Box(x=x, y=y, width=self.width, height=self.height)
        paper, line = (drawing.BAD_PAPER, drawing.BAD_LINE) if self.bad else (drawing.PAPER, drawing.LINE)
        ink = drawing.BAD if self.bad else drawing.MUTED
        heading = drawing.shortened(self.heading, self.width - 44, 13, bold=True)
        elements = [
            drawing.rectangle(box, fill=paper, stroke=line, radius=8, dashed=not self.bad),
            _swatch(x + 12, y + 20, self.colour, empty=not self.bad),
            drawing.text(heading, x + 32, y + 20, size=13, bold=True, fill=ink),
        ]
        for index, words in enumerate(self.lines):
            elements.append(drawing.text(words, x + 12, y + 38 + index * _NOTE_LINE, size=_NOTE))
        return drawing.group(elements)


def picture(stack: str, clusters: Sequence[Cluster]) -> str:
    """The SVG file's text. The same reading gives the same picture."""
    colours = _colours(clusters)
    line = summary(stack, clusters)
    elements = [
        drawing.text(stack, MARGIN, 44, size=22, bold=True),
        drawing.text(line.partition(": ")[2], MARGIN, 66, size=13, fill=drawing.MUTED),
    ]
    legend, below = _legend(clusters, colours, 94)
    elements += legend
    for row in _rows(clusters, colours):
        tallest = max(group.height for group in row)
        x: float = MARGIN
        for group in row:
            elements.append(group.draw(x, below, tallest))
            x += group.width + GAP
        below += tallest + GAP
    misfits = [misfit for cluster in clusters for misfit in cluster.misfits()]
    reasons = "".join(f" {misfit.workload.app} does not fit: {misfit.reason}" for misfit in misfits)
    return drawing.document(
        WIDTH,
        below - GAP + MARGIN,
        title=f"{stack}: what is placed where",
        description=f"{line}.{reasons}",
        elements=elements,
    )


def _colours(clusters: Sequence[Cluster]) -> Mapping[tuple[str, str], str]:
    """A colour for each engine, by cluster and name."""
    engines = [(cluster.name, one.app) for cluster in clusters for one in cluster.workloads if one.part == ENGINE]
    return {engine: drawing.colour(index) for index, engine in enumerate(engines)}


def _rows(clusters: Sequence[Cluster], colours: Colours) -> list[list[_Group]]:
    """Clusters side by side as long as they fit, in their order."""
    rows: list[list[_Group]] = [[]]
    for cluster in clusters:
        group = _Group(cluster=cluster, colours=colours, columns=min(max(len(cluster.nodes), 1), COLUMNS))
        if sum(other.columns for other in rows[-1]) + group.columns > COLUMNS:
            rows.append([])
        rows[-1].append(group)
    return [row for row in rows if row]


def _legend(clusters: Sequence[Cluster], colours: Colours, y: float) -> tuple[list[str], float]:
    """A swatch for each engine; and where the legend ends."""
    elements: list[str] = []
    x: float = MARGIN
    for cluster in clusters:
        for workload in cluster.workloads:
            if workload.part != ENGINE:
                continue
            words = f"{workload.app}  {_count(cluster, workload)}"
            width = 20 + drawing.width_of(words, 12) + 12
            if x + width > WIDTH - MARGIN and x > MARGIN:
                x, y = MARGIN, y + _LEGEND_LINE
            elements.append(_swatch(x, y, colours[cluster.name, workload.app], empty=not workload.wanted))
            elements.append(drawing.text(words, x + 20, y, size=12))
            x += width
    return elements, y + 22 if elements else y - 8


def _swatch(x: float, y: float, colour: str, *, empty: bool) -> str:
    box = Box(x=x, y=y - 11, width=13, height=13)
    return drawing.rectangle(box, fill=drawing.PAPER if empty else colour, stroke=colour, radius=3, dashed=empty)


def _count(cluster: Cluster, workload: Workload) -> str:
    return f"{len(cluster.placed(workload))}/{workload.wanted}" if workload.wanted else "off"
