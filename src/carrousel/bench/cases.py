"""What is measured: the sizes that matter to users, and every cell at one of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from carrousel.cells import CELLS
from carrousel.errors import ConfigError, nearest

Mode = Literal["train", "infer", "stream"]


@dataclass(frozen=True)
class Case:
    """One thing to measure; input and hidden size are the same.

    Args:
        name: of the case.
        cell: in the catalogue.
        mode: "train", forward and backward with all derivatives; "infer", forward; "stream", one time step a call.
        batch: sequences.
        size: D and H.
        steps: T.
        num_layers: of the stack.
        bidirectional: both directions.
        is_ragged: lengths drawn from 10 to T.
        bars: peer -> how many times as fast as the peer Carrousel is to be; peers without one are shown only.
    """

    name: str
    cell: str
    mode: Mode
    batch: int
    size: int
    steps: int
    num_layers: int = 1
    bidirectional: bool = False
    is_ragged: bool = False
    bars: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def is_plain(self) -> bool:
        """One layer, one direction, all sequences of one length."""
        return self.num_layers == 1 and not self.bidirectional and not self.is_ragged

    def __str__(self) -> str:
        return f"{self.name} {self.mode} B{self.batch} H{self.size} T{self.steps}"


TORCH_CELLS = {"lstm": "LSTM", "gru_reset_after": "GRU", "elman": "RNN"}
"""Cell -> the class in torch.nn with the same mathematics."""

_ZOO: dict[str, Any] = {"batch": 32, "size": 128, "steps": 100}
_LOOP, _OWN, _JAX = 2.0, 0.8, 4.0
"""Bars of every cell: a loop of torch operations; our own LSTM by the work done (1.25 times its time); jitted scans."""


def _lstm(mode: Mode, batch: int, size: int, steps: int, bar: float) -> Case:
    return Case("LSTM", "lstm", mode, batch, size, steps, bars={"torch": bar})


CASES: tuple[Case, ...] = (
    _lstm("train", 1, 64, 500, 2.2),
    _lstm("train", 16, 64, 200, 1.4),
    Case("LSTM", "lstm", "train", **_ZOO, bars={"torch": 1.1, "loop": _LOOP, "jax": _JAX}),
    _lstm("train", 32, 256, 100, 1.08),
    _lstm("train", 64, 512, 50, 0.97),
    _lstm("train", 128, 1024, 20, 0.97),
    _lstm("infer", 1, 64, 500, 2.0),
    _lstm("infer", 16, 64, 200, 1.3),
    _lstm("infer", 32, 128, 100, 1.0),
    Case("GRU", "gru_reset_after", "train", **_ZOO, bars={"torch": 2.0, "loop": _LOOP, "jax": _JAX}),
    Case("RNN", "elman", "train", **_ZOO, bars={"torch": 2.0, "loop": _LOOP}),
    Case("3-layer bidirectional LSTM", "lstm", "train", **_ZOO, num_layers=3, bidirectional=True, bars={"torch": 1.3}),
    Case(
        "LSTM lengths 10..500", "lstm", "train", 32, 128, 500, is_ragged=True,
        bars={"torch packed": 5.0, "torch": 1.6},
    ),
    Case("LSTM a step a call", "lstm", "stream", 1, 16, 200, bars={"torch": 8.0, "onnxruntime": 8.0}),
    Case("LSTM a step a call", "lstm", "stream", 1, 64, 200, bars={"torch": 4.0, "onnxruntime": 4.0}),
)  # fmt: skip
"""The sizes that matter to users."""


_SMALLER = {"lie_group": 16}
"""Cells whose output is a whole matrix: at 128 units the tape of a plain loop is beyond the memory of most machines."""


def zoo(names: Sequence[str]) -> tuple[Case, ...]:
    """Cells at one size, in training."""
    bars = {"loop": _LOOP, "own lstm": _OWN, "bytes": 0.5, "jax": _JAX}
    sizes: dict[str, dict[str, Any]] = {name: {**_ZOO, "size": _SMALLER.get(name, _ZOO["size"])} for name in names}
    return tuple(Case(name, name, "train", **sizes[name], bars=bars) for name in names)


def chosen_cases(text: str) -> tuple[Case, ...]:
    """The cases that hold one of the texts between commas in their name, mode and size; "all" or "none".

    Raises:
        ConfigError: a text that fits no case.
    """
    if text in ("all", "none"):
        return CASES if text == "all" else ()
    found: list[Case] = []
    for word in (part.strip().lower() for part in text.split(",")):
        fitting = [case for case in CASES if word in str(case).lower()]
        if not fitting:
            raise ConfigError(
                f"bench: no case has {word!r} in it, expected a part of one of: "
                f"{'; '.join(str(case) for case in CASES)}. Choose one of these, all or none."
            )
        found += [case for case in fitting if case not in found]
    return tuple(case for case in CASES if case in found)


def chosen_cells(text: str) -> tuple[Case, ...]:
    """The zoo's cases for the cells named between commas; "all" or "none".

    Raises:
        ConfigError: a name that is not in the catalogue.
    """
    if text in ("all", "none"):
        return zoo([name for name in CELLS if name not in TORCH_CELLS]) if text == "all" else ()
    names = [name.strip() for name in text.split(",")]
    known = {alias: cell.name for cell in CELLS.values() for alias in (cell.name, *cell.aliases)}
    for name in names:
        if name not in known:
            raise ConfigError(f"bench: unknown cell {name!r}.{nearest(name, known)} All cells: carrousel cells")
    return zoo([known[name] for name in names])
