"""Sequences of numbers with a class or a target each, for a classifier."""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from carrousel.data.checks.labelled import look_at_classes, look_for_new, majority
from carrousel.data.faults import Faults
from carrousel.data.findings import Findings, num_repeated, parts, percent, some, spread, tally
from carrousel.data.ragged import Ragged
from carrousel.data.readers.arrays import array_cases
from carrousel.data.readers.sequences import Cases, gather_cases
from carrousel.data.readers.ts_format import ts_cases
from carrousel.data.splits import a_tenth, a_tenth_of_each, the_last
from carrousel.errors import DataError, counted

FAR = 20  # standard deviations from the mean
NUM_CHANNELS_SHOWN = 4


def check_cases(path: Path, valid_path: Path | None, findings: Findings, faults: Faults) -> None:
    """Sizes, channels, missing values, classes, the split, sequences in both parts, and the simplest answer."""
    cases = _read(path, faults)
    if valid_path is None:
        rows = a_tenth_of_each(cases.labels) if cases.labels else a_tenth(len(cases))
    else:
        held_out = _read(valid_path, faults)
        cases = _joined(cases, held_out)
        rows = the_last(len(held_out), len(cases))
    train, valid = (part.tolist() for part in rows)
    values = cases.sequences.values
    findings.facts["sequences"] = f"{len(cases):,}; {spread(cases.sequences.lengths, 'steps')}"
    look_at_channels(values, [f"channel {k}" for k in range(1, values.shape[1] + 1)], findings)
    if cases.labels:
        counts = {name: cases.labels.count(name) for name in cases.classes}
        findings.facts["classes"] = tally(counts)
        look_at_classes([(label,) for label in cases.labels], findings)
    how = f"a tenth{' of each class' if cases.labels else ''}, drawn by train.seed 0"
    findings.facts["split"] = parts(len(train), len(valid), "sequences", valid_path or how)
    findings.numbers |= {"train": len(train), "held_out": len(valid)}
    _look_for_repetition(cases, train, valid, findings)
    if cases.labels:
        look_for_new([(label,) for label in cases.labels], *rows, findings)
        majority(cases.labels, train, valid, findings)
    elif len(cases.targets):
        center = float(cases.targets[train].mean())
        error = float(np.sqrt(((cases.targets[valid] - center) ** 2).mean()))
        findings.baselines["mean"] = (
            {"root mean squared error": error},
            f"{center:.4g} for all, the mean of the training part",
        )
    else:
        findings.doubts.append("The sequences have neither classes nor targets.")


def _read(path: Path, faults: Faults) -> Cases:
    is_ts = path.suffix.lower() == ".ts"
    cases = ts_cases(path, faults) if is_ts else array_cases(path, faults)
    return gather_cases(path, cases, faults)


def _joined(first: Cases, second: Cases) -> Cases:
    """The sequences of two files as one.

    Raises:
        DataError: they have different numbers of channels.
    """
    num_first, num_second = (cases.sequences.values.shape[1] for cases in (first, second))
    if num_first != num_second:
        raise DataError(
            f"{first.faults.where}: {second.path} has {num_second} channels, expected {num_first} as in {first.path}. "
            "Give files of one kind."
        )
    return Cases(
        first.path,
        Ragged.of([*first.sequences, *second.sequences]),
        first.labels + second.labels,
        np.concatenate([first.targets, second.targets]),
        first.names + second.names,
        tuple(sorted({*first.classes, *second.classes})),
        first.faults,
    )


def look_at_channels(values: Float[np.ndarray, "N D"], names: list[str], findings: Findings) -> None:
    """Ranges of channels, and what is missing, infinite, constant or far away in them."""
    is_finite = np.isfinite(values)
    known = np.where(is_finite, values, np.nan)
    has_any = is_finite.any(0)
    shown = list[str]()
    for k in np.flatnonzero(has_any)[:NUM_CHANNELS_SHOWN]:
        column = known[:, k]
        low, mean, high = np.nanmin(column), np.nanmean(column), np.nanmax(column)
        shown.append(f"{names[k]} {low:.4g} to {high:.4g} (mean {mean:.4g})")
        if low == high:
            findings.doubts.append(f"{names[k]} is {low:.4g} everywhere.")
        z = np.abs(column - mean) / (np.nanstd(column) or 1)
        if num_far := int((z > FAR).sum()):
            findings.doubts.append(
                f"{names[k]} has {counted(num_far, 'value')} more than {FAR} standard deviations from its mean."
            )
    more = f" and {len(names) - NUM_CHANNELS_SHOWN:,} more" if len(names) > NUM_CHANNELS_SHOWN else ""
    findings.facts["channels"] = f"{len(names):,}: {', '.join(shown)}{more}"
    for k in np.flatnonzero(~has_any):
        findings.doubts.append(f"{names[k]} has no value.")
    num_nan, num_infinite = int(np.isnan(values).sum()), int(np.isinf(values).sum())
    findings.numbers |= {"nan": num_nan, "infinite": num_infinite}
    if num_nan:
        which = ", ".join(
            f"{names[k]} {np.isnan(values[:, k]).sum():,}" for k in np.flatnonzero(np.isnan(values).any(0))
        )
        findings.facts["missing"] = f"{num_nan:,} values ({percent(num_nan / values.size)}): {which}"
    if num_infinite:
        findings.doubts.append(f"{some(num_infinite, 'value', 'is', 'are')} infinite.")


def _look_for_repetition(cases: Cases, train: list[int], valid: list[int], findings: Findings) -> None:
    keys = [sequence.tobytes() for sequence in cases.sequences]
    known = {keys[k] for k in train}
    findings.leak(sum(keys[k] in known for k in valid), len(valid), "sequences")
    if repeated := num_repeated(keys):
        findings.doubts.append(f"{some(repeated, 'sequence', 'was', 'were')} there before.")
