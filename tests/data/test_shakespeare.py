"""The plays that ship with the package."""

import hashlib
import re
import tarfile
from importlib.resources import files

import pytest

from carrousel.data import SAMPLES, CharVocabulary, read_corpus

pytestmark = pytest.mark.tiny

FOLDER = files("carrousel.data") / "samples" / "shakespeare"


def plays() -> dict[str, bytes]:
    with (FOLDER / "plays.tar.xz").open("rb") as stream, tarfile.open(fileobj=stream) as archive:
        return {m.name: content.read() for m in archive if (content := archive.extractfile(m))}


def test_the_source_page_lists_each_play_with_its_size_and_hash():
    rows = re.findall(r"\| (\S+\.txt) \| \S+ \| ([\d,]+) \| (\w{64}) \|", (FOLDER / "SOURCE.md").read_text())
    listed = {name: (int(size.replace(",", "")), sha256) for name, size, sha256 in rows}
    assert listed == {name: (len(raw), hashlib.sha256(raw).hexdigest()) for name, raw in plays().items()}


def test_the_source_page_has_the_hash_of_the_archive_and_its_size():
    raw = (FOLDER / "plays.tar.xz").read_bytes()
    page = (FOLDER / "SOURCE.md").read_text()
    assert hashlib.sha256(raw).hexdigest() in page
    assert f"({len(raw):,} bytes)" in page


def test_the_archive_stays_below_a_megabyte():
    assert len((FOLDER / "plays.tar.xz").read_bytes()) < 1_000_000


def test_the_held_out_plays_are_a_tragedy_a_history_and_a_comedy():
    valid = read_corpus("shakespeare").valid
    titles = (
        "MACBETH\n\nACT I.",
        "THE TRAGEDY OF KING RICHARD THE SECOND\n\nACT 1",
        "TWELFTH NIGHT; OR, WHAT YOU WILL\n\n",
    )
    assert [valid.count(title) for title in titles] == [1, 1, 1]


def test_the_two_parts_hold_every_play_once():
    corpus = read_corpus("shakespeare")
    for name, raw in plays().items():
        part, other = (corpus.train, corpus.valid) if name.startswith("train/") else (corpus.valid, corpus.train)
        assert part.count(raw.decode()) == 1
        assert raw.decode()[:2000] not in other


def test_the_text_is_evenly_spaced_and_of_few_characters():
    corpus = read_corpus("shakespeare")
    text = corpus.train + corpus.valid
    assert set(text) <= set("\n !\"&'(),-.123456789:;?[]") | {chr(c + d) for c in (65, 97) for d in range(26)}
    assert re.findall(r" $|\n\n\n|(?<=\S)  ", text, re.MULTILINE) == []
    assert re.findall(r"gutenberg|\betext|copyright", text, re.IGNORECASE) == []


def test_no_held_out_character_is_unknown():
    corpus = read_corpus("shakespeare")
    assert CharVocabulary.of(corpus.train).unknown_in(corpus.valid) == {}


def test_every_sample_named_can_be_read():
    assert [read_corpus(name).name for name in SAMPLES] == list(SAMPLES)
