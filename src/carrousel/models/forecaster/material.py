"""What a forecaster learns from and is measured on: a table, its split by time, what is fitted to it, and its windows."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from jaxtyping import Float64, Int64

from carrousel.data.faults import tell_skipped
from carrousel.data.readers.series import SeriesColumns, SeriesTable, read_series
from carrousel.data.readers.static import Static, read_static
from carrousel.data.windows import Split, Windows, split_by_time
from carrousel.errors import DataError
from carrousel.models.forecaster.network import ForecasterNetwork
from carrousel.models.forecaster.panel import Panel
from carrousel.models.forecaster.recipe import Recipe
from carrousel.models.forecaster.settings import DataSettings, ForecasterSettings

MOST_SCORED = 2_000  # windows measured after each evaluation: enough to compare weights by


@dataclass(frozen=True)
class Material:
    """A table and what was made of it.

    Attributes:
        table, static: as they were read.
        split: its parts by time.
        recipe: fitted on the training part.
        panel: the series as the network reads them.
        learned: windows to learn from, one at every step.
        held_out: windows of the validation part, side by side.
    """

    table: SeriesTable
    static: Static | None
    split: Split
    recipe: Recipe
    panel: Panel
    learned: Windows
    held_out: Windows

    @classmethod
    def of(cls, settings: ForecasterSettings, given: Any, where: str) -> "Material":
        """From Python objects, or from the files that the settings name when `given` is None.

        Raises:
            ConfigError, DataError: settings or data that cannot be used, or that give not one window.
        """
        model = settings.model
        table, static = read_data(settings.data, given, where)
        split = split_settings(settings.data, table, where)
        recipe = Recipe.fit(table, static, split, model)
        offsets, sizes = table.values.offsets, (model.context, model.horizon)
        learned = Windows(offsets, *sizes, ends=split.train_ends, min_context=model.min_context)
        held_out = Windows(
            offsets,
            *sizes,
            begins=split.train_ends,
            ends=split.valid_ends,
            min_context=model.min_context,
            stride=model.horizon,
        )
        _check_sizes(table, learned, held_out, settings, where)
        found = cls(table, static, split, recipe, Panel(table, static, recipe, split.train_ends), learned, held_out)
        if np.isnan(found._held_out_truth()).all():
            raise DataError(
                f"{where}: no {table.columns.y} was observed in the validation part of {table.source}, expected some. "
                "Change data.valid."
            )
        return found

    @property
    def has_mase(self) -> bool:
        """Whether what is held out has a MASE: not where every series is constant, or shorter than a season."""
        series, _ = self.held_out.places(np.arange(len(self.held_out)))
        is_seen = (~np.isnan(self._held_out_truth())).any(0)
        return bool((is_seen & ~np.isnan(self.panel.naive_errors[series])).any())

    def _held_out_truth(self) -> Float64[np.ndarray, "horizon B"]:
        return self.panel.truth(self.held_out, np.arange(len(self.held_out)))

    def describe(self) -> str:
        """How much there is, in a sentence."""
        table, split = self.table, self.split
        many = "1 series" if len(table) == 1 else f"{len(table):,} series"
        test = "" if split.test_from is None else f", nothing from {table.text(split.test_from)} on is used"
        return (
            f"{many}, {len(table.values.values):,} steps of {table.frequency}, {len(self.learned):,} windows; "
            f"{len(self.held_out):,} windows from {table.text(split.valid_from or 0)} on are held out{test}"
        )


def read_data(data: DataSettings, given: Any, where: str) -> tuple[SeriesTable, Static | None]:
    """The series and their static table, from Python objects or else from the files that the settings name."""
    series, static = _pair(given)
    columns = SeriesColumns(data.unique_id, data.ds, data.y, data.past, data.future, data.date_format)
    table = data.train if series is None else series
    if not isinstance(table, SeriesTable):
        table = read_series(
            table,
            columns,
            frequency=data.frequency,
            duplicates=data.duplicates,
            gaps=data.gaps,
            skip_bad=data.skip_bad,
            where=where,
            store=None if data.store is None or not isinstance(table, (str, Path)) else Path(data.store) / "series",
        )
    fixed = data.static if static is None else static
    if fixed is not None and not isinstance(fixed, Static):
        fixed = read_static(fixed, table.names, data.unique_id, skip_bad=data.skip_bad, where=where)
    return table, fixed


def read_like(
    network: ForecasterNetwork, given: Any, where: str, skip_bad: bool = False
) -> tuple[SeriesTable, Static | None]:
    """Series of the form that a network learned from.

    Args:
        skip_bad: leave out malformed rows of a table; a `SkippedWarning` counts and names them.

    Raises:
        DataError: it reads static columns, and none were given; or a table of another form.
    """
    recipe, (table, fixed) = network.recipe, _pair(given)
    if not isinstance(table, SeriesTable):
        table = read_series(table, recipe.columns, frequency=recipe.frequency.name, where=where, skip_bad=skip_bad)
        tell_skipped(table.report)
    if table.frequency != recipe.frequency or table.columns.channels != recipe.columns.channels:
        raise DataError(
            f"{where}: {table.source} has {', '.join(table.columns.channels)} every {table.frequency}, expected "
            f"{', '.join(recipe.columns.channels)} every {recipe.frequency}, as in training. Give such a table."
        )
    if not recipe.static:
        return table, None
    if fixed is None:
        raise DataError(
            f"{where}: the network reads the static columns {', '.join(recipe.static)}, expected a table of them. Name it: "
            "static=FILE; in Python give a pair, series and static table."
        )
    if not isinstance(fixed, Static):
        fixed = read_static(fixed, table.names, recipe.columns.unique_id, where=where, skip_bad=skip_bad)
    absent = [name for name in recipe.static if name not in fixed.columns]
    if absent:
        raise DataError(f"{where}: the static table has no column {absent[0]!r}, expected one, as in training. Add it.")
    return table, fixed


def spread(number: int, most: int) -> Int64[np.ndarray, " B"]:
    """Window numbers, at most so many, at equal distances."""
    return np.unique(np.linspace(0, number - 1, min(number, most)).astype(np.int64))


def _pair(given: Any) -> tuple[Any, Any]:
    """Series and static table; None for what is not there."""
    return cast(tuple[Any, Any], given) if isinstance(given, tuple) else (given, None)


def split_settings(data: DataSettings, table: SeriesTable, where: str) -> Split:
    """The parts of a table, as the settings say."""
    parts: list[int | float] = []
    for name, part in (("valid", data.valid), ("test", data.test)):
        is_share = isinstance(part, float) or part == 0
        parts.append(float(part) if is_share else table.stamp(str(part), f"{where}: data.{name}"))
    return split_by_time(table.starts, table.values.lengths, table.frequency, parts[0], parts[1], where)


def _check_sizes(
    table: SeriesTable, learned: Windows, held_out: Windows, settings: ForecasterSettings, where: str
) -> None:
    needed = f"{learned.horizon} steps after {settings.model.min_context or settings.model.context} to read"
    for part, windows, remedy in (
        ("training", learned, "Give longer series, or lower model.context, model.min_context or model.horizon."),
        ("validation", held_out, "Give longer series, raise data.valid, or lower model.horizon."),
    ):
        if not len(windows):
            raise DataError(
                f"{where}: the {part} part of {table.source} has no window, expected one of {needed}. {remedy}"
            )
