"""A cell that takes part in a comparison: its name there, how its parameters start, and its network."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf, isfinite, nan
from typing import Any, NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from carrousel.cell import Cell
from carrousel.cells import find
from carrousel.errors import ConfigError, nearest
from carrousel.init import Initialisation, chrono, forget_bias, in_order, input_bias, uniform_weights
from carrousel.layers import Recurrent

OWN = "own"
WEIGHTS = "weights"

Setting = tuple[str, float]

KEEPING: tuple[Setting, ...] = ((WEIGHTS, 1.5), ("forget_bias", 5), ("input_bias", -2))
"""From the start, what is in the cell stays, and little comes in."""

KEEPERS = frozenset(("lstm", "lstm_projected", "peephole_lstm"))
"""The cells that start so by a bare name. Others may have gates of the same names that mean something else."""


def _is_whole_from(least: int) -> Callable[[float], bool]:
    return lambda value: value >= least and value % 1 == 0


def _is_bound(value: float) -> bool:
    return 0 < value < inf


def _chrono(max_steps: float) -> Initialisation:
    return chrono(int(max_steps))


class Range(NamedTuple):
    """The values that a setting can have."""

    expected: str
    holds: Callable[[float], bool]
    example: float


class Start(NamedTuple):
    """One way to change how a cell starts."""

    needs: tuple[str, ...]  # parameters that the cell must have
    initialisation: Callable[[float], Initialisation]
    words: str
    range: Range


SIZE = Range("a whole number of 1 or more", _is_whole_from(1), 2)
BOUND = Range("a number above 0", _is_bound, 1.5)
STEPS = Range("a whole number of 3 or more", _is_whole_from(3), 20)
BIAS = Range("a number", isfinite, 1)

STARTS: Mapping[str, Start] = {
    WEIGHTS: Start((), uniform_weights, "weights U(-{0:g}, {0:g})", BOUND),
    "chrono": Start(("b_f", "b_i"), _chrono, "chrono up to {:g} steps", STEPS),
    "forget_bias": Start(("b_f",), forget_bias, "forget bias {:g}", BIAS),
    "input_bias": Start(("b_i",), input_bias, "input bias {:g}", BIAS),
}


class Predictor(nn.Module):
    """A recurrent layer and a linear read-out: at each step the logits of the symbol that comes next."""

    def __init__(self, recurrent: Recurrent) -> None:
        super().__init__()
        self.recurrent = recurrent
        self.read_out = nn.Linear(recurrent.output_size, recurrent.input_size)

    def forward(self, x: Float[Tensor, "T B C"]) -> Float[Tensor, "T B C"]:
        """Logits, from zero states."""
        return self.read_out(self.recurrent(x)[0])


@dataclass(frozen=True)
class Contender:
    """A cell, and how it starts.

    Attributes:
        label: its name in tables, plots and files.
        cell: name or alias of the cell.
        settings: sizes of the cell, and what goes over its own initialisation (the names in `STARTS`), in this order;
            `weights` is for the read-out, too.
    """

    label: str
    cell: str
    settings: tuple[Setting, ...] = ()

    def network(self, num_symbols: int, hidden_size: int) -> Predictor:
        """A network with fresh parameters from torch's random generator.

        Raises:
            ConfigError: a size or a setting does not fit the cell.
        """
        starts = [STARTS[name].initialisation(value) for name, value in self.settings if name in STARTS]
        sizes: dict[str, Any] = {name: int(value) for name, value in self.settings if name not in STARTS}
        network = Predictor(Recurrent(self.cell, num_symbols, hidden_size, init=in_order(*starts), **sizes))
        for name, bound in self.settings:
            if name == WEIGHTS:
                nn.init.uniform_(network.read_out.weight, -bound, bound)
        return network

    def describe(self) -> str:
        """How it starts, in words.

        >>> Contender("lstm", "lstm", (("weights", 2), ("forget_bias", 5))).describe()
        'weights U(-2, 2), forget bias 5'
        """
        sizes = [f"{name} {value:g}" for name, value in self.settings if name not in STARTS]
        starts = [STARTS[name].words.format(value) for name, value in self.settings if name in STARTS]
        return ", ".join([*sizes, *(starts or ["the cell's own"])])


def contenders(cells: str) -> tuple[Contender, ...]:
    """What a list such as "srn,lstm,lstm:forget_bias=3:input_bias=-1" names, in its order.

    A bare name of `KEEPERS` starts with `KEEPING`, that of any other cell with the cell's own values; `lstm:own` starts as
    on its card; settings replace all of that.

    Raises:
        ConfigError: a cell or a setting is unknown, a value is no number, or something is named twice.

    >>> [contender.describe() for contender in contenders("srn,lstm:chrono=20")]
    ["the cell's own", 'chrono up to 20 steps']
    """
    found: dict[str, Contender] = {}
    for label in (part.strip() for part in cells.split(",")):
        if not label:
            raise ConfigError(
                f"compare: cells is {cells!r}, expected names of cells with commas between them. For example: srn,lstm"
            )
        if label in found:
            raise ConfigError(f"compare: cells names {label!r} twice, expected each once. Leave one out.")
        found[label] = _contender(label)
    return tuple(found.values())


def _contender(label: str) -> Contender:
    name, *parts = label.split(":")
    cell = find(name)
    if not parts:
        return Contender(label, name, KEEPING if cell.name in KEEPERS else ())
    if parts == [OWN]:
        return Contender(label, name)
    return Contender(label, name, tuple(_setting(label, cell, part) for part in parts))


def _known(cell: Cell) -> list[str]:
    """Settings that this cell takes."""
    starts = [name for name, start in STARTS.items() if set(start.needs) <= set(cell.param_axes)]
    return [*starts, *(option.keyword for option in cell.options.values())]


def _setting(label: str, cell: Cell, part: str) -> Setting:
    name, _, text = part.partition("=")
    known = _known(cell)
    if name not in known:
        hint = nearest(name, known) or f" For example: {cell.name}:{WEIGHTS}={BOUND.example:g}"
        raise ConfigError(
            f"compare: {name!r} in {label!r} is not a setting of {cell.name}, expected {OWN} alone or {', '.join(known)}.{hint}"
        )
    accepted = STARTS[name].range if name in STARTS else SIZE
    value = _number(text)
    if not accepted.holds(value):
        raise ConfigError(
            f"compare: {name} in {label!r} is {text!r}, expected {accepted.expected}. For example: "
            f"{cell.name}:{name}={accepted.example:g}"
        )
    return name, value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return nan
