"""Lines of a user's file: where they end, what number they have, and where in the file a wrong byte is."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carrousel.data.faults import Faults
from carrousel.data.opening import decoded_lines, opened, read_lines
from carrousel.errors import DataError

pytestmark = pytest.mark.tiny

texts = st.text(st.sampled_from("aé\n\r"), min_size=1, max_size=20)


@settings(deadline=None)
@given(texts, st.sampled_from(["", "\ufeff"]))
def test_lines_are_those_of_universal_newlines(tmp_path_factory: pytest.TempPathFactory, text: str, mark: str):
    path = tmp_path_factory.getbasetemp() / "lines.txt"
    path.write_bytes((mark + text).encode())
    lines = list(decoded_lines(path, "test", "a text"))
    ends = text.replace("\r\n", "\n").replace("\r", "\n")
    assert [line for _, line, _ in lines] == ends.removesuffix("\n").split("\n")
    assert [number for number, _, _ in lines] == list(range(1, len(lines) + 1))
    assert not any(fault for _, _, fault in lines)


@settings(deadline=None)
@given(texts, st.sampled_from([b"\xff", b"\0"]), st.integers(0, 20), st.sampled_from([b"", b"\xef\xbb\xbf"]))
def test_a_wrong_byte_is_named_with_its_place_in_the_file(
    tmp_path_factory: pytest.TempPathFactory, text: str, wrong: bytes, place: int, mark: bytes
):
    path = tmp_path_factory.getbasetemp() / "wrong.txt"
    before = text[:place].encode()
    content = mark + before + wrong + text[place:].encode()
    path.write_bytes(content)
    (number, fault), *more = [(n, fault) for n, _, fault in decoded_lines(path, "test", "a text") if fault]
    offset = len(mark) + len(before)
    assert not more
    assert f"byte {offset:,} of the file is {'NUL' if wrong == bytes(1) else '0xff'}" in fault.what
    assert number == 1 + (before.replace(b"\r\n", b"\n").replace(b"\r", b"\n")).count(b"\n")


def test_good_lines_have_their_numbers_when_bad_ones_are_skipped(tmp_path: Path):
    path = tmp_path / "x.txt"
    path.write_bytes(b"a\n\xff\nc\0\n\nd")
    faults = Faults("test", skip_bad=True)
    assert list(read_lines(path, faults, "a text")) == [(1, "a"), (4, ""), (5, "d")]
    assert faults.skipped == 2


def test_bytes_may_start_like_utf_16(tmp_path: Path):
    path = tmp_path / "x"
    path.write_bytes(b"\xff\xfe")
    with opened(path, "test", "bytes", is_text=False) as file:
        assert file.read() == b"\xff\xfe"
    with pytest.raises(DataError) as caught, opened(path, "test", "a text"):
        pass
    assert str(caught.value) == (
        f"test: {path} is UTF-16 (it starts with a byte order mark), expected a text. Save it as UTF-8."
    )
