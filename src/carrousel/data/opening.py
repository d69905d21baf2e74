"""A user's file, opened: what is missing, a folder, unreadable, empty or in another encoding is named at once."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from carrousel.data.faults import Faults, LineFault
from carrousel.errors import DataError

UTF_16 = (b"\xff\xfe", b"\xfe\xff")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@contextmanager
def opened(path: Path, where: str, expected: str, *, is_text: bool = True) -> Generator[BufferedReader]:
    """The bytes of a file that is not empty and, as a text, not UTF-16.

    Args:
        expected: ends the sentence "PATH does not exist, expected ...".

    Raises:
        DataError: the file is missing, a folder, unreadable, empty, or UTF-16.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise DataError(f"{where}: {path} does not exist, expected {expected}. Check the path.") from None
    except IsADirectoryError:
        raise DataError(
            f"{where}: {path} is a folder, expected {expected}. Name one file in it, or join its files into one."
        ) from None
    except OSError as error:
        raise DataError(
            f"{where}: {path} cannot be read ({error.strerror}), expected {expected}. Check the path and its permissions."
        ) from None
    with file:
        start = file.peek(2)
        if not start:
            raise DataError(
                f"{where}: {path} is empty (0 bytes), expected {expected}. Check that it was written completely."
            )
        if is_text and start.startswith(UTF_16):
            raise DataError(
                f"{where}: {path} is UTF-16 (it starts with a byte order mark), expected {expected}. Save it as UTF-8."
            )
        yield file


def decoded_lines(path: Path, where: str, expected: str) -> Iterator[tuple[int, str, LineFault | None]]:
    r"""The lines of a text file, read one at a time: number from 1, text without its end, and what is wrong with it.

    A line ends with `\n`, `\r\n` or `\r`; a byte order mark goes. What is not UTF-8 is U+FFFD in the text.

    Raises:
        DataError: the file is missing, a folder, unreadable, empty, or UTF-16.
    """
    number, begin = 0, 0
    with opened(path, where, expected) as file:
        for raw in file:
            content, offset = raw.removesuffix(b"\n").removesuffix(b"\r"), begin
            if not begin and content.startswith(BYTE_ORDER_MARK):
                offset = len(BYTE_ORDER_MARK)
                content = content[offset:]
            for line in content.split(b"\r"):
                number += 1
                yield (number, *_decode(line, offset))
                offset += len(line) + 1
            begin += len(raw)


def read_lines(path: Path, faults: Faults, expected: str) -> Iterator[tuple[int, str]]:
    """The good lines of a text file with their numbers, as `decoded_lines` reads them.

    Raises:
        DataError: the file cannot be used, or a line is malformed and malformed lines are not skipped.
    """
    for number, line, fault in decoded_lines(path, faults.where, expected):
        if fault:
            faults.add(path, number, fault.what, fault.expected)
        else:
            yield number, line


def _decode(line: bytes, offset: int) -> tuple[str, LineFault | None]:
    if (nul := line.find(0)) >= 0:
        return line.decode(errors="replace"), LineFault(
            f"is binary (byte {offset + nul:,} of the file is NUL)", "UTF-8 text"
        )
    try:
        return line.decode(), None
    except UnicodeDecodeError as error:
        what = f"is not UTF-8 (byte {offset + error.start:,} of the file is 0x{line[error.start]:02x})"
        return line.decode(errors="replace"), LineFault(what, "UTF-8 text")
