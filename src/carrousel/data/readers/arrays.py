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
from numpy.lib.npyio import NpzFile

from carrousel.data.faults import Faults, LineFault
from carrousel.data.opening import opened
from carrousel.data.readers.rows import read_rows
from carrousel.data.readers.sequences import Case, Cases, gather_cases
from carrousel.errors import DataError

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
    """The sequences one at a time, each .npy file read when its turn comes; as `read_arrays`."""
    if not path.is_dir():
        yield from _from_archive(path, faults)
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
        raise _unreadable(file, error) from None


def _unreadable(file: Path, error: Exception) -> LineFault:
    """Why NumPy cannot read a file; it takes whatever it does not know for a pickle."""
    with file.open("rb") as content:
        is_pickle = content.read(1) == b"\x80"
    if is_pickle or "Object arrays" in str(error):
        return LineFault(
            "holds pickled Python objects, which are never loaded", "numbers. Save it with np.save(file, numbers)"
        )
    if "pickle" in str(error):
        return LineFault("is no file of NumPy's", "what np.save or np.savez writes")
    return LineFault(f"cannot be read ({error})", "what np.save or np.savez writes")


def _series(values: Shaped[np.ndarray, "..."]) -> Float[np.ndarray, "T D"]:
    if values.dtype.kind not in "biuf":
        raise LineFault(f"holds {values.dtype}", "numbers")
    if values.ndim not in (1, 2) or not values.size:
        raise LineFault(f"has shape {values.shape}", "(T,) or (T, D) with at least one value")
    values = values if values.dtype.kind == "f" and values.dtype.itemsize >= 4 else values.astype(np.float64)
    return values.reshape(len(values), -1)


def _from_archive(path: Path, faults: Faults) -> Iterator[Case]:
    with opened(path, faults.where, "a folder of .npy files, or an .npz file", is_text=False):
        pass
    try:
        parts = _load_archive(path)
        sequences, y = _sequences(parts), parts.get("y")
        if y is not None and y.shape != (len(sequences),):
            raise LineFault(f"has y of shape {y.shape}", f"({len(sequences)},), one for each sequence")
        if y is not None and y.dtype.kind not in "biufU":
            raise LineFault(f"has y of type {y.dtype}", "numbers or strings")
    except LineFault as fault:
        raise DataError(
            f"{faults.where}: {path} {fault.what}, expected {fault.expected}. Write the file again."
        ) from None
    is_target = y is not None and y.dtype.kind == "f"
    for k, values in enumerate(sequences):
        if not len(values):
            faults.add(path, k + 1, "is empty", "at least one step", unit="sequence")
            continue
        label = None if y is None or is_target else str(y[k])
        yield Case(values, label, float(y[k]) if y is not None and is_target else None, str(k + 1))


def _load_archive(path: Path) -> dict[str, Shaped[np.ndarray, "..."]]:
    archive = _load(path)
    if not isinstance(archive, NpzFile):
        raise LineFault("is one array", "an .npz file with X, and perhaps lengths and y")
    with archive:
        try:
            return {name: archive[name] for name in archive.files if name in ("X", "lengths", "y")}
        except (ValueError, OSError, EOFError, BadZipFile) as error:
            raise _unreadable(path, error) from None


def _sequences(parts: dict[str, Shaped[np.ndarray, "..."]]) -> list[Float[np.ndarray, "T D"]]:
    if "X" not in parts:
        raise LineFault(f"has no X among {', '.join(parts) or 'its arrays'}", "X, and perhaps lengths and y")
    x, lengths = parts["X"], parts.get("lengths")
    if x.dtype.kind not in "biuf":
        raise LineFault(f"has X of type {x.dtype}", "numbers")
    x = x if x.dtype.kind == "f" and x.dtype.itemsize >= 4 else x.astype(np.float64)
    if lengths is None:
        if x.ndim not in (2, 3):
            raise LineFault(f"has X of shape {x.shape} and no lengths", "(N, T, D) or (N, T)")
        return list(x if x.ndim == 3 else x[..., None])
    if lengths.dtype.kind not in "iu" or lengths.ndim != 1 or lengths.min(initial=0) < 0 or lengths.sum() != len(x):
        raise LineFault(
            f"has lengths of shape {lengths.shape} with sum {lengths.sum()}",
            f"(N,) whole numbers with sum {len(x)}, the steps in X",
        )
    if x.ndim not in (1, 2):
        raise LineFault(f"has X of shape {x.shape} beside lengths", "(sum of lengths, D) or (sum of lengths,)")
    return np.split(x.reshape(len(x), -1), np.cumsum(lengths)[:-1]) if len(lengths) else []
