"""Ragged arrays, in memory and on disk."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from carrousel.data import Ragged, RaggedWriter
from carrousel.errors import DataError

pytestmark = pytest.mark.tiny

FEATURES = st.sampled_from([(), (1,), (3,), (2, 2)])
DTYPES = st.sampled_from(["uint8", "int16", "int64", "float32", "float64"])


@st.composite
def sequences(draw: st.DrawFn) -> list[np.ndarray]:
    features, dtype = draw(FEATURES), draw(DTYPES)
    lengths = draw(st.lists(st.integers(0, 5), max_size=6))
    return [draw(arrays(dtype, (length, *features), elements=st.integers(0, 99))) for length in lengths]


def same(left: Ragged, right: list[np.ndarray]) -> bool:
    return len(left) == len(right) and all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


@settings(max_examples=30, deadline=None)
@given(sequences())
def test_what_is_saved_is_opened(tmp_path_factory: pytest.TempPathFactory, given_sequences: list[np.ndarray]):
    path = tmp_path_factory.mktemp("ragged") / "x"
    ragged = Ragged.of(given_sequences)
    ragged.save(path)
    opened = Ragged.open(path)
    assert same(ragged, given_sequences)
    assert same(opened, given_sequences)
    assert opened.values.dtype == ragged.values.dtype
    assert opened.values.shape == ragged.values.shape
    assert opened.lengths.tolist() == [len(sequence) for sequence in given_sequences]
    assert sorted(p.name for p in path.parent.iterdir()) == ["x.offsets.npy", "x.values.npy"]


@given(sequences())
def test_padded_rows_hold_their_sequence_and_then_the_value(given_sequences: list[np.ndarray]):
    ragged = Ragged.of(given_sequences)
    rows = [k for k in range(len(ragged)) if k % 2 == 0]
    batch, lengths = ragged.padded(rows, 7)
    assert batch.shape == (max(lengths, default=0), len(rows), *ragged.values.shape[1:])
    for b, k in enumerate(rows):
        assert (batch[: lengths[b], b] == given_sequences[k]).all()
        assert (batch[lengths[b] :, b] == 7).all()


def test_what_is_opened_is_mapped_and_read_only(tmp_path: Path):
    Ragged.of([np.arange(3), np.arange(2)]).save(tmp_path / "x")
    opened = Ragged.open(tmp_path / "x")
    assert isinstance(opened.values, np.memmap)
    assert not opened[0].flags.writeable


def test_a_sequence_is_a_view_and_counts_from_the_end_too():
    ragged = Ragged.of([np.arange(3), np.arange(2)])
    assert np.shares_memory(ragged[0], ragged.values)
    assert ragged[-1].tolist() == [0, 1]
    assert ragged[np.int64(0)].tolist() == [0, 1, 2]
    with pytest.raises(IndexError) as caught:
        ragged[2]
    assert str(caught.value) == "Ragged: there is no sequence 2 among 2"


def test_a_writer_casts_and_gives_what_was_appended(tmp_path: Path):
    with RaggedWriter(tmp_path / "folder" / "x", np.float32, (2,)) as writer:
        writer.append(np.array([[1, 2], [3, 4]]))
        writer.append(np.zeros((0, 2)))
        writer.append(np.array([[0.5, 0.25]])[:, ::-1])
    opened = Ragged.open(tmp_path / "folder" / "x")
    assert opened.values.dtype == np.float32
    assert opened.values.tolist() == [[1, 2], [3, 4], [0.25, 0.5]]
    assert opened.offsets.tolist() == [0, 2, 2, 3]


def test_many_steps_fit_the_header_written_for_none(tmp_path: Path):
    with RaggedWriter(tmp_path / "x", np.uint8) as writer:
        writer.extend(np.full(1000, k % 251, np.uint8) for k in range(1234))
    opened = Ragged.open(tmp_path / "x")
    assert len(opened.values) == 1_234_000
    assert (opened[1233] == 1233 % 251).all()


def test_a_writer_that_fails_leaves_what_was_there(tmp_path: Path):
    Ragged.of([np.arange(3)]).save(tmp_path / "x")
    with pytest.raises(DataError, match="sequence 1 has shape"), RaggedWriter(tmp_path / "x", np.int64) as writer:
        writer.extend([np.arange(9), np.zeros((1, 1))])
    assert Ragged.open(tmp_path / "x")[0].tolist() == [0, 1, 2]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_writer_refuses_other_axes_and_python_objects(tmp_path: Path):
    with pytest.raises(DataError) as caught, RaggedWriter(tmp_path / "x", np.float32, (2,)) as writer:
        writer.append(np.zeros((4, 3)))
    assert str(caught.value) == (
        "RaggedWriter: sequence 0 has shape (4, 3), expected (T, 2). Give sequences that agree in all axes but the first."
    )
    with pytest.raises(DataError) as caught:
        RaggedWriter(tmp_path / "x", object)
    assert str(caught.value) == "RaggedWriter: dtype is object, expected numbers. Python objects are never written."


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError) as caught:
        Ragged.of([np.arange(3)]).save(tmp_path / "file" / "x")
    assert str(caught.value) == (
        f"{tmp_path}/file/x cannot be written (File exists), expected room and permission. "
        "What was there before is unharmed."
    )


def test_sequences_of_other_axes_are_refused():
    with pytest.raises(DataError) as caught:
        Ragged.of([np.zeros((2, 3)), np.zeros(2)])
    assert str(caught.value) == (
        "Ragged.of: sequence 1 has shape (2,), expected (T, 3). Give sequences that agree in all axes but the first."
    )
    with pytest.raises(DataError) as caught:
        Ragged.of([np.zeros(2), np.zeros((2, 3))])
    assert str(caught.value) == (
        "Ragged.of: sequence 1 has shape (2, 3), expected (T,). Give sequences that agree in all axes but the first."
    )


def test_offsets_that_do_not_describe_the_values_are_refused():
    with pytest.raises(DataError) as caught:
        Ragged(np.arange(3), np.array([0, 2]))
    assert str(caught.value) == (
        "Ragged: offsets has 0 .. 2, expected 0 .. 3, the number of steps in values. Make both from the same data."
    )
    with pytest.raises(DataError) as caught:
        Ragged(np.arange(3), np.array([], np.int64))
    assert str(caught.value) == (
        "Ragged: offsets has nothing, expected 0 .. 3, the number of steps in values. Make both from the same data."
    )


def test_files_that_are_missing_damaged_or_not_a_pair_are_refused(tmp_path: Path):
    path = tmp_path / "x"
    with pytest.raises(DataError) as caught:
        Ragged.open(path)
    assert str(caught.value) == (
        f"Ragged.open: {path}.values.npy does not exist, expected a file that Ragged.save wrote."
    )
    Ragged.of([np.arange(5)]).save(tmp_path / "y")
    Ragged.of([np.arange(3)]).save(path)
    (tmp_path / "y.offsets.npy").replace(tmp_path / "x.offsets.npy")
    with pytest.raises(DataError) as caught:
        Ragged.open(path)
    assert str(caught.value) == (
        f"Ragged.open: {path}.values.npy and {path}.offsets.npy do not fit each other, expected files written together. "
        "Make them again."
    )
    np.save(tmp_path / "x.offsets.npy", np.zeros((2, 2)))
    with pytest.raises(DataError) as caught:
        Ragged.open(path)
    assert str(caught.value) == (
        f"Ragged.open: {path} has offsets of shape (2, 2) and type float64, expected (num_sequences + 1,) and int64. "
        "Make the files again."
    )
    (tmp_path / "x.values.npy").write_bytes(b"\x80\x04 pickled")
    with pytest.raises(
        DataError, match=r"^Ragged\.open: .*x\.values\.npy cannot be read \(.*magic.*\), expected a file"
    ):
        Ragged.open(path)


def test_pickled_objects_are_never_loaded(tmp_path: Path):
    Ragged.of([np.arange(3)]).save(tmp_path / "x")
    np.save(tmp_path / "x.values.npy", np.array([{}, {}, {}]), allow_pickle=True)
    with pytest.raises(DataError, match=r"^Ragged\.open: .*x\.values\.npy cannot be read \(.*"):
        Ragged.open(tmp_path / "x")


@pytest.mark.parametrize("features", [(), (3,)])
@pytest.mark.parametrize("short", [0, 10**6], ids=["one by one", "at once"])
def test_sequences_are_laid_side_by_side_the_same_in_both_ways(
    monkeypatch: pytest.MonkeyPatch, short: int, features: tuple[int, ...]
) -> None:
    monkeypatch.setattr("carrousel.data.ragged.SHORT", short)
    sequences = [np.random.default_rng(k).standard_normal((k, *features)) for k in (5, 0, 3, 9)]
    batch, lengths = Ragged.of(sequences).padded([3, 1, 2, 2], -1)
    assert (batch.shape, lengths.tolist()) == ((9, 4, *features), [9, 0, 3, 3])
    for b, k in enumerate((3, 1, 2, 2)):
        assert (batch[: lengths[b], b] == sequences[k]).all()
        assert (batch[lengths[b] :, b] == -1).all()
