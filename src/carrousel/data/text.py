"""Text to train on, in a training and a held-out part: a sample that ships with the package, or a user's file."""

import os.path
import tarfile
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from carrousel.data.opening import opened
from carrousel.errors import ConfigError, DataError, counted, nearest

SAMPLES = {"shakespeare": "samples/shakespeare/plays.tar.xz"}


@dataclass(frozen=True)
class Corpus:
    """A text in two parts.

    Attributes:
        name: the sample's name, or the file's without its folder and ending.
        source: where the text came from: `sample shakespeare`, or the file's path as it was given.
        train: the characters to learn from.
        valid: the characters held out.
    """

    name: str
    source: str
    train: str
    valid: str


def read_corpus(
    name_or_path: str | Path, *, window: int = 1, batch_size: int = 1, where: str = "read_corpus"
) -> Corpus:
    """A sample text by its name, or a text file by its path.

    A sample holds out whole plays, a file its last tenth (`split`). A sample's name wins over a file of the same name:
    `./shakespeare` is the file.

    Args:
        window: steps of back-propagation, which each part of a file must fill at least once.
        batch_size: parallel streams, each of which the training part of a file must fill for `window` steps.
        where: what to name in front of an error.

    Raises:
        ConfigError: a bare name that is neither a sample nor a file.
        DataError: the file is missing, a folder, unreadable, empty, binary or too short.

    >>> corpus = read_corpus("shakespeare")
    >>> len(corpus.train), len(corpus.valid)
    (1970816, 345943)
    >>> corpus.valid[:7]
    'MACBETH'
    """
    name, path = str(name_or_path), Path(name_or_path)
    if name in SAMPLES:
        return _read_sample(name)
    is_bare = name == path.stem
    if is_bare and not os.path.exists(path):
        raise ConfigError(
            f"{where}: {name!r} is neither a sample text nor a file.{nearest(name, SAMPLES)} "
            f"Samples: {', '.join(SAMPLES)}; or give the path of a UTF-8 text file."
        )
    train, valid = split(read_text(path, min_chars=_min_chars(window, batch_size), where=where))
    return Corpus(path.stem, name, train, valid)


def _min_chars(window: int, batch_size: int) -> int:
    """Enough for the held-out part (1/10 or more) to fill a window and the training part (4/5 or more) all streams."""
    return max(10 * (window + 1), -(-5 * (batch_size + 1) * window // 4))


def read_text(path: str | Path, *, min_chars: int = 1, where: str = "read_text") -> str:
    r"""The characters of a UTF-8 text file, with `\n` for every line end and without a byte order mark.

    Args:
        min_chars: fewest characters to accept.
        where: what to name in front of an error.

    Raises:
        DataError: the file is missing, a folder, unreadable, empty, binary or too short.
    """
    expected = f"a UTF-8 text file with at least {counted(min_chars, 'character')}"
    with opened(Path(path), where, expected) as file:
        raw = file.read()
    try:
        text = _decode(raw, expected)
        if len(text) < min_chars:
            raise DataError(
                f"has {counted(len(text), 'character')}, expected {expected}. Give a longer text, or lower window or batch_size."
            )
    except DataError as error:
        raise DataError(f"{where}: {path} {error}") from None
    return text


def _decode(raw: bytes, expected: str) -> str:
    if (offset := raw.find(0)) >= 0:
        raise DataError(f"is binary (byte {offset:,} is NUL), expected {expected}. Extract its text first.")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise DataError(
            f"is not UTF-8 (byte {error.start:,} is 0x{raw[error.start]:02x}), expected {expected}. "
            "If it is text in another encoding, convert it: iconv -f LATIN1 -t UTF-8 OLD > NEW"
        ) from None
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def split(text: str) -> tuple[str, str]:
    r"""The first nine tenths of a text and its last tenth, cut where a line starts.

    The cut is the last line start at or before the nine-tenths mark, or the mark itself where that start lies before
    four fifths of the text (very long lines).

    >>> split("a\n" * 4 + "b\n" + "c\n" * 6)
    ('a\na\na\na\nb\nc\nc\nc\nc\n', 'c\nc\n')
    """
    mark = len(text) * 9 // 10
    line_start = text.rfind("\n", 0, mark) + 1
    cut = line_start if 5 * line_start >= 4 * len(text) else mark
    return text[:cut], text[cut:]


def _read_sample(name: str) -> Corpus:
    parts: dict[str, list[str]] = {"train": [], "valid": []}
    with as_file(files("carrousel.data") / SAMPLES[name]) as path, tarfile.open(path) as archive:
        for member in archive:
            content = archive.extractfile(member)
            assert content is not None, f"{member.name} is not a file"
            parts[member.name.partition("/")[0]].append(content.read().decode())
    return Corpus(name, f"sample {name}", "\n".join(parts["train"]), "\n".join(parts["valid"]))
