"""Sequences that are NumPy files: a folder of .npy files with a table of labels, or one .npz file.

A folder has a file NAME.npy, (T,) or (T, D), for each sequence, and where they have labels a table labels.csv with the columns
`name` and `label`, which also gives the order; without one, the files come in the order of their names, without labels.

An .npz file has `X`: (N, T, D) or (N, T) for sequences of one length, or (sum of lengths, D) with `lengths` (N,); and perhaps `y`
(N,), whole numbers or strings for classes, other numbers for targets.

Values are whole or floating-point numbers or truth values, and become floats; NaN stays. Malformed: a file that holds Python
objects (pickle is never loaded), no numbers, other axes, or nothing; another D than the first; a name in the table without a file,
or outside the folder, or twice; a file that the table lacks. Links are followed only inside the folder.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Float, Shaped

from carrousel.data.faults import Faults, LineFault
from carrousel.data.readers.npz import npz_cases, unreadable
from carrousel.data.readers.rows import read_rows
from carrousel.data.readers.sequences import Case, Cases, gather_cases

TABLE = "labels.csv"


def read_arrays(path: str | Path, *, skip_bad: bool = False, where: str = "read_arrays") -> Cases:
    """The sequences of a folder of .npy files, or of an .npz file.

    Args:
        skip_bad: leave out what is malformed and count it.
        where: what to name in front of an error.

    Raises:
        DataError: the folder or file cannot be used, has no sequence, or something malformed.
    """
    path, faults = Path(path), Faults(where, skip_bad)
    return gather_cases(path, array_cases(path, faults), faults)


def array_cases(path: Path, faults: Faults) -> Iterator[Case]:
    """The sequences one at a time, each .npy file, or each part of an .npz file, read when its turn comes; as `read_arrays`."""
    if not path.is_dir():
        yield from npz_cases(path, faults)
        return
    num_features = 0
    for file, label in _files(path, faults):
        try:
            if file.resolve().parent != path.resolve():
                raise LineFault("is a link out of its folder", "files that lie in the folder")
            values = _series(_load(file))
            num_features = num_features or values.shape[1]
            if values.shape[1] != num_features:
                raise LineFault(f"has {values.shape[1]} values a step", f"{num_features} as in the first file")
        except LineFault as fault:
            faults.add(file, None, fault.what, fault.expected)
        else:
            yield Case(values, label, None, file.stem)


def _files(folder: Path, faults: Faults) -> Iterator[tuple[Path, str | None]]:
    """The files that are sequences, with their labels."""
    table, files = folder / TABLE, sorted(folder.glob("*.npy"))
    if not table.exists():
        yield from ((file, None) for file in files)
        return
    seen = dict[str, int]()
    for row in read_rows(table, ["name", "label"], faults):
        name, label = row.values
        file = folder / f"{name.removesuffix('.npy')}.npy"
        try:
            if file.parent != folder:
                raise LineFault(f"has the name {name!r}", "a file in the folder of the table")
            if seen.setdefault(file.name, row.number) != row.number:
                raise LineFault(f"has the name {name!r} of line {seen[file.name]:,}", "each name once")
            if not file.exists():
                raise LineFault(
                    f"has the name {name!r}, but there is no {file.name}", "a file in the folder of the table"
                )
            if not label.strip():
                raise LineFault("has no label", "one")
        except LineFault as fault:
            faults.add(table, row.number, fault.what, fault.expected)
        else:
            yield file, label
    for file in files:
        if file.name not in seen:
            faults.add(file, None, f"has no line in {TABLE}", "a label for each file")


def _load(file: Path) -> Any:
    try:
        return np.load(file, allow_pickle=False)
    except (ValueError, OSError, EOFError, BadZipFile) as error:
        raise unreadable(file, error) from None


def _series(values: Shaped[np.ndarray, "..."]) -> Float[np.ndarray, "T D"]:
    if values.dtype.kind not in "biuf":
        raise LineFault(f"holds {values.dtype}", "numbers")
    if values.ndim not in (1, 2) or not values.size:
        raise LineFault(f"has shape {values.shape}", "(T,) or (T, D) with at least one value")
    values = values if values.dtype.kind == "f" and values.dtype.itemsize >= 4 else values.astype(np.float64)
    return values.reshape(len(values), -1)
