"""Windows of parallel streams of a text, as the trainer asks for them."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Integer

from carrousel.data import Streams, Window
from carrousel.models.encoder import draw_for
from carrousel.models.language_model.network import LanguageModelNetwork
from carrousel.train.loop import Loss
from carrousel.train.to_device import to_device


class TextBatch(NamedTuple):
    """What one update sees."""

    x: Integer[np.ndarray, "T B"]  # the symbols read
    y: Integer[np.ndarray, "T B"]  # the symbols to predict
    is_start: bool  # an epoch starts here: begin from a fresh state
    rate_factor: float  # what the learning rate of this update is multiplied with
    rows: Sequence[int]  # numbers of the streams


@runtime_checkable
class Windows(Protocol):
    """Numbered windows of a text: `Streams`, or `RandomWindows`."""

    def __len__(self) -> int:
        """Windows in an epoch."""
        ...

    def window(self, k: int) -> Window:
        """The window at position k, counted from 0 through all epochs."""
        ...


class RandomWindows:
    """Windows as those of `Streams`, of random lengths: gradients are cut at other places in every epoch.

    A length is drawn from a normal distribution with a spread of 5 around `window`, or one time in twenty around half of it, and is
    at least 5 (or `window`, where that is less). Every epoch has the same lengths in another order, drawn from (seed, epoch), so
    that the number of a window is the whole position.

    Args:
        ids: the sequence.
        batch_size: number of streams.
        window: steps in a usual window.
        seed: of the draws.

    Raises:
        ConfigError: as `Streams`.

    Source: Merity, Keskar and Socher, arXiv:1708.02182, section 4.1.
    """

    def __init__(self, ids: Integer[np.ndarray, " num_symbols"], batch_size: int, window: int, seed: int) -> None:
        self.usual, self.seed = window, seed
        whole = Streams(ids, batch_size, window, keep_tail=True)
        self.x = ids[: batch_size * whole.stream_size].reshape(batch_size, -1).T
        self.y = ids[1 : batch_size * whole.stream_size + 1].reshape(batch_size, -1).T
        self.lengths = _lengths(whole.stream_size, window, np.random.default_rng(seed))
        self._begins = lru_cache(maxsize=2)(self._begins_of)

    def __len__(self) -> int:
        """Windows in an epoch, the same in each."""
        return len(self.lengths)

    def window(self, k: int) -> Window:
        """The window at position k, counted from 0 through all epochs."""
        epoch, position = divmod(k, len(self))
        begins = self._begins(epoch)
        steps = slice(begins[position], begins[position + 1])
        return Window(self.x[steps], self.y[steps], position == 0)

    def _begins_of(self, epoch: int) -> Integer[np.ndarray, " num"]:
        order = np.random.default_rng((self.seed, epoch)).permutation(len(self.lengths))
        return np.concatenate([[0], np.cumsum(self.lengths[order])])


def _lengths(total: int, usual: int, rng: np.random.Generator) -> Integer[np.ndarray, " num"]:
    """Random lengths whose sum is `total`; only the last may be shorter than 5."""
    lengths: list[int] = []
    left = total
    while left:
        mean = usual if rng.random() < 0.95 else usual / 2
        lengths.append(min(left, max(min(5, usual), int(rng.normal(mean, 5)))))
        left -= lengths[-1]
    return np.array(lengths, np.int64)


class TextBatches:
    """The windows of a text, one after the other through all epochs; one number is the whole position.

    Args:
        windows: `Streams`, or `RandomWindows`.
        usual: steps at which the learning rate is as set; a shorter window has a lower one. None for no such change.
        rows: streams that this process reads.
    """

    def __init__(self, windows: Windows, usual: int | None = None, rows: slice = slice(None)) -> None:
        self.windows, self.usual, self.rows, self.position = windows, usual, rows, 0

    def __len__(self) -> int:
        """Windows in an epoch."""
        return len(self.windows)

    def next(self) -> TextBatch | None:
        """The window at the position, which then moves on; None where this process has no stream."""
        window = self.windows.window(self.position)
        self.position += 1
        x, y = window.x[:, self.rows], window.y[:, self.rows]
        rows = range(window.x.shape[1])[self.rows]
        return TextBatch(x, y, window.is_start, len(x) / self.usual if self.usual else 1.0, rows) if rows else None

    def shard(self, rank: int, world: int) -> "TextBatches":
        """Every world-th stream, from the rank-th."""
        part = TextBatches(self.windows, self.usual, slice(rank, None, world))
        part.position = self.position
        return part

    def state_dict(self) -> dict[str, Any]:
        """The number of the next window."""
        return {"position": self.position}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to that window."""
        self.position = state["position"]


def window_loss(network: LanguageModelNetwork, batch: TextBatch, carried: Any) -> Loss:
    """The network's loss on a window; the state is carried from window to window and fresh in each epoch."""
    device = network.embedding.weight.device
    x, y = (to_device(torch.from_numpy(ids.astype(np.int64)), device) for ids in (batch.x, batch.y))
    loss, state = network.loss(x, y, None if batch.is_start else carried, draw_for(batch.rows))
    return Loss(loss, state, y.numel(), batch.rate_factor)
