"""What a file is taken for."""

import gzip
import random
import re
from pathlib import Path

import pytest

from carrousel.data.guessing import Guess, guess
from carrousel.errors import ConfigError, DataError

pytestmark = pytest.mark.tiny

CASES = [
    ("x.conllu", "1\ta\t_\tX\t_\t_\t_\t_\t_\t_\n", Guess("tagged", "tagger", ("FORM", "UPOS"))),
    ("x.txt", "a X\nb Y\n\nc X\n", Guess("tagged", "tagger", (0, -1))),
    ("x.iob", "a\tX\tO\nb\tY\tO\n\nc\tX\tO\n", Guess("tagged", "tagger", (0, -1))),
    ("x.txt", "a b\nc d\n", Guess("text", "language-model")),
    ("x.txt", "one line a verse\n\nof no fixed number of words\n", Guess("text", "language-model")),
    ("x.txt", "alone\n\nwords\n", Guess("text", "language-model")),
    ("x.txt", "dog\tHund\ncat\tKatze\n", Guess("pairs", "seq2seq", (0, 1))),
    ("x.tsv", "dog\tHund\ncat\tKatze\n", Guess("pairs", "seq2seq", (0, 1))),
    ("x.jsonl", '{"en": "dog", "de": "Hund"}\n', Guess("pairs", "seq2seq", ("en", "de"))),
    ("x.csv", "label,text\na,b c\n", Guess("labelled", "classifier", ("text", "label"))),
    ("x.csv", "text,target,label\na,b,c\n", Guess("labelled", "target-classifier", ("text", "label", ("target",)))),
    ("x.csv", "text,target,lemma,sense\na,b,c,d\n", Guess("labelled", "word-sense", ("text", "sense", ("target",)))),
    ("x.csv", "id,review,stars\n1,good film,p\n2,bad film,n\n3,fine film,p\n4,odd film,n\n",
     Guess("labelled", "classifier", ("review", "stars"))),
    ("x.tsv", "p\tgood film\nn\tbad film\np\tfine film\nn\todd film\nn\tworse film\n", Guess("labelled", "classifier", (1, 0))),
    ("x.csv", "unique_id,ds,y\na,2024-01-01,1\n", Guess("series", "forecaster", ("unique_id", "ds", "y"))),
    ("x.csv", "day,rain,flow\n2024-01-01,1,2\n2024-01-02,1,\n", Guess("series", "forecaster", ("unique_id", "day", "flow"))),
    ("x.csv", "site,day,flow\na,2024-01-01,1\na,2024-01-02,3\n", Guess("series", "forecaster", ("site", "day", "flow"))),
    ("x.csv", "a,b\n1,2\n3,\n", Guess("numbers", "autoencoder", ("a", "b"))),
    ("x.csv", "day,wind,a\n1,NW,1\n2,NW,1\n3,SE,2\n4,SE,2\n", Guess("numbers", "autoencoder", ("day", "a"))),
    ("x.ts", "@data\n", Guess("cases", "classifier")),
    ("x.npz", "", Guess("cases", "classifier")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "expected"), CASES)
def test_a_file_is_known_by_its_name_and_its_first_lines(tmp_path: Path, name: str, content: str, expected: Guess):
    path = tmp_path / name
    path.write_text(content)
    assert guess(path, None, "check") == expected


@pytest.mark.parametrize(
    ("kind", "name", "content", "expected"),
    [
        ("language-model", "x.csv", "a,b\n", Guess("text", "language-model")),
        ("tagger", "x.csv", "a,b\n", Guess("tagged", "tagger", (0, -1))),
        ("seq2seq", "x.csv", "text,label\na,b\n", Guess("pairs", "seq2seq", (0, 1))),
        ("autoencoder", "x.csv", "day,a\n2024-01-01,1\n", Guess("numbers", "autoencoder", ("a",))),
        ("word-sense", "x.csv", "text,label\na,b\n", Guess("labelled", "word-sense", ("text", "label"))),
        ("classifier", "x.txt", "text\tlabel\na\tb\n", Guess("labelled", "classifier", ("text", "label"))),
    ],
)
def test_a_kind_decides(tmp_path: Path, kind: str, name: str, content: str, expected: Guess):
    path = tmp_path / name
    path.write_text(content)
    assert guess(path, kind, "check") == expected


def test_a_folder_is_one_of_arrays(tmp_path: Path):
    assert guess(tmp_path, None, "check") == Guess("cases", "classifier")


def test_columns_that_say_nothing_are_named(tmp_path: Path):
    path = tmp_path / "x.csv"
    path.write_text("a,b,c\nx,y,z\n")
    with pytest.raises(ConfigError) as caught:
        guess(path, None, "check")
    assert str(caught.value) == (
        f"check: {path} has the columns a, b, c, expected some that tell what they are: text and label, or ds and y. "
        "Rename them, or say what the file is for: --kind seq2seq, or another kind."
    )
    with pytest.raises(ConfigError) as caught:
        guess(path, "forecaster", "check")
    assert str(caught.value) == (
        f"check: {path} has the columns a, b, c, expected some that tell what they are: text and label, or ds and y, for the "
        "kind forecaster. Rename them."
    )


def test_a_text_is_no_table(tmp_path: Path):
    path = tmp_path / "x.txt"
    path.write_text("once upon a time\nthere was\n")
    with pytest.raises(ConfigError) as caught:
        guess(path, "forecaster", "check")
    assert str(caught.value) == (
        f"check: {path} looks like a text, expected a long table of time series for the kind forecaster. "
        "Give a file with a telling name: .csv, .tsv, .jsonl, .parquet, .ts."
    )


def test_an_empty_file_is_refused(tmp_path: Path):
    path = tmp_path / "x.txt"
    path.write_text("")
    with pytest.raises(DataError) as caught:
        guess(path, None, "check")
    assert str(caught.value) == (
        f"check: {path} is empty (0 bytes), expected a UTF-8 text file. Check that it was written completely."
    )


def test_a_packed_file_is_refused(tmp_path: Path):
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress(random.Random(0).randbytes(5000)))
    with pytest.raises(DataError) as caught:
        guess(path, None, "check")
    num_wrong, num_lines = map(int, re.findall(r"(\d+) of its first (\d+) lines", str(caught.value))[0])
    assert num_lines // 2 < num_wrong <= num_lines
    assert str(caught.value) == (
        f"check: {path} is not text: {num_wrong} of its first {num_lines} lines are not UTF-8, expected a UTF-8 text file. "
        "If it is packed, unpack it; if it is text in another encoding, convert it."
    )
