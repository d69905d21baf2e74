"""Pictures of single sequences: what is drawn of which numbers, and what is refused."""

import json
import re
from xml.etree import ElementTree

import pytest

from carrousel.train.fan import Fan
from carrousel.train.grid import MOST, Grid, sheet
from carrousel.train.pictures import Gallery

pytestmark = pytest.mark.tiny

GRID = Grid("a < b", "source", "written", ["x", "y"], ["X", "<", "(end)"], [[1.0, 0.0], [0.004, 0.5], [0.25, 0.75]])
FAN = Fan(
    "north", "load", ["Mon", "Tue", "Wed", "Thu"], [1.0, None, 3.0, 4.0], [2.0, 5.0], [("80 %", [1.0, 4.0], [3.0, 6.0])]
)


def squares(svg: str) -> list[tuple[float, float, str]]:
    found = ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}rect")
    return [(float(one.attrib["x"]), float(one.attrib["y"]), one[0].text or "") for one in found]


def test_every_number_that_can_be_seen_is_a_square_in_its_place() -> None:
    found = squares(GRID.svg())
    assert [told for _, _, told in found] == [
        "1.00: written X, source x",
        "0.50: written <, source y",
        "0.25: written (end), source x",
        "0.75: written (end), source y",
    ]
    left, top = found[0][:2]
    assert [(round(x - left), round(y - top)) for x, y, _ in found] == [(0, 0), (20, 20), (0, 40), (20, 40)]


def test_more_is_darker_also_in_grey() -> None:
    one = Grid("", "", "", [str(k) for k in range(20)], [""], [[k / 19 for k in range(20)]])
    colours = re.findall(r'fill="#(\w\w)(\w\w)(\w\w)"><title>', one.svg())
    grey = [0.3 * int(r, 16) + 0.59 * int(g, 16) + 0.11 * int(b, 16) for r, g, b in colours]
    assert len(grey) == 19
    assert grey == sorted(grey, reverse=True)


def test_a_table_too_large_is_cut_and_says_so() -> None:
    wide = Grid("t", "a", "b", ["w"] * (MOST + 5), ["r"], [[0.5] * (MOST + 5)])
    assert len(squares(wide.svg())) == MOST
    assert "the first 1 of 1 rows, 60 of 65 columns" in wide.svg()


def test_a_sheet_holds_them_side_by_side_within_its_width() -> None:
    root = ElementTree.fromstring(sheet([GRID] * 5, "so many", width=300))
    inner = [one for one in root if one.tag.endswith("svg")]
    places = [(float(one.attrib["x"]), float(one.attrib["y"])) for one in inner]
    assert len(set(places)) == 5
    assert all(x + float(one.attrib["width"]) <= 300 for (x, _), one in zip(places, inner, strict=True))
    assert root[-1].text == "so many"


def test_a_forecast_begins_where_its_history_ends() -> None:
    svg = FAN.svg()
    data = json.loads(ElementTree.fromstring(svg.replace("<svg ", '<svg xmlns="x" ', 1)).attrib["data-chart"])
    assert [point[:2] for point in data["points"]] == [[2, 2.0], [3, 5.0]]
    assert data["names"] == ["Mon", "Tue", "Wed", "Thu"]
    assert "forecast from Wed" in svg
    assert svg.count('class="observed"') == 1  # a single value between gaps has no line
    assert svg.count('class="band"') == 1


def test_a_time_loses_what_is_zero_in_all() -> None:
    fan = Fan("s", "y", [f"2024-01-0{k} 00:00:00" for k in (1, 2, 3)], [1.0, 2.0, 3.0], [2.0])
    assert "forecast from 2024-01-03<" in fan.svg()


def test_a_gallery_comes_back_from_json() -> None:
    found = Gallery("t", "a", [GRID, FAN])
    again = Gallery.from_dict(json.loads(json.dumps(found.to_dict())))
    assert [one.svg() for one in again.pictures] == [one.svg() for one in found.pictures]


def test_numbers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^t has other numbers than 2 rows of 1$"):
        Grid("t", "a", "b", ["c"], ["r", "s"], [[0.5]])
    with pytest.raises(ValueError, match=r"^t has 2 times, 1 values, 1 forecasts$"):
        Fan("t", "y", ["a", "b"], [1.0], [1.0])
