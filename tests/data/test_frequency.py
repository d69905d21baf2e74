"""Frequencies: their names, inference, and the calendar's uneven months."""

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrousel.data.frequency import DAY, Frequency, infer, read_stamp, write_stamp
from carrousel.errors import ConfigError

pytestmark = pytest.mark.tiny


def stamps(*texts: str) -> np.ndarray:
    return np.array([read_stamp(text)[0] for text in texts])


def inferred(*texts: str) -> str:
    found = infer(stamps(*texts), np.array([True] + [False] * (len(texts) - 1)), is_number=False)
    return "nothing" if found is None else found.name


@pytest.mark.parametrize(
    ("text", "words", "season"),
    [
        ("h", "1 hour", 24),
        ("15min", "15 minutes", 96),
        ("10s", "10 seconds", 8640),
        ("D", "1 day", 7),
        ("W", "7 days", 52),
        ("2W", "14 days", 1),
        ("MS", "1 month", 12),
        ("ME", "1 month", 12),
        ("QE", "3 months", 4),
        ("YS", "12 months", 1),
        ("5MS", "5 months", 1),
        ("7", "7", 1),
    ],
)
def test_a_frequency_has_a_name_words_and_a_season(text: str, words: str, season: int) -> None:
    frequency = Frequency.of(text)
    assert (frequency.name, str(frequency), frequency.season) == (text, words, season)


@pytest.mark.parametrize("text", ["", "0h", "h5", "fortnight", "M", "-3h"])
def test_what_names_no_frequency_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Frequency.of(text, "train")
    assert str(caught.value) == (
        f"train: the frequency is {text!r}, expected a number and a unit: s, min, h, D, W, MS, ME, QS, QE, YS, YE, or a number "
        "alone "
        "where ds holds numbers."
    )


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        (("2024-03-01 00:00", "2024-03-01 01:00", "2024-03-01 03:00", "2024-03-01 04:00"), "h"),
        (("2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"), "MS"),
        (("2024-01-15", "2024-02-15", "2024-03-15"), "MS"),
        (("2023-11-30", "2023-12-31", "2024-01-31", "2024-02-29"), "ME"),
        (("2023-03-31", "2023-06-30", "2023-09-30"), "QE"),
        (("1999-12-31", "2000-12-31", "2001-12-31"), "YS"),
        (("2024-01-01", "2024-01-29", "2024-02-26", "2024-03-25"), "4W"),
        (("2024-01", "2024-02", "2024-04"), "MS"),
        (("2024-01-01",), "nothing"),
    ],
)
def test_a_frequency_is_what_most_neighbours_have(texts: tuple[str, ...], name: str) -> None:
    assert inferred(*texts) == name


def test_the_step_between_two_series_does_not_count() -> None:
    found = infer(np.array([0, 5, 10, 3, 8]), np.array([True, False, False, True, False]), is_number=True)
    assert found == Frequency(5, "number")


@given(
    st.sampled_from(["h", "D", "W", "MS", "ME", "QS", "QE", "YS", "3"]), st.integers(-50, 50), st.integers(-200, 200)
)
def test_stamps_and_steps_are_each_others_inverse(name: str, start: int, step: int) -> None:
    frequency = Frequency.of(name)
    first = int(
        frequency.stamps(read_stamp("2000-01-31" if frequency.is_month_end else "2000-01-01")[0], np.array([start]))[0]
    )
    found, is_on_grid = frequency.index(frequency.stamps(first, np.array([step])), first)
    assert found.tolist() == [step]
    assert is_on_grid.all()


def test_ends_of_months_are_their_last_days() -> None:
    found = Frequency.of("ME").stamps(int(stamps("2024-01-31 06:00")[0]), np.arange(4))
    assert [write_stamp(stamp, False) for stamp in found.tolist()] == [
        "2024-01-31 06:00:00",
        "2024-02-29 06:00:00",
        "2024-03-31 06:00:00",
        "2024-04-30 06:00:00",
    ]


def test_a_stamp_off_the_grid_is_told() -> None:
    _, is_on_grid = Frequency.of("h").index(
        stamps("2024-03-01 05:00", "2024-03-01 05:30"), int(stamps("2024-03-01")[0])
    )
    assert is_on_grid.tolist() == [True, False]
    _, is_on_grid = Frequency.of("MS").index(stamps("2024-03-01", "2024-04-02"), int(stamps("2024-01-01")[0]))
    assert is_on_grid.tolist() == [True, False]


def test_times_are_read_from_what_tables_hold() -> None:
    expected = (datetime(2024, 3, 1, 5) - datetime(1970, 1, 1)) // timedelta(microseconds=1)
    for value in (
        "2024-03-01 05:00",
        " 2024-03-01T05:00:00 ",
        "2024-03-01T06:00+01:00",
        datetime(2024, 3, 1, 5),
        datetime(2024, 3, 1, 7, tzinfo=timezone(timedelta(hours=2))),
        datetime(2024, 3, 1, 5, tzinfo=UTC),
        np.datetime64("2024-03-01T05:00"),
    ):
        assert read_stamp(value) == (expected, False)
    assert read_stamp("01.03.2024 05", "%d.%m.%Y %H") == (expected, False)
    assert read_stamp(date(2024, 3, 1)) == (expected - 5 * DAY // 24, False)
    assert read_stamp("17") == read_stamp(17) == read_stamp(np.int32(17)) == (17, True)
    for value in ("soon", 3.5, None, True, float("nan")):
        with pytest.raises(ValueError, match=r"."):
            read_stamp(value)
