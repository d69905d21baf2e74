"""Long tables of time series for a forecaster, and plain tables of numbers for an autoencoder."""

import numpy as np
from jaxtyping import Float64, Int64

from carrousel.data.checks.cases import look_at_channels
from carrousel.data.faults import Faults, LineFault
from carrousel.data.findings import Findings, num_repeated, percent, some, spread
from carrousel.data.ragged import Ragged
from carrousel.data.readers.rows import read_rows
from carrousel.data.readers.series import SeriesColumns, SeriesTable, read_number, read_series
from carrousel.data.windows import Split, Windows, split_by_time
from carrousel.errors import DataError

HELD_OUT = 0.1


def check_series(columns: SeriesColumns, findings: Findings, faults: Faults) -> None:
    """Series, frequency, gaps, missing values, the split by time, repeated series, and forecasts without a network."""
    table = read_series(findings.path, columns, duplicates="first", skip_bad=faults.skip_bad, where=faults.where)
    values, lengths = table.values, table.values.lengths
    last = [int(table.stamps(k)[-1]) for k in range(len(table))]
    findings.facts |= {
        "series": f"{len(table):,}; {spread(lengths, 'steps')}",
        "columns": f"series {columns.unique_id!r}, time {columns.ds!r}, value {columns.y!r}",
        "frequency": f"{table.frequency}, a season of {table.frequency.season:,} steps",
        "time": f"{table.text(int(table.starts.min()))} to {table.text(max(last))}",
    }
    look_at_channels(values.values, list(columns.channels), findings)
    findings.doubts += table.findings
    keys = [series.tobytes() for series in values]
    if repeated := num_repeated(keys):
        findings.doubts.append(f"{some(repeated, 'series', 'has', 'have')} the values of another one.")
    for name, series in zip(table.names, values, strict=True):
        if len(table) > 1 and np.ptp(series[:, 0]) == 0:
            findings.doubts.append(f"The series {name} is {series[0, 0]:.4g} everywhere.")
    split = split_by_time(table.starts, lengths, table.frequency, HELD_OUT, HELD_OUT, faults.where)
    _tell_split(table, split, findings)
    _measure(table, split, findings)


def check_numbers(names: list[str], findings: Findings, faults: Faults) -> None:
    """The ranges of a table of numbers, one row a time step."""
    rows = list[list[float]]()
    for row in read_rows(findings.path, names, faults):
        try:
            rows.append([read_number(cell, name) for cell, name in zip(row.values, names, strict=True)])
        except LineFault as fault:
            faults.add(findings.path, row.number, fault.what, fault.expected)
    if not rows:
        raise DataError(
            f"{faults.where}: {findings.path} has no row, expected at least one. Check that it is the right file."
        )
    values = np.array(rows)
    num_held_out = len(values) - int(len(values) * (1 - HELD_OUT))
    findings.facts["steps"] = f"{len(values):,}"
    look_at_channels(values, names, findings)
    if len(names) > 1:
        findings.facts["columns"] = (
            "all read as channels; one that names series or marks anomalies: data.series, data.label"
        )
    findings.facts["split"] = f"{len(values) - num_held_out:,} steps to learn from, the last {num_held_out:,} held out"
    train, valid = values[:-num_held_out], values[-num_held_out:]
    has_both = (~np.isnan(train)).any(0) & (~np.isnan(valid)).any(0)
    if has_both.any():
        center: Float64[np.ndarray, " D"] = np.nanmean(train[:, has_both], 0)
        scale: Float64[np.ndarray, " D"] = np.nanstd(train[:, has_both], 0)
        error = float(np.nanmean(((valid[:, has_both] - center) / np.where(scale == 0, 1, scale)) ** 2))
        findings.baselines["mean"] = (
            {"mean squared error": error},
            "the mean of the training part, in its standard deviations",
        )


def _tell_split(table: SeriesTable, split: Split, findings: Findings) -> None:
    lengths = table.values.lengths
    num_train, num_valid = int(split.train_ends.sum()), int((split.valid_ends - split.train_ends).sum())
    dates = [table.text(stamp) for stamp in (split.valid_from, split.test_from) if stamp is not None]
    findings.facts["split"] = (
        f"{num_train:,} steps to learn from; validation from {dates[0]}: {num_valid:,} steps; test from {dates[-1]}: "
        f"{int(lengths.sum()) - num_train - num_valid:,} steps. The same dates for all series, so that no part knows another's time"
    )
    findings.numbers |= {"train": num_train, "held_out": num_valid, "leaked": 0}
    if num_without := int((split.train_ends == 0).sum()):
        findings.doubts.append(f"{some(num_without, 'series', 'begins', 'begin')} after the training part.")
    if num_ended := int((split.train_ends == lengths).sum()):
        findings.doubts.append(f"{some(num_ended, 'series', 'ends', 'end')} before the validation part.")


def _measure(table: SeriesTable, split: Split, findings: Findings) -> None:
    """Mean absolute errors over the validation part, forecast a season at a time."""
    season = table.frequency.season
    y = Ragged(np.concatenate([_filled(series[:, 0]) for series in table.values]), table.values.offsets)
    windows = Windows(y.offsets, season, season, begins=split.train_ends, ends=split.valid_ends, stride=season)
    if not len(windows):
        findings.doubts.append(f"The validation part has not one season of {season:,} steps: no forecast was made.")
        return
    rows = np.arange(len(windows))
    actual = windows.horizons(table.values.values[:, 0], rows)
    is_seen = ~np.isnan(actual)
    context = windows.contexts(y.values, rows)

    def error(forecast: Float64[np.ndarray, "season B"]) -> dict[str, float]:
        return {
            "mean absolute error": float(np.abs(np.where(is_seen, actual - forecast, 0)).sum() / max(1, is_seen.sum()))
        }

    findings.baselines["persistence"] = (
        error(np.tile(context[-1], (season, 1))),
        f"the last value, for {season:,} steps",
    )
    if season > 1:
        findings.baselines["seasonal-naive"] = (error(context), f"the value {season:,} steps before")
    findings.facts["observed"] = f"{percent(float(is_seen.mean()))} of the steps that baselines forecast"


def _filled(y: Float64[np.ndarray, " T"]) -> Float64[np.ndarray, " T"]:
    """The last value that was observed in place of each that was not; 0 before the first."""
    places: Int64[np.ndarray, " T"] = np.maximum.accumulate(np.where(np.isnan(y), -1, np.arange(len(y))))
    return np.where(places < 0, 0.0, np.nan_to_num(y)[places])
