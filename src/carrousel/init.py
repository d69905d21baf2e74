"""Initialisations that go over a cell's own: functions from its parameters to changed parameters, for `Recurrent(init=...)`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any, ParamSpec, cast

import torch

from carrousel.cell import Cell, annotated_axes
from carrousel.errors import ConfigError

Initialisation = Callable[[Any], Any]
"""Params -> Params of the same class and shapes."""

P = ParamSpec("P")


@dataclass(frozen=True)
class _Made:
    """An initialisation that is pickled as the call that made it."""

    function: Initialisation
    call: tuple[Callable[..., Initialisation], tuple[Any, ...]]

    def __call__(self, params: Any) -> Any:
        return self.function(params)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


def _picklable(make: Callable[P, Initialisation]) -> Callable[P, Initialisation]:
    @wraps(make)
    def made(*given: P.args, **named: P.kwargs) -> Initialisation:
        again = partial(made, **named) if named else made
        return _Made(make(*given, **named), (again, given))

    return made


@_picklable
def forget_bias(value: float) -> Initialisation:
    """Every forget-gate bias equal to `value`; 1 or 2 keeps the carrousel open at the start of training.

    Raises:
        ConfigError: on use, when the cell has no parameter b_f.

    Source: Gers, Schmidhuber and Cummins, "Learning to Forget", Neural Computation 12(10), 2000; Jozefowicz, Zaremba and
    Sutskever, "An Empirical Exploration of Recurrent Network Architectures", ICML 2015.
    """

    def initialise(params: Any) -> Any:
        _require(params, ("b_f",), "forget_bias")
        return params._replace(b_f=torch.full_like(params.b_f, value))

    return initialise


def forget_bias_for(cell: Cell, value: float | None) -> Initialisation | None:
    """`forget_bias(value)` where there is a value and the cell learns a forget-gate bias; else None, the cell's own start."""
    has_forget_gate = "b_f" in cell.param_axes and not cell.init["b_f"].is_fixed
    return forget_bias(value) if has_forget_gate and value is not None else None


@_picklable
def input_bias(value: float) -> Initialisation:
    """Every input-gate bias equal to `value`; below 0 a memory is written only when something speaks for it.

    Raises:
        ConfigError: on use, when the cell has no parameter b_i.

    Source: Hochreiter and Schmidhuber, "Long Short-Term Memory", Neural Computation 9(8), 1997, section 4.
    """

    def initialise(params: Any) -> Any:
        _require(params, ("b_i",), "input_bias")
        return params._replace(b_i=torch.full_like(params.b_i, value))

    return initialise


@_picklable
def uniform_weights(bound: float) -> Initialisation:
    """Every matrix uniform within ±bound; vectors stay as they are.

    Raises:
        ConfigError: `bound` is not above 0.
    """
    if bound <= 0:
        raise ConfigError(f"uniform_weights: bound is {bound:g}, expected a number above 0. Choose one such as 1.5.")

    def initialise(params: Any) -> Any:
        drawn = {
            name: torch.empty_like(tensor).uniform_(-bound, bound)
            for name, tensor in params._asdict().items()
            if tensor.dim() > 1
        }
        return params._replace(**drawn)

    return initialise


@_picklable
def orthogonal(*matrices: str, gain: float = 1.0) -> Initialisation:
    """Random orthogonal matrices times `gain`: the matrices named, or all that have the same axis twice.

    A matrix that is not square gets orthogonal rows or columns, whichever are fewer; stacked matrices are filled one by one.

    Raises:
        ConfigError: on use, when the cell has no such matrix.

    Source: Saxe, McClelland and Ganguli, "Exact Solutions to the Nonlinear Dynamics of Learning in Deep Linear Neural Networks",
    ICLR 2014, arXiv:1312.6120.
    """
    return _by_matrix("orthogonal", matrices, lambda matrix: torch.nn.init.orthogonal_(matrix, gain))


@_picklable
def identity(*matrices: str, scale: float = 1.0) -> Initialisation:
    """The identity times `scale`: the matrices named, or all that have the same axis twice.

    With elman_relu and biases of 0 this is the IRNN.

    Raises:
        ConfigError: on use, when the cell has no such matrix.

    Source: Le, Jaitly and Hinton, "A Simple Way to Initialize Recurrent Networks of Rectified Linear Units", 2015,
    arXiv:1504.00941.
    """
    return _by_matrix("identity", matrices, lambda matrix: torch.nn.init.eye_(matrix).mul_(scale))


@_picklable
def glorot(*matrices: str) -> Initialisation:
    """Uniform within ±√(6 / (rows + columns)): the matrices named, or all of the cell's.

    Raises:
        ConfigError: on use, when the cell has no such matrix.

    Source: Glorot and Bengio, "Understanding the Difficulty of Training Deep Feedforward Neural Networks", AISTATS 2010.
    """
    return _by_matrix("glorot", matrices, torch.nn.init.xavier_uniform_, is_square=False)


def _by_matrix(
    wanted_by: str, names: Sequence[str], fill: Callable[[torch.Tensor], object], *, is_square: bool = True
) -> Initialisation:
    def initialise(params: Any) -> Any:
        _require(params, names, wanted_by)
        axes = annotated_axes(cast("type[Any]", type(params)))
        trained = [name for name, value in params._asdict().items() if isinstance(value, torch.nn.Parameter)]
        chosen = names or [n for n in trained if len(axes[n]) > 1 and (not is_square or axes[n][-1] == axes[n][-2])]
        if not chosen:
            raise ConfigError(
                f"{wanted_by}: the cell has no square matrix, it has {', '.join(params._fields)}. Name the matrices to fill."
            )
        drawn = {name: torch.empty_like(getattr(params, name)) for name in chosen}
        for value in drawn.values():
            for matrix in value.reshape(-1, *value.shape[-2:]):
                fill(matrix)
        return params._replace(**drawn)

    return initialise


@_picklable
def chrono(max_steps: int) -> Initialisation:
    """Forget and input biases for memories of up to `max_steps` time steps: b_f = log U(1, max_steps - 1), b_i = -b_f.

    Raises:
        ConfigError: `max_steps` is below 3; on use, when the cell has no parameters b_f and b_i.

    Source: Tallec and Ollivier, "Can Recurrent Neural Networks Warp Time?", ICLR 2018, arXiv:1804.11188, section 2.
    """
    if max_steps < 3:
        raise ConfigError(f"chrono: max_steps is {max_steps}, expected at least 3. Give the longest lag in time steps.")

    def initialise(params: Any) -> Any:
        _require(params, ("b_f", "b_i"), "chrono")
        bias = torch.empty_like(params.b_f).uniform_(1, max_steps - 1).log()
        return params._replace(b_f=bias, b_i=-bias)

    return initialise


@_picklable
def in_order(*initialisations: Initialisation) -> Initialisation:
    """One initialisation after the other."""

    def initialise(params: Any) -> Any:
        trained = [name for name, value in params._asdict().items() if isinstance(value, torch.nn.Parameter)]
        for step in initialisations:
            params = step(params)  # the next one, too, tells trained parameters from constants of the cell
            params = params._replace(**{name: torch.nn.Parameter(getattr(params, name).detach()) for name in trained})
        return params

    return initialise


def _require(params: Any, names: Sequence[str], wanted_by: str) -> None:
    missing = [name for name in names if name not in params._fields]
    if missing:
        raise ConfigError(
            f"{wanted_by}: the cell has no parameter {' or '.join(missing)}, it has {', '.join(params._fields)}. "
            "Use a cell with these gates, or another initialisation."
        )
