"""Rows as a table for people, and as the table of the README."""

import statistics
from collections.abc import Sequence
from itertools import groupby

from rich.table import Table

from carrousel.bench.row import Row
from carrousel.errors import counted

FIRST_CALL_S, CACHED_CALL_S = 1.5, 0.15
"""Bars of a first call: of a new cell, and with its machine code on the disk."""

ERROR = 1e-3
"""Largest difference from float64, as a part of the largest element, that float32 is allowed over a whole sequence."""

_COLUMNS = (
    "case", "mode", "B", "H", "T", "beside", "ours", "quartiles", "peer", "quartiles", "times", "bar", "first s",
    "disk s", "tape MB", "peer MB", "peak MB", "peer MB", "error", "peer's",
)  # fmt: skip
_LEFT = ("case", "mode", "beside")


def table(rows: Sequence[Row]) -> Table:
    """All rows; times in milliseconds."""
    made = Table(box=None, pad_edge=False)
    for title in _COLUMNS:
        made.add_column(title, justify="left" if title in _LEFT else "right", no_wrap=True)
    for row in rows:
        style = "" if row.bar is None else "green" if row.is_met else "bold red"
        made.add_row(*_cells(row), style=style)
    return made


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.case, row.mode, str(row.B), str(row.H), str(row.T), row.peer,
        _ms(row.ours_ms), _range(row.ours_quartiles_ms), _ms(row.peer_ms), _range(row.peer_quartiles_ms),
        f"{row.ratio:.2f}", "" if row.bar is None else f"{row.bar:.2f}",
        _or_nothing(row.first_call_s, ".2f"), _or_nothing(row.cached_call_s, ".2f"),
        *(_or_nothing(None if size is None else size / 1e6, ".1f")
          for size in (row.ours_tape_bytes, row.peer_tape_bytes, row.ours_peak_bytes, row.peer_peak_bytes)),
        _or_nothing(row.ours_error, ".0e"), _or_nothing(row.peer_error, ".0e"),
    )  # fmt: skip


def line(row: Row) -> str:
    """One row in a line, for progress."""
    bar = "" if row.bar is None else f" (bar {row.bar:.2f}{'' if row.is_met else ', missed'})"
    size = f"B{row.B} H{row.H} T{row.T}"
    times = f"{_ms(row.ours_ms)} ms, {row.peer} {_ms(row.peer_ms)} ms: {row.ratio:.2f} times"
    return f"{row.case}, {row.mode}, {size}: {times}{bar}"


def findings(rows: Sequence[Row]) -> list[str]:
    """Sentences that sum the rows up: bars, first calls, tape."""
    found: list[str] = []
    barred = [row for row in rows if row.bar is not None]
    if barred:
        met = sum(row.is_met for row in barred)
        found.append(f"{met} of {len(barred)} bars are met.")
    for peer, ratios in _by_peer([row for row in rows if row.case == row.cell]).items():
        found.append(
            f"Cells beside {peer}: {statistics.median(ratios):.2f} times in the median, {min(ratios):.2f} at least, "
            f"{counted(len(ratios), 'cell')}."
        )
    firsts = [(row.first_call_s, row.cached_call_s, row.case) for row in rows if row.first_call_s is not None]
    if firsts:
        slowest, slowest_cached = max(firsts), max(firsts, key=lambda first: first[1] or 0)
        found.append(
            f"First call: {slowest[0]:.2f} s at most ({slowest[2]}; bar {FIRST_CALL_S}), from the disk "
            f"{slowest_cached[1]:.2f} s ({slowest_cached[2]}; bar {CACHED_CALL_S})."
        )
    tapes = [
        (row.ours_tape_bytes / row.peer_tape_bytes, str(row.case))
        for row in rows
        if row.peer == "torch" and row.ours_tape_bytes and row.peer_tape_bytes and row.cell == "lstm"
    ]
    if tapes:
        found.append(f"Tape of the LSTM: {max(tapes)[0]:.2f} of torch.nn's at most (bar 1.0).")
    return found


def disagreements(rows: Sequence[Row]) -> list[str]:
    """A sentence for every contender that is too far from float64."""
    return list(
        dict.fromkeys(
            f"{who} is off by a part of {error:.1e} from float64 in {row.case}, {row.mode}, B{row.B} H{row.H} T{row.T}."
            for row in rows
            for who, error in (("Carrousel", row.ours_error), (row.peer, row.peer_error))
            if error is not None and not error <= ERROR
        )
    )


def markdown(rows: Sequence[Row]) -> str:
    """The table of the README: machine, date and threads above; cells of the catalogue in one line a peer."""
    lines: list[str] = []
    for (machine, threads), group in groupby(rows, key=lambda row: (row.machine, row.threads)):
        block = list(group)
        lines += [
            f"{machine}; {threads} threads, float32; {block[0].date}. Medians of {block[0].rounds} calls in turn.",
            "",
        ]
        lines += ["| | size | beside | Carrousel ms | peer ms | times as fast |", "|---|---|---|--:|--:|--:|"]
        lines += [_markdown_line(row) for row in block if row.case != row.cell]
        zoo = [row for row in block if row.case == row.cell]
        for peer, ratios in _by_peer(zoo).items():
            row = next(row for row in zoo if row.peer == peer)
            spread = f"{statistics.median(ratios):.1f} (median), {min(ratios):.1f} to {max(ratios):.1f}"
            lines.append(f"| {counted(len(ratios), 'other cell')}, train | {_size(row)} | {peer} | | | {spread} |")
        lines.append("")
    return "\n".join(lines).rstrip("\n")


def markdown_of_cells(rows: Sequence[Row]) -> str:
    """A line for every cell of the catalogue: its time, and how many times as fast it is as each peer."""
    zoo = [row for row in rows if row.case == row.cell]
    peers = [peer for peer in ("own lstm", "bytes", "loop", "jax") if any(row.peer == peer for row in zoo)]
    if not zoo:
        return ""
    usual = statistics.mode(row.H for row in zoo)
    lines = [f"| cell | ms | {' | '.join(peers)} |", f"|---|--:|{'--:|' * len(peers)}"]
    for cell in dict.fromkeys(row.cell for row in zoo):
        own = {row.peer: row for row in zoo if row.cell == cell}
        row = next(iter(own.values()))
        name = cell if usual == row.H else f"{cell}, {row.H} units"
        ratios = [_marked(own[peer]) if peer in own else "" for peer in peers]
        lines.append(f"| {name} | {_ms(row.ours_ms)} | {' | '.join(ratios)} |")
    return "\n".join(lines)


def _marked(row: Row) -> str:
    """A ratio, in bold where it misses its bar."""
    return f"{row.ratio:.2f}" if row.bar is None or row.is_met else f"**{row.ratio:.2f}**"


def _markdown_line(row: Row) -> str:
    what = f"{row.case}, {row.mode}" if row.mode != "stream" else row.case
    return f"| {what} | {_size(row)} | {row.peer} | {_ms(row.ours_ms)} | {_ms(row.peer_ms)} | {row.ratio:.2f} |"


def _size(row: Row) -> str:
    return f"B{row.B} H{row.H} T{row.T}"


def _by_peer(rows: Sequence[Row]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for row in rows:
        found.setdefault(row.peer, []).append(row.ratio)
    return found


def _ms(value: float) -> str:
    """Three digits that count."""
    return (
        f"{value:.4f}"
        if value < 0.1
        else f"{value:.3f}"
        if value < 1
        else f"{value:.2f}"
        if value < 10
        else f"{value:.1f}"
    )


def _range(quartiles: tuple[float, float]) -> str:
    return "–".join(_ms(value) for value in quartiles)


def _or_nothing(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
