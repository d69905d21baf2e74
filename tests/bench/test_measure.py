"""Measuring: in turn, medians and quartiles, memory, first calls; and rows on disk."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from carrousel.bench.cases import Case
from carrousel.bench.first_call import FirstCall, first_call
from carrousel.bench.measure import in_turn, measure, quartiles
from carrousel.bench.memory import memory
from carrousel.bench.peers import PEERS
from carrousel.bench.report import disagreements, findings, line, markdown
from carrousel.bench.row import Row, read_rows, write_rows
from carrousel.bench.workload import Prepared, Workload
from carrousel.errors import DataError

ROW = Row(
    case="LSTM", cell="lstm", mode="train", B=32, D=128, H=128, T=100, peer="torch", ours_ms=10.0, peer_ms=15.0, ratio=1.5,
    bar=1.1, ours_quartiles_ms=(9.5, 10.5), peer_quartiles_ms=(14.0, 16.0), first_call_s=1.2, cached_call_s=0.1,
    peer_first_call_s=0.02, ours_tape_bytes=8_000_000, peer_tape_bytes=10_000_000, ours_peak_bytes=12_000_000,
    peer_peak_bytes=20_000_000, ours_error=2e-7, peer_error=3e-7, threads=2, rounds=15, machine="A processor, 2 cores",
    date="2026-01-02",
)  # fmt: skip


@pytest.mark.tiny
def test_contenders_take_turns_and_short_calls_are_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    now, calls = [0.0], list[str]()

    def lasting(name: str, seconds: float) -> Callable[[], None]:
        def call() -> None:
            now[0] += seconds
            calls.append(name)

        return call

    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    ours, theirs = Prepared(lasting("o", 0.002), None), Prepared(lasting("p", 0.010), None, scale=0.5)
    ours_ms, peer_ms = in_turn(ours, theirs, rounds=2)
    assert "".join(calls) == "oopp" + "ooop" * 2  # two to find out how long one takes; then 5 ms at least
    assert (ours_ms, peer_ms) == (pytest.approx([2, 2]), pytest.approx([5, 5]))


@pytest.mark.tiny
def test_quartiles_of_some_and_of_one() -> None:
    assert (quartiles([1, 2, 3, 4, 5]), quartiles([7])) == ((2, 4), (7, 7))


@pytest.mark.tiny
def test_the_tape_is_what_the_forward_call_leaves_behind_its_output() -> None:
    x = torch.ones(1000, requires_grad=True)
    found = memory(lambda: x.sin().cos())
    assert found.tape == 4 * 1000  # cos keeps its input; sin keeps x, which was there before
    assert found.peak >= 3 * 4 * 1000  # that, the output, and a derivative


def test_a_row_of_a_small_case() -> None:
    workload = Workload(Case("LSTM", "lstm", "train", 2, 5, 4, bars={"torch": 1.1}))
    (torch_peer,) = (peer for peer in PEERS if peer.name == "torch")
    row = measure(workload, torch_peer, rounds=2, first=FirstCall(1.2, 0.1))
    assert (row.case, row.cell, row.mode, row.B, row.D, row.H, row.T, row.peer) == (
        "LSTM", "lstm", "train", 2, 5, 5, 4, "torch",
    )  # fmt: skip
    assert (row.bar, row.first_call_s, row.cached_call_s, row.rounds, row.threads) == (1.1, 1.2, 0.1, 2, 1)
    assert row.ratio == pytest.approx(row.peer_ms / row.ours_ms)
    assert row.ours_error is not None
    assert row.ours_error < 2e-6
    assert row.ours_tape_bytes
    assert row.peer_tape_bytes
    assert disagreements([row]) == []


def test_a_first_call_is_measured_in_processes_of_its_own() -> None:
    found = first_call(Case("RNN", "elman", "train", 2, 5, 4))
    assert min(found.compiled_s, found.cached_s) > 0


@pytest.mark.tiny
def test_rows_come_back_from_a_file(tmp_path: Path) -> None:
    rows = [ROW, replace(ROW, peer="jax", bar=None, first_call_s=None, peer_error=None)]
    write_rows(tmp_path / "rows.json", rows)
    assert read_rows(tmp_path / "rows.json") == rows


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read (No such file or directory), expected a file that --json wrote. Check the path."),
        ("{", "holds no rows, expected what --json writes. Make it: carrousel bench --json {path}"),
        ('[{"case": "LSTM"}]', "holds no rows, expected what --json writes. Make it: carrousel bench --json {path}"),
    ],
)
def test_a_file_without_rows_is_refused(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "rows.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError) as caught:
        read_rows(path)
    assert str(caught.value) == f"bench: {path} {message.format(path=path)}"


@pytest.mark.tiny
def test_a_contender_far_from_float64_is_named() -> None:
    rows = [ROW, replace(ROW, ours_error=0.01), replace(ROW, peer="jax", peer_error=float("nan"))]
    assert disagreements(rows) == [
        "Carrousel is off by a part of 1.0e-02 from float64 in LSTM, train, B32 H128 T100.",
        "jax is off by a part of nan from float64 in LSTM, train, B32 H128 T100.",
    ]


@pytest.mark.tiny
def test_the_findings_count_bars_and_name_the_slowest() -> None:
    cells = [
        replace(ROW, case=name, cell=name, peer="loop", ratio=ratio, bar=2.0)
        for name, ratio in (("a", 1.5), ("b", 6.5))
    ]
    assert findings([ROW, *cells]) == [
        "2 of 3 bars are met.",
        "Cells beside loop: 4.00 times in the median, 1.50 at least, 2 cells.",
        "First call: 1.20 s at most (b; bar 1.5), from the disk 0.10 s (LSTM; bar 0.15).",
        "Tape of the LSTM: 0.80 of torch.nn's at most (bar 1.0).",
    ]


@pytest.mark.tiny
def test_a_missed_bar_is_said_in_the_line() -> None:
    assert line(ROW) == "LSTM, train, B32 H128 T100: 10.0 ms, torch 15.0 ms: 1.50 times (bar 1.10)"
    assert line(replace(ROW, ratio=1.0)).endswith(": 1.00 times (bar 1.10, missed)")


@pytest.mark.tiny
def test_the_table_of_the_readme() -> None:
    cells = [replace(ROW, case=name, cell=name, peer="loop", ratio=ratio) for name, ratio in (("a", 1.5), ("b", 6.5))]
    stream = replace(ROW, case="LSTM a step a call", mode="stream", B=1, T=1, ours_ms=0.0021, peer_ms=0.02, ratio=9.5)
    assert markdown([ROW, stream, *cells]).splitlines() == [
        "A processor, 2 cores; 2 threads, float32; 2026-01-02. Medians of 15 calls in turn.",
        "",
        "| | size | beside | Carrousel ms | peer ms | times as fast |",
        "|---|---|---|--:|--:|--:|",
        "| LSTM, train | B32 H128 T100 | torch | 10.0 | 15.0 | 1.50 |",
        "| LSTM a step a call | B1 H128 T1 | torch | 0.0021 | 0.0200 | 9.50 |",
        "| 2 other cells, train | B32 H128 T100 | loop | | | 4.0 (median), 1.5 to 6.5 |",
    ]


@pytest.mark.tiny
def test_the_bench_script_is_the_command() -> None:
    script = (Path(__file__).parents[2] / "benchmarks" / "engine.py").read_text()
    assert re.search(r'sys\.argv\.insert\(1, "bench"\)', script)
