"""Values of a recurrent layer over time as a picture: a column a time step, a row a unit."""

import base64
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray

MOST_STEPS, MOST_UNITS = 240, 256
CLOSED, OPEN = 0.1, 0.9  # a gate below or above these hardly lets its input's gradient through

Colour = tuple[int, int, int]
FROM_ZERO: Sequence[Colour] = ((247, 250, 253), (158, 196, 232), (49, 114, 184), (8, 38, 84))
AROUND_ZERO: Sequence[Colour] = ((146, 38, 20), (234, 150, 118), (248, 248, 248), (132, 178, 222), (10, 60, 128))


@dataclass(frozen=True)
class HeatMap:
    """One value of a layer, such as a gate, over time.

    Attributes:
        name: of the value, as its equation has it.
        picture: a data URI of a PNG file, a pixel a number.
        num_steps, num_units: what the picture shows.
        low, high: the values of the two ends of its colours.
        numbers: the same numbers as bytes from 0 for `low` to 255 for `high`, step by step, in base 64.
        about: what part of the values is saturated, or their range.
        left_out: what was too much to be shown, or nothing.
    """

    name: str
    picture: str
    num_steps: int
    num_units: int
    low: float
    high: float
    numbers: str
    about: str
    left_out: str


def heat_map(name: str, values: Sequence[Sequence[float]]) -> HeatMap:
    """The picture of a value.

    Args:
        values: T lists of H numbers.

    Raises:
        ValueError: no numbers, or not as many at each step.
    """
    sizes = {len(row) for row in values}
    if len(sizes) != 1 or 0 in sizes:
        raise ValueError(f"{name} has {len(values)} steps of {sorted(sizes)} numbers, expected as many at each step")
    found = np.asarray(values, dtype=np.float64)
    low, high, about = _range(found)
    shown = found[:MOST_STEPS, :MOST_UNITS]
    scaled = (np.clip(np.nan_to_num(shown, nan=low), low, high) - low) / (high - low)
    levels = np.round(255 * scaled).astype(np.uint8)
    return HeatMap(
        name=name,
        picture="data:image/png;base64," + base64.b64encode(png(levels.T, _colours(low))).decode(),
        num_steps=shown.shape[0],
        num_units=shown.shape[1],
        low=low,
        high=high,
        numbers=base64.b64encode(levels.tobytes()).decode(),
        about=about,
        left_out="" if shown.shape == found.shape else f"the first {shown.shape[0]} of {found.shape[0]} steps, "
        f"{shown.shape[1]} of {found.shape[1]} units",
    )  # fmt: skip


def _range(values: NDArray[np.float64]) -> tuple[float, float, str]:
    """The ends of the scale, and what is worth saying: saturated shares of what is squashed, else the largest value."""
    finite = values[np.isfinite(values)]
    if finite.size < values.size:
        share = 1 - finite.size / values.size
        return -1.0, 1.0, f"{share:.0%} not finite"
    if values.min() >= 0 and values.max() <= 1:
        closed, opened = np.mean(values < CLOSED), np.mean(values > OPEN)
        return 0.0, 1.0, f"{closed:.0%} below {CLOSED}, {opened:.0%} above {OPEN}"
    largest = float(np.abs(values).max())
    if largest <= 1:
        return -1.0, 1.0, f"{np.mean(np.abs(values) > OPEN):.0%} beyond ±{OPEN}"
    return -largest, largest, f"between {values.min():.3g} and {values.max():.3g}"


def _colours(low: float) -> UInt8[np.ndarray, "256 3"]:
    """256 colours through the given ones, evenly spaced."""
    stops = AROUND_ZERO if low < 0 else FROM_ZERO
    return np.array([mixed(stops, at) for at in np.linspace(0, 1, 256)], np.uint8)


def mixed(stops: Sequence[Colour], at: float) -> Colour:
    """The colour at a place from 0 to 1 on a scale through the given ones, evenly spaced.

    >>> mixed(((0, 0, 0), (10, 20, 30)), 0.5)
    (5, 10, 15)
    """
    places = np.linspace(0, 1, len(stops))
    red, green, blue = (round(float(np.interp(at, places, [stop[k] for stop in stops]))) for k in range(3))
    return red, green, blue


def png(levels: UInt8[np.ndarray, "rows columns"], colours: UInt8[np.ndarray, "256 3"]) -> bytes:
    """A PNG file with a palette.

    Source: PNG specification, third edition, W3C 2025, sections 5 and 11.
    """
    rows, columns = levels.shape
    lines = np.concatenate([np.zeros((rows, 1), np.uint8), levels], axis=1)  # each line begins with its filter: none
    header = struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)
    chunks = (
        (b"IHDR", header),
        (b"PLTE", colours.tobytes()),
        (b"IDAT", zlib.compress(lines.tobytes(), 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
