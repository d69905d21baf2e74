"""A text in pieces: what is read does not depend on where it is cut."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carrousel.data import CharVocabulary, Faults, Tokens, read_text, split
from carrousel.data.lazy import in_chunks
from carrousel.data.readers.plain import (
    Subwords,
    characters_of,
    cut,
    read_bytes,
    read_pieces,
    words,
)
from carrousel.errors import ConfigError, DataError

pytestmark = pytest.mark.tiny

texts = st.text(st.sampled_from("ab é€𝄞\t\n\r"), min_size=1, max_size=40)


def written(folder: Path, content: bytes) -> Path:
    path = folder / "x.txt"
    path.write_bytes(content)
    return path


def pieces(path: Path, size: int = 4, **options: int) -> list[str]:
    return list(read_pieces(path, Faults("train"), size=size, **options))


@settings(deadline=None)
@given(texts, st.integers(1, 9), st.sampled_from(["", "\ufeff"]))
def test_pieces_make_the_text_that_is_read_at_once(
    tmp_path_factory: pytest.TempPathFactory, text: str, size: int, mark: str
):
    path = written(tmp_path_factory.getbasetemp(), (mark + text).encode())
    assert "".join(pieces(path, size)) == read_text(path)


@settings(deadline=None)
@given(texts, st.integers(1, 9))
def test_words_do_not_depend_on_the_pieces(tmp_path_factory: pytest.TempPathFactory, text: str, size: int):
    path = written(tmp_path_factory.getbasetemp(), text.encode())
    whole = read_text(path)
    lines = whole.removesuffix("\n").split("\n") if whole else []
    expected = [word for line in lines for word in [*line.split(), "<eos>"]]
    longest = max(len(line.encode()) for line in text.split("\n")) + 1
    assert list(words(pieces(path, max(size, longest)))) == expected
    assert list(words([whole])) == expected


@settings(deadline=None)
@given(texts)
def test_a_cut_gives_two_texts(tmp_path_factory: pytest.TempPathFactory, text: str):
    path = written(tmp_path_factory.getbasetemp(), text.encode())
    at = cut(path, "train")
    left, right = (text.encode()[:at].decode(), text.encode()[at:].decode())
    assert "".join(pieces(path, end=at)) == left.replace("\r\n", "\n").replace("\r", "\n")
    assert "".join(pieces(path, begin=at)) == right.replace("\r\n", "\n").replace("\r", "\n")


@settings(deadline=None)
@given(st.text(st.sampled_from("ab\n"), min_size=1, max_size=60), st.integers(1, 9))
def test_a_cut_is_where_a_text_in_memory_is_split(tmp_path_factory: pytest.TempPathFactory, text: str, piece: int):
    path = written(tmp_path_factory.getbasetemp(), text.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("carrousel.data.readers.plain.PIECE", piece)
        assert cut(path, "train") == len(split(text)[0])


def test_a_cut_is_never_inside_a_character(tmp_path: Path):
    assert cut(written(tmp_path, b"x" * 20_000), "train") == 18_000
    assert cut(written(tmp_path, "€".encode() * 10), "train") == 27
    assert cut(written(tmp_path, "€".encode() * 11), "train") == 30


def test_a_piece_ends_after_a_line_or_else_a_blank(tmp_path: Path):
    path = written(tmp_path, b"aa\nbb cc dd\n" + b"x" * 8)
    assert pieces(path, 8) == ["aa\n", "bb cc dd\n", "xxxxxxxx"]


@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_what_is_not_utf_8_is_named(tmp_path: Path, size: int):
    path = written(tmp_path, "äb\n".encode() + b"\xe4b\n")
    with pytest.raises(DataError) as caught:
        pieces(path, size)
    assert str(caught.value) == (
        f"train: {path}, line 2 is not UTF-8 (byte 4 of the file is 0xe4), expected UTF-8 text. "
        "Correct the line, or skip what is malformed: "
        "data.skip_bad=true when training, skip_bad=True in Python."
    )
    with pytest.raises(DataError) as caught:
        pieces(path, size, begin=4)
    assert str(caught.value).startswith(f"train: {path}, line 2 is not UTF-8 (byte 4 of the file is 0xe4), ")


@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_a_nul_is_named(tmp_path: Path, size: int):
    path = written(tmp_path, b"\xef\xbb\xbfa\nb\0\n")
    with pytest.raises(DataError) as caught:
        pieces(path, size)
    assert str(caught.value) == (
        f"train: {path}, line 2 is binary (byte 6 of the file is NUL), expected UTF-8 text. "
        "Correct the line, or skip what is malformed: "
        "data.skip_bad=true when training, skip_bad=True in Python."
    )


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_skipping_leaves_out_the_bytes_and_counts_them(tmp_path: Path, size: int):
    faults = Faults("train", skip_bad=True)
    path = written(tmp_path, "€\n".encode() + b"a\xffb\0c\n\xe2\x82")
    assert "".join(read_pieces(path, faults, size=size)) == "€\nabc\n"
    assert faults.skipped == 3
    assert faults.report() == (
        f"train: 3 malformed lines were skipped: {path}, line 2 is not UTF-8 (byte 5 of the file is 0xff), expected UTF-8 "
        f"text. {path}, line 2 is binary (byte 7 of the file is NUL), expected UTF-8 text. {path}, line 3 is not UTF-8 "
        "(byte 10 of the file is 0xe2), expected UTF-8 text."
    )


def test_what_is_read_in_pieces_encodes_to_the_text(tmp_path: Path):
    text = "the cat\nsat on the mat\n"
    path = written(tmp_path, text.encode())
    characters = characters_of(pieces(path))
    assert characters == CharVocabulary.of(text)
    assert "".join(characters.decode(characters.encode(piece)) for piece in pieces(path)) == text

    tokens = Tokens.of(words(pieces(path)))
    chunks = list(in_chunks(words(pieces(path)), 3))
    assert [len(chunk) for chunk in chunks] == [3, 3, 2]
    found = [word for chunk in chunks for word in tokens.decode(tokens.encode(chunk))]
    assert found == ["the", "cat", "<eos>", "sat", "on", "the", "mat", "<eos>"]


def test_bytes_are_the_file(tmp_path: Path):
    path = written(tmp_path, b"a\0\r\n\xff")
    ids = read_bytes(path)
    assert isinstance(ids, np.memmap)
    assert ids.tolist() == [97, 0, 13, 10, 255]
    with pytest.raises(DataError) as caught:
        read_bytes(written(tmp_path, b""), "train")
    assert str(caught.value) == (
        f"train: {path} is empty (0 bytes), expected a file of at least one byte. Check that it was written completely."
    )


DESCRIPTION = json.dumps(
    {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": {"[UNK]": 0, "the": 1, "cat": 2}, "unk_token": "[UNK]"},
    }
)


def test_subwords_come_from_a_tokenizer_file(tmp_path: Path):
    pytest.importorskip("tokenizers")
    (tmp_path / "tokenizer.json").write_text(DESCRIPTION)
    subwords = Subwords.read(tmp_path / "tokenizer.json")
    assert len(subwords) == 3
    assert subwords.encode("the cat sat").tolist() == [1, 2, 0]
    assert subwords.encode("the cat sat").dtype == np.uint8
    assert subwords.decode(np.array([1, 2])) == "the cat"
    assert Subwords.from_dict(json.loads(json.dumps(subwords.to_dict()))) == subwords


def test_a_tokenizer_that_cannot_be_read_is_refused():
    pytest.importorskip("tokenizers")
    with pytest.raises(DataError, match=r"^Subwords: the tokenizer cannot be read \(.*\), expected the text of a tok"):
        Subwords("{}")


def test_without_the_package_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ConfigError) as caught:
        Subwords(DESCRIPTION)
    assert str(caught.value) == (
        "Subwords: a tokenizer.json was given, expected the package tokenizers to read it. "
        "Install it: pip install 'carrousel[tokenizers]'"
    )
