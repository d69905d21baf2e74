"""How series become inputs of a network: everything fitted, on the training part only, and kept with the network as JSON."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from carrousel.data.frequency import Frequency
from carrousel.data.readers.series import SeriesColumns, SeriesTable
from carrousel.data.readers.static import Static
from carrousel.data.scaling import Scaling
from carrousel.data.stretches import Stretches
from carrousel.data.windows import Split
from carrousel.models.forecaster import calendar
from carrousel.models.forecaster.metrics import naive_error
from carrousel.models.forecaster.settings import ModelSettings


@dataclass(frozen=True)
class Recipe:
    """What turns a table of series into inputs.

    Attributes:
        columns: which column is what.
        frequency: of the series.
        season: steps in a season.
        scaling: of y and the covariates.
        flagged: covariates with a second input that says whether they were observed: those with gaps in training.
        calendar: parts of a time stamp that are inputs.
        static: static column -> (mean, standard deviation) of numbers, or the known words.
        naive_errors: series -> what its MASE is measured in.
        learned_until: time stamp at which what was learned from ends, validation included; None for all.
    """

    columns: SeriesColumns
    frequency: Frequency
    season: int
    scaling: Scaling
    flagged: tuple[str, ...]
    calendar: tuple[str, ...]
    static: Mapping[str, tuple[float, float] | tuple[str, ...]]
    naive_errors: Mapping[str, float]
    learned_until: int | None
    known_static: Mapping[str, tuple[float | str, ...]] = field(default_factory=dict[str, tuple[float | str, ...]])
    """series learned from -> its cells of the static columns, in their order"""

    @classmethod
    def fit(cls, table: SeriesTable, static: Static | None, split: Split, model: ModelSettings) -> "Recipe":
        """From the training part of a table."""
        frequency, names = table.frequency, table.names
        season = model.season or frequency.season
        parts = [part[:end] for part, end in zip(table.values, split.train_ends.tolist(), strict=True)]
        channels = table.columns.channels
        known = Stretches.of(table.values).cut(split.train_ends * 0, split.train_ends)
        has_gaps = np.any([np.isnan(block).any(0) for block in known.blocks()], 0)
        ends = [
            int(frequency.stamps(int(s), np.array([len(part)]))[0]) for s, part in zip(table.starts, parts, strict=True)
        ]
        span = max(ends) - int(table.starts.min())
        return cls(
            columns=table.columns,
            frequency=frequency,
            season=season,
            scaling=Scaling.fit(table.values, split.train_ends, model.scaling, names if model.per_series else ()),
            flagged=tuple(channel for channel, gap in zip(channels[1:], has_gaps[1:], strict=True) if gap),
            calendar=calendar.parts(frequency, span) if model.calendar else (),
            static={} if static is None else {name: _fit_static(cells) for name, cells in static.columns.items()},
            naive_errors={name: naive_error(part[:, 0], season) for name, part in zip(names, parts, strict=True)},
            learned_until=split.test_from,
            known_static={}
            if static is None or not static.columns
            else dict(zip(names, zip(*static.columns.values(), strict=True), strict=True)),
        )

    def static_of(self, names: Sequence[str]) -> Static | None:
        """The static cells of these series, as they were in training; None where one was not there."""
        if not all(name in self.known_static for name in names):
            return None
        cells: list[tuple[Any, ...]] = [self.known_static[name] for name in names]
        return Static({name: tuple(row[k] for row in cells) for k, name in enumerate(self.static)})

    @property
    def past_size(self) -> int:
        """Inputs that are known up to the present."""
        return sum(1 + (name in self.flagged) for name in self.columns.past)

    @property
    def future_size(self) -> int:
        """Inputs that are known ahead, the calendar's among them."""
        covariates = sum(1 + (name in self.flagged) for name in self.columns.future)
        return covariates + sum(calendar.WIDTHS[part] for part in self.calendar)

    @property
    def static_size(self) -> int:
        """Inputs that do not change."""
        return sum(len(fitted) if _is_words(fitted) else 1 for fitted in self.static.values())

    def inputs(self, reads_target: bool) -> list[str]:
        """Names of what is read at a step, in order: y, past and future covariates, the calendar, static columns."""

        def with_flags(names: Sequence[str], flagged: Sequence[str]) -> list[str]:
            return [part for name in names for part in ((name, f"{name} observed") if name in flagged else (name,))]

        y, days = self.columns.y, [f"{part} {k + 1}" for part in self.calendar for k in range(calendar.WIDTHS[part])]
        covariates = [*with_flags(self.columns.past, self.flagged), *with_flags(self.columns.future, self.flagged)]
        words = [[f"{name}={word}" for word in fit] if _is_words(fit) else [name] for name, fit in self.static.items()]
        return [*with_flags([y] * reads_target, [y]), *covariates, *days, *(name for some in words for name in some)]

    def static_inputs(self, static: Static | None, num_series: int) -> np.ndarray:
        """(num_series, static_size): numbers standardised, words as one of those known; a word that was not there is all zeros."""
        found: list[np.ndarray] = []
        for name, fitted in self.static.items():
            assert static is not None
            cells = static.columns[name]
            if _is_words(fitted):
                found.append(np.array([[str(cell) == word for word in fitted] for cell in cells], np.float32))
            else:
                mean, deviation = fitted
                found.append(
                    ((np.array(cells, np.float64) - float(mean)) / float(deviation)).astype(np.float32)[:, None]
                )
        return np.concatenate([np.zeros((num_series, 0), np.float32), *found], 1)

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {
            "columns": asdict(self.columns),
            "frequency": self.frequency.name,
            "season": self.season,
            "scaling": self.scaling.to_dict(),
            "flagged": list(self.flagged),
            "calendar": list(self.calendar),
            "static": {name: list(fitted) for name, fitted in self.static.items()},
            "naive_errors": {name: None if math.isnan(error) else error for name, error in self.naive_errors.items()},
            "learned_until": self.learned_until,
            "known_static": {name: list(cells) for name, cells in self.known_static.items()},
        }

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> "Recipe":
        """What `to_dict` gave.

        Raises:
            KeyError, TypeError, ValueError: it is damaged.
        """
        columns = found["columns"]
        return cls(
            columns=SeriesColumns(
                unique_id=columns["unique_id"],
                ds=columns["ds"],
                y=columns["y"],
                past=tuple(columns["past"]),
                future=tuple(columns["future"]),
                date_format=columns["date_format"],
            ),
            frequency=Frequency.of(found["frequency"]),
            season=int(found["season"]),
            scaling=Scaling.from_dict(found["scaling"]),
            flagged=tuple(found["flagged"]),
            calendar=tuple(found["calendar"]),
            static={name: tuple(fitted) for name, fitted in found["static"].items()},
            naive_errors={name: math.nan if error is None else error for name, error in found["naive_errors"].items()},
            learned_until=found["learned_until"],
            known_static={
                name: tuple(cells) for name, cells in found.get("known_static", {}).items()
            },  # not in older ones
        )


def _fit_static(values: Sequence[float] | Sequence[str]) -> tuple[float, float] | tuple[str, ...]:
    if any(isinstance(value, str) for value in values):
        return tuple(sorted({str(value) for value in values}))
    numbers = np.array(values, np.float64)
    return float(numbers.mean()), float(numbers.std()) or 1.0


def _is_words(fitted: Sequence[object]) -> bool:
    return bool(fitted) and isinstance(fitted[0], str)
