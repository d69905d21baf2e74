"""Series of the UCR and UEA archives, good and malformed."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carrousel.data.readers.ts_format import read_ts
from carrousel.errors import DataError

pytestmark = pytest.mark.tiny

VOWELS = """\
# a comment
@problemName Vowels
@timeStamps false
@univariate false
@DIMENSIONS 2
@equalLength false
@classLabel true b a

@data
% another
1,2,3:4,?,-6e-1:a
 7 , NaN : 9,1:b
"""


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "x.ts"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def message(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_ts(path, where="train")
    return str(caught.value)


@pytest.mark.parametrize("content", [VOWELS, "\ufeff" + VOWELS.replace("\n", "\r\n")])
def test_channels_of_unequal_series_with_missing_values(tmp_path: Path, content: str):
    cases = read_ts(written(tmp_path, content))
    assert len(cases) == 2
    np.testing.assert_array_equal(cases.sequences[0], [[1, 4], [2, np.nan], [3, -0.6]])
    np.testing.assert_array_equal(cases.sequences[1], [[7, 9], [np.nan, 1]])
    assert (cases.labels, cases.classes, cases.names) == (("a", "b"), ("b", "a"), ("11", "12"))
    assert len(cases.targets) == 0


def test_one_channel_with_targets(tmp_path: Path):
    cases = read_ts(written(tmp_path, "@univariate true\n@targetlabel true\n@data\n1,2:0.5\n3,4:-1\n"))
    assert cases.sequences.values.tolist() == [[1], [2], [3], [4]]
    assert cases.targets.tolist() == [0.5, -1]
    assert (cases.labels, cases.classes) == ((), ())


def test_without_classes_every_part_is_a_channel(tmp_path: Path):
    cases = read_ts(written(tmp_path, "@classLabel false\n@data\n1,2:3,4\n"))
    assert cases.sequences[0].tolist() == [[1, 3], [2, 4]]
    assert cases.labels == ()


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (":a\n", ":c\n", "line 11 has class 'c', expected one of b, a."),
        ("1,2,3:", "1,2,3:4,5,6:", "line 11 has 3 channels, expected 2."),
        ("1,2,3:4,?,-6e-1:", "1,2,3:", "line 11 has 1 channel, expected 2."),
        ("1,2,3:4,?,-6e-1:", "", "line 11 has no channel, expected at least one before the class or target."),
        ("1,2,3", "1,2", "line 11 has 3 values in channel 2, expected 2 as in channel 1."),
        ("1,2,3", "1,2,x", "line 11 has 'x' in channel 1, expected a number or ?."),
        ("1,2,3", "1,,3", "line 11 has '' in channel 1, expected a number or ?."),
        ("1,2,3", " ", "line 11 has no value in channel 1, expected at least one."),
        (
            "@equalLength false",
            "@seriesLength 3",
            "line 12 has 2 values in channel 1, expected 3 as @seriesLength says.",
        ),
    ],
)
def test_a_malformed_series_is_named_or_skipped(tmp_path: Path, old: str, new: str, what: str):
    path = written(tmp_path, VOWELS.replace(old, new))
    assert message(path) == (
        f"train: {path}, {what} Correct the line, or skip what is malformed: "
        "data.skip_bad=true when training, skip_bad=True in Python."
    )
    cases = read_ts(path, skip_bad=True, where="train")
    assert len(cases) == 1
    assert cases.faults.report() == f"train: 1 malformed line was skipped: {path}, {what}"


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (
            "@timeStamps false",
            "@timeStamps true",
            "line 3 says that series have time stamps, expected @timeStamps false. Such files cannot be read.",
        ),
        ("@DIMENSIONS 2", "@DIMENSIONS two", "line 5 has @DIMENSIONS two, expected a number from 1 after it."),
        ("@classLabel true", "@classLabel", "line 7 has @classLabel b, expected true or false after it."),
        ("@data\n", "", "line 10 comes before @data, expected a line that starts with @."),
    ],
)
def test_a_malformed_header_is_refused(tmp_path: Path, old: str, new: str, what: str):
    path = written(tmp_path, VOWELS.replace(old, new))
    assert message(path) == f"train: {path}, {what} Correct the header."


def test_a_file_without_data_is_refused(tmp_path: Path):
    path = written(tmp_path, "@problemName X\n")
    assert message(path) == (
        f"train: {path} has no line @data, expected one between header and series. Check that it is a .ts file."
    )
    assert message(written(tmp_path, "@data\n")) == (
        f"train: {path} has no sequence, expected at least one. Check that it is the right one."
    )


numbers = st.lists(st.floats(allow_nan=False), min_size=1, max_size=4)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(numbers, st.sampled_from("ab")), min_size=1, max_size=4))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[list[float], str]]):
    lines = [f"{','.join(map(repr, values))}:{label}" for values, label in rows]
    path = written(tmp_path_factory.getbasetemp(), "\n".join(["@classLabel true a b", "@data", *lines]))
    cases = read_ts(path)
    assert [sequence[:, 0].tolist() for sequence in cases.sequences] == [values for values, _ in rows]
    assert list(cases.labels) == [label for _, label in rows]
