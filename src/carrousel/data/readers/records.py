"""What a reader gives: records in the file's order, and how many lines it had to skip for them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, SupportsIndex, TypeVar, overload

from carrousel.data.faults import Faults
from carrousel.errors import DataError

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Records(Sequence[T], Generic[T]):
    """The records of one file.

    Attributes:
        path: of the file.
        items: the records, in the file's order.
        faults: the malformed lines that were skipped: `faults.skipped`, `faults.report()`.
    """

    path: Path
    items: list[T]
    faults: Faults

    def __len__(self) -> int:
        """Number of records."""
        return len(self.items)

    def __iter__(self) -> Iterator[T]:
        """The records in order."""
        return iter(self.items)

    @overload
    def __getitem__(self, index: SupportsIndex, /) -> T: ...
    @overload
    def __getitem__(self, index: slice, /) -> list[T]: ...
    def __getitem__(self, index: SupportsIndex | slice, /) -> T | list[T]:
        """A record, or a list of some."""
        return self.items[index]


def gather(path: Path, records: Iterable[T], faults: Faults, what: str) -> Records[T]:
    """All the records that a reader finds.

    Raises:
        DataError: there is none; `what` names one of them, as in "sentence".
    """
    return Records(path, list(some(path, records, faults, what)), faults)


def some(path: Path, records: Iterable[T], faults: Faults, what: str, thing: str = "file") -> Iterator[T]:
    """The records that a reader finds, one at a time, so that the file may be larger than memory.

    Raises:
        DataError: there is none, once all is read; `what` names one of them, as in "sentence", and `thing` what they are in.
    """
    is_empty = True
    for record in records:
        is_empty = False
        yield record
    if is_empty:
        skipped = f" All that was there was malformed and skipped ({faults.skipped:,})." if faults.skipped else ""
        raise DataError(
            f"{faults.where}: {path} has no {what}, expected at least one.{skipped} Check that it is the right {thing}."
        )
