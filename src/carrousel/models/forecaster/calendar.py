"""What a time stamp says about its place in the day, the week and the year, as features."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Float64, Int64

from carrousel.data.frequency import DAY, Frequency

WIDTHS = {"time of day": 4, "day of week": 7, "time of year": 4}
"""Features of each part: two harmonics of a circle, or one of seven."""


def parts(frequency: Frequency, training_span: int) -> tuple[str, ...]:
    """Which parts mean something for series of this frequency.

    Args:
        training_span: microseconds of the training part; less than a year of it teaches nothing about the time of year.
    """
    if frequency.unit == "number":
        return ()
    is_within_a_day = frequency.unit == "microsecond" and frequency.count < DAY
    is_within_a_week = frequency.unit == "microsecond" and frequency.count < 7 * DAY
    is_within_a_year = frequency.unit == "microsecond" or frequency.count < 12
    has_a_year = training_span >= 365 * DAY
    kept = {
        "time of day": is_within_a_day,
        "day of week": is_within_a_week,
        "time of year": is_within_a_year and has_a_year,
    }
    return tuple(name for name, is_kept in kept.items() if is_kept)


def features(stamps: Int64[np.ndarray, " T"], names: Sequence[str]) -> Float32[np.ndarray, "T num_features"]:
    """The features of these parts at each time stamp."""
    days = stamps // DAY
    years = days.astype("datetime64[D]").astype("datetime64[Y]")
    first, following = (moment.astype("datetime64[D]").astype(np.int64) for moment in (years, years + 1))
    found = {
        "time of day": lambda: _circle((stamps % DAY) / DAY),
        "day of week": lambda: np.eye(7)[(days + 3) % 7],  # 1970-01-01 was a Thursday
        "time of year": lambda: _circle((stamps / DAY - first) / (following - first)),
    }
    columns = [found[name]() for name in names]
    return np.concatenate([np.zeros((len(stamps), 0)), *columns], 1).astype(np.float32)


def _circle(turns: Float64[np.ndarray, " T"]) -> Float32[np.ndarray, "T 4"]:
    angles = 2 * np.pi * turns
    return np.stack([np.sin(angles), np.cos(angles), np.sin(2 * angles), np.cos(2 * angles)], 1).astype(np.float32)
