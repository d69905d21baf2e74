"""Sequences that are NumPy files, good and malformed."""

import io
import pickle
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest

from carrousel.data.faults import Faults
from carrousel.data.readers.arrays import array_cases, read_arrays
from carrousel.data.readers.npz import Member
from carrousel.errors import DataError

pytestmark = pytest.mark.tiny


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two sequences with labels."""
    path = tmp_path / "arrays"
    path.mkdir()
    np.save(path / "b.npy", np.array([[1, 2], [3, 4]]))
    np.save(path / "a.npy", np.array([[0.5, np.nan]], np.float32))
    (path / "labels.csv").write_text("name,label\nb,x\na.npy,y\n")
    return path


def message(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_arrays(path, where="train")
    return str(caught.value)


def test_a_folder_in_the_order_of_its_table(folder: Path):
    cases = read_arrays(folder)
    assert (cases.names, cases.labels, cases.classes) == (("b", "a"), ("x", "y"), ("x", "y"))
    assert cases.sequences[0].tolist() == [[1, 2], [3, 4]]
    np.testing.assert_array_equal(cases.sequences[1], [[0.5, np.nan]])


def test_a_folder_without_a_table_in_the_order_of_names(folder: Path):
    (folder / "labels.csv").unlink()
    cases = read_arrays(folder)
    assert (cases.names, cases.labels) == (("a", "b"), ())


def test_one_axis_is_one_value_a_step(tmp_path: Path):
    np.save(tmp_path / "a.npy", np.array([True, False, True]))
    assert read_arrays(tmp_path).sequences[0].tolist() == [[1], [0], [1]]


@pytest.mark.parametrize(
    ("table", "what"),
    [
        ("b,x\na,y\nb,x\n", "line 4 has the name 'b' of line 2, expected each name once."),
        ("b,x\na,y\n../labels,x\n", "line 4 has the name '../labels', expected a file in the folder of the table."),
        ("b,x\na,y\n/etc/a,x\n", "line 4 has the name '/etc/a', expected a file in the folder of the table."),
        (
            "b,x\na,y\nc,x\n",
            "line 4 has the name 'c', but there is no c.npy, expected a file in the folder of the table.",
        ),
        ("b,x\na,\n", "line 3 has no label, expected one."),
        ("b,x\na\n", "line 3 has 1 field, expected 2 as in the header."),
    ],
)
def test_a_malformed_table_is_named(folder: Path, table: str, what: str):
    (folder / "labels.csv").write_text(f"name,label\n{table}")
    path = folder / "labels.csv"
    assert message(folder) == (
        f"train: {path}, {what} Correct the line, or skip what is malformed: "
        "data.skip_bad=true when training, skip_bad=True in Python."
    )


def test_a_link_out_of_the_folder_is_not_followed(folder: Path):
    np.save(folder.parent / "secret.npy", np.zeros((2, 2)))
    (folder / "c.npy").symlink_to(folder.parent / "secret.npy")
    (folder / "labels.csv").write_text("name,label\nc,x\n")
    assert message(folder) == (
        f"train: {folder}/c.npy is a link out of its folder, expected files that lie in the folder. "
        "Correct the file, or skip what is malformed: "
        "data.skip_bad=true when training, skip_bad=True in Python."
    )


@pytest.mark.parametrize(
    ("values", "what"),
    [
        (np.array(["x"]), "holds <U1, expected numbers."),
        (np.zeros((2, 2, 2)), "has shape (2, 2, 2), expected (T,) or (T, D) with at least one value."),
        (np.zeros((0, 2)), "has shape (0, 2), expected (T,) or (T, D) with at least one value."),
        (np.zeros((4, 3)), "has 3 values a step, expected 2 as in the first file."),
        (
            np.array([None]),
            "holds pickled Python objects, which are never loaded, expected numbers. Save it with np.save(file, numbers).",
        ),
    ],
)
def test_a_malformed_file_is_named_or_skipped(folder: Path, values: np.ndarray, what: str):
    path = folder / "a.npy"
    np.save(path, values, allow_pickle=True)
    assert message(folder) == (
        f"train: {path} {what} Correct the file, or skip what is malformed: "
        "data.skip_bad=true when training, skip_bad=True in Python."
    )
    cases = read_arrays(folder, skip_bad=True, where="train")
    assert cases.names == ("b",)
    assert cases.faults.report() == f"train: 1 malformed line was skipped: {path} {what}"


def test_a_pickle_under_the_name_of_an_array_is_not_loaded(folder: Path):
    (folder / "a.npy").write_bytes(pickle.dumps([1, 2]))
    assert message(folder) == (
        f"train: {folder}/a.npy holds pickled Python objects, which are never loaded, expected numbers. Save it with "
        "np.save(file, numbers). Correct the file, or skip what is malformed: "
        "data.skip_bad=true when training, skip_bad=True in Python."
    )


def test_a_truncated_file_is_named(folder: Path):
    (folder / "b.npy").write_bytes((folder / "b.npy").read_bytes()[:-3])
    with pytest.raises(
        DataError, match=r"^train: .*b\.npy cannot be read \(.*\), expected what np\.save or np\.savez "
    ):
        read_arrays(folder, where="train")


def test_a_file_that_the_table_lacks_is_named(folder: Path):
    np.save(folder / "c.npy", np.zeros((2, 2)))
    assert message(folder) == (
        f"train: {folder}/c.npy has no line in labels.csv, expected a label for each file. "
        "Correct the file, or skip what is malformed: "
        "data.skip_bad=true when training, skip_bad=True in Python."
    )


def test_a_folder_without_sequences_is_refused(tmp_path: Path):
    assert message(tmp_path) == (
        f"train: {tmp_path} has no sequence, expected at least one. Check that it is the right one."
    )


def test_an_archive_with_lengths(tmp_path: Path):
    np.savez(tmp_path / "x.npz", X=np.arange(6.0).reshape(3, 2), lengths=[1, 2], y=[4, 2])
    cases = read_arrays(tmp_path / "x.npz")
    assert [sequence.tolist() for sequence in cases.sequences] == [[[0, 1]], [[2, 3], [4, 5]]]
    assert (cases.labels, cases.classes, cases.names) == (("4", "2"), ("2", "4"), ("1", "2"))


def test_an_archive_of_one_length_with_targets(tmp_path: Path):
    np.savez_compressed(tmp_path / "x.npz", X=np.arange(6).reshape(2, 3), y=[0.5, 1])
    cases = read_arrays(tmp_path / "x.npz")
    assert [sequence.tolist() for sequence in cases.sequences] == [[[0], [1], [2]], [[3], [4], [5]]]
    assert cases.targets.tolist() == [0.5, 1]


@pytest.mark.parametrize(
    ("arrays", "what"),
    [
        ({"Z": np.zeros(2)}, "has no X among its arrays, expected X, and perhaps lengths and y"),
        ({"X": np.array(["x"])}, "has X of type <U1, expected numbers"),
        ({"X": np.zeros(3)}, "has X of shape (3,) and no lengths, expected (N, T, D) or (N, T)"),
        (
            {"X": np.zeros(3), "lengths": np.array([1, 1])},
            "has lengths of shape (2,) with sum 2, expected (N,) whole numbers with sum 3, the steps in X",
        ),
        (
            {"X": np.zeros((2, 2, 2)), "lengths": np.array([1, 1])},
            "has X of shape (2, 2, 2) beside lengths, expected (sum of lengths, D) or (sum of lengths,)",
        ),
        ({"X": np.zeros((2, 2)), "y": np.zeros(3)}, "has y of shape (3,), expected (2,), one for each sequence"),
        ({"X": np.zeros((1, 2)), "y": np.array([1j])}, "has y of type complex128, expected numbers or strings"),
        (
            {"X": np.array([None])},
            "holds pickled Python objects, which are never loaded, expected numbers. Save it with np.save(file, numbers)",
        ),
    ],
)
def test_a_malformed_archive_is_refused(tmp_path: Path, arrays: dict[str, Any], what: str):
    path = tmp_path / "x.npz"
    np.savez(path, allow_pickle=True, **arrays)
    assert message(path) == f"train: {path} {what}. Write the file again."


def test_an_empty_sequence_in_an_archive_is_named_or_skipped(tmp_path: Path):
    path = tmp_path / "x.npz"
    np.savez(path, X=np.zeros((3, 2)), lengths=[1, 0, 2], y=[0, 0, 1])
    assert message(path) == (
        f"train: {path}, sequence 2 is empty, expected at least one step. "
        "Correct the sequence, or skip what is malformed: "
        "data.skip_bad=true when training, skip_bad=True in Python."
    )
    cases = read_arrays(path, skip_bad=True)
    assert (cases.labels, cases.names) == (("0", "1"), ("1", "3"))


@pytest.mark.parametrize("is_packed", [False, True])
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "f8", "f2", "i1", "?"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_sequences_of_an_archive_are_those_of_its_arrays(tmp_path: Path, is_packed: bool, dtype: str, order: Any):
    values = np.array(np.random.default_rng(0).integers(0, 2, (4, 3, 2)), dtype, order=order)
    save = np.savez_compressed if is_packed else np.savez
    for number, x in enumerate((values, values[..., 0].copy(order))):
        save(tmp_path / f"{number}.npz", X=x)
        found = read_arrays(tmp_path / f"{number}.npz").sequences
        assert [one.tolist() for one in found] == values[..., : 2 - number].tolist()
    lengths = [2, 0, 7, 3]
    for number, x in enumerate((values.reshape(12, 2, order="A"), values.reshape(12, 2)[:, 0])):
        save(tmp_path / f"ragged{number}.npz", X=x, lengths=lengths)
        found = read_arrays(tmp_path / f"ragged{number}.npz", skip_bad=True).sequences
        expected = np.split(x.reshape(12, -1), np.cumsum(lengths)[:-1])
        assert [one.tolist() for one in found] == [one.tolist() for one in expected if len(one)]


@pytest.mark.parametrize("is_packed", [False, True])
def test_an_archive_is_read_a_sequence_at_a_time(tmp_path: Path, is_packed: bool, monkeypatch: pytest.MonkeyPatch):
    path, sizes = tmp_path / "x.npz", list[int]()
    (np.savez_compressed if is_packed else np.savez)(path, X=np.random.default_rng(0).random((5, 100, 3)))
    take = Member.take

    def counted(member: Member, shape: tuple[int, ...]) -> np.ndarray:
        sizes.append(int(np.prod(shape)))
        return take(member, shape)

    monkeypatch.setattr(Member, "take", counted)
    cases = array_cases(path, Faults("train"))
    assert sizes == []
    for k in range(5):
        next(cases)
        assert sizes == [300] * (k + 1)


@pytest.mark.parametrize("is_packed", [False, True])
def test_an_archive_that_is_damaged_is_named(tmp_path: Path, is_packed: bool):
    path = tmp_path / "x.npz"
    (np.savez_compressed if is_packed else np.savez)(path, X=np.random.default_rng(0).random((5, 1_000, 3)))
    content = bytearray(path.read_bytes())
    content[60_000] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(
        DataError, match=r"^train: .*x\.npz cannot be read \(.*\), expected what np\.save or np\.savez "
    ):
        read_arrays(path, where="train")


def test_an_archive_whose_array_is_shorter_than_it_says_is_named(tmp_path: Path):
    path = tmp_path / "x.npz"
    with ZipFile(path, "w") as archive:
        content = io.BytesIO()
        np.save(content, np.zeros((4, 3)))
        archive.writestr("X.npy", content.getvalue()[:-8])
    assert message(path) == (
        f"train: {path} cannot be read (it ends before its last array does), expected what np.save or np.savez writes. Write the "
        "file again."
    )


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path):
    path = tmp_path / "x.npz"
    path.write_text("text")
    assert message(path) == (
        f"train: {path} is no file of NumPy's, expected what np.save or np.savez writes. Write the file again."
    )
    np.save(tmp_path / "y.npy", np.zeros(3))
    assert message(tmp_path / "y.npy") == (
        f"train: {tmp_path}/y.npy is one array, expected an .npz file with X, and perhaps lengths and y. "
        "Write the file again."
    )
    assert message(tmp_path / "z") == (
        f"train: {tmp_path}/z does not exist, expected a folder of .npy files, or an .npz file. Check the path."
    )
