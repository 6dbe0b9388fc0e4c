"""One node in the picture: its name, a cell for each GPU, how full it is, and the pods that need no GPU."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from placement import drawing
from placement.drawing import Box
from placement.model import Cluster, Node, Pod
from placement.report import accelerator, cpus, memory

Colours = Mapping[tuple[str, str], str]
"""Of engines, by cluster and name."""

_PADDING = 12
_HEAD = 50
_CELL = 40
_CELL_GAP = 4
_CELLS_A_ROW = 4
_BAR = 25
_PILL = 20
_SMALL = 11


@dataclass(frozen=True, kw_only=True)
class Card:
    """A node as a box of a given width."""

    cluster: Cluster
    node: Node
    width: float
    colours: Colours

    @property
    def height(self) -> float:
        """What it needs."""
        rows, pills = len(self._cell_rows()), len(self._pill_rows())
        cells = rows * (_CELL + _CELL_GAP) + 8 if rows else 0
        return _HEAD + cells + 2 * _BAR + (8 + pills * (_PILL + 4) if pills else 0) + 8

    def draw(self, x: float, y: float, height: float) -> str:
        """The box with its upper left corner there, made as high as its neighbours."""
        inner, width = x + _PADDING, self.width - 2 * _PADDING
        name = drawing.shortened(self.node.name, width, 13, bold=True)
        below = drawing.shortened(self._about(), width, _SMALL)
        elements = [
            drawing.rectangle(
                Box(x=x, y=y, width=self.width, height=height), fill=drawing.PAPER, stroke=drawing.LINE, radius=8
            ),
            drawing.text(name, inner, y + 22, size=13, bold=True),
            drawing.text(below, inner, y + 39, size=_SMALL, fill=drawing.MUTED),
        ]
        y += _HEAD
        for row in self._cell_rows():
            elements += self._draw_cells(row, inner, y, width)
            y += _CELL + _CELL_GAP
        y += 8 if self._cell_rows() else 0
        elements += self._draw_bars(inner, y, width)
        elements += self._draw_pills(inner, y + 2 * _BAR + 8)
        return drawing.group(elements, hint=f"{self.node.name}: {self._about()}")

    def _about(self) -> str:
        what = accelerator(self.node) or "no accelerator"
        taints = [taint.partition("=")[0].partition(":")[0] for taint in self.node.taints]
        return f"{what} · taint {', '.join(taints)}" if taints else what

    def _cell_rows(self) -> list[list[Pod | None]]:
        """Who has each GPU; Kubernetes does not say which, so engines stand side by side."""
        pods = sorted(
            (pod for pod in self.cluster.on(self.node) if pod.asks.gpus), key=lambda pod: pod.asks.gpus, reverse=True
        )
        cells: list[Pod | None] = [pod for pod in pods for _ in range(pod.asks.gpus)]
        cells += [None] * (self.node.has.gpus - len(cells))
        return [cells[start : start + _CELLS_A_ROW] for start in range(0, len(cells), _CELLS_A_ROW)]

    def _draw_cells(self, row: Sequence[Pod | None], x: float, y: float, width: float) -> list[str]:
        """One block for each run of cells that one pod has."""
        each = (width + _CELL_GAP) / min(max(self.node.has.gpus, 1), _CELLS_A_ROW)
        elements: list[str] = []
        start = 0
        while start < len(row):
            pod = row[start]
            end = start + 1
            while pod and end < len(row) and row[end] is pod:
                end += 1
            box = Box(x=x + start * each, y=y, width=(end - start) * each - _CELL_GAP, height=_CELL)
            elements += self._draw_cell(pod, box, seams=[x + seam * each for seam in range(start + 1, end)])
            start = end
        return elements

    def _draw_cell(self, pod: Pod | None, box: Box, *, seams: Sequence[float]) -> list[str]:
        middle, baseline = box.x + box.width / 2, box.y + _CELL / 2 + 4
        if pod is None:
            free = drawing.text("free", middle, baseline, size=_SMALL, fill=drawing.MUTED, middle=True)
            return [drawing.rectangle(box, fill=drawing.EMPTY, stroke=drawing.LINE, dashed=True), free]
        fill = self.colours.get((self.cluster.name, pod.app), drawing.PART)
        name = drawing.shortened(pod.app, box.width - 8, 12, bold=True)
        marks = [
            drawing.rectangle(Box(x=seam - _CELL_GAP / 2 - 0.5, y=y, width=1, height=7), fill=drawing.PAPER, radius=0)
            for seam in seams
            for y in (box.y, box.y + _CELL - 7)
        ]
        block = drawing.rectangle(box, fill=fill, hint=f"{pod.namespace}/{pod.name}")
        return [block, *marks, drawing.text(name, middle, baseline, fill=drawing.PAPER, bold=True, middle=True)]

    def _draw_bars(self, x: float, y: float, width: float) -> list[str]:
        used, has = self.cluster.used(self.node), self.node.has
        shares = (
            (f"{cpus(used, has)} CPUs", used.cpu / max(has.cpu, 1)),
            (memory(used, has), used.memory / max(has.memory, 1)),
        )
        elements: list[str] = []
        for index, (words, share) in enumerate(shares):
            top = y + index * _BAR
            whole = Box(x=x, y=top + 14, width=width, height=5)
            part = Box(x=x, y=top + 14, width=width * min(share, 1), height=5)
            elements.append(drawing.text(words, x, top + 9, size=10.5, fill=drawing.MUTED))
            elements.append(drawing.rectangle(whole, fill=drawing.EMPTY, radius=2.5))
            elements.append(drawing.rectangle(part, fill=drawing.MUTED, radius=2.5))
        return elements

    def _pills(self) -> list[tuple[str, str]]:
        """Label and colour of what runs here without a GPU."""
        apps = Counter(pod.app for pod in self.cluster.on(self.node) if not pod.asks.gpus)
        return [
            (f"{app} x{count}" if count > 1 else app, self.colours.get((self.cluster.name, app), drawing.PART))
            for app, count in sorted(apps.items())
        ]

    def _pill_rows(self) -> list[list[tuple[str, str]]]:
        rows: list[list[tuple[str, str]]] = [[]]
        room = self.width - 2 * _PADDING
        for label, colour in self._pills():
            fitting = drawing.shortened(label, room - 16, _SMALL)
            taken = sum(_pill_width(other) + 4 for other, _ in rows[-1])
            if rows[-1] and taken + _pill_width(fitting) > room:
                rows.append([])
            rows[-1].append((fitting, colour))
        return [row for row in rows if row]

    def _draw_pills(self, x: float, y: float) -> list[str]:
        elements: list[str] = []
        for row in self._pill_rows():
            left = x
            for label, colour in row:
                box = Box(x=left, y=y, width=_pill_width(label), height=_PILL)
                elements.append(drawing.rectangle(box, fill=drawing.PAPER, stroke=colour, radius=_PILL / 2))
                elements.append(
                    drawing.text(label, left + box.width / 2, y + 14, size=_SMALL, fill=colour, middle=True)
                )
                left += box.width + 4
            y += _PILL + 4
        return elements


def _pill_width(label: str) -> float:
    return drawing.width_of(label, _SMALL) + 16
