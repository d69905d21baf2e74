"""report.html: what stands on it, what is escaped, and what it does with runs that are not whole."""

import base64
import json
import re
import shutil
import struct
import subprocess
import zlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_folders import SUMMARY, make_run
from toy_kind import ToySettings

from carrousel.errors import DataError
from carrousel.train.charts import Axis, Chart, Line, names_of, number, thinned
from carrousel.train.differences import Part, differences
from carrousel.train.heat_map import heat_map, png
from carrousel.train.report_page import write_report

GATES: dict[str, Any] = {"layers": [{"cell": "lstm", "steps": ["a", "<b>"], "values": {
    "f_t": [[0.05, 0.5, 0.95, 0.99], [0.0, 0.2, 0.4, 0.6]],
    "g_t": [[-0.95, 0.5, 0.1, 0.0], [0.95, 0.0, 0.0, 0.0]],
    "c_t": [[-3.0, 2.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0]],
}}]}  # fmt: skip
EXAMPLES = [
    {"given": "a b", "expected": "NOUN VERB", "predicted": "NOUN NOUN", "loss": 3.25},
    {"given": "c", "expected": "X", "predicted": "X", "loss": 0.5},
]
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&amp;"


class Reader(HTMLParser):
    """Elements and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.text += data


def report_of(folder: Path, settings: type[ToySettings] | None = ToySettings) -> tuple[str, Reader]:
    page = write_report(folder, settings).read_text(encoding="utf-8")
    return page, Reader(page)


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A run with all files."""
    return make_run(
        tmp_path / "run",
        files={
            "gates.json": json.dumps(GATES),
            "examples.json": json.dumps(EXAMPLES),
            "sample.txt": "To be",
            "log.txt": "2026-11-21 10:00:00  began\n2026-11-21 10:00:01  Warning: 3 lines were skipped\n",
        },
    )


def test_figures_stand_among_those_of_the_baselines_from_the_worst_to_the_best(whole: Path) -> None:
    html, page = report_of(whole)
    assert "Toy: sample toys" in page.text
    assert "40 toys; 4 are held out." in page.text
    rows = [attributes.get("class") for tag, attributes in page.tags if tag == "tr"][:4]
    assert rows == [None, None, "model", None]  # head, always one, this model, table
    words = " ".join(page.text.split())
    cells = [line.replace("</td>", " ") for line in re.findall(r"<tr.*?><td>(.*)</tr>", html)[:3]]
    assert [" ".join(re.sub(r"<[^>]+>", " ", line).split()) for line in cells] == [
        "always one 0.500 the most frequent", "this model 0.750 0.500", "table 0.800 0.400 what was seen",
    ]  # fmt: skip
    bars = [attributes["style"] for tag, attributes in page.tags if tag == "i" and "style" in attributes]
    assert bars == ["width:62.5%", "width:93.8%", "width:100.0%"]
    for fact in ("1,234", "40 / 30", "1:05", "padding saved"):
        assert fact in words


def test_there_is_a_curve_for_each_figure_and_baselines_in_that_of_the_monitored_one(whole: Path) -> None:
    page, read = report_of(whole)
    charts = [json.loads(attributes["data-chart"] or "") for _, attributes in read.tags if "data-chart" in attributes]
    assert [chart["name"] for chart in charts] == ["loss", "accuracy", "loss", "learning rate", "gradient norm"]
    assert [point[:2] for point in charts[1]["points"]] == [[10, 0.55], [20, 0.65], [30, 0.75], [40, 0.65]]
    assert "always one 0.5<" in page
    assert "table 0.8<" in page
    assert page.count('class="best"') == 1
    assert "logarithmic" in read.text  # the gradient norm, which goes from 1 to 1,000


def test_gates_are_pictures_with_the_saturated_shares(whole: Path) -> None:
    _, read = report_of(whole)
    images = [attributes for tag, attributes in read.tags if tag == "img"]
    assert [image["alt"] for image in images] == [
        "f_t over 2 steps: 25% below 0.1, 25% above 0.9",
        "g_t over 2 steps: 25% beyond ±0.9",
        "c_t over 2 steps: between -3 and 2",
    ]
    data = json.loads(images[0]["data-map"] or "")
    assert (data["steps"], data["units"], data["low"], data["high"], data["words"]) == (2, 4, 0, 1, ["a", "<b>"])
    values = np.frombuffer(base64.b64decode(data["numbers"]), np.uint8).reshape(2, 4) / 255
    assert np.abs(values - np.array(GATES["layers"][0]["values"]["f_t"])).max() <= 0.5 / 255


GALLERY: dict[str, Any] = {"title": "Attention", "about": "Dark is much.", "pictures": [
    {"form": "grid", "title": "a → b", "across": "source", "down": "written", "columns": ["a"], "rows": ["b", "(end)"],
     "values": [[0.75], [1.0]]},
]}  # fmt: skip


def test_pictures_are_drawn_and_damaged_ones_are_named(whole: Path) -> None:
    (whole / "pictures.json").write_text(json.dumps(GALLERY))
    page, read = report_of(whole)
    assert "<h2>Attention</h2>" in page
    assert "0.75: written b, source a" in read.text
    for damaged in ({}, {**GALLERY, "pictures": [{"form": "other"}]}, {**GALLERY, "pictures": [3]}):
        (whole / "pictures.json").write_text(json.dumps(damaged))
        assert "pictures.json is damaged." in report_of(whole)[1].text
    unequal = {**GALLERY["pictures"][0], "values": [["</svg>"], [1.0]]}
    (whole / "pictures.json").write_text(json.dumps({**GALLERY, "pictures": [unequal]}))
    assert "pictures.json is damaged." in report_of(whole)[1].text


def test_examples_have_their_differences_marked(whole: Path) -> None:
    page, read = report_of(whole)
    assert re.findall(r"<mark>(.*?)</mark>", page) == ["VERB", "NOUN"]
    assert "2 held-out examples, 1 of them wrong somewhere; what differs is underlined." in read.text
    assert '<small class="soft">right</small>' in page
    (whole / "examples.json").write_text(json.dumps([{"given": "a", "expected": " ", "predicted": "\n"}]))
    assert re.findall(r"<mark>(.*?)</mark>", report_of(whole)[0]) == ["␣", "↵"]


def test_where_nothing_is_expected_nothing_is_marked(whole: Path) -> None:
    (whole / "examples.json").write_text(json.dumps([{"given": "a", "expected": "", "predicted": "2 steps"}]))
    page, read = report_of(whole)
    assert "<mark>" not in page
    assert "<dt>expected</dt>" not in page
    assert "1 held-out example." in read.text


def test_many_figures_leave_no_room_for_words_beside_them(whole: Path) -> None:
    summary = json.loads((whole / "summary.json").read_text())
    summary["figures"] |= {f"figure_{k}": float(k) for k in range(4)}
    summary["notes"] = {"findings": [], "seen": ["a", "b"]}
    (whole / "summary.json").write_text(json.dumps(summary))
    page, read = report_of(whole)
    assert 'class="about"><small>' not in page
    assert "always one: the most frequent" in read.text
    assert "table: what was seen" in read.text
    assert "<dt>findings</dt>" not in page
    assert "<dd>a, b</dd>" in page


def test_settings_that_are_not_as_by_default_are_marked(whole: Path) -> None:
    page, read = report_of(whole)
    changed = re.findall(r'<tr class="changed"><td[^>]*>(\w+)</td><td>(\S+) <small>\(default (\S+)\)</small>', page)
    assert changed == [("hidden_size", "8", "128"), ("updates", "40", "8"), ("clip_norm", ".inf", "1.0")]
    assert "3 of them are not as they would be by default." in read.text
    page, read = report_of(whole, None)
    assert 'class="changed"' not in page
    assert "As config.yaml has them." in read.text


def test_the_gradient_by_time_lag_is_drawn_where_the_run_looked(whole: Path) -> None:
    layers: dict[str, Any] = {"recurrent": {"saturation": {}, "gradient_by_lag": [1.0, 0.5, 0.0, 0.001]}}
    with (whole / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"update": 40, "diagnosis": {"update": 40, "parameters": {}, "layers": layers}}) + "\n")
    _, read = report_of(whole)
    chart = [json.loads(attributes["data-chart"] or "") for _, attributes in read.tags if "data-chart" in attributes][
        -1
    ]
    assert [point[:2] for point in chart["points"]] == [[0, 1.0], [1, 0.5], [3, 0.001]]
    assert "Gradient by time lag, recurrent at update 40, logarithmic" in read.text


def test_the_command_names_paths_outside_the_run_folder(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", files={"config.yaml": "kind: toy\ndata: {train: /some where/a.csv, valid: null}"})
    _, read = report_of(run)
    assert f"carrousel train {run / 'config.yaml'} 'data.train=/some where/a.csv'" in read.text


def test_the_log_the_warnings_and_the_command_are_there(whole: Path) -> None:
    page, read = report_of(whole)
    assert '<p class="warning">2026-11-21 10:00:01  Warning: 3 lines were skipped</p>' in page
    assert "All 2 lines" in read.text
    assert f"carrousel train {whole / 'config.yaml'}" in read.text
    assert "To be" in read.text


def test_the_page_asks_for_nothing_from_elsewhere(whole: Path) -> None:
    page, read = report_of(whole)
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
    assert not [tag for tag, _ in read.tags if tag in ("link", "iframe", "object", "embed", "base")]
    assert all((attributes["src"] or "").startswith("data:") for _, attributes in read.tags if "src" in attributes)
    assert [attributes for tag, attributes in read.tags if tag == "script"] == [{}]
    policy = next(
        attributes for _, attributes in read.tags if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert (policy["content"] or "").startswith("default-src 'none'; img-src data:;")


def hostile_run(tmp_path: Path) -> Path:
    gates: dict[str, Any] = {
        "layers": [{"cell": HOSTILE, "steps": [HOSTILE, "\n"], "values": {HOSTILE: [[0.1], [0.9]]}}]
    }
    summary = SUMMARY | {
        "kind": HOSTILE, "source": HOSTILE, "size": HOSTILE, "figures": {HOSTILE: 0.5}, "monitor": HOSTILE,
        "notes": {HOSTILE: HOSTILE}, "baselines": {HOSTILE: {"figures": {HOSTILE: 0.4}, "about": HOSTILE}},
    }  # fmt: skip
    metrics = [{"update": 1, "seen": 1, "loss": 1.0}, {"update": 1, "figures": {HOSTILE: 0.5}}]
    return make_run(
        tmp_path / "run<b>",
        summary=summary,
        files={
            "gates.json": json.dumps(gates),
            "pictures.json": json.dumps(
                {
                    "title": HOSTILE,
                    "about": HOSTILE,
                    "pictures": [
                        {
                            "form": "grid",
                            "title": HOSTILE,
                            "across": HOSTILE,
                            "down": HOSTILE,
                            "columns": [HOSTILE],
                            "rows": [HOSTILE],
                            "values": [[1.0]],
                        },
                        {
                            "form": "fan",
                            "title": HOSTILE,
                            "y_name": HOSTILE,
                            "times": [HOSTILE],
                            "observed": [1.0],
                            "forecast": [1.0],
                            "bands": [[HOSTILE, [0.5], [1.5]]],
                        },
                    ],
                }
            ),
            "examples.json": json.dumps(
                [{"given": HOSTILE, "expected": f"a {HOSTILE}", "predicted": f"b {HOSTILE}", "loss": HOSTILE}]
            ),
            "sample.txt": HOSTILE,
            "log.txt": f"warning {HOSTILE}\n",
            "config.yaml": json.dumps({"kind": HOSTILE, HOSTILE: {HOSTILE: HOSTILE}}),
            "metrics.jsonl": "".join(json.dumps(line) + "\n" for line in metrics),
        },
    )


def test_text_of_the_user_stays_text(tmp_path: Path) -> None:
    page, read = report_of(hostile_run(tmp_path))
    assert [attributes for tag, attributes in read.tags if tag == "script"] == [{}]
    assert not [attributes for tag, attributes in read.tags if tag == "img" and attributes.get("src") == "x"]
    assert not [name for _, attributes in read.tags for name in attributes if name.startswith("on")]
    assert "<script>alert" not in page
    assert read.text.count(HOSTILE) >= 10


def test_a_browser_shows_it_without_running_what_the_user_wrote(tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no browser is installed")
    path = write_report(hostile_run(tmp_path))
    text = path.read_text().replace(
        "<main>", "<main><script>window.alert = () => document.body.append('RAN');</script>"
    )
    (tmp_path / "page.html").write_text(
        text.replace("</body>", "<script>document.body.append('whole'.toUpperCase())</script></body>")
    )
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", (tmp_path / "page.html").as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert "WHOLE" in shown
    assert ">RAN" not in shown
    assert "RAN</" not in shown.replace("'RAN');</script>", "")


def test_an_unfinished_run_has_a_page_too(tmp_path: Path) -> None:
    _, read = report_of(make_run(tmp_path / "run", updates=15, summary=None))
    assert "This run has not come to its end: 15 updates were made so far." in read.text
    assert len([1 for _, attributes in read.tags if "data-chart" in attributes]) == 5
    _, read = report_of(make_run(tmp_path / "begun", updates=0, summary=None))
    assert "0 updates were made so far." in read.text


def test_damaged_files_are_named_on_the_page(tmp_path: Path) -> None:
    gates = {"layers": [{"values": {"f_t": [[0.5], [0.5, 0.5]], "g_t": []}}]}
    _, read = report_of(make_run(tmp_path / "run", files={"examples.json": "{", "gates.json": json.dumps(gates)}))
    assert "examples.json is damaged." in read.text
    assert "gates.json: f_t has 2 steps of [1, 2] numbers, expected as many at each step." in read.text


def test_what_is_no_run_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name, what in (("", "has no config.yaml"), ("file", "is a file"), ("nothing", "does not exist")):
        with pytest.raises(DataError) as raised:
            write_report(tmp_path / name)
        assert str(raised.value) == (
            f"report: {tmp_path / name} {what}, expected a run folder that `carrousel train` made. Check the path."
        )


def test_losses_that_are_not_finite_are_left_out_of_the_curve(tmp_path: Path) -> None:
    path = make_run(tmp_path / "run", updates=3)
    with (path / "metrics.jsonl").open("a") as file:
        file.write('{"update": 4, "seen": 40, "loss": NaN}\n')
    _, read = report_of(path)
    chart = next(
        json.loads(attributes["data-chart"] or "") for _, attributes in read.tags if "data-chart" in attributes
    )
    assert [point[0] for point in chart["points"]] == [1, 2, 3]


def test_differences_are_of_words_where_there_are_spaces_and_of_characters_where_not() -> None:
    assert differences("a red car", "a car") == (
        [Part("a ", False), Part("red ", True), Part("car", False)],
        [Part("a ", False), Part("car", False)],
    )
    assert differences("abc", "axc")[1] == [Part("a", False), Part("x", True), Part("c", False)]
    assert differences("", "x") == ([], [Part("x", True)])
    assert differences("", "") == ([], [])
    long = "ab" * 3_000
    left, right = differences(long, long + "c")
    assert ("".join(part.text for part in left), "".join(part.text for part in right)) == (long, long + "c")


def test_a_long_line_is_drawn_as_means_with_their_range() -> None:
    line = thinned("loss", [(x, float(x % 2)) for x in range(1, 10_001)])
    assert len(line.points) == len(line.ranges) == 240
    assert line.points[-1][0] == 10_000
    assert all(abs(y - 0.5) < 0.02 for _, y in line.points)
    assert {(low, high) for _, low, high in line.ranges} == {(0.0, 1.0)}
    assert thinned("loss", [(1, 2.0)]).ranges == ()


def test_axes_have_round_ticks_and_hold_their_values() -> None:
    axis = Axis.over(0, 1_500, 54, 430)
    assert list(axis.ticks) == [0, 500, 1_000, 1_500]
    assert (axis.place(0), axis.place(1_500)) == (54, 430)
    for low, high in ((0.13, 0.961), (-5, 5), (2, 2), (0, 0), (1e-9, 3e-9), (1e12, 5e12)):
        axis = Axis.over(low, high, 206, 14, room=0.04)
        assert 14 <= axis.place(high) <= axis.place(low) <= 206
        assert 1 <= len(axis.ticks) <= 8
    for ticks in (
        [113.75, 114.0, 114.25],
        [0.9912, 0.9914],
        [12_000.0, 12_010.0],
        [1_000.0, 1_000.5],
        [1.02e-5, 1.024e-5],
    ):
        names = names_of(ticks)
        assert len(set(names)) == len(ticks)
        assert [float(name.replace(",", "").replace("k", "e3")) for name in names] == pytest.approx(ticks, rel=1e-9)
    powers = Axis.of_powers(1e-6, 3e-2, 206, 14)
    assert [number(tick) for tick in powers.ticks] == ["1e-6", "1e-5", "1e-4", "0.001", "0.01"]
    assert powers.place(1e-4) == pytest.approx((powers.place(1e-5) + powers.place(1e-3)) / 2)


def test_a_chart_of_one_point_and_of_dots_over_names() -> None:
    assert Chart(Line("loss", [(1, 0.5)])).svg().count("<path") >= 2
    svg = Chart(Line("loss", []), dots=[(0, 1.0), (1, 2.0)], x_names=["lstm", "<gru>"]).svg()
    assert svg.count('class="dot"') == 2
    assert "&lt;gru&gt;" in svg


def test_a_picture_is_a_png_file_with_these_pixels() -> None:
    colours = np.stack([np.arange(256)] * 3, axis=1).astype(np.uint8)
    data = png(np.array([[0, 255, 7], [1, 2, 3]], np.uint8), colours)
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks: dict[bytes, bytes] = {}
    at = 8
    while at < len(data):
        (size,) = struct.unpack(">I", data[at : at + 4])
        name, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        assert struct.unpack(">I", data[at + 8 + size : at + 12 + size]) == (zlib.crc32(name + content),)
        chunks[name] = content
        at += 12 + size
    assert chunks[b"IHDR"] == struct.pack(">IIBBBBB", 3, 2, 8, 3, 0, 0, 0)
    assert chunks[b"PLTE"] == colours.tobytes()
    assert zlib.decompress(chunks[b"IDAT"]) == bytes([0, 0, 255, 7, 0, 1, 2, 3])


def test_a_large_layer_is_shown_in_part_and_numbers_that_are_not_finite_are_counted() -> None:
    found = heat_map("f_t", [[0.5] * 300] * 500)
    assert (found.num_steps, found.num_units) == (240, 256)
    assert found.left_out == "the first 240 of 500 steps, 256 of 300 units"
    assert heat_map("c_t", [[float("nan"), 1.0]]).about == "50% not finite"
    cases: list[tuple[list[list[float]], str]] = [
        ([], "0 steps of []"),
        ([[]], "1 steps of [0]"),
        ([[0.5], [0.5, 0.5]], "2 steps of [1, 2]"),
    ]
    for values, sizes in cases:
        with pytest.raises(ValueError, match="f_t has") as raised:
            heat_map("f_t", values)
        assert str(raised.value) == f"f_t has {sizes} numbers, expected as many at each step"
