"""Long tables of time series: what is read, and what is done about everything that can be wrong with them."""

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from carrousel.data.readers.series import SeriesColumns, SeriesTable, read_series
from carrousel.data.readers.static import read_static
from carrousel.errors import ConfigError, DataError

TABLE = """unique_id,ds,y,wind,plan
north,2024-03-01 00:00,1.5,10,1
north,2024-03-01 01:00,2.5,11,0
south,2024-03-01 01:00,7,20,0
south,2024-03-01 02:00,8,21,1
south,2024-03-01 03:00,9,22,1
"""
COLUMNS = SeriesColumns(past=("wind",), future=("plan",))


def write(folder: Path, text: str, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def read(folder: Path, text: str, columns: SeriesColumns = SeriesColumns(), **settings: Any) -> SeriesTable:  # noqa: B008
    return read_series(write(folder, text), columns, where="train", **settings)


def refused(folder: Path, text: str, columns: SeriesColumns = SeriesColumns(), **settings: Any) -> str:  # noqa: B008
    with pytest.raises((DataError, ConfigError)) as caught:
        read(folder, text, columns, **settings)
    return str(caught.value).replace(str(folder), "FOLDER")


def assert_is_the_table(found: SeriesTable) -> None:
    assert found.names == ("north", "south")
    assert found.frequency.name == "h"
    assert found.values.offsets.tolist() == [0, 2, 5]
    assert found.values.values.tolist() == [[1.5, 10, 1], [2.5, 11, 0], [7, 20, 0], [8, 21, 1], [9, 22, 1]]
    assert [found.text(stamp) for stamp in found.stamps(1).tolist()] == [
        "2024-03-01 01:00:00",
        "2024-03-01 02:00:00",
        "2024-03-01 03:00:00",
    ]
    assert found.findings == ()


def test_a_csv_file_is_read(tmp_path: Path) -> None:
    assert_is_the_table(read(tmp_path, TABLE, COLUMNS))


def test_csv_needs_no_further_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pandas", "polars", "pyarrow", "narwhals"):
        monkeypatch.setitem(sys.modules, name, None)
    assert_is_the_table(read(tmp_path, TABLE, COLUMNS))


def test_tsv_jsonl_and_mappings_say_the_same(tmp_path: Path) -> None:
    assert_is_the_table(read_series(write(tmp_path, TABLE.replace(",", "\t"), "t.tsv"), COLUMNS))
    header, *rows = [line.split(",") for line in TABLE.splitlines()]
    lines = "\n".join(json.dumps(dict(zip(header, row, strict=True))) for row in rows)
    assert_is_the_table(read_series(write(tmp_path, lines, "t.jsonl"), COLUMNS))
    columns = {name: [row[k] for row in rows] for k, name in enumerate(header)}
    assert_is_the_table(read_series(columns, COLUMNS))


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_frames_and_parquet_say_the_same(tmp_path: Path, library: str) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip(library)
    pytest.importorskip("pyarrow")
    frame = pandas.read_csv(write(tmp_path, TABLE), parse_dates=["ds"])
    if library == "polars":
        frame = pytest.importorskip("polars").from_pandas(frame)
    if library == "pyarrow":
        frame = pytest.importorskip("pyarrow").Table.from_pandas(frame)
        pytest.importorskip("pyarrow.parquet").write_table(frame, tmp_path / "t.parquet")
        assert_is_the_table(read_series(tmp_path / "t.parquet", COLUMNS))
    assert_is_the_table(read_series(frame, COLUMNS))


def test_a_missing_time_in_a_frame_is_named_by_its_row() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"ds": [pandas.Timestamp("2024-03-01"), pandas.NaT], "y": [1.0, 2.0]})
    with pytest.raises(DataError) as caught:
        read_series(frame, where="train")
    assert str(caught.value) == (
        "train: data, line 2 has NaT in the column ds, expected a time such as 2024-03-01 05:00:00. Correct the line, or skip "
        "what is "
        "malformed: "
        "data.skip_bad=true when training, skip_bad=True in Python."
    )


def test_a_table_without_unique_id_is_one_series(tmp_path: Path) -> None:
    found = read(tmp_path, "when,load\n1,5\n2,6\n", SeriesColumns(ds="when", y="load"))
    assert (found.names, found.frequency.name, found.values.values.tolist()) == (("series",), "1", [[5], [6]])
    assert found.text(int(found.starts[0])) == "1"


def test_rows_out_of_order_are_sorted_and_counted(tmp_path: Path) -> None:
    found = read(tmp_path, "ds,y\n3,30\n1,10\n2,20\n4,40\n")
    assert found.values.values[:, 0].tolist() == [10, 20, 30, 40]
    assert found.findings == (f"1 row out of order, sorted by series and time; the first is {tmp_path}/t.csv, line 3.",)


def test_rows_out_of_order_are_found_between_rows_of_other_series(tmp_path: Path) -> None:
    found = read(tmp_path, "unique_id,ds,y\na,2,2\nb,1,10\na,1,1\nb,2,20\n")
    assert [part[:, 0].tolist() for part in found.values] == [[1, 2], [10, 20]]
    assert found.findings == (f"1 row out of order, sorted by series and time; the first is {tmp_path}/t.csv, line 4.",)


def test_rows_of_two_series_may_alternate(tmp_path: Path) -> None:
    found = read(tmp_path, "unique_id,ds,y\na,1,1\nb,1,10\na,2,2\nb,2,20\n")
    assert found.findings == ()
    assert [part[:, 0].tolist() for part in found.values] == [[1, 2], [10, 20]]


def test_two_rows_of_one_time_are_refused_by_both_lines(tmp_path: Path) -> None:
    assert refused(tmp_path, "unique_id,ds,y\na,1,1\nb,1,1\na,1,3\na,2,3\n") == (
        "train: FOLDER/t.csv, line 4 repeats series 'a' at 1, which is in line 2 already, expected one row for each. Take one "
        "of them "
        "out, or say what to make of such rows: duplicates=mean (or sum, first, last)."
    )


@pytest.mark.parametrize(
    ("duplicates", "expected"),
    [
        ("mean", [2, 5, math.nan]),
        ("sum", [4, 5, math.nan]),
        ("first", [1, math.nan, math.nan]),
        ("last", [3, 5, math.nan]),
    ],
)
def test_two_rows_of_one_time_become_one(tmp_path: Path, duplicates: str, expected: list[float]) -> None:
    found = read(tmp_path, "ds,y\n1,1\n1,3\n2,\n2,5\n3,\n3,\n", duplicates=duplicates)
    np.testing.assert_array_equal(found.values.values[:, 0], expected)
    assert found.findings[0] == (
        f"3 rows repeated a series and time; the {duplicates} was taken. The first is {tmp_path}/t.csv, line 3."
    )


def test_gaps_are_filled_with_nan_and_named(tmp_path: Path) -> None:
    found = read(tmp_path, "unique_id,ds,y\na,1,1\na,2,2\na,5,5\na,6,6\nb,1,1\nb,3,3\n")
    np.testing.assert_array_equal(found.values.values[:, 0], [1, 2, math.nan, math.nan, 5, 6, 1, math.nan, 3])
    assert found.findings == (
        f"3 steps of 1 have no row, in 2 gaps; the first gap is 2 after 2, before series 'a' at 5 ({tmp_path}/t.csv, line 4); "
        "filled "
        "with NaN.",
    )


def test_gaps_can_be_refused(tmp_path: Path) -> None:
    text = "ds,y\n2024-03-01,1\n2024-03-02,2\n2024-03-04,4\n"
    assert refused(tmp_path, text, gaps="refuse") == (
        "train: 1 step of 1 day has no row, in 1 gap; the first gap is 1 after 2024-03-02 00:00:00, before series 'series' at "
        "2024-03-04 "
        "00:00:00 (FOLDER/t.csv, line 4), expected every step. Add the rows, or fill them with NaN: gaps=fill."
    )


def test_a_fill_that_dwarfs_the_data_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, "ds,y\n1,1\n2,2\n99999,3\n") == (
        "train: 99,996 steps of 1 have no row, in 1 gap; the first gap is 99,996 after 2, before series 'series' at 99999 "
        "(FOLDER/t.csv, "
        "line 4): 99,999 steps for 3 rows, expected at most 10 steps a row. Give the frequency, or resample the data."
    )


def test_an_irregular_time_is_named(tmp_path: Path) -> None:
    text = "ds,y\n2024-03-01 00:00,1\n2024-03-01 01:00,2\n2024-03-01 02:00,2\n2024-03-01 03:20,2\n"
    assert refused(tmp_path, text) == (
        "train: FOLDER/t.csv, line 5 has series 'series' at 2024-03-01 03:20:00, which is no whole number of steps of 1 hour "
        "after the "
        "series' first, expected a regular frequency. Correct the time, resample the data, or give the frequency."
    )
    assert read(tmp_path, text, frequency="20min").values.lengths.tolist() == [11]


def test_empty_cells_are_nan_and_counted(tmp_path: Path) -> None:
    found = read(tmp_path, "ds,y,wind,plan\n1,1,NA,1\n2,,nan,\n3,null,4,None\n", COLUMNS)
    np.testing.assert_array_equal(found.values.values, [[1, math.nan, 1], [math.nan] * 3, [math.nan, 4, math.nan]])
    assert found.findings == (
        "2 cells of the column y had no number.",
        "2 cells of the column wind had no number.",
        "2 cells of the column plan had no number.",
    )


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("3,x", "has 'x' in the column y, expected a number."),
        ("3,1e999", "has '1e999' in the column y, expected a finite number."),
        ("3,1e39", "has '1e39' in the column y, expected a finite number."),
        ("3,-inf", "has '-inf' in the column y, expected a finite number."),
        ("2024-03-01,1", "has '2024-03-01' in the column ds, expected the number of a step, as in the rows before."),
        ("soon,1", "has 'soon' in the column ds, expected a time such as 2024-03-01 05:00:00."),
        ("3", "has 1 field, expected 2 as in the header."),
    ],
)
def test_a_malformed_row_is_named_by_its_line_or_skipped(tmp_path: Path, row: str, fault: str) -> None:
    text = f"ds,y\n1,1\n{row}\n2,2\n"
    assert refused(tmp_path, text) == (
        f"train: FOLDER/t.csv, line 3 {fault} Correct the line, or skip what is malformed: "
        "data.skip_bad=true when training, skip_bad=True in Python."
    )
    found = read(tmp_path, text, skip_bad=True)
    assert found.values.values[:, 0].tolist() == [1, 2]
    assert found.findings == (f"train: 1 malformed line was skipped: {tmp_path}/t.csv, line 3 {fault}",)


def test_a_malformed_json_line_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, '{"ds": 1, "y": 1}\n{"ds": 2,\n[3]\n\n{"ds": 2, "y": 2}\n{"ds": 3, "y": null}\n', "t.jsonl")
    with pytest.raises(DataError) as caught:
        read_series(path, where="train")
    assert str(caught.value) == (
        f"train: {path}, line 2 is not JSON (Expecting property name enclosed in double quotes at character 10), expected a JSON "
        "object. Correct the line, or skip what is malformed: "
        "data.skip_bad=true when training, skip_bad=True in Python."
    )
    found = read_series(path, skip_bad=True)
    np.testing.assert_array_equal(found.values.values[:, 0], [1, 2, math.nan])
    assert found.findings[0].startswith("read_series: 2 malformed lines were skipped: ")


def test_an_empty_name_of_a_series_is_malformed(tmp_path: Path) -> None:
    assert refused(tmp_path, "unique_id,ds,y\na,1,1\n,2,2\n") == (
        "train: FOLDER/t.csv, line 3 has an empty unique_id, expected the name of a series. Correct the line, or skip what is "
        "malformed: "
        "data.skip_bad=true when training, skip_bad=True in Python."
    )


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        (
            "ds,y\n1,1\n",
            SeriesColumns(past=("wind",)),
            "train: FOLDER/t.csv has no column 'wind', expected one; it has ds, y. Name the columns in the settings.",
        ),
        (
            "ds,y\n1,1\n",
            SeriesColumns(past=("y",)),
            "train: the column 'y' has two uses, expected one. Name each column once.",
        ),
        ("ds,y\n", SeriesColumns(), "train: FOLDER/t.csv has no rows, expected some. Check the file."),
        (
            "",
            SeriesColumns(),
            "train: FOLDER/t.csv is empty (0 bytes), expected a UTF-8 table with a row a line. Check that it was written "
            "completely.",
        ),
        (
            "ds,y\n1,1\n",
            SeriesColumns(),
            "train: FOLDER/t.csv has one step in each series, expected at least two in one. Give longer series, or say what a "
            "step is: "
            "frequency.",
        ),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(
    tmp_path: Path, text: str, columns: SeriesColumns, message: str
) -> None:
    assert refused(tmp_path, text, columns) == message


def test_settings_out_of_range_are_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, TABLE, gaps="guess") == "train: gaps is 'guess', expected one of fill, refuse. Choose one."
    assert refused(tmp_path, TABLE, duplicates="max") == (
        "train: duplicates is 'max', expected one of refuse, mean, sum, first, last. Choose one."
    )
    assert refused(tmp_path, TABLE, frequency="7") == (
        "train: the frequency is 7, but ds holds times. Give one that fits."
    )


def test_files_that_are_no_table_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_series(tmp_path / "none.csv", where="train")
    assert str(caught.value) == (
        f"train: {tmp_path}/none.csv does not exist, expected a UTF-8 table with a row a line. Check the path."
    )
    with pytest.raises(ConfigError) as told:
        read_series(write(tmp_path, "", "t.xlsx"), where="train")
    assert str(told.value) == (
        f"train: {tmp_path}/t.xlsx ends with '.xlsx', expected one of .csv, .tsv, .tab, .txt, .jsonl, .ndjson, .parquet, .pq, "
        "or csv, "
        "tsv, jsonl, parquet. Say the format."
    )


def test_a_line_of_another_encoding_is_named_or_skipped(tmp_path: Path) -> None:
    (tmp_path / "latin.csv").write_bytes("ds,y\n1,1\n2,\xe9\n2,2\n".encode("latin-1"))
    with pytest.raises(DataError) as caught:
        read_series(tmp_path / "latin.csv", where="train")
    assert str(caught.value).startswith(f"train: {tmp_path}/latin.csv, line 3 ")
    assert read_series(tmp_path / "latin.csv", skip_bad=True).values.values[:, 0].tolist() == [1, 2]


def test_objects_that_are_no_table_are_refused() -> None:
    pytest.importorskip("narwhals")
    with pytest.raises(DataError) as caught:
        read_series(17, where="train")
    assert str(caught.value) == (
        "train: data is a int, expected a path, a mapping of columns, or a frame of pandas, polars or pyarrow. Give one of these."
    )
    with pytest.raises(DataError) as caught:
        read_series({"ds": [1, 2], "y": [1]}, where="train")
    assert (
        str(caught.value) == "train: the columns have different lengths (ds 2, y 1), expected one. Give equal columns."
    )


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "narwhals", None)
    with pytest.raises(ConfigError) as caught:
        read_series(write(tmp_path, "", "t.parquet"), where="train")
    assert str(caught.value) == (
        f"train: {tmp_path}/t.parquet is a Parquet file, expected pyarrow to read it. Install it: pip install 'carrousel[tables]'"
    )
    with pytest.raises(ConfigError) as caught:
        read_series(object(), where="train")
    assert str(caught.value) == (
        "train: frames need narwhals, which is not installed. Install it: pip install 'carrousel[tables]', or give a CSV file."
    )


def test_a_setting_names_a_time_of_the_table(tmp_path: Path) -> None:
    found = read(tmp_path, TABLE, COLUMNS)
    assert found.text(found.stamp("2024-03-02", "train: data.test")) == "2024-03-02 00:00:00"
    with pytest.raises(ConfigError) as caught:
        found.stamp("7", "train: data.test")
    assert str(caught.value) == "train: data.test is '7', expected a time such as 2024-03-01 00:00:00."


def test_a_static_table_has_numbers_and_words(tmp_path: Path) -> None:
    path = write(tmp_path, "unique_id,area,soil\nsouth,7,clay\nwest,1,\nnorth,5.5,sand\n")
    assert read_static(path, ("north", "south")).columns == {"area": (5.5, 7.0), "soil": ("sand", "clay")}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "unique_id,area\nnorth,1\n",
            "train: FOLDER/t.csv has no row for the series 'south' (1 of 2 have none), expected one for each. Add it.",
        ),
        (
            "unique_id,area\nnorth,1\nsouth,\n",
            "train: FOLDER/t.csv has no number in the column area for the series 'south', expected one. Fill it in.",
        ),
        (
            "unique_id,area\nnorth,1\nnorth,2\nsouth,3\n",
            "train: FOLDER/t.csv, line 3 repeats the series 'north' of line 2, expected one row for each. Correct the line, or "
            "skip what is "
            "malformed: "
            "data.skip_bad=true when training, skip_bad=True in Python.",
        ),
        (
            "name,area\nnorth,1\n",
            "train: FOLDER/t.csv has no column 'unique_id', expected one; it has name, area. Name it in the settings.",
        ),
    ],
)
def test_a_static_table_with_holes_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read_static(write(tmp_path, text), ("north", "south"), where="train")
    assert str(caught.value).replace(str(tmp_path), "FOLDER") == message
