"""`carrousel cells`, `carrousel cells NAME`, `carrousel cite` and `carrousel draw`: what they print, and wrong names."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from carrousel import cli
from carrousel.cells import CELLS
from carrousel.drawing import search


def output(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert cli.run(list(arguments)) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    return shown.out


def test_the_list_as_json_has_what_the_graph_tells(capsys: pytest.CaptureFixture[str]) -> None:
    rows = {row["name"]: row for row in json.loads(output(capsys, "cells", "--json"))}
    assert list(rows) == list(CELLS)
    assert rows["lstm"] == {
        "name": "lstm",
        "aliases": [],
        "title": "Learning to Forget: Continual Prediction with LSTM",
        "year": 2000,
        "state": ["h", "c"],
        "parameters": 131_584,  # 4·(128·128 + 128·128 + 128)
        "phases": 1,
        "scan": "no",
        "scannable": False,
    }
    assert (rows["min_gru"]["scan"], rows["min_gru"]["scannable"], rows["min_gru"]["phases"]) == ("linear", True, 0)
    assert (rows["gru_reset_before"]["phases"], rows["gru_reset_after"]["phases"]) == (2, 1)


@pytest.mark.tiny
def test_one_cell_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    text = output(capsys, "cells", "peephole")
    assert text.startswith("peephole_lstm (also called peephole)\n")
    assert "    o_t = σ(W_o x_t + R_o h_{t-1} + p_o ⊙ c_t + b_o)" in text
    assert "\np_o        H     128      " in text
    assert json.loads(output(capsys, "cells", "peephole", "--json"))["name"] == "peephole_lstm"


@pytest.mark.tiny
def test_a_cell_is_cited(capsys: pytest.CaptureFixture[str]) -> None:
    assert output(capsys, "cite", "lstm") == (
        "@article{gers2000learning,\n"
        '  author  = {Felix A. Gers and J{\\"u}rgen Schmidhuber and Fred Cummins},\n'
        "  title   = {Learning to Forget: Continual Prediction with {LSTM}},\n"
        "  journal = {Neural Computation},\n"
        "  volume  = {12},\n"
        "  number  = {10},\n"
        "  pages   = {2451--2471},\n"
        "  year    = {2000},\n"
        "  doi     = {10.1162/089976600300015015},\n"
        "}\n"
    )


@pytest.mark.tiny
def test_a_drawing_goes_to_the_file_or_to_standard_output(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(search, "MAX_TRIALS", 20)
    path = tmp_path / "gru.svg"
    assert output(capsys, "draw", "gru", "-o", str(path)) == ""
    text = path.read_text(encoding="utf-8")
    assert output(capsys, "draw", "gru") == text
    assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"


@pytest.mark.tiny
@pytest.mark.parametrize("command", ["cells", "cite", "draw"])
def test_an_unknown_name_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert cli.run([command, "lsmt"]) == 2
    message = "carrousel: unknown cell 'lsmt'. Did you mean 'lstm'? All cells: carrousel cells\n"
    assert capsys.readouterr() == ("", message)


@pytest.mark.tiny
def test_a_folder_that_is_not_there_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(search, "MAX_TRIALS", 1)
    path = tmp_path / "missing" / "lstm.svg"
    assert cli.run(["draw", "lstm", "-o", str(path)]) == 2
    assert capsys.readouterr().err == (
        f"carrousel: {path} cannot be written (No such file or directory), expected room and permission. "
        "What was there before is unharmed.\n"
    )
