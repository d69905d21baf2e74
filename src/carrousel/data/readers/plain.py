r"""A text of any size as one long sequence of numbers, read in pieces so that it need not fit into memory.

What is counted (`unit`):

    char     characters                                    a `CharVocabulary` of those that occur
    word     what stands between blanks, and `<eos>` at    a `Tokens` of the most frequent ones
             each line end (also of empty lines)
    byte     the bytes of the file as they are             256 of them; any file will do
    subword  what a tokenizer.json says                    `Subwords`; needs the package tokenizers

But for bytes, a text is UTF-8; `\r\n` and `\r` become `\n`, and a byte order mark goes. What is not UTF-8 is named with its
byte and line, and so is a NUL; when such bytes are skipped, each is left out and counted, and the rest of its line stays.
"""

import codecs
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Integer

from carrousel.data.faults import Faults
from carrousel.data.opening import BYTE_ORDER_MARK, opened
from carrousel.data.vocabulary import CharVocabulary, dtype_for
from carrousel.errors import ConfigError, DataError

END_OF_LINE = "<eos>"
PIECE = 1 << 18  # bytes read at once; encoding takes some fifty times as much
EXPECTED = "a UTF-8 text file"


def read_pieces(
    path: Path, faults: Faults, begin: int = 0, end: int | None = None, *, size: int = PIECE
) -> Iterator[str]:
    """The characters of a text file in pieces of about `size` bytes, each ending after a line where that is possible.

    Where a line is longer than that, its pieces end after a blank, or else after any character.

    Args:
        begin, end: bytes of the file, as `cut` gives them; all of it unless told otherwise.

    Raises:
        DataError: the file is missing, a folder, unreadable, empty or UTF-16, or a byte is malformed and not skipped.
    """
    rest = ""
    for text in _characters(path, faults, begin, end, size):
        text = rest + text
        cut_at = text.rfind("\n") + 1 or max(text.rfind(" "), text.rfind("\t")) + 1 or len(text)
        rest = text[cut_at:]
        if cut_at:
            yield text[:cut_at]
    if rest:
        yield rest


def cut(path: Path, where: str) -> int:
    """The byte at which the first nine tenths of a text end, as `text.split` cuts: the last line start at or before the mark, or
    the first character at the mark where no line starts between four fifths of the file and it.

    Raises:
        DataError: the file is missing, a folder, unreadable, empty or UTF-16.
    """
    with opened(path, where, EXPECTED) as file:
        size = file.seek(0, 2)
        mark, least = size * 9 // 10, -(-size * 4 // 5)
        end = mark
        while end >= least:
            begin = max(least - 1, end - PIECE)
            file.seek(begin)
            line_start = begin + file.read(end - begin).rfind(b"\n") + 1
            if line_start > begin:
                return line_start
            end = begin
        while file.seek(mark) < size and file.read(1)[0] & 0xC0 == 0x80:  # inside a character
            mark += 1
    return mark


def words(pieces: Iterable[str]) -> Iterator[str]:
    r"""What stands between blanks, and `<eos>` at each line end; a last line without an end has one, too.

    >>> list(words(["a b\n\nc ", "d"]))
    ['a', 'b', '<eos>', '<eos>', 'c', 'd', '<eos>']
    """
    is_open = False
    for piece in pieces:
        *lines, last = piece.split("\n")
        for line in lines:
            yield from line.split()
            yield END_OF_LINE
        yield from last.split()
        is_open = bool(last) or (is_open and not lines)
    if is_open:
        yield END_OF_LINE


def characters_of(pieces: Iterable[str]) -> CharVocabulary:
    """The vocabulary of the characters that occur."""
    found = set[str]()
    for piece in pieces:
        found.update(piece)
    return CharVocabulary("".join(sorted(found)))


def read_bytes(path: Path, where: str = "read_bytes") -> Integer[np.ndarray, " num_bytes"]:
    """The bytes of a file, mapped: nothing is read until it is used.

    Raises:
        DataError: the file is missing, a folder, unreadable or empty.
    """
    with opened(path, where, "a file of at least one byte", is_text=False):
        return np.memmap(path, np.uint8, "r")


@dataclass(frozen=True)
class Subwords:
    """A vocabulary of subwords, as a tokenizer.json of the tokenizers library describes it.

    Attributes:
        description: the text of that file.

    Raises:
        ConfigError: the package tokenizers is missing, or cannot read the description.
    """

    description: str

    @classmethod
    def read(cls, path: str | Path, where: str = "Subwords") -> "Subwords":
        """The vocabulary of a tokenizer.json.

        Raises:
            DataError: the file cannot be used.
        """
        with opened(Path(path), where, "a tokenizer.json") as file:
            return cls(file.read().decode(errors="replace"))

    def __post_init__(self) -> None:
        assert self._tokenizer is not None

    @classmethod
    def from_dict(cls, saved: Mapping[str, str]) -> "Subwords":
        """The vocabulary that `to_dict` described."""
        return cls(saved["description"])

    def to_dict(self) -> dict[str, str]:
        """A description that JSON can hold."""
        return {"description": self.description}

    def __len__(self) -> int:
        """Number of subwords."""
        return self._tokenizer.get_vocab_size()

    @property
    def dtype(self) -> np.dtype[np.integer]:
        """The smallest of uint8, int16 and int32 that holds every number (all three exist in torch)."""
        return dtype_for(len(self) - 1)

    def encode(self, text: str) -> Integer[np.ndarray, " T"]:
        """The numbers of a text's subwords, without marks for its begin and end."""
        return np.array(self._tokenizer.encode(text, add_special_tokens=False).ids, self.dtype)

    def decode(self, ids: Iterable[int] | Integer[np.ndarray, " T"]) -> str:
        """The text of these numbers."""
        return self._tokenizer.decode([int(k) for k in ids], skip_special_tokens=False)

    @cached_property
    def _tokenizer(self) -> Any:
        try:
            library: Any = import_module("tokenizers")
        except ImportError:
            raise ConfigError(
                "Subwords: a tokenizer.json was given, expected the package tokenizers to read it. "
                "Install it: pip install 'carrousel[tokenizers]'"
            ) from None
        try:
            return library.Tokenizer.from_str(self.description)
        except Exception as error:  # the library raises Exception itself
            raise DataError(
                f"Subwords: the tokenizer cannot be read ({error}), expected the text of a tokenizer.json. Write it again."
            ) from None


def _characters(path: Path, faults: Faults, begin: int, end: int | None, size: int) -> Iterator[str]:
    """The text in pieces, with single line ends."""
    held = ""
    with opened(path, faults.where, EXPECTED) as file:
        if begin == 0 and file.peek(3).startswith(BYTE_ORDER_MARK):
            begin = len(BYTE_ORDER_MARK)
        decoder = _Decoder(path, faults, begin)
        file.seek(begin)
        for raw in _blocks(file, size, None if end is None else end - begin):
            text = held + decoder.decode(raw)
            held = "\r" if text.endswith("\r") else ""  # a line feed may come with the next piece
            yield text.removesuffix(held).replace("\r\n", "\n").replace("\r", "\n")
        yield (held + decoder.decode(b"", final=True)).replace("\r", "\n")


def _blocks(file: BinaryIO, size: int, left: int | None) -> Iterator[bytes]:
    while block := file.read(size if left is None else min(size, left)):
        yield block
        left = None if left is None else left - len(block)


class _Decoder:
    """UTF-8 that comes in blocks, with the place of each byte that is none."""

    def __init__(self, path: Path, faults: Faults, begin: int) -> None:
        self.path, self.faults, self.begin = path, faults, begin
        self.offset, self.num_lines = begin, 0
        self._held = b""

    def decode(self, block: bytes, final: bool = False) -> str:
        raw, parts = self._held + block, list[str]()
        while raw:
            text, num_read, wrong = _good_start(raw, final)
            parts.append(text)
            self._advance(raw[:num_read])
            raw = raw[num_read:]
            if not wrong:
                break
            what = f"is not UTF-8 (byte {self.offset:,} of the file is 0x{raw[0]:02x})"
            what = what if raw[0] else f"is binary (byte {self.offset:,} of the file is NUL)"
            self.faults.add(self.path, self._lines_before + self.num_lines + 1, what, "UTF-8 text")
            self._advance(raw[:wrong])
            raw = raw[wrong:]
        self._held = raw
        return "".join(parts)

    @cached_property
    def _lines_before(self) -> int:
        with self.path.open("rb") as file:
            return sum(block.count(b"\n") for block in _blocks(file, PIECE, self.begin))

    def _advance(self, raw: bytes) -> None:
        self.offset += len(raw)
        self.num_lines += raw.count(b"\n")


def _good_start(raw: bytes, final: bool) -> tuple[str, int, int]:
    """The text that some bytes start with, how many bytes it is, and how many wrong ones follow it."""
    nul = raw.find(0)
    good = raw if nul < 0 else raw[:nul]
    try:
        text, num_read = codecs.utf_8_decode(good, "strict", final or nul >= 0)
    except UnicodeDecodeError as error:
        return good[: error.start].decode(), error.start, error.end - error.start
    return text, num_read, int(nul >= 0)
