"""The .ts files of the UCR and UEA archives: a series a line, its channels between colons, the class or the target last.

    @problemName JapaneseVowels
    @univariate false
    @dimensions 12
    @classLabel true 1 2 3
    @data
    1.86,1.89,1.93:-0.2,-0.3,?: ... :1

A `?` or `NaN` is a missing value, NaN here, whatever `@missing` says. Keys are read in any case; lines that start with `#` or `%`
are comments. Series may differ in length, the channels of one may not. With `@classLabel true a b c` the last part is one of a, b,
c; with `@targetLabel true` it is a number; else every part is a channel. Malformed: another number of channels than `@dimensions`
or the first series, another length than `@seriesLength`, a series without a value, a value that is no number, an unknown class.
A malformed header and time stamps (`@timeStamps true`) are always refused. Line ends, byte order marks and encodings: `opening.py`.

Source: Bagnall et al., "The UEA multivariate time series classification archive, 2018", arXiv 1811.00075.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from carrousel.data.faults import Faults, LineFault
from carrousel.data.opening import read_lines
from carrousel.data.readers.sequences import Case, Cases, gather_cases
from carrousel.errors import DataError, counted

EXPECTED = "a .ts text file"
TRUTH = {"true": True, "false": False}


@dataclass
class Header:
    """What the lines before `@data` say.

    Attributes:
        num_channels: of each series; 0 where it is not said, until the first series is read.
        length: of every series, where it is said.
        has_classes: whether each series ends with a class.
        classes: which there are, where it is said.
        has_targets: whether each series ends with a number.
    """

    num_channels: int = 0
    length: int | None = None
    has_classes: bool = False
    classes: tuple[str, ...] = ()
    has_targets: bool = False


def read_ts(path: str | Path, *, skip_bad: bool = False, where: str = "read_ts") -> Cases:
    """The series of a .ts file.

    Args:
        skip_bad: leave out malformed series and count them.
        where: what to name in front of an error.

    Raises:
        DataError: the file cannot be used, has time stamps or no series, or has a malformed line.
    """
    path, faults, header = Path(path), Faults(where, skip_bad), Header()
    cases = list(ts_cases(path, faults, header))
    return gather_cases(path, cases, faults, header.classes)


def ts_cases(path: Path, faults: Faults, header: Header | None = None) -> Iterator[Case]:
    """The series one at a time, so that the file may be larger than memory; as `read_ts`.

    Args:
        header: filled with what the file's header says, before the first series comes.
    """
    header, is_data = header or Header(), False
    for number, line in read_lines(path, faults, EXPECTED):
        content = line.strip()
        if not content or content.startswith(("#", "%")):
            continue
        try:
            if is_data:
                yield _case(content, header, number)
            elif content.lower() == "@data":
                is_data = True
            elif content.startswith("@"):
                _read_key(content, header)
            else:
                raise LineFault("comes before @data", "a line that starts with @")
        except LineFault as fault:
            if not is_data:
                raise DataError(
                    f"{faults.where}: {path}, line {number:,} {fault.what}, expected {fault.expected}. Correct the header."
                ) from None
            faults.add(path, number, fault.what, fault.expected)
    if not is_data:
        raise DataError(
            f"{faults.where}: {path} has no line @data, expected one between header and series. Check that it is a .ts file."
        )


def _read_key(line: str, header: Header) -> None:
    key, *values = line.split()
    match key.lower():
        case "@timestamps":
            if _truth(key, values):
                raise LineFault("says that series have time stamps", "@timeStamps false. Such files cannot be read")
        case "@dimensions":
            header.num_channels = _count(key, values)
        case "@univariate":
            header.num_channels = 1 if _truth(key, values) else header.num_channels
        case "@serieslength":
            header.length = _count(key, values)
        case "@classlabel":
            header.has_classes, header.classes = _truth(key, values[:1]), tuple(values[1:])
        case "@targetlabel":
            header.has_targets = _truth(key, values[:1])
        case _:  # @problemName, @missing, @equalLength and what else there is change nothing
            pass


def _truth(key: str, values: list[str]) -> bool:
    if len(values) != 1 or values[0].lower() not in TRUTH:
        raise LineFault(f"has {key} {' '.join(values)}".rstrip(), "true or false after it")
    return TRUTH[values[0].lower()]


def _count(key: str, values: list[str]) -> int:
    if len(values) != 1 or not values[0].isdecimal() or int(values[0]) < 1:
        raise LineFault(f"has {key} {' '.join(values)}".rstrip(), "a number from 1 after it")
    return int(values[0])


def _case(line: str, header: Header, number: int) -> Case:
    channels, label, target = line.split(":"), None, None
    if header.has_classes:
        label = channels.pop().strip()
        if not label or (header.classes and label not in header.classes):
            raise LineFault(f"has class {label!r}", f"one of {', '.join(header.classes) or 'any name'}")
    elif header.has_targets:
        target = float(_numbers(channels.pop(), "its target")[0])
    if not channels:
        raise LineFault("has no channel", "at least one before the class or target")
    header.num_channels = header.num_channels or len(channels)
    if len(channels) != header.num_channels:
        raise LineFault(f"has {counted(len(channels), 'channel')}", f"{header.num_channels}")
    rows = [_numbers(channel, f"channel {k}") for k, channel in enumerate(channels, 1)]
    expected = header.length or len(rows[0])
    for k, row in enumerate(rows, 1):
        if len(row) != expected:
            like = "as @seriesLength says" if header.length else "as in channel 1"
            raise LineFault(f"has {len(row):,} values in channel {k}", f"{expected:,} {like}")
    return Case(np.stack(rows, axis=1), label, target, str(number))


def _numbers(text: str, what: str) -> Float64[np.ndarray, " T"]:
    if not text.strip():
        raise LineFault(f"has no value in {what}", "at least one")
    fields = text.split(",")
    try:
        return np.array([np.nan if field.strip() == "?" else float(field) for field in fields])
    except ValueError:
        wrong = next(field for field in fields if not _is_number(field))
        raise LineFault(f"has {wrong.strip()!r} in {what}", "a number or ?") from None


def _is_number(field: str) -> bool:
    try:
        float(field.strip().replace("?", "nan"))
    except ValueError:
        return False
    return True
