"""Pairs and sources from a user's file, or from Python objects."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from carrousel.data.faults import Faults, with_gaps
from carrousel.data.kept import Writer, kept
from carrousel.data.opening import read_lines
from carrousel.data.readers.pairs import pair_rows
from carrousel.data.readers.records import some
from carrousel.errors import DataError
from carrousel.models.seq2seq.units import Pairs, Side, SourceUnit, TargetUnit, cut, write_pairs


def pairs_of(
    data: Any, units: tuple[SourceUnit, TargetUnit], where: str, skip_bad: bool = False, store: Path | None = None
) -> tuple[Pairs, str]:
    """Pairs, and what to report of lines that were skipped.

    Args:
        data: a table of two columns (TSV and others, `data/readers/rows.py`), or a list of (source, target), each a text or a
            list of units.
        units: of sources and of targets.
        where: what to name in front of an error.
        skip_bad: leave out malformed lines and count them.
        store: folder to keep the pairs of a file in; without one they are kept in memory, or, of a large file, in temporary files.

    Raises:
        DataError: the file or an object cannot be used.
    """
    if not isinstance(data, (str, Path)):
        return Pairs.of(data, units, where), ""
    path, faults = Path(data), Faults(where, skip_bad)

    def make(writer: Writer) -> Mapping[str, Any]:
        line = 0

        def rows() -> Iterator[tuple[Sequence[Side], str]]:
            nonlocal line
            for pair in some(path, pair_rows(path, 0, 1, faults), faults, "pair"):
                line = pair.line
                yield (pair.source, pair.target), f"{path}, line {line:,}"

        said = write_pairs(writer, rows(), units, where, lambda: line)
        return {**said, "report": faults.report()}

    found = kept(store, [path], {"form": "pairs", "units": units, "skip_bad": skip_bad}, make, where)
    return Pairs.opened(found, str(path).replace("{", "{{").replace("}", "}}") + ", line {:,}"), found.description[
        "report"
    ]


def sources_of(data: Sequence[Side], unit: SourceUnit, where: str) -> Iterator[tuple[str, ...]]:
    """The units of each source of a list of texts or of lists of units.

    Raises:
        DataError: a source is empty.
    """
    for k, one in enumerate(data):
        if not (source := cut(one, unit)):
            raise DataError(f"{where}: source {k:,} is an empty source, expected {unit}. Leave it out.")
        yield source


def sources_in(path: Path, unit: SourceUnit, faults: Faults) -> Iterator[tuple[str, ...] | None]:
    """The units of each source of a file, a source a line, up to its first tab where it has one; read as they are asked for.

    None for a malformed line that is skipped; empty lines are left out.

    Raises:
        DataError: the file cannot be read, or a malformed line or an empty source before a tab is not skipped.
    """

    def good() -> Iterator[tuple[str, ...]]:
        for number, line in read_lines(path, faults, "a source a line"):
            if source := cut(line.partition("\t")[0], unit):
                yield source
            elif line:
                faults.add(path, number, "has an empty source", unit)

    return with_gaps(good(), faults)
