"""Every exception a user of Carrousel can meet.

CarrouselError
├── ShapeError      a tensor has the wrong shape, form or values          (also a ValueError)
├── ConfigError     a setting, argument or name is wrong                  (also a ValueError)
├── DataError       a user's file or folder cannot be used                (also a ValueError)
└── TraceError      a cell's step cannot be turned into a graph

A message reads `where: what was given, what was expected. What to do.`
"""

from collections.abc import Iterable
from difflib import get_close_matches


class CarrouselError(Exception):
    """The root of all errors raised on purpose."""


class ShapeError(CarrouselError, ValueError):
    """A tensor has the wrong shape, form or values."""


class ConfigError(CarrouselError, ValueError):
    """A setting, an argument or a name is wrong."""


class DataError(CarrouselError, ValueError):
    """A file or folder of the user's cannot be used."""


class TraceError(CarrouselError):
    """A cell's step cannot be turned into a graph."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint to append to an error: " Did you mean 'lstm'?", or nothing when no known name is close.

    >>> nearest("LSTM", ["gru", "lstm"])
    " Did you mean 'lstm'?"
    """
    names = list(known)
    close = get_close_matches(name, names, n=1, cutoff=0.5) or get_close_matches(name.lower(), names, n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""


def counted(number: int, thing: str) -> str:
    """A number of things, such as "1 step" or "2,000 steps".

    >>> counted(1, "field"), counted(2_000, "field")
    ('1 field', '2,000 fields')
    """
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
