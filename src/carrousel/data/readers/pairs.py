"""Pairs of a source and a target text, from a table: most often two columns between tabs (`rows.py`).

A source that stands in several rows has several targets (words with several pronunciations, several reference translations);
`by_source` gathers them. Malformed: an empty source or target, and a value that is not a string.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from carrousel.data.faults import Faults
from carrousel.data.readers.records import Records, gather
from carrousel.data.readers.rows import format_of, read_rows


@dataclass(frozen=True)
class Pair:
    """A source, a target, and the number of their line (of their row in Parquet)."""

    source: str
    target: str
    line: int


def read_pairs(
    path: str | Path,
    source: str | int = 0,
    target: str | int = 1,
    *,
    format: str | None = None,
    skip_bad: bool = False,
    where: str = "read_pairs",
) -> Records[Pair]:
    """The pairs of a table, one for each row.

    Args:
        source, target: columns, by number from 0 where the file has no header, by name where it has one.
        format: csv, tsv, jsonl or parquet; None to go by the file's ending, where .txt is TSV.
        skip_bad: leave out malformed rows and count them.
        where: what to name in front of an error.

    Raises:
        ConfigError: an unknown format, or a column that the table lacks.
        DataError: the file cannot be used, has no pair, or has a malformed row.
    """
    faults = Faults(where, skip_bad)
    return gather(Path(path), pair_rows(Path(path), source, target, faults, format), faults, "pair")


def pair_rows(
    path: Path, source: str | int, target: str | int, faults: Faults, format: str | None = None
) -> Iterator[Pair]:
    """The pairs one at a time, so that the file may be larger than memory; as `read_pairs`."""
    unit = "row" if format_of(path, faults.where, format) == "parquet" else "line"
    for row in read_rows(path, [source, target], faults, format):
        wrong = [name for name, text in zip(("source", "target"), row.values, strict=True) if not _is_text(text)]
        if wrong:
            faults.add(path, row.number, f"has no {' and no '.join(wrong)}", "a source and a target", unit=unit)
        else:
            source_text, target_text = row.values
            yield Pair(source_text, target_text, row.number)


def by_source(pairs: Iterable[Pair]) -> dict[str, tuple[str, ...]]:
    """All the targets of each source, each once, in the order they came."""
    found: dict[str, dict[str, None]] = {}
    for pair in pairs:
        found.setdefault(pair.source, {})[pair.target] = None
    return {source: tuple(targets) for source, targets in found.items()}


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())
