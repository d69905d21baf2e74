"""Anomaly scores of every step, and how well they find what was marked."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64

from carrousel.data import kept
from carrousel.data.kept import Writer
from carrousel.data.moments import quantiles
from carrousel.data.ragged import Ragged
from carrousel.data.stretches import BLOCK, Stretches
from carrousel.models.autoencoder.network import AutoencoderNetwork
from carrousel.models.autoencoder.series import Series, batch_of, marks_of, windows_of
from carrousel.train.to_device import to_device

BATCH_SIZE = 256

Rows = Int64[np.ndarray, "B 3"]
"""Windows, as `windows_of` gives them."""
Means = tuple[Float64[np.ndarray, " T"], Bool[np.ndarray, " T"]]
"""The mean error of some steps, 0 where no window holds a step, and whether one does."""


@torch.no_grad()
def errors_of(network: AutoencoderNetwork, series: Series) -> Stretches:
    """The error of each step of each series: its mean over the windows, half a window apart, that hold it.

    A series of one step has no window and the error 0.
    """
    device = next(network.parameters()).device

    def errors(windows: Rows) -> Float[np.ndarray, "T B"]:
        x, lengths = batch_of(series, windows)
        return network.errors(to_device(torch.from_numpy(x), device), torch.from_numpy(lengths)).cpu().numpy()

    windows = windows_of(series, network.window, max(1, network.window // 2))
    is_training = network.training
    network.eval()
    found = of_steps((mean for mean, _ in over_windows(series, windows, BATCH_SIZE, errors)), series.values.lengths)
    network.train(is_training)
    return found


def scores_of(network: AutoencoderNetwork, series: Series) -> Stretches:
    """How far each step of each series is from what was learned: the mean of the errors of `network.smoothing` steps around it."""
    return smoothed(errors_of(network, series), network.smoothing)


def smoothed(errors: Stretches, steps: int) -> Stretches:
    """The mean over so many steps around each step, fewer where a series begins or ends; of an even number, one more lies after it.

    It does not depend on where a block ends.

    >>> smoothed(Stretches.of(Ragged.of([np.array([3.0, 0.0, 6.0, 0.0])])), 2)[0].tolist()
    [1.5, 3.0, 3.0, 0.0]
    """
    return of_steps((part for one in errors for part in _smoothed(one, steps)), errors.lengths)


def _smoothed(errors: Float64[np.ndarray, " T"], steps: int) -> Iterator[Float64[np.ndarray, " S"]]:
    """Means of one series in parts, each from its own steps and those around them, zeros where there are none."""
    length = len(errors)
    before, after = min((steps - 1) // 2, length), min(steps // 2, length)
    window = np.ones(before + 1 + after)
    for begin in range(0, length, BLOCK):
        end = min(begin + BLOCK, length)
        first, last = max(0, begin - before), min(length, end + after)
        around = np.zeros(end - begin + before + after)
        around[first - begin + before : last - begin + before] = errors[first:last]
        place = np.arange(begin, end)
        count = np.minimum(place + after + 1, length) - np.maximum(place - before, 0)
        yield np.convolve(around, window, "valid") / count


def threshold_of(errors: Stretches, series: Series, smoothing: int, quantile: float) -> float:
    """The score below which this part of the steps lies that are not marked as anomalies."""
    scores = smoothed(errors, smoothing)
    return float(quantiles(lambda: _unmarked(scores, series), [quantile])[0])


def figures_of(errors: Stretches, series: Series, smoothing: int, threshold: float) -> dict[str, float]:
    """The mean error of the steps that are not marked as anomalies, and where some are marked, what `detection` says.

    Where all are marked, the mean error is that of all.
    """
    if series.labels is None:
        return {"mse": _mean(errors.blocks())}
    marks = marks_of(series)
    found = {"mse": _mean(errors.blocks() if marks.all() else _unmarked(errors, series))}
    return found | detection(smoothed(errors, smoothing).values, marks, threshold)


def _unmarked(steps: Stretches, series: Series) -> Iterator[Float64[np.ndarray, " T"]]:
    """Those of the steps that are not marked as anomalies, in blocks."""
    if series.labels is None:
        yield from steps.blocks()
    else:
        yield from (block[~mark] for block, mark in zip(steps.blocks(), series.labels.blocks(), strict=True))


def _mean(blocks: Iterable[Float64[np.ndarray, " T"]]) -> float:
    count, total = 0, 0.0
    for block in blocks:
        count, total = count + len(block), total + float(block.sum())
    return total / count


def of_steps(parts: Iterable[Float64[np.ndarray, " T"]], lengths: Int64[np.ndarray, " K"]) -> Stretches:
    """A number for each step of series of these lengths, all of them one after the other in these parts.

    More than 256 MB are kept in temporary files.
    """

    def make(writer: Writer) -> Mapping[str, Any]:
        with writer.array("steps", np.float64) as steps:
            for part in parts:
                steps.append(part)
        return {}

    offsets = np.append(0, np.cumsum(lengths))
    is_much = int(offsets[-1]) * np.dtype(np.float64).itemsize > kept.LARGE
    found = kept.in_temporary_files(make) if is_much else kept.in_memory(make)
    return Stretches.of(Ragged(found["steps"].values, offsets))


def over_windows(
    series: Series, windows: Int64[np.ndarray, "N 3"], size: int, errors: Callable[[Rows], Float[np.ndarray, "T B"]]
) -> Iterator[Means]:
    """The mean error of each step over the windows that hold it, all steps in order, in parts.

    Args:
        windows: as `windows_of` gives them: none begins before the one before it, so that what lies before one is done.
        size: windows at a time, at most.
        errors: of these windows; what is past the end of one is not looked at.
    """
    offsets = np.append(0, np.cumsum(series.values.lengths))
    places = offsets[windows[:, 0]] + windows[:, 1]
    done, total, count = 0, np.zeros(0), np.zeros(0, np.int64)
    begin = 0
    while begin < len(windows):
        # Where series without a window lie between, fewer at a time: what is held reaches from the first to the last of them.
        near = int(np.searchsorted(places, int(places[begin]) + BLOCK))
        end = min(begin + size, near)
        some, ready = windows[begin:end], int(places[begin]) - done
        yield total[:ready] / np.maximum(count[:ready], 1), count[:ready] > 0
        yield from _nothing(ready - len(total))
        done, total, count = done + ready, total[ready:], count[ready:]
        more = max(0, int((places[begin:end] + some[:, 2]).max()) - done - len(total))
        total, count = np.append(total, np.zeros(more)), np.append(count, np.zeros(more, np.int64))
        found = errors(some)
        for b, (place, length) in enumerate(zip((places[begin:end] - done).tolist(), some[:, 2].tolist(), strict=True)):
            total[place : place + length] += found[:length, b]
            count[place : place + length] += 1
        begin = end
    yield total / np.maximum(count, 1), count > 0
    yield from _nothing(series.num_steps - done - len(total))


def _nothing(steps: int) -> Iterator[Means]:
    for begin in range(0, steps, BLOCK):
        number = min(BLOCK, steps - begin)
        yield np.zeros(number), np.zeros(number, bool)


def detection(
    scores: Float64[np.ndarray, " N"], is_anomaly: Bool[np.ndarray, " N"], threshold: float
) -> dict[str, float]:
    """How well scores find the steps that are marked; of arrays in memory or mapped, of which only the marked steps are held.

    Returns:
        precision, recall and f1 of the scores above the threshold; roc_auc, the probability that a marked step scores higher
        than another, ties counting half; average_precision, the area under precision over recall. Figures of which nothing
        is known (no marked step, or no other) are left out.
    """
    blocks = [slice(begin, begin + BLOCK) for begin in range(0, len(scores), BLOCK)]
    marked = np.sort(np.concatenate([np.zeros(0), *(scores[block][is_anomaly[block]] for block in blocks)]))
    num_said = sum(int((scores[block] > threshold).sum()) for block in blocks)
    right = int((marked > threshold).sum())
    num_marked, num_others = len(marked), len(scores) - len(marked)
    precision, recall = right / max(1, num_said), right / max(1, num_marked)
    found = {"precision": precision, "recall": recall, "f1": 2 * right / max(1, num_said + num_marked)}
    if not num_marked or not num_others:
        return found
    # Of the other steps it is enough to know how many lie below, or as high as, each score of a marked one.
    values, hits = np.unique(marked, return_counts=True)
    below, up_to = np.zeros(len(values), np.int64), np.zeros(len(values), np.int64)
    for block in blocks:
        others = np.sort(scores[block][~is_anomaly[block]])
        below += np.searchsorted(others, values, "left")
        up_to += np.searchsorted(others, values, "right")
    auc = float((hits * (below + up_to)).sum()) / 2 / (num_marked * num_others)
    found_at = hits[::-1].cumsum()[::-1]  # marked steps that score as high, or higher
    precisions = found_at / (found_at + num_others - below)
    return found | {"roc_auc": auc, "average_precision": float((precisions * hits).sum() / num_marked)}
