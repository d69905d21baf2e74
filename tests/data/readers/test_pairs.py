"""Pairs of texts, good and malformed."""

from pathlib import Path

import pytest

from carrousel.data.readers.pairs import Pair, by_source, read_pairs
from carrousel.errors import DataError

pytestmark = pytest.mark.tiny


def test_pairs_between_tabs(tmp_path: Path):
    path = tmp_path / "x.tsv"
    path.write_bytes("\ufeffread\tR EH D\r\nread\tR IY D\r\ncat\tK AE T\r\nread\tR EH D".encode())
    pairs = read_pairs(path)
    assert list(pairs) == [
        Pair("read", "R EH D", 1),
        Pair("read", "R IY D", 2),
        Pair("cat", "K AE T", 3),
        Pair("read", "R EH D", 4),
    ]
    assert by_source(pairs) == {"read": ("R EH D", "R IY D"), "cat": ("K AE T",)}


def test_pairs_by_name_from_any_table(tmp_path: Path):
    path = tmp_path / "x.jsonl"
    path.write_text('{"en": "a", "de": "b", "x": 1}\n')
    assert list(read_pairs(path, "en", "de")) == [Pair("a", "b", 1)]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("a\tb\n\nc\n", "line 3 has 1 field, expected 2 as in the first line."),
        ("a\tb\nc\t \n", "line 2 has no target, expected a source and a target."),
        ("\t\n", "line 1 has no source and no target, expected a source and a target."),
    ],
)
def test_a_malformed_pair_is_named(tmp_path: Path, content: str, what: str):
    path = tmp_path / "x.txt"
    path.write_text(content)
    with pytest.raises(DataError) as caught:
        read_pairs(path, where="train")
    assert str(caught.value) == (
        f"train: {path}, {what} Correct the line, or skip what is malformed: "
        "data.skip_bad=true when training, skip_bad=True in Python."
    )


def test_malformed_pairs_are_counted_when_they_are_skipped(tmp_path: Path):
    path = tmp_path / "x.tsv"
    path.write_bytes(b"a\tb\nc\n\xff\td\ne\tf\n")
    pairs = read_pairs(path, skip_bad=True)
    assert [pair.source for pair in pairs] == ["a", "e"]
    assert pairs.faults.skipped == 2


def test_a_file_without_a_pair_is_refused(tmp_path: Path):
    path = tmp_path / "x.tsv"
    path.write_text("\n")
    with pytest.raises(DataError) as caught:
        read_pairs(path, where="train")
    assert str(caught.value) == f"train: {path} has no pair, expected at least one. Check that it is the right file."
