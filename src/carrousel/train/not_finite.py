"""What is said when the loss or its gradient is not a finite number: where it began, on which data, and what to change."""

import math
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from torch import nn

from carrousel.errors import ShapeError
from carrousel.train.distributed import gather
from carrousel.train.first_place import Place, find_place
from carrousel.train.protocols import InputColumn, Loss, Parts, TrainingError
from carrousel.train.update import Attempt

FAR = 20  # standard deviations
NUM_SHOWN = 10
GROWTH = 10  # of the gradient norm, over its median, that says that training ran away


@dataclass(frozen=True)
class ColumnFault:
    """An input column of the batch with values that do not belong there.

    Attributes:
        name: of the column.
        num_nan, num_infinite: such values.
        num_far: values more than 20 standard deviations from the mean of the training data.
        furthest: in standard deviations, of the finite ones.
    """

    name: str
    num_nan: int
    num_infinite: int
    num_far: int
    furthest: float


@dataclass(frozen=True)
class NotFinite:
    """The report.

    Attributes:
        update: that could not be made, from 1.
        loss: of the batch, before the update.
        gradient_norm: nan where there was no gradient.
        learning_rate: at this update.
        place: where it began, where that was found.
        row: what the user's data calls the sequence in which it began.
        batch: what the data calls all sequences of the batch.
        columns: of the batch, those with faults.
        gradient_norms: of the updates before, the last one last.
        change: what to do.
    """

    update: int
    loss: float
    gradient_norm: float
    learning_rate: float
    place: Place | None
    row: str
    batch: Sequence[str]
    columns: Sequence[ColumnFault]
    gradient_norms: Sequence[float]
    change: str

    def text(self) -> str:
        """The report for people, on several lines."""
        what = (
            f"the loss of update {self.update:,} is {self.loss:g}"
            if not math.isfinite(self.loss)
            else f"the gradient norm of update {self.update:,} is {self.gradient_norm:g}"
        )
        lines = [f"train: {what}, expected a finite number. {self.change} The weights are those before this update."]
        if self.place:
            lines.append(f"  first: {self.place}{f' ({self.row})' if self.row else ''}")
        if self.batch:
            left_out = len(self.batch) - NUM_SHOWN
            more = f"; and {left_out:,} more" if left_out > 0 else ""
            lines.append(f"  batch: {'; '.join(self.batch[:NUM_SHOWN])}{more}")
        lines += [f"  column {_described(column)}" for column in self.columns]
        if self.gradient_norms:
            norms = " ".join(f"{norm:.3g}" for norm in self.gradient_norms[-NUM_SHOWN:])
            lines.append(f"  gradient norms before: {norms}")
        return "\n".join(lines)


class NotFiniteError(TrainingError):
    """The loss or its gradient is not finite.

    Attributes:
        report: all that is known.
    """

    def __init__(self, report: NotFinite) -> None:
        super().__init__(report.text())
        self.report = report


class Examiner:
    """Looks at every update, and at its parts when it fails.

    Args:
        model, loss: as the loop has them.
        ids: batch -> what names its sequences in the user's data.
        columns: batch -> its numeric input columns.
        clip_norm: largest norm of the gradient.
        parts: the model, where each process keeps a part of its weights only.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[[Any, Any, Any], Loss],
        ids: Callable[[Any], Sequence[str]],
        columns: Callable[[Any], Sequence[InputColumn]],
        clip_norm: float,
        parts: Parts | None = None,
    ) -> None:
        self.parts = parts
        self.model, self.loss, self.ids, self.columns, self.clip_norm = model, loss, ids, columns, clip_norm

    @contextmanager
    def watching(
        self, attempt: Attempt, norms: Sequence[float], learning_rate: float
    ) -> Generator[Callable[[float, float], None]]:
        """Inside, the update is computed; what it gives is a check of loss and gradient norm.

        Args:
            norms: of the gradients before.
            learning_rate: of this update.

        Raises:
            NotFiniteError: by the check; or a layer found NaN in its input.
        """

        def check(loss: float, gradient_norm: float) -> None:
            if not math.isfinite(loss) or not math.isfinite(gradient_norm):
                reports = gather(self._report(attempt, loss, gradient_norm, norms, learning_rate))
                raise NotFiniteError(next((report for report in reports if report.place), reports[0]))

        try:
            yield check
        except ShapeError:
            report = self._report(attempt, math.nan, math.nan, norms, learning_rate)
            if not report.place:  # the shapes are wrong, not the numbers
                raise
            raise NotFiniteError(report) from None

    def _report(
        self, attempt: Attempt, loss: float, gradient_norm: float, norms: Sequence[float], learning_rate: float
    ) -> NotFinite:
        with self.parts.whole() if self.parts else nullcontext():
            place = find_place(self.model, self.loss, attempt)
        batch = attempt.batches[place.batch if place else 0]
        names = list(self.ids(batch)) if batch is not None else []
        columns = [fault for column in self.columns(batch) if (fault := _fault(column))] if batch is not None else []
        return NotFinite(
            update=attempt.update + 1,
            loss=loss,
            gradient_norm=gradient_norm,
            learning_rate=learning_rate,
            place=place,
            row=names[place.row] if place and place.row is not None and place.row < len(names) else "",
            batch=names,
            columns=columns,
            gradient_norms=list(norms),
            change=self._change(columns, norms, learning_rate),
        )

    def _change(self, columns: Sequence[ColumnFault], norms: Sequence[float], learning_rate: float) -> str:
        """The remedy, for the likeliest cause."""
        if bad := [column.name for column in columns if column.num_nan or column.num_infinite]:
            return f"Clean the data: {', '.join(bad)} has NaN or infinite values in this batch."
        if far := [column.name for column in columns]:
            return f"Clean or scale the data: {', '.join(far)} has values further than {FAR} standard deviations out."
        lower = f"the learning rate ({learning_rate:g} here), such as train.learning_rate={learning_rate / 10:.2g}"
        if len(norms) > 1 and norms[-1] > GROWTH * median(norms[:-1]):
            clip = ", and limit them, such as train.clip_norm=1" if self.clip_norm == math.inf else ""
            return f"Gradients grew: lower {lower}{clip}."
        return f"Lower {lower}."


def _fault(column: InputColumn) -> ColumnFault | None:
    """What is wrong with a column, or nothing."""
    values = np.asarray(column.values, np.float64)
    finite = values[np.isfinite(values)]
    z = np.abs(finite - column.mean) / column.std if column.std > 0 else np.where(finite == column.mean, 0.0, math.inf)
    num_nan, num_infinite, num_far = int(np.isnan(values).sum()), int(np.isinf(values).sum()), int((z > FAR).sum())
    if not num_nan + num_infinite + num_far:
        return None
    return ColumnFault(column.name, num_nan, num_infinite, num_far, float(z.max(initial=0.0)))


def _described(fault: ColumnFault) -> str:
    return (
        f"{fault.name}: {fault.num_nan} NaN, {fault.num_infinite} infinite, {fault.num_far} beyond {FAR} standard deviations "
        f"(the furthest {fault.furthest:.3g})"
    )
