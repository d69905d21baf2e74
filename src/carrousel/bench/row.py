"""One line of the benchmark."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, cast

from carrousel.errors import DataError
from carrousel.files import write_atomically


@dataclass(frozen=True)
class Row:
    """One case beside one peer. Times are medians over the rounds; a field is None where it was not measured.

    Args:
        case: name of the case.
        cell: name of the cell.
        mode: "train", "infer" or "stream".
        B: sequences.
        D: input size.
        H: hidden size.
        T: time steps; of "stream" 1, all times are those of one step.
        peer: beside whom.
        ours_ms: milliseconds of one call.
        peer_ms: the same for the peer.
        ratio: peer_ms / ours_ms.
        bar: the least ratio that is aimed at.
        ours_quartiles_ms: lower and upper.
        peer_quartiles_ms: lower and upper.
        first_call_s: seconds of our first call in a new process that finds no machine code on the disk.
        cached_call_s: the same when it does.
        peer_first_call_s: seconds of the peer's first call, its own compilation included.
        ours_tape_bytes: memory held from the forward call to the backward call.
        peer_tape_bytes: the same for the peer.
        ours_peak_bytes: most memory held at any moment of a training call.
        peer_peak_bytes: the same for the peer.
        ours_error: largest difference from float64, outputs and derivatives, as a part of the largest element.
        peer_error: the same for the peer.
        threads: of every contender.
        rounds: calls of each.
        machine: where.
        date: when, year-month-day.
    """

    case: str
    cell: str
    mode: str
    B: int
    D: int
    H: int
    T: int
    peer: str
    ours_ms: float
    peer_ms: float
    ratio: float
    bar: float | None
    ours_quartiles_ms: tuple[float, float]
    peer_quartiles_ms: tuple[float, float]
    first_call_s: float | None
    cached_call_s: float | None
    peer_first_call_s: float
    ours_tape_bytes: int | None
    peer_tape_bytes: int | None
    ours_peak_bytes: int | None
    peer_peak_bytes: int | None
    ours_error: float | None
    peer_error: float | None
    threads: int
    rounds: int
    machine: str
    date: str

    @property
    def is_met(self) -> bool:
        """Whether the bar is reached; true without one."""
        return self.bar is None or self.ratio >= self.bar


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write one object a row.

    Raises:
        DataError: the file cannot be written.
    """
    text = json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False)
    write_atomically(path, f"{text}\n".encode())


def read_rows(path: Path) -> list[Row]:
    """What `write_rows` wrote.

    Raises:
        DataError: the file cannot be read, or holds something else.
    """
    try:
        return [_row(cast("dict[str, Any]", value)) for value in json.loads(path.read_bytes())]
    except OSError as error:
        problem = f"cannot be read ({error.strerror}), expected a file that --json wrote. Check the path."
    except (ValueError, TypeError, KeyError):
        problem = f"holds no rows, expected what --json writes. Make it: carrousel bench --json {path}"
    raise DataError(f"bench: {path} {problem}")


def _row(value: dict[str, Any]) -> Row:
    found: dict[str, Any] = {field.name: value[field.name] for field in fields(Row)}
    for name in ("ours_quartiles_ms", "peer_quartiles_ms"):
        found[name] = tuple(found[name])
    return Row(**found)
