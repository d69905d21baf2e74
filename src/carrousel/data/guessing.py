"""What a file of data is, by its name and its first lines; every guess is told, so that a wrong one can be seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from carrousel.data.faults import Faults, LineFault
from carrousel.data.frequency import read_stamp
from carrousel.data.opening import decoded_lines
from carrousel.data.readers.rows import FORMATS, format_of, header_of, read_rows
from carrousel.data.readers.series import read_number
from carrousel.errors import ConfigError, DataError, nearest

FORMS = {
    "text": "a text",
    "tagged": "sentences as columns, a word a line",
    "labelled": "a table of texts and labels",
    "pairs": "pairs of texts",
    "cases": "sequences of numbers with a class or target each",
    "series": "a long table of time series",
    "numbers": "a table of numbers, a time step a row",
}
KINDS = {
    "language-model": ("text",),
    "tagger": ("tagged",),
    "classifier": ("cases", "labelled"),
    "target-classifier": ("labelled",),
    "word-sense": ("labelled",),
    "seq2seq": ("pairs",),
    "forecaster": ("series",),
    "autoencoder": ("numbers",),
}
LABELS = ("label", "sense", "class", "category", "sentiment", "target", "y")
NUM_LOOKED_AT = 500  # rows or lines


@dataclass(frozen=True)
class Guess:
    """What a file was taken for.

    Attributes:
        form: one of `FORMS`.
        kind: of model that it suits.
        columns: which are used, in the order that the form asks for them.
    """

    form: str
    kind: str
    columns: tuple[Any, ...] = ()


def guess(path: Path, kind: str | None, where: str) -> Guess:
    """What a file or folder is.

    Args:
        kind: of model that the user means it for; None to guess that, too.

    Raises:
        ConfigError: an unknown kind, or a table whose columns say nothing.
        DataError: the file cannot be used.
    """
    if kind is not None and kind not in KINDS:
        raise ConfigError(f"{where}: unknown kind of model {kind!r}.{nearest(kind, KINDS)} Kinds: {', '.join(KINDS)}.")
    forms = KINDS.get(kind or "", tuple(FORMS))
    suffix = path.suffix.lower()
    if kind in (None, "classifier") and (suffix in (".ts", ".npz", ".npy") or path.is_dir()):
        return Guess("cases", "classifier")
    if suffix in (".conllu", ".conllup") and "tagged" in forms:
        return Guess("tagged", "tagger", ("FORM", "UPOS"))
    if kind is not None and forms[0] in ("text", "tagged", "pairs"):
        columns = {"text": (), "tagged": (0, -1), "pairs": (0, 1)}[forms[0]]
        return Guess(forms[0], kind, columns)
    if suffix in FORMATS and suffix != ".txt":
        return _guess_table(path, kind, forms, where)
    return _guess_lines(path, kind, forms, where)


def _guess_lines(path: Path, kind: str | None, forms: Sequence[str], where: str) -> Guess:
    """A file without a telling name."""
    looked_at = list(islice(decoded_lines(path, where, "a UTF-8 text file"), NUM_LOOKED_AT))
    lines = [line for _, line, fault in looked_at if not fault]
    if 2 * len(lines) < len(looked_at):
        raise DataError(
            f"{where}: {path} is not text: {len(looked_at) - len(lines):,} of its first {len(looked_at):,} lines are not UTF-8, "
            "expected a UTF-8 text file. If it is packed, unpack it; if it is text in another encoding, convert it."
        )
    full = [line for line in lines if line.strip()]
    num_tabs = {line.count("\t") for line in full}
    num_columns = {len(line.split()) for line in full} if num_tabs == {0} else {number + 1 for number in num_tabs}
    has_sentences = len(num_columns) == 1 and num_columns != {1} and len(full) < len(lines)
    if has_sentences and "tagged" in forms:
        return Guess("tagged", "tagger", (0, -1))
    if len(num_tabs) == 1 and num_tabs != {0}:
        return _guess_table(path, kind, forms, where)
    if "text" in forms:
        return Guess("text", "language-model")
    raise ConfigError(
        f"{where}: {path} looks like {FORMS['text']}, expected {' or '.join(FORMS[form] for form in forms)} for the kind {kind}. "
        "Give a file with a telling name: .csv, .tsv, .jsonl, .parquet, .ts."
    )


@dataclass(frozen=True)
class _Column:
    """What the first values of a column look like."""

    name: str
    values: list[Any]

    @property
    def is_number(self) -> bool:
        return self._are_most(read_number, self.name)

    @property
    def is_time(self) -> bool:
        return self._are_most(read_stamp) and not self.is_number

    def _are_most(self, read: Any, *arguments: Any) -> bool:
        """Whether nine tenths of the values can be read: the rest are malformed, which is for the reader to say."""
        num_read = sum(_is(read, value, *arguments) for value in self.values)
        return 10 * num_read >= 9 * len(self.values)

    @property
    def num_different(self) -> int:
        return len(set(map(str, self.values)))

    @property
    def num_characters(self) -> int:
        return sum(len(str(value)) for value in self.values)


def _guess_table(path: Path, kind: str | None, forms: Sequence[str], where: str) -> Guess:
    names = header_of(path, where, skip_bad=True)
    if {"ds", "y"} <= set(names) and "series" in forms:
        return Guess("series", "forecaster", ("unique_id", "ds", "y"))
    label_name = next((name for name in LABELS if name in names), None)
    if "text" in names and label_name and "labelled" in forms:
        special = (
            "word-sense"
            if {"lemma", "sense"} <= set(names)
            else "target-classifier"
            if "target" in names
            else "classifier"
        )
        kind = kind or special
        has_target = kind != "classifier" and "target" in names and label_name != "target"
        return Guess("labelled", kind, ("text", label_name, *([("target",)] if has_target else [])))
    columns = _columns(path, names, where)
    numbers, times = [c for c in columns if c.is_number], [c for c in columns if c.is_time]
    texts = sorted((c for c in columns if c not in numbers and c not in times), key=lambda c: -c.num_characters)
    if times and numbers and "series" in forms:
        ids = [c for c in texts if c.num_different < len(c.values)]
        return Guess("series", "forecaster", (ids[0].name if ids else "unique_id", times[0].name, numbers[-1].name))
    if columns and len(numbers) == len(columns) and "numbers" in forms:
        return Guess("numbers", "autoencoder", tuple(names))
    classes = [c for c in columns if c is not texts[0] and 2 * c.num_different <= len(c.values)] if texts else []
    if classes and 2 * texts[0].num_different > len(texts[0].values) and "labelled" in forms:
        label = min(classes, key=lambda c: c.num_different)
        return Guess("labelled", kind or "classifier", _as_numbers(path, names, texts[0], label))
    if len(names) == 2 and len(texts) == 2 and "pairs" in forms:
        return Guess("pairs", "seq2seq", (0, 1) if format_of(path, where) in ("csv", "tsv") else tuple(names))
    if "numbers" in forms and (kind == "autoencoder" or 2 * len(numbers) > len(columns)):
        return Guess("numbers", "autoencoder", tuple(column.name for column in numbers))
    what = f"{where}: {path} has the columns {', '.join(names)}, expected some that tell what they are: text and label, or ds and y"
    if kind:
        raise ConfigError(f"{what}, for the kind {kind}. Rename them.")
    raise ConfigError(f"{what}. Rename them, or say what the file is for: --kind seq2seq, or another kind.")


def _columns(path: Path, names: list[str], where: str) -> list[_Column]:
    """The columns with what is in their first rows, empty cells left out."""
    rows = list[tuple[Any, ...]]()
    for row in read_rows(path, list(dict.fromkeys(names)), Faults(where, skip_bad=True)):
        rows.append(row.values)
        if len(rows) == NUM_LOOKED_AT:
            break
    values = zip(*rows, strict=True) if rows else [()] * len(names)
    return [
        _Column(name, [cell for cell in column if cell not in (None, "")])
        for name, column in zip(names, values, strict=False)
    ]


def _as_numbers(path: Path, names: list[str], text: _Column, label: _Column) -> tuple[str | int, str | int]:
    """The columns by name; by number where the first row is no header, since its label is one of those that follow."""
    if label.name in label.values:
        return names.index(text.name), names.index(label.name)
    return text.name, label.name


def _is(read: Any, *arguments: Any) -> bool:
    try:
        read(*arguments)
    except (LineFault, ValueError, TypeError, OverflowError):
        return False
    return True
