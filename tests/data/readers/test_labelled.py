"""Labelled texts from CSV, TSV, JSONL and Parquet, good and malformed."""

import csv
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carrousel.data import Tokens
from carrousel.data.readers.labelled import Labelled, read_labelled
from carrousel.data.readers.rows import header_of
from carrousel.errors import ConfigError, DataError

pytestmark = pytest.mark.tiny


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def pairs(path: Path, *columns: str | int, separator: str | None = None) -> list[tuple[str, tuple[str, ...]]]:
    text, label = columns or ("text", "label")
    return [(r.text, r.labels) for r in read_labelled(path, text, label, separator=separator)]


def message(path: Path, id: str | None = None) -> str:
    with pytest.raises(DataError) as caught:
        read_labelled(path, id=id, where="train")
    return str(caught.value)


def test_csv_with_quotes_separators_and_line_ends_in_fields(tmp_path: Path):
    path = written(tmp_path, "x.csv", 'label,text\npos,"a ""b"", c"\r\n\nneg,"two\r\nlines"\n')
    assert pairs(path) == [('a "b", c', ("pos",)), ("two\nlines", ("neg",))]
    assert [r.line for r in read_labelled(path)] == [2, 4]
    assert [r.id for r in read_labelled(path)] == ["2", "4"]
    assert header_of(path, "check") == ["label", "text"]


def test_csv_between_semicolons_and_with_a_byte_order_mark(tmp_path: Path):
    assert pairs(written(tmp_path, "x.csv", "\ufefftext;label\na, b;x\n")) == [("a, b", ("x",))]


def test_columns_by_number_mean_that_there_is_no_header(tmp_path: Path):
    assert pairs(written(tmp_path, "x.csv", "1,a\n2,b\n"), 1, 0) == [("a", ("1",)), ("b", ("2",))]


def test_in_tsv_a_quote_is_a_character(tmp_path: Path):
    path = written(tmp_path, "x.tsv", 'text\tlabel\n"a\tx\n')
    assert pairs(path) == [('"a', ("x",))]


def test_jsonl_with_one_label_or_a_list(tmp_path: Path):
    lines = [{"text": "a", "label": 1}, {"text": "b", "label": True}, {"text": "c", "label": ["x", "y"]}]
    path = written(tmp_path, "x.jsonl", "\n\n".join(map(json.dumps, lines)))
    assert pairs(path) == [("a", ("1",)), ("b", ("true",)), ("c", ("x", "y"))]
    assert [r.line for r in read_labelled(path)] == [1, 3, 5]
    assert header_of(path, "check") == ["text", "label"]


def test_several_labels_by_a_separator(tmp_path: Path):
    path = written(tmp_path, "x.csv", "text,label\na,x|y\nb,\nc, z |\n")
    assert pairs(path, separator="|") == [("a", ("x", "y")), ("b", ()), ("c", ("z",))]


def test_extra_columns_ids_and_texts_without_labels(tmp_path: Path):
    path = written(tmp_path, "x.csv", "id,text,target\n7,a,t\n9,b,u\n")
    found = read_labelled(path, label=None, extra=("target",), id="id")
    assert list(found) == [Labelled("a", (), ("t",), "7", 2), Labelled("b", (), ("u",), "9", 3)]
    assert found[:1] == [found[0]]


def test_parquet(tmp_path: Path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "x.parquet"
    table = {"label": [["x"], [], None], "n": [1, 2, 3], "text": ["a", "b", "c"]}
    parquet.write_table(pyarrow.table(table), path)
    found = read_labelled(path, extra=("n",), separator="|")
    assert list(found) == [
        Labelled("a", ("x",), ("1",), "1", 1),
        Labelled("b", (), ("2",), "2", 2),
        Labelled("c", (), ("3",), "3", 3),
    ]
    assert header_of(path, "check") == ["label", "n", "text"]
    with pytest.raises(DataError) as caught:
        read_labelled(path, "n", None, where="train")
    assert str(caught.value) == (
        f"train: {path}, row 1 has 1 in column 'n', expected a text. Correct the row, or skip what is malformed: "
        "data.skip_bad=true when training, skip_bad=True in Python."
    )


def test_a_file_that_is_not_parquet_is_refused(tmp_path: Path):
    pytest.importorskip("pyarrow")
    path = written(tmp_path, "x.parquet", "text,label\n")
    with pytest.raises(
        DataError, match=r"^train: .*x\.parquet cannot be read \(.*\), expected a Parquet file\. Write it"
    ):
        read_labelled(path, where="train")


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = written(tmp_path, "x.parquet", "PAR1")
    with pytest.raises(ConfigError) as caught:
        read_labelled(path, where="train")
    assert str(caught.value) == (
        f"train: {path} is a Parquet file, expected pyarrow to read it. Install it: pip install 'carrousel[tables]'"
    )


LONG = "a" * 200_000


def test_a_field_may_be_as_long_as_it_likes(tmp_path: Path):
    assert pairs(written(tmp_path, "x.csv", f"text,label\n{LONG},x\n")) == [(LONG, ("x",))]


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("x.csv", "text,label\na\n", "line 2 has 1 field, expected 2 as in the header."),
        ("x.tsv", "text\tlabel\na\tb\tc\n", "line 2 has 3 fields, expected 2 as in the header."),
        (
            "x.csv",
            'text,label\n"a,x\nb,y\nc,z\n',
            'line 2 has a quote that does not close its field (the 2 lines after it are part of it), expected "..." and '
            "then a separator.",
        ),
        (
            "x.csv",
            'text,label\n"a"b,x\n',
            'line 2 has a quote that does not close its field, expected "..." and then a separator.',
        ),
        ("x.csv", "text,label\n ,x\n", "line 2 has an empty text, expected at least one character."),
        ("x.csv", "text,label\na, \n", "line 2 has no label, expected one."),
        (
            "x.csv",
            b'text,label\n"a\n\xe4",x\n',
            "line 3 is not UTF-8 (byte 14 of the file is 0xe4), expected UTF-8 text.",
        ),
        ("x.csv", b"text,label\na\0,x\n", "line 2 is binary (byte 12 of the file is NUL), expected UTF-8 text."),
        ("x.jsonl", '{"text": "a"}\n', "line 1 has no 'label', expected it among its keys: 'text'."),
        (
            "x.jsonl",
            '{"text": "a", "label"}\n',
            "line 1 is not JSON (Expecting ':' delimiter at character 22), expected a JSON object.",
        ),
        ("x.jsonl", "[" * 100_000, "line 1 is not JSON that can be read (nested too deeply), expected a JSON object."),
        ("x.jsonl", "[1]\n", "line 1 is a JSON list, expected a JSON object."),
        ("x.jsonl", '{"text": null, "label": "x"}\n', "line 1 has null in column 'text', expected a text."),
        ("x.jsonl", '{"text": "a", "label": null}\n', "line 1 has no label, expected one."),
        (
            "x.jsonl",
            '{"text": "a", "label": ["x", "x"]}\n',
            "line 1 has the label 'x' twice, expected each label once.",
        ),
        (
            "x.jsonl",
            '{"text": "\\ud800", "label": "x"}\n',
            "line 1 has half a character in its text (a lone surrogate), expected characters that UTF-8 can write.",
        ),
    ],
)
def test_a_malformed_row_is_named(tmp_path: Path, name: str, content: str | bytes, what: str):
    path = written(tmp_path, name, content)
    assert message(path) == (
        f"train: {path}, {what} Correct the line, or skip what is malformed: "
        "data.skip_bad=true when training, skip_bad=True in Python."
    )


def test_an_id_twice_is_named(tmp_path: Path):
    path = written(tmp_path, "x.csv", "id,text,label\n7,a,x\n8,b,x\n7,c,x\n")
    assert message(path, id="id") == (
        f"train: {path}, line 4 has the id '7' of line 2, expected an id of its own. "
        "Correct the line, or skip what is malformed: "
        "data.skip_bad=true when training, skip_bad=True in Python."
    )


def test_a_label_that_a_model_does_not_know_is_named(tmp_path: Path):
    path = written(tmp_path, "x.csv", "text,label\na,pos\nb,nex\n")
    with pytest.raises(DataError) as caught:
        read_labelled(path, known=Tokens.of(["pos", "neg"], specials=()), where="evaluate")
    assert str(caught.value) == (
        f"evaluate: {path}, line 3 has the label 'nex', expected one of neg, pos (did you mean 'neg'?). "
        "Correct the line, or skip what is malformed: --skip-bad on the command line, skip_bad=True in Python."
    )


def test_skipping_counts_rows_and_leaves_out_every_row_with_a_malformed_line(tmp_path: Path):
    path = written(tmp_path, "x.csv", b'text,label\na\n"b\n\xff",x\nc,x\n"d,x\n')
    found = read_labelled(path, skip_bad=True, where="train")
    assert [r.text for r in found] == ["c"]
    assert found.faults.report() == (
        f"train: 3 malformed lines were skipped: {path}, line 2 has 1 field, expected 2 as in the header. "
        f"{path}, line 4 is not UTF-8 (byte 16 of the file is 0xff), expected UTF-8 text. "
        f'{path}, line 6 has a quote that does not close its field, expected "..." and then a separator.'
    )


@pytest.mark.parametrize(
    ("name", "columns", "what"),
    [
        (
            "x.csv",
            ("txt", "label"),
            "{} has no column 'txt', expected one of its columns. Did you mean 'text'? Columns: text, label, text.",
        ),
        ("x.csv", ("text", "label"), "{} has 2 columns 'text', expected one. Rename the others."),
        ("x.csv", (0, 3), "{} has no column 3, expected 0 to 2, since its first line has 3 fields. Count from 0."),
        (
            "x.csv",
            (0, "label"),
            "columns are [0, 'label'], expected names, or numbers from 0. Name every column alike.",
        ),
        ("x.jsonl", (0, 1), "columns are [0, 1], expected names. Name every column alike."),
        (
            "x.doc",
            ("text", "label"),
            "{} ends with '.doc', expected one of .csv, .tsv, .tab, .txt, .jsonl, .ndjson, .parquet, .pq, "
            "or csv, tsv, jsonl, parquet. Say the format.",
        ),
    ],
)
def test_columns_and_formats_that_are_not_there_are_refused(
    tmp_path: Path, name: str, columns: tuple[str | int, str | int], what: str
):
    path = written(tmp_path, name, "text,label,text\na,b,c\n")
    with pytest.raises(ConfigError) as caught:
        read_labelled(path, *columns, where="train")
    assert str(caught.value) == f"train: {what.format(path)}"


def test_an_unknown_format_is_refused(tmp_path: Path):
    with pytest.raises(ConfigError) as caught:
        read_labelled(written(tmp_path, "x.csv", "a"), format="excel", where="train")
    assert str(caught.value) == (
        "train: format is 'excel', expected one of .csv, .tsv, .tab, .txt, .jsonl, .ndjson, .parquet, .pq, "
        "or csv, tsv, jsonl, parquet. Say the format."
    )


@pytest.mark.parametrize("name", ["x.csv", "x.tsv", "x.jsonl"])
def test_a_header_alone_is_no_text(tmp_path: Path, name: str):
    path = written(tmp_path, name, "\n" if name == "x.jsonl" else "text\tlabel\n")
    assert message(path) == f"train: {path} has no text, expected at least one. Check that it is the right file."


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=8).filter(str.strip)
rows = st.lists(st.tuples(texts, texts), min_size=1, max_size=5)


@settings(max_examples=30, deadline=None)
@given(rows, st.sampled_from(",;\t"), st.sampled_from(["\n", "\r\n"]), st.sampled_from(["", "\ufeff"]))
def test_csv_that_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, written_rows: list[tuple[str, str]], separator: str, end: str, mark: str
):
    path = tmp_path_factory.getbasetemp() / "round-trip.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        file.write(mark)
        csv.writer(file, delimiter=separator, lineterminator=end).writerows([("text", "label"), *written_rows])
    assert pairs(path) == [(text, (label,)) for text, label in written_rows]


@settings(max_examples=30, deadline=None)
@given(rows)
def test_jsonl_that_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, written_rows: list[tuple[str, str]]):
    path = tmp_path_factory.getbasetemp() / "round-trip.jsonl"
    lines = [json.dumps({"text": text, "label": label}) for text, label in written_rows]
    path.write_text("\n".join(lines))
    assert pairs(path) == [(text, (label,)) for text, label in written_rows]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(*2 * [texts.filter(lambda t: not set(t) & set("\t\n\ufeff"))]), min_size=1, max_size=5))
def test_tsv_that_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, written_rows: list[tuple[str, str]]):
    path = tmp_path_factory.getbasetemp() / "round-trip.tsv"
    path.write_bytes("".join(f"{text}\t{label}\n" for text, label in written_rows).encode())
    assert pairs(path, 0, 1) == [(text, (label,)) for text, label in written_rows]
