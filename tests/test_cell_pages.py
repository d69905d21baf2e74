"""docs/cells is what scripts/build_docs.py writes, and its pictures are sound: checked on the files themselves."""

import itertools
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from carrousel.analysis.cards import Card
from carrousel.cells import CELLS

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "cells"
SVG = "{http://www.w3.org/2000/svg}"

Point = tuple[float, float]
Box = tuple[float, float, float, float]  # left, top, right, bottom


def test_pages_and_drawings_are_current() -> None:
    program = [sys.executable, str(ROOT / "scripts" / "build_docs.py"), "--check"]
    run = subprocess.run(program, capture_output=True, text=True)
    assert run.stdout == "all pages are current\n", "run scripts/build_docs.py"


@pytest.mark.parametrize("name", CELLS)
def test_a_page_is_whole(name: str) -> None:
    page = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {name}\n")
    assert f"]({name}.svg)" in page
    equations = page.partition("```text\n")[2].partition("```")[0]
    assert re.search(r"^ *\w+ = ", equations, re.MULTILINE)
    for parameter in CELLS[name].param_axes:
        assert f"\n| `{parameter}` |" in page
    for fact in ("State", "Parameters", "Work", "Phases", "Complexity", "Carrousel", "Typing", "Scan"):
        assert f"\n- **{fact}:** " in page


def ways(root: ElementTree.Element, name: str) -> Iterator[list[list[Point]]]:
    """The wires of each net: for every wire its corners, without their roundings."""
    for path in root.iter(f"{SVG}path"):
        if path.get("class") == name and "h20" not in path.attrib["d"]:
            wires = re.findall(r"M[^M]+", path.attrib["d"])
            yield [_corners(wire) for wire in wires]


def _corners(data: str) -> list[Point]:
    """M x y, then for each corner L x y Q corner end, then L x y."""
    numbers = [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", re.sub(r"[MLQ]", " ", data))]
    points = _pairs(numbers)
    return [points[0], *points[2:-1:3], points[-1]]


def _pairs(numbers: list[float]) -> list[Point]:
    return [(numbers[k], numbers[k + 1]) for k in range(0, len(numbers), 2)]


def boxes(root: ElementTree.Element) -> list[Box]:
    """The glyphs that a wire must not pass through."""
    found: list[Box] = []
    for shape in root.iter(f"{SVG}rect"):
        if shape.get("class") in ("layer", "function", "operation", "join") and shape.get("height") not in ("13", "17"):
            x, y, wide, high = (float(shape.attrib[key]) for key in ("x", "y", "width", "height"))
            found.append((x, y, x + wide, y + high))
    return found


def is_inside(point: Point, box: Box) -> bool:
    return box[0] < point[0] < box[2] and box[1] < point[1] < box[3]


def is_through(a: Point, b: Point, box: Box) -> bool:
    """Whether a straight piece passes through a box, its edges apart."""
    left, right = sorted((a[0], b[0]))
    top, bottom = sorted((a[1], b[1]))
    return left < box[2] - 1 and right > box[0] + 1 and top < box[3] - 1 and bottom > box[1] + 1


@pytest.mark.parametrize("name", CELLS)
def test_no_wire_passes_through_a_glyph_and_no_glyph_lies_on_another(name: str) -> None:
    root = ElementTree.parse(FOLDER / f"{name}.svg").getroot()
    glyphs = boxes(root)
    for a, b in itertools.combinations(glyphs, 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
    for net in (*ways(root, "wire"), *ways(root, "carrousel")):
        for corners in net:
            for start, end in itertools.pairwise(corners):
                assert start[0] == end[0] or start[1] == end[1]
                assert not any(is_through(start, end, box) for box in glyphs if not is_inside(corners[0], box))


def crossings(root: ElementTree.Element) -> int:
    """Places where wires of two nets cross."""
    nets = [*ways(root, "wire"), *ways(root, "carrousel")]
    places: set[tuple[int, int, float, float]] = set()
    for (k, one), (j, other) in itertools.permutations(enumerate(nets), 2):
        flat = {(a, b) for way in one for a, b in itertools.pairwise(way) if a[1] == b[1]}
        steep = {(a, b) for way in other for a, b in itertools.pairwise(way) if a[0] == b[0]}
        for (a, b), (c, d) in itertools.product(flat, steep):
            if min(a[0], b[0]) < c[0] < max(a[0], b[0]) and min(c[1], d[1]) < a[1] < max(c[1], d[1]):
                places.add((k, j, c[0], a[1]))
    return len(places)


@pytest.mark.parametrize(
    ("name", "most"),
    [("lstm", 1), ("gru_reset_before", 2), ("gru_reset_after", 3), ("peephole_lstm", 3), ("rhn", 0)],
)
def test_the_textbook_cells_have_few_crossings(name: str, most: int) -> None:
    assert crossings(ElementTree.parse(FOLDER / f"{name}.svg").getroot()) <= most


@pytest.mark.parametrize("name", ["lstm", "gru_reset_before", "peephole_lstm", "rhn"])
def test_every_named_value_and_every_state_is_written(name: str) -> None:
    root = ElementTree.parse(FOLDER / f"{name}.svg").getroot()
    written = {"".join(text.itertext()) for text in root.iter(f"{SVG}text")}
    card = Card(CELLS[name])
    states = {f"{field}t−1" for field in card.cell.state_axes}
    assert states | {value.replace("_", "") for value in card.equations} | {"xt"} <= written


def test_a_wire_through_a_glyph_would_be_found() -> None:
    root = ElementTree.parse(FOLDER / "lstm.svg").getroot()
    left, top, right, bottom = boxes(root)[0]
    middle = (top + bottom) / 2
    assert is_through((left - 20, middle), (right + 20, middle), boxes(root)[0])
    assert not is_through((left - 20, top), (right + 20, top), boxes(root)[0])


def test_a_page_of_the_folder_belongs_to_a_cell() -> None:
    expected = {"README.md", *(f"{name}{end}" for name in CELLS for end in (".md", ".svg"))}
    assert {path.name for path in FOLDER.iterdir()} == expected, "run scripts/build_docs.py"
