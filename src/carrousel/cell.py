"""What a cell is: `Params`, `State`, one pure `step`, and the card that says where it comes from.

A cell is written for one sequence and one time step. Batch and time, speed, derivatives, export and inspection are
derived from the `step` by the engine; nobody writes a second copy.

    class State(NamedTuple):
        h: Float[Tensor, " H"]

    class Params(NamedTuple):
        W: Float[Tensor, "H D"]
        R: Float[Tensor, "H H"]
        b: Float[Tensor, " H"]

    def step(p: Params, x_t: Float[Tensor, " D"], s: State) -> tuple[Tensor, State]:
        h_t = torch.tanh(p.W @ x_t + p.R @ s.h + p.b)
        return h_t, State(h_t)
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from inspect import signature, unwrap
from pickle import PicklingError
from typing import Any, cast, get_type_hints

import torch
from jaxtyping import Float
from torch import Tensor

from carrousel.axes import AXES, EMPTY_AXES
from carrousel.errors import ConfigError, ShapeError, nearest

LARGEST_SIZE = 2**31 - 1
"""Elements along one axis."""

Sizes = Mapping[str, int]
"""Axis letter -> number of elements."""


@dataclass(frozen=True)
class Initialiser:
    """How one parameter starts: a formula to print and a function that fills a tensor of its shape.

    Args:
        formula: what the table of a card shows, such as "U(-1/√H, 1/√H)".
        fill: (tensor, sizes, generator) -> None, writes the values in place.
        is_fixed: a constant of the cell (a decay, a state-space matrix): saved with the parameters, never trained.
    """

    formula: str
    fill: Callable[[Tensor, Sizes, torch.Generator | None], object]
    is_fixed: bool = False


def uniform_hidden(axis: str = "H") -> Initialiser:
    """Uniform within ±1/√size of the axis: what `torch.nn.LSTM`, `GRU` and `RNN` do, biases included."""

    def fill(tensor: Tensor, sizes: Sizes, generator: torch.Generator | None) -> None:
        bound = sizes[axis] ** -0.5
        tensor.uniform_(-bound, bound, generator=generator)

    return Initialiser(f"U(-1/√{axis}, 1/√{axis})", fill)


def uniform(bound: float) -> Initialiser:
    """Uniform within ±bound."""
    return Initialiser(f"U(-{bound:g}, {bound:g})", lambda t, _, g: t.uniform_(-bound, bound, generator=g))


def uniform_between(low: float, high: float) -> Initialiser:
    """Uniform from low to high."""
    return Initialiser(f"U({low:g}, {high:g})", lambda t, _, g: t.uniform_(low, high, generator=g))


def uniform_by(axis: str, scale: float) -> Initialiser:
    """Uniform within ±scale/√size of the axis: with the input axis and scale √3 (LeCun) the variance is 1/D."""

    def fill(tensor: Tensor, sizes: Sizes, generator: torch.Generator | None) -> None:
        bound = scale * sizes[axis] ** -0.5
        tensor.uniform_(-bound, bound, generator=generator)

    return Initialiser(f"U(-{scale:.4g}/√{axis}, {scale:.4g}/√{axis})", fill)


def glorot_uniform(inputs: str = "D", outputs: str = "H") -> Initialiser:
    """Uniform within ±√(6 / (inputs + outputs)), the sizes of the two axes (Glorot and Bengio 2010)."""

    def fill(tensor: Tensor, sizes: Sizes, generator: torch.Generator | None) -> None:
        bound = (6 / (sizes[inputs] + sizes[outputs])) ** 0.5
        tensor.uniform_(-bound, bound, generator=generator)

    return Initialiser(f"U(-√(6/({inputs}+{outputs})), √(6/({inputs}+{outputs})))", fill)


def glorot_normal(inputs: str = "D", outputs: str = "H") -> Initialiser:
    """Normal around 0 with variance 2 / (inputs + outputs), the sizes of the two axes (Glorot and Bengio 2010)."""

    def fill(tensor: Tensor, sizes: Sizes, generator: torch.Generator | None) -> None:
        tensor.normal_(0.0, (2 / (sizes[inputs] + sizes[outputs])) ** 0.5, generator=generator)

    return Initialiser(f"N(0, 2/({inputs}+{outputs}))", fill)


def normal(std: float, mean: float = 0.0) -> Initialiser:
    """Normal with that standard deviation."""
    return Initialiser(f"N({mean:g}, {std:g}²)", lambda t, _, g: t.normal_(mean, std, generator=g))


def normal_by(axis: str, scale: float) -> Initialiser:
    """Normal around 0 with standard deviation scale/√size of the axis."""

    def fill(tensor: Tensor, sizes: Sizes, generator: torch.Generator | None) -> None:
        tensor.normal_(0.0, scale * sizes[axis] ** -0.5, generator=generator)

    return Initialiser(f"N(0, {scale:.4g}²/{axis})", fill)


def unit_rows() -> Initialiser:
    """Rows (the last axis) of length 1 in random directions."""

    def fill(tensor: Tensor, _sizes: Sizes, generator: torch.Generator | None) -> None:
        tensor.normal_(generator=generator)
        tensor.div_((tensor * tensor).sum(-1, keepdim=True).sqrt())

    return Initialiser("random rows of length 1", fill)


def orthogonal() -> Initialiser:
    """Every matrix (the last two axes) orthogonal, drawn at random; one that is not square has orthonormal rows or columns."""

    def fill(tensor: Tensor, _sizes: Sizes, generator: torch.Generator | None) -> None:
        for matrix in tensor.reshape(_product(tensor.shape[:-2]), *tensor.shape[-2:]):
            torch.nn.init.orthogonal_(matrix, generator=generator)

    return Initialiser("orthogonal", fill)


def evenly_spaced(first: float, last: float) -> Initialiser:
    """From `first` to `last` in equal steps along the last axis."""

    def fill(tensor: Tensor, _sizes: Sizes, _generator: torch.Generator | None) -> None:
        values = torch.linspace(first, last, tensor.shape[-1], dtype=tensor.dtype, device=tensor.device)
        tensor.copy_(values.expand_as(tensor))

    return Initialiser(f"{first:g} … {last:g} in equal steps", fill)


def constant(value: float, *, is_fixed: bool = False) -> Initialiser:
    """Every element equal to `value`; with `is_fixed` it is a constant of the cell and never trained."""
    return Initialiser(f"{value:g}{' (fixed)' if is_fixed else ''}", lambda t, _s, _g: t.fill_(value), is_fixed)


def staggered(first: float, increment: float) -> Initialiser:
    """`first` for the first block (row), then `increment` more for each further one."""

    def fill(tensor: Tensor, _sizes: Sizes, _generator: torch.Generator | None) -> None:
        steps = torch.arange(tensor.shape[0], dtype=tensor.dtype, device=tensor.device)
        tensor.copy_((first + increment * steps).reshape(-1, *(1,) * (tensor.dim() - 1)).expand_as(tensor))

    return Initialiser(f"{first:g}, {first + increment:g}, {first + 2 * increment:g} … by block", fill)


@dataclass(frozen=True)
class Source:
    """The publication a cell is written from.

    Args:
        title: as printed.
        authors: "Given Family" each, in the paper's order.
        year: of this publication.
        venue: journal or conference, with volume and pages where there are any.
        identifier: "doi:…" or "arXiv:…"; empty when there is neither.
    """

    title: str
    authors: tuple[str, ...]
    year: int
    venue: str
    identifier: str = ""


@dataclass(frozen=True)
class Option:
    """A size of the cell that a user may choose: the keyword, its default (from the other sizes), and what it is."""

    keyword: str
    default: Callable[[Sizes], int]
    meaning: str


def quotient(whole: str, part: str) -> Callable[[Sizes], int]:
    """The rule "size of `whole` divided by size of `part`", refused when it leaves a remainder."""

    def rule(sizes: Sizes) -> int:
        if sizes[part] < 1 or sizes[whole] % sizes[part]:
            raise ConfigError(
                f"{whole}={sizes[whole]} cannot be divided into parts of {part}={sizes[part]}, expected a multiple. "
                "Choose sizes that divide."
            )
        return sizes[whole] // sizes[part]

    return rule


def one_less(axis: str) -> Callable[[Sizes], int]:
    """The rule "one less than the size of `axis`", refused where that leaves nothing."""

    def rule(sizes: Sizes) -> int:
        if sizes[axis] < 2:
            raise ConfigError(f"{axis}={sizes[axis]} ({AXES[axis]}), expected at least 2. Choose a larger size.")
        return sizes[axis] - 1

    return rule


def same(axis: str, other: str) -> Callable[[Sizes], int]:
    """The rule "as many as `other`", refused where the size of `axis` differs."""

    def rule(sizes: Sizes) -> int:
        if sizes[axis] != sizes[other]:
            raise ConfigError(
                f"{axis}={sizes[axis]} and {other}={sizes[other]}, expected the same size: the step adds x_t itself to its "
                "units. Choose equal sizes, or map x_t to as many features first (model.input_features, in models of series)."
            )
        return sizes[other]

    return rule


@dataclass(frozen=True, eq=False)
class Cell:
    """One recurrent cell: its mathematics and its card.

    Args:
        name: lower case, with underscores; unique in the catalogue.
        step: (params, x_t, state) -> (y_t, state), pure, for one sequence and one time step. A stochastic cell's step takes
            random numbers as further arguments, each annotated with its axes: `u_t: Float[Tensor, "K H"]` is uniform
            in [0, 1), new at every step.
        Params: NamedTuple class whose fields carry shape annotations in axis letters.
        State: the same, for what one time step hands to the next.
        init: parameter name -> initialiser, one entry a parameter.
        source: the publication.
        differs: every departure from the publication, or "nothing".
        aliases: other names users know the cell by.
        output: axis letter of the size of y_t.
        options: axis letter -> a size the user may choose (block size, projection size).
        derived: axis letter -> a size that follows from the others, such as N = H / S.
    """

    name: str
    step: Callable[..., tuple[Tensor, Any]]
    Params: type[Any]
    State: type[Any]
    init: Mapping[str, Initialiser]
    source: Source
    differs: str
    aliases: tuple[str, ...] = ()
    output: str = "H"
    options: Mapping[str, Option] = field(default_factory=dict[str, Option])
    derived: Mapping[str, Callable[[Sizes], int]] = field(default_factory=dict[str, Callable[[Sizes], int]])

    def __deepcopy__(self, memo: object) -> "Cell":
        return self  # immutable: copies of a layer share their cell

    def __reduce__(self) -> tuple[object, ...]:
        module = unwrap(self.step).__module__
        for name, value in vars(import_module(module)).items():
            if value is self:
                return _cell_at, (module, name)
        raise PicklingError(
            f"{self.name}: the cell is no variable of {module}, where its step is, expected one to find it by when it is read "
            f"back. Write {self.name} = Cell(...) at the top level of that file."
        )

    def __post_init__(self) -> None:
        missing = set(self.param_axes) ^ set(self.init)
        if missing:
            raise ConfigError(
                f"{self.name}: init names {sorted(self.init)}, expected one entry for each of {sorted(self.param_axes)}. "
                f"Add or remove {sorted(missing)}."
            )

    @cached_property
    def param_axes(self) -> dict[str, tuple[str, ...]]:
        """Parameter name -> its axes, read from the annotations: {"W_i": ("H", "D"), ...}."""
        return annotated_axes(self.Params)

    @cached_property
    def state_axes(self) -> dict[str, tuple[str, ...]]:
        """State field -> its axes, read from the annotations."""
        return annotated_axes(self.State)

    @cached_property
    def noise_axes(self) -> dict[str, tuple[str, ...]]:
        """Random numbers that the step takes -> their axes, read from the annotations; empty when it draws none."""
        step = unwrap(self.step)
        names = list(signature(step).parameters)[3:]
        hints = get_type_hints(step) if names else {}
        return {name: _axes(f"{self.name}.step: {name}", hints.get(name)) for name in names}

    def sizes(self, input_size: int, hidden_size: int, **chosen: int) -> dict[str, int]:
        """All axis sizes of this cell: D, H, its options (chosen or default) and what follows from them.

        Raises:
            ConfigError: an unknown option, or a size that is not a positive whole number.
        """
        sizes = {"D": input_size, "H": hidden_size}
        known = {option.keyword: letter for letter, option in self.options.items()}
        for keyword in chosen:
            if keyword not in known:
                expected = f"one of {sorted(known)}" if known else "no further sizes"
                raise ConfigError(
                    f"{self.name}: {keyword}={chosen[keyword]!r} is not a size of this cell, expected {expected}."
                    f"{nearest(keyword, known) or ' Leave it out.'}"
                )
        for letter, option in self.options.items():
            sizes[letter] = chosen.get(option.keyword, option.default(sizes))
        for letter, rule in self.derived.items():
            sizes[letter] = rule(sizes)
        for letter, size in sizes.items():
            if size < (0 if letter in EMPTY_AXES else 1):
                raise ConfigError(
                    f"{self.name}: {self._size_name(letter)} is {size}, expected at least 1. Choose a larger size."
                )
            if size > LARGEST_SIZE:
                raise ConfigError(
                    f"{self.name}: {self._size_name(letter)} is {size:,}, expected at most {LARGEST_SIZE:,}. Choose a smaller size."
                )
        return sizes

    def _size_name(self, letter: str) -> str:
        named = {"D": "input_size", "H": "hidden_size"} | {k: o.keyword for k, o in self.options.items()}
        return named.get(letter, f"{letter} ({AXES[letter]})")

    def param_shapes(self, sizes: Sizes) -> dict[str, tuple[int, ...]]:
        """Parameter name -> shape in elements."""
        return {name: axes_shape(axes, sizes) for name, axes in self.param_axes.items()}

    def state_shapes(self, sizes: Sizes) -> dict[str, tuple[int, ...]]:
        """State field -> shape in elements."""
        return {name: axes_shape(axes, sizes) for name, axes in self.state_axes.items()}

    def num_parameters(self, sizes: Sizes) -> int:
        """Trained numbers in one layer of this cell; constants of the cell are not counted."""
        shapes = self.param_shapes(sizes)
        return sum(_product(shapes[name]) for name, init in self.init.items() if not init.is_fixed)


def _cell_at(module: str, name: str) -> Cell:
    return getattr(import_module(module), name)


def annotated_axes(named_tuple: type[Any]) -> dict[str, tuple[str, ...]]:
    """Field -> axis letters, read from the jaxtyping annotations of a Params or State class.

    Raises:
        ConfigError: a field without a shape annotation, or with a letter that `carrousel.axes` does not define.
    """
    return {
        name: _axes(f"{named_tuple.__qualname__}.{name}", hint) for name, hint in get_type_hints(named_tuple).items()
    }


def _axes(where: str, hint: object) -> tuple[str, ...]:
    letters = getattr(hint, "dim_str", None)
    if letters is None:
        raise ConfigError(
            f'{where}: annotated {hint!r}, expected a shape such as Float[Tensor, "H D"]. '
            "Annotate every field with its axes."
        )
    axes = tuple(cast(str, letters).split())
    for letter in axes:
        if letter not in AXES:
            raise ConfigError(
                f"{where}: axis {letter!r} is not defined, expected one of {' '.join(AXES)}. See carrousel.axes."
            )
    return axes


def axes_shape(axes: tuple[str, ...], sizes: Sizes) -> tuple[int, ...]:
    """The number of elements along each axis."""
    return tuple(sizes[letter] for letter in axes)


def verify_shapes(where: str, value: Any, axes: Mapping[str, tuple[str, ...]], sizes: Sizes) -> None:
    """Check a Params or State against its own annotations.

    Raises:
        ShapeError: the first field whose shape differs, with its axes and sizes by name.
    """
    for name, letters in axes.items():
        got, expected = tuple(getattr(value, name).shape), axes_shape(letters, sizes)
        if got != expected:
            wanted = ", ".join(f"{letter}={size}" for letter, size in zip(letters, expected, strict=True))
            raise ShapeError(f"{where}: {name} has shape {got}, expected ({wanted}). Pass a tensor of that shape.")


def _product(shape: tuple[int, ...]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total


__all__ = [
    "Cell", "Float", "Initialiser", "Option", "Sizes", "Source", "Tensor", "annotated_axes", "axes_shape", "constant",
    "evenly_spaced", "glorot_normal", "glorot_uniform", "normal", "normal_by", "one_less", "orthogonal", "quotient", "same",
    "staggered", "uniform", "uniform_between", "uniform_by", "uniform_hidden", "unit_rows", "verify_shapes",
]  # fmt: skip
