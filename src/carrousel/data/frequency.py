"""The step of a regular time axis: a fixed length, a number of months, or plain numbers.

Stamps are int64: microseconds since 1970-01-01 for points in time (UTC where the data say a time zone, else as written), or the
numbers themselves.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

import numpy as np
from jaxtyping import Bool, Int64

from carrousel.errors import ConfigError

EPOCH = datetime(1970, 1, 1)
SECOND = 1_000_000
DAY = 86_400 * SECOND
LENGTHS = {"s": SECOND, "min": 60 * SECOND, "h": 3_600 * SECOND, "D": DAY, "W": 7 * DAY}
MONTHS = {"M": 1, "Q": 3, "Y": 12}
WORDS = {DAY: "day", 3_600 * SECOND: "hour", 60 * SECOND: "minute", SECOND: "second", 1: "microsecond"}
EXPECTED = "a number and a unit: s, min, h, D, W, MS, ME, QS, QE, YS, YE, or a number alone where ds holds numbers"


@dataclass(frozen=True)
class Frequency:
    """Every how much there is a step.

    Attributes:
        count: microseconds, months or plain numbers in a step.
        unit: "microsecond", "month" or "number".
        is_month_end: the stamps are last days of months.

    >>> print(Frequency.of("15min"), Frequency.of("MS"), Frequency.of("1"))
    15 minutes 1 month 1
    """

    count: int
    unit: str
    is_month_end: bool = False

    @classmethod
    def of(cls, text: str, where: str = "frequency") -> "Frequency":
        """What `name` gives, such as "h", "15min", "D", "MS" (starts of months), "QE" (ends of quarters) or "1" (numbers).

        Raises:
            ConfigError: the text names no frequency.
        """
        match = re.fullmatch(r"(\d*) ?([A-Za-z]*)", text.strip())
        digits, unit = match.groups() if match else ("", "?")
        count = int(digits or 1)
        if count and unit in LENGTHS:
            return cls(count * LENGTHS[unit], "microsecond")
        if count and len(unit) == 2 and unit[0] in MONTHS and unit[1] in "SE":
            return cls(count * MONTHS[unit[0]], "month", unit[1] == "E")
        if count and digits and not unit:
            return cls(count, "number")
        raise ConfigError(f"{where}: the frequency is {text!r}, expected {EXPECTED}.")

    @property
    def name(self) -> str:
        """The text that `of` reads back, as pandas writes frequencies."""
        if self.unit == "number":
            return str(self.count)
        if self.unit == "month":
            letter, months = next((k, m) for k, m in reversed(MONTHS.items()) if self.count % m == 0)
            return f"{_many(self.count // months)}{letter}{'E' if self.is_month_end else 'S'}"
        unit, length = next((k, m) for k, m in reversed(LENGTHS.items()) if self.count % m == 0)
        return f"{_many(self.count // length)}{unit}"

    def __str__(self) -> str:
        """In words, such as "15 minutes"."""
        if self.unit == "number":
            return str(self.count)
        length = 1 if self.unit == "month" else next(length for length in WORDS if self.count % length == 0)
        word = "month" if self.unit == "month" else WORDS[length]
        return f"{self.count // length} {word}{'' if self.count == length else 's'}"

    def index(
        self, stamps: Int64[np.ndarray, " N"], start: Int64[np.ndarray, "..."] | int
    ) -> tuple[Int64[np.ndarray, " N"], Bool[np.ndarray, " N"]]:
        """Steps from `start` to each stamp, and whether the stamp lies on the grid; where it does not, the step before it."""
        if self.unit == "month":
            (months, rest), (first, begin) = self._months(stamps), self._months(np.atleast_1d(start))
            steps, left = np.divmod(months - first, self.count)
            return steps, (left == 0) & (rest == begin)
        steps, left = np.divmod(stamps - start, self.count)
        return steps, left == 0

    def stamps(self, start: int, steps: Int64[np.ndarray, " N"]) -> Int64[np.ndarray, " N"]:
        """The stamps at these numbers of steps after `start`; negative ones come before it."""
        if self.unit != "month":
            return start + steps * self.count
        month, rest = self._months(np.array([start]))
        days = (month + steps * self.count).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
        return days * DAY + rest - (DAY if self.is_month_end else 0)

    def _months(self, stamps: Int64[np.ndarray, "..."]) -> tuple[Int64[np.ndarray, "..."], Int64[np.ndarray, "..."]]:
        """Month number, and microseconds since the month began; a month's last day counts as the day before the next."""
        moved = stamps + (DAY if self.is_month_end else 0)
        months = moved.astype("datetime64[us]").astype("datetime64[M]")
        return months.astype(np.int64), moved - months.astype("datetime64[us]").astype(np.int64)

    @property
    def season(self) -> int:
        """Steps in the usual season of such data: a day of hours or minutes, a week of days, a year of weeks or months; else 1."""
        if self.unit == "month":
            return max(1, 12 // self.count) if 12 % self.count == 0 else 1
        if self.unit == "number":
            return 1
        for length in (DAY, 7 * DAY):
            if self.count < length and length % self.count == 0:
                return length // self.count
        return 52 if self.count == 7 * DAY else 1


def infer(stamps: Int64[np.ndarray, " N"], is_first: Bool[np.ndarray, " N"], is_number: bool) -> Frequency | None:
    """The frequency that most neighbours in sorted series have; None where no series has two steps.

    Args:
        stamps: of all series, one after the other, each strictly rising.
        is_first: where a series begins.
        is_number: the stamps are plain numbers.
    """
    return infer_of(lambda: iter(np.split(stamps, np.flatnonzero(is_first)[1:])), is_number)


def infer_of(stretches: Callable[[], Iterator[Int64[np.ndarray, " T"]]], is_number: bool) -> Frequency | None:
    """The same of stamps that come in stretches, from the first each time it is called.

    Args:
        stretches: of one series each, strictly rising; one that goes on with a series begins with the last stamp before it.
    """
    apart = Counter[int]()
    for stamps in stretches():
        _count(apart, np.diff(stamps))
    if not apart:
        return None
    usual = _most(apart)
    if is_number:
        return Frequency(usual, "number")
    if usual >= 28 * DAY:
        for is_month_end in (False, True):
            monthly, steps, rests = Frequency(1, "month", is_month_end), Counter[int](), set[int]()
            for stamps in stretches():
                months, rest = monthly._months(stamps)  # pyright: ignore[reportPrivateUsage] - this module's own
                _count(steps, np.diff(months))
                rests.update(np.unique(rest).tolist())
            if len(rests) == 1 and min(steps) > 0:
                return Frequency(_most(steps), "month", is_month_end)
    return Frequency(usual, "microsecond")


def _count(counts: Counter[int], numbers: Int64[np.ndarray, " T"]) -> None:
    values, times = np.unique(numbers, return_counts=True)
    for value, many in zip(values.tolist(), times.tolist(), strict=True):
        counts[value] += many


def _most(counts: Counter[int]) -> int:
    """The most frequent, the smallest of several."""
    return min(counts, key=lambda value: (-counts[value], value))


def read_stamp(value: Any, pattern: str | None = None) -> tuple[int, bool]:
    """A stamp, and whether it is a plain number.

    Args:
        value: a datetime, a date, a whole number, or text: ISO 8601 ("2024-03-01 05:00", or "2024-03" for a month), or as
            `pattern` says.
        pattern: of text, as datetime.strptime reads it, such as "%d.%m.%Y".

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[us]").item()
    if value != value:  # pandas writes a missing time as a datetime that is not equal to itself
        raise ValueError(f"{value!r} is no time")
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return int(cast(int, value)), True
    if isinstance(value, str):
        text = value.strip()
        if pattern is not None:
            value = datetime.strptime(text, pattern)
        elif re.fullmatch(r"-?\d{1,7}", text):
            return int(text), True
        else:
            value = datetime.fromisoformat(f"{text}-01" if re.fullmatch(r"\d{4}-\d{2}", text) else text)
    if isinstance(value, datetime):
        moment = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        return (moment.replace(fold=0) - EPOCH) // timedelta(microseconds=1), False
    if isinstance(value, date):
        return (datetime(value.year, value.month, value.day) - EPOCH) // timedelta(microseconds=1), False
    raise ValueError(f"{value!r} is no time")


def write_stamp(stamp: int, is_number: bool) -> str:
    """A stamp as text, as `read_stamp` reads it.

    >>> write_stamp(read_stamp("2024-03-01T05:00")[0], is_number=False)
    '2024-03-01 05:00:00'
    """
    return str(stamp) if is_number else str(EPOCH + timedelta(microseconds=int(stamp)))


def _many(count: int) -> str:
    return "" if count == 1 else str(count)
