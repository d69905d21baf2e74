"""Word vectors made elsewhere, read from files: GloVe text, word2vec or fastText text (.vec), or a NumPy array with its words.

    the 0.418 0.24968 -0.41242 ...        GloVe: a word and its numbers a line
    400000 50                             word2vec: the same after a first line with the number of words and of features

`NAME.npy` is a (words, features) array without pickle; `NAME.words` beside it has one word a line, in the same order.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from carrousel.data.faults import Faults, LineFault
from carrousel.data.opening import opened, read_lines
from carrousel.errors import DataError

EXPECTED = "word vectors as UTF-8 text (GloVe, word2vec .vec) or .npy"
Line = tuple[int, str, list[str]]
"""Number of a line, the word, its numbers as text."""


@dataclass(frozen=True, eq=False)
class Vectors:
    """Vectors by word.

    Attributes:
        rows: the row of each word, in the file's order; of a word that comes twice, the first counts.
        values: the vectors.
        faults: the malformed lines that were skipped.
    """

    rows: dict[str, int]
    values: Float32[np.ndarray, "num_words D"]
    faults: Faults

    def __len__(self) -> int:
        """Number of words."""
        return len(self.rows)

    def get(self, word: str) -> Float32[np.ndarray, " D"] | None:
        """The vector of a word, of its lower-case form where only that is known, or None."""
        row = self.rows.get(word, self.rows.get(word.lower()))
        return None if row is None else self.values[row]


def read_vectors(
    path: str | Path,
    *,
    is_wanted: Callable[[str], bool] = lambda word: True,
    max_words: int | None = None,
    skip_bad: bool = False,
    where: str = "read_vectors",
) -> Vectors:
    """The vectors in a file.

    Args:
        is_wanted: whether a word's vector is kept; only those kept are parsed, and need memory.
        max_words: keep at most so many, from the front of the file, where the most frequent words stand.
        skip_bad: count malformed lines and go on.
        where: what to name in front of an error.

    Raises:
        DataError: the file cannot be used, has a malformed line, or has none of the words wanted.
    """
    faults = Faults(where, skip_bad)
    lines = _array_lines if Path(path).suffix == ".npy" else _text_lines
    rows: dict[str, int] = {}
    kept: list[Float32[np.ndarray, " D"]] = []
    for word, vector in lines(Path(path), faults, lambda word: word not in rows and is_wanted(word)):
        rows[word] = len(kept)
        kept.append(vector)
        if len(kept) == max_words:
            break
    if not kept:
        raise DataError(
            f"{where}: {path} has a vector for none of the words wanted, expected some. Check its language, or whether its words "
            "are in lower case."
        )
    return Vectors(rows, np.stack(kept), faults)


def _text_lines(
    path: Path, faults: Faults, is_wanted: Callable[[str], bool]
) -> Iterator[tuple[str, Float32[np.ndarray, " D"]]]:
    """The wanted words of a text file; a word may have blanks in it, since its numbers are counted from the end."""
    size = 0
    for number, line in read_lines(path, faults, EXPECTED):
        fields = line.strip(" ").replace("\t", " ").split(" ")
        if number == 1 and len(fields) == 2 and all(field.isdecimal() for field in fields):
            size = int(fields[1])
            continue
        size = size or len(fields) - 1
        try:
            if len(fields) <= size or size < 1:
                raise LineFault(f"has {len(fields) - 1} numbers", f"a word and {max(size, 1)} numbers")
            word = " ".join(fields[:-size])
            if is_wanted(word):
                yield word, _numbers(fields[-size:])
        except LineFault as fault:
            faults.add(path, number, fault.what, fault.expected)


def _numbers(fields: list[str]) -> Float32[np.ndarray, " D"]:
    """These numbers.

    Raises:
        LineFault: one is no finite number.
    """
    for field in fields:
        try:
            is_number = bool(np.isfinite(float(field)))
        except ValueError:
            is_number = False
        if not is_number:
            raise LineFault(f"has {field!r} among its numbers", "finite numbers after the word")
    return np.array([float(field) for field in fields], np.float32)


def _array_lines(
    path: Path, faults: Faults, is_wanted: Callable[[str], bool]
) -> Iterator[tuple[str, Float32[np.ndarray, " D"]]]:
    """The wanted rows of an array, which is mapped, not read."""
    with opened(path, faults.where, EXPECTED, is_text=False):
        pass
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise DataError(
            f"{faults.where}: {path} is no array without pickle ({error}), expected (words, features). Save it with numpy.save."
        ) from None
    if values.ndim != 2 or values.dtype.kind != "f":
        raise DataError(
            f"{faults.where}: {path} is {values.dtype} of shape {values.shape}, expected floating point (words, features). "
            "Save the matrix of vectors."
        )
    names = path.with_suffix(".words")
    words = [word for _, word in read_lines(names, faults, "one word a line for the array beside it")]
    if len(words) != len(values):
        raise DataError(
            f"{faults.where}: {names} has {len(words):,} words, expected {len(values):,}, as many as {path} has rows. Make both "
            "from the same vectors."
        )
    for k, word in enumerate(words):
        if is_wanted(word):
            vector = np.asarray(values[k], np.float32)
            if np.isfinite(vector).all():
                yield word, vector
            else:
                faults.add(names, k + 1, "has a vector with numbers that are not finite", "finite ones")
