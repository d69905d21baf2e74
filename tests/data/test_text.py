"""Reading a user's text file, and every way in which it can be unusable."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrousel.data import Corpus, Streams, read_corpus, read_text, split
from carrousel.errors import ConfigError, DataError

pytestmark = pytest.mark.tiny

# 1,360 = 5/4 * (16 + 1) * 64: what window 64 and batch_size 16 need.
EXPECTED = "expected a UTF-8 text file with at least 1,360 characters"


def message(path: Path | str) -> str:
    with pytest.raises(DataError) as caught:
        read_corpus(path, window=64, batch_size=16, where="train")
    return str(caught.value)


def written(folder: Path, content: bytes) -> Path:
    path = folder / "x.txt"
    path.write_bytes(content)
    return path


def test_a_missing_path_is_named(tmp_path: Path):
    path = tmp_path / "x.txt"
    assert message(path) == f"train: {path} does not exist, {EXPECTED}. Check the path."


def test_a_folder_is_refused(tmp_path: Path):
    assert message(tmp_path) == (
        f"train: {tmp_path} is a folder, {EXPECTED}. Name one file in it, or join its files into one."
    )


def test_a_path_through_a_file_is_refused(tmp_path: Path):
    path = written(tmp_path, b"text") / "y.txt"
    assert message(path) == (
        f"train: {path} cannot be read (Not a directory), {EXPECTED}. Check the path and its permissions."
    )


def test_an_empty_file_is_refused(tmp_path: Path):
    path = written(tmp_path, b"")
    assert message(path) == f"train: {path} is empty (0 bytes), {EXPECTED}. Check that it was written completely."


def test_a_binary_file_is_refused_with_the_place_of_its_first_nul(tmp_path: Path):
    path = written(tmp_path, b"x" * 1234 + b"\0\xff")
    assert message(path) == f"train: {path} is binary (byte 1,234 is NUL), {EXPECTED}. Extract its text first."


def test_utf_16_is_refused(tmp_path: Path):
    path = written(tmp_path, "text".encode("utf-16"))
    assert message(path) == (
        f"train: {path} is UTF-16 (it starts with a byte order mark), {EXPECTED}. Save it as UTF-8."
    )


def test_latin_1_is_refused_with_the_place_of_its_first_wrong_byte(tmp_path: Path):
    path = written(tmp_path, "Häuser".encode("latin-1"))
    assert message(path) == (
        f"train: {path} is not UTF-8 (byte 1 is 0xe4), {EXPECTED}. "
        "If it is text in another encoding, convert it: iconv -f LATIN1 -t UTF-8 OLD > NEW"
    )


def test_a_text_shorter_than_its_windows_is_refused(tmp_path: Path):
    path = written(tmp_path, b"x" * 1359)
    assert message(path) == (
        f"train: {path} has 1,359 characters, {EXPECTED}. Give a longer text, or lower window or batch_size."
    )


def test_one_character_is_not_called_characters(tmp_path: Path):
    path = written(tmp_path, b"x")
    with pytest.raises(DataError) as caught:
        read_text(path, min_chars=2)
    assert str(caught.value) == (
        f"read_text: {path} has 1 character, expected a UTF-8 text file with at least 2 characters. "
        "Give a longer text, or lower window or batch_size."
    )


def test_a_misspelt_sample_is_answered_with_the_nearest_name():
    with pytest.raises(ConfigError) as caught:
        read_corpus("shakespaere", where="train")
    assert str(caught.value) == (
        "train: 'shakespaere' is neither a sample text nor a file. Did you mean 'shakespeare'? "
        "Samples: shakespeare; or give the path of a UTF-8 text file."
    )


def test_a_name_too_long_for_a_file_is_still_an_error_of_ours():
    with pytest.raises(ConfigError, match=r"^train: 'x{999}' is neither a sample text nor a file\. Samples: "):
        read_corpus("x" * 999, where="train")


def test_a_file_gives_a_corpus_named_after_it(tmp_path: Path):
    path = written(tmp_path, b"a line\n" * 100)
    assert read_corpus(path) == Corpus("x", str(path), "a line\n" * 90, "a line\n" * 10)


def test_a_bare_name_can_be_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("notes").write_text("a line\n" * 100)
    assert read_corpus("notes").source == "notes"


def test_a_sample_wins_over_a_file_of_the_same_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("shakespeare").write_text("a line\n" * 100)
    assert read_corpus("shakespeare").source == "sample shakespeare"
    assert read_corpus(f".{os.sep}shakespeare").train == "a line\n" * 90


def test_line_ends_become_line_feeds_and_the_byte_order_mark_goes(tmp_path: Path):
    assert read_text(written(tmp_path, b"\xef\xbb\xbfa\r\nb\rc\nd\n")) == "a\nb\nc\nd\n"


def test_a_text_of_one_long_line_is_cut_at_nine_tenths():
    assert split("x" * 20) == ("x" * 18, "x" * 2)


@given(st.text(alphabet="ab\n", max_size=60))
def test_a_split_loses_nothing_and_holds_out_a_tenth_to_a_fifth(text: str):
    train, valid = split(text)
    assert train + valid == text
    assert 10 * len(valid) >= len(text)
    assert 5 * len(train) >= 4 * len(text) - 5


@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 40))
def test_the_shortest_text_accepted_fills_every_stream(
    tmp_path_factory: pytest.TempPathFactory, window: int, batch_size: int, line: int
):
    path = tmp_path_factory.getbasetemp() / "shortest.txt"
    path.write_text("")
    with pytest.raises(DataError) as caught:
        read_corpus(path, window=window, batch_size=batch_size)
    shortest = int(str(caught.value).split("at least ")[1].split(" ")[0].replace(",", ""))
    path.write_text((("x" * line + "\n") * shortest)[:shortest])
    corpus = read_corpus(path, window=window, batch_size=batch_size)
    assert len(Streams(np.zeros(len(corpus.train), np.uint8), batch_size, window, seed=0)) >= 1
    assert len(Streams(np.zeros(len(corpus.valid), np.uint8), 1, window)) >= 1
