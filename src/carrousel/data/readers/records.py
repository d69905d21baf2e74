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
    items = list(records)
    if not items:
        skipped = f" All that was there was malformed and skipped ({faults.skipped:,})." if faults.skipped else ""
        raise DataError(
            f"{faults.where}: {path} has no {what}, expected at least one.{skipped} Check that it is the right file."
        )
    return Records(path, items, faults)
