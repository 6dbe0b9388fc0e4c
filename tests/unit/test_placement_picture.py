"""The picture of a placement."""

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

from placement.drawing import colour
from placement.model import Trial
from placement.picture import WIDTH, picture
from tests.unit.placements import REASON, cluster, crowded, node, pods, workload

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    """What can be read in it."""
    return [element.text or "" for element in ElementTree.fromstring(svg.encode()).iter(f"{SVG}text")]


def test_every_node_engine_and_cluster_can_be_read_in_it() -> None:
    read = texts(picture("onprem", [crowded()]))
    assert {"onprem", "home", "cuda-1", "cpu-1", "legal", "chat x2", "legal  1/1", "judge  off"} <= set(read)
    assert "cuda, rtx-4090 · taint cuda-inference" in read


def test_what_does_not_fit_is_in_it_with_the_schedulers_own_words() -> None:
    svg = picture("onprem", [crowded()])
    assert "judge-large does not fit" in texts(svg)
    assert REASON in " ".join(texts(svg))
    description = ElementTree.fromstring(svg.encode()).findtext(f"{SVG}desc") or ""
    assert REASON in description


def test_a_gpu_is_a_cell_in_its_engines_colour_or_free() -> None:
    svg = picture("onprem", [crowded()])
    cells = [e for e in ElementTree.fromstring(svg.encode()).iter(f"{SVG}rect") if e.get("height") == "40"]
    widths = {(cell.get("fill"), round(float(cell.get("width") or 0))) for cell in cells}
    assert len(cells) == 3, "one block for the engine with two GPUs, and two free cells"
    (taken,) = [width for fill, width in widths if fill == colour(0)]
    (free,) = {width for fill, width in widths if fill != colour(0)}
    assert abs(taken - 2 * free) < 6
    assert texts(svg).count("free") == 2


def test_an_engine_that_is_off_says_whether_it_would_fit() -> None:
    judge = replace(workload("judge", 0, gpus=1), trial=Trial(node="cuda-1", reason=None))
    read = texts(picture("onprem", [cluster("home", [node("cuda-1", gpus=1)], (judge, []))]))
    assert "judge is off" in read
    assert "would need 1 cuda GPU, 4 CPUs, 16 GiB; would fit on cuda-1" in " ".join(read)


def test_the_same_reading_gives_the_same_picture() -> None:
    assert picture("onprem", [crowded()]) == picture("onprem", [crowded()])


def test_hostile_names_are_text_and_nothing_else() -> None:
    evil = '</text><script>alert("x")</script>&amp;\x00\x1b'
    engine = replace(workload(evil, gpus=1), namespace=evil)
    lost = workload("lost", gpus=1)
    found = cluster(
        evil,
        [node(evil, gpus=1, kind=evil, product=evil, taint=evil)],
        (engine, pods(engine, evil)),
        (lost, pods(lost, None, reason=evil)),
    )
    root = ElementTree.fromstring(picture(evil, [found]).encode())
    assert {element.tag.removeprefix(SVG) for element in root.iter()} == {"svg", "title", "desc", "g", "rect", "text"}
    assert (root.findtext(f"{SVG}title") or "").startswith('</text><script>alert("x")</script>&amp;')


def test_it_names_and_describes_itself_to_those_who_cannot_see_it() -> None:
    root = ElementTree.fromstring(picture("onprem", [crowded()]).encode())
    assert root.get("role") == "img"
    ids = {element.get("id") for element in root}
    assert set((root.get("aria-labelledby") or "").split()) <= ids


def test_it_brings_its_own_paper_so_that_it_reads_on_any_page() -> None:
    root = ElementTree.fromstring(picture("onprem", [crowded()]).encode())
    paper = next(root.iter(f"{SVG}rect"))
    assert paper.get("fill") == "#ffffff"
    assert float(paper.get("width") or 0) >= float(root.get("width") or 0) - 1


def test_letters_on_every_engines_colour_have_enough_contrast() -> None:
    for index in range(60):
        assert 1.05 / (luminance(colour(index)) + 0.05) >= 4.5, colour(index)


def test_nothing_lies_outside_however_much_there_is_to_draw() -> None:
    many = [
        cluster(
            f"cluster-{index}",
            [node(f"node-{number}", gpus=8, kind="cuda") for number in range(nodes)],
            *[(one, pods(one, "node-0")) for one in (workload("e" * 40, gpus=8), workload("f" * 40))],
        )
        for index, nodes in enumerate((9, 1, 0, 3, 1))
    ]
    root = ElementTree.fromstring(picture("large", many).encode())
    height = float(root.get("height") or 0)
    for box in root.iter(f"{SVG}rect"):
        x, y, width, tall = (float(box.get(name) or 0) for name in ("x", "y", "width", "height"))
        assert x >= 0
        assert y >= 0
        assert x + width <= WIDTH
        assert y + tall <= height


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2)."""
    red, green, blue = (int(part, 16) / 255 for part in re.findall("[0-9a-f]{2}", colour))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (red, green, blue)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
