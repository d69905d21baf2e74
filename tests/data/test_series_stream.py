"""Tables of series read in bounded memory: what a reading in memory gives, and what is said of rows out of order."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from carrousel.data import kept
from carrousel.data.readers import series_stream
from carrousel.data.readers.series import SeriesColumns, read_series
from carrousel.errors import DataError

UNITS = {"h": "2024-01-01T00", "D": "2024-01-01", "M": "2020-01"}


def table(path: Path, unit: str, rng: np.random.Generator) -> None:
    """Up to four series with gaps, repeated times and empty cells, their rows in order."""
    lines = ["unique_id,ds,y,w"]
    for k in range(rng.integers(1, 5)):
        step = int(rng.integers(0, 9))
        for _ in range(rng.integers(2, 40)):
            time = np.datetime64(UNITS[unit], unit) + step if unit in UNITS else step
            ds = f"{time}:00" if unit == "h" else f"{time}-01" if unit == "M" else f"{time}"
            y = "" if rng.random() < 0.1 else f"{rng.normal():.3f}"
            lines.append(f"s{k},{ds},{y},{rng.normal():.3f}")
            step += int(rng.choice([0, 1, 1, 1, 1, 1, 3]))
    path.write_text("\n".join(lines) + "\n")


def outcome(path: Path, **how: Any) -> Any:
    """All that a reading gives, or what it says."""
    try:
        found = read_series(path, SeriesColumns(past=("w",)), **how)
    except DataError as error:
        return str(error)
    values, offsets = found.values.values, found.values.offsets.tolist()
    return values.tobytes(), offsets, found.names, found.starts.tolist(), found.frequency, found.findings, found.source


@pytest.mark.parametrize("unit", ["h", "D", "M", "number"])
@pytest.mark.parametrize("duplicates", ["refuse", "mean", "sum", "first", "last"])
def test_values_findings_and_errors_are_those_of_a_reading_in_memory(
    unit: str, duplicates: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series_stream, "BLOCK", 7)
    rng = np.random.default_rng(0)
    for _ in range(6):
        table(tmp_path / "x.csv", unit, rng)
        for gaps in ("fill", "refuse"):
            in_memory = outcome(tmp_path / "x.csv", duplicates=duplicates, gaps=gaps)
            mapped = outcome(tmp_path / "x.csv", duplicates=duplicates, gaps=gaps, store=tmp_path / "store" / "series")
            assert mapped == in_memory


MIXED = "unique_id,ds,y,w\na,1,5,0\nb,1,6,0\na,2,7,0\nb,2,8,0\n"
LATE = "unique_id,ds,y,w\na,1,5,0\na,3,6,0\na,2,7,0\n"


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("text", "what"),
    [
        (MIXED, "line 4 has series 'a' at 2 after rows of another series"),
        (LATE, "line 4 has series 'a' at 2 after a later time"),
    ],
)
def test_rows_out_of_order_are_sorted_in_a_small_file_and_named_in_a_large_one(
    text: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text)
    in_memory = outcome(path)
    assert outcome(path, store=tmp_path / "store") == in_memory
    monkeypatch.setattr(kept, "LARGE", 10)
    assert outcome(path) == (
        f"read_series: {path}, {what}, expected the rows of a series together and by rising time in a file of 0 MB: more than 0 MB "
        "are not sorted in memory. Sort the file by series and time."
    )


@pytest.mark.tiny
def test_gaps_too_large_to_fill_are_refused_alike(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("unique_id,ds,y,w\na,1,5,0\na,2,6,0\na,90000,7,0\n")
    in_memory = outcome(path)
    assert "expected at most 10 steps a row" in in_memory
    assert outcome(path, store=tmp_path / "store") == in_memory
