"""Whatever a file holds, a reader gives records or an error of ours that names it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carrousel.data import Faults, read_text
from carrousel.data.check import check
from carrousel.data.readers.arrays import read_arrays
from carrousel.data.readers.conll import read_conll
from carrousel.data.readers.labelled import read_labelled
from carrousel.data.readers.pairs import read_pairs
from carrousel.data.readers.plain import read_pieces
from carrousel.data.readers.ts_format import read_ts
from carrousel.errors import ConfigError, DataError

HEADERS = [
    b"",
    b"text,label\n",
    b"text\tlabel\n",
    b"@classLabel true a b\n@data\n",
    b'{"text": "',
    b"ds,y\n2024-01-01,1\n",
    b"\x93NUMPY",
]
contents = st.tuples(
    st.sampled_from(HEADERS),
    st.one_of(
        st.binary(max_size=60),
        st.text(st.sampled_from("ab1.\t,;:?\"'{}[]@# \n\r\\é\ufeff"), max_size=60).map(str.encode),
    ),
).map(b"".join)

READERS: list[tuple[str, Callable[[Path, bool], Any]]] = [
    ("x.txt", lambda path, skip_bad: read_conll(path, skip_bad=skip_bad)),
    ("x.conllu", lambda path, skip_bad: read_conll(path, ("FORM", "UPOS"), skip_bad=skip_bad)),
    ("x.csv", lambda path, skip_bad: read_labelled(path, skip_bad=skip_bad)),
    ("x.csv", lambda path, skip_bad: read_labelled(path, 0, 1, separator=",", skip_bad=skip_bad)),
    ("x.tsv", lambda path, skip_bad: read_labelled(path, skip_bad=skip_bad)),
    ("x.jsonl", lambda path, skip_bad: read_labelled(path, "text", None, skip_bad=skip_bad)),
    ("x.parquet", lambda path, skip_bad: read_labelled(path, skip_bad=skip_bad)),
    ("x.tsv", lambda path, skip_bad: read_pairs(path, skip_bad=skip_bad)),
    ("x.txt", lambda path, skip_bad: list(read_pieces(path, Faults("read", skip_bad), size=7))),
    ("x.txt", lambda path, skip_bad: read_text(path)),
    ("x.ts", lambda path, skip_bad: read_ts(path, skip_bad=skip_bad)),
    ("x.npz", lambda path, skip_bad: read_arrays(path, skip_bad=skip_bad)),
    ("x.csv", lambda path, skip_bad: check(path, skip_bad=skip_bad)),
    ("x.csv", lambda path, skip_bad: check(path, "autoencoder", skip_bad=skip_bad)),
    ("x.csv", lambda path, skip_bad: check(path, "forecaster", skip_bad=skip_bad)),
    ("x.tsv", lambda path, skip_bad: check(path, "seq2seq", skip_bad=skip_bad)),
    ("x.txt", lambda path, skip_bad: check(path, skip_bad=skip_bad)),
    ("x.ts", lambda path, skip_bad: check(path, skip_bad=skip_bad)),
    ("x.jsonl", lambda path, skip_bad: check(path, "classifier", skip_bad=skip_bad)),
]  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(contents, st.booleans())
@pytest.mark.parametrize("number", range(len(READERS)))
def test_a_reader_reads_or_names_the_file(
    tmp_path_factory: pytest.TempPathFactory, number: int, content: bytes, skip_bad: bool
):
    name, read = READERS[number]
    path = tmp_path_factory.getbasetemp() / f"any-{number}-{name}"
    path.write_bytes(content)
    message = ""
    try:
        read(path, skip_bad)
    except (ConfigError, DataError) as error:
        message = str(error)
    assert not message or str(path) in message


def test_a_folder_of_damaged_arrays_is_named(tmp_path: Path):
    np.save(tmp_path / "a.npy", np.zeros(40))
    whole = (tmp_path / "a.npy").read_bytes()
    for size in range(0, len(whole), 7):
        (tmp_path / "a.npy").write_bytes(whole[:size])
        with pytest.raises(DataError) as caught:
            read_arrays(tmp_path)
        assert str(caught.value).startswith(f"read_arrays: {tmp_path}/a.npy ")
