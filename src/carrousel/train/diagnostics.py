"""A look inside training, on request: the size of each update, how far gradients reach back in time, how many gates are stuck."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from carrousel.layers import Recurrent
from carrousel.train import randomness
from carrousel.train.protocols import Loss
from carrousel.train.update import Attempt, modules_of

SHUT, OPEN = 0.1, 0.9


@dataclass(frozen=True)
class ParameterFigures:
    """One parameter in one update.

    Attributes:
        norm: Euclidean, before the update.
        gradient_norm: after clipping.
        update_ratio: norm of the update over `norm`; around 1e-3 is healthy, by Sutskever's rule of thumb.
    """

    norm: float
    gradient_norm: float
    update_ratio: float


@dataclass(frozen=True)
class LayerFigures:
    """One recurrent module on one batch.

    Attributes:
        saturation: gate, such as "0/f_t" for that of the first layer -> parts of its values below .1 and above .9.
        gradient_by_lag: number k is the norm of the derivative of the outputs at a row's last step by the input k steps before,
            root mean square over rows, by one random projection.
    """

    saturation: Mapping[str, tuple[float, float]]
    gradient_by_lag: Sequence[float]


@dataclass(frozen=True)
class Diagnosis:
    """What was seen in one update.

    Attributes:
        update: its number, from 1.
        parameters: by the name that the network gives them.
        layers: recurrent modules by the name that the network gives them.
    """

    update: int
    parameters: Mapping[str, ParameterFigures]
    layers: Mapping[str, LayerFigures]


class Sizes:
    """The parameters before an update, to measure it by afterwards."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self._before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}

    def figures(self) -> dict[str, ParameterFigures]:
        """How much each parameter has changed since, and by which gradient."""
        return {name: self._of(name, parameter) for name, parameter in self.model.named_parameters()}

    def _of(self, name: str, parameter: nn.Parameter) -> ParameterFigures:
        before = self._before[name]
        norm, change = _norm(before), _norm(parameter.detach() - before)
        gradient_norm = _norm(parameter.grad) if parameter.grad is not None else 0.0
        return ParameterFigures(norm, gradient_norm, change / norm if norm else 0.0)


def diagnose(sizes: Sizes, loss: Callable[[Any, Any, Any], Loss], attempt: Attempt) -> Diagnosis:
    """The figures of an update that was made, and of the recurrent layers on its first batch, with the weights as they are now.

    Nothing is disturbed: neither gradients nor weights nor random generators.
    """
    layers: dict[str, LayerFigures] = {}
    batches = [batch for batch in attempt.batches if batch is not None]  # of several processes, one may have none
    with randomness.undisturbed():
        for name, call in _calls(sizes.model, loss, batches[:1], attempt.carried).items():
            layers[name] = LayerFigures(saturation(call), gradient_by_lag(call))
    return Diagnosis(attempt.update + 1, sizes.figures(), layers)


@dataclass(frozen=True)
class Call:
    """One call of a recurrent module, with what it was given."""

    module: Recurrent
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    def given(self, name: str) -> Any:
        """An argument by its name."""
        return inspect.signature(self.module.forward).bind(*self.args, **self.kwargs).arguments.get(name)

    def is_valid(self) -> Tensor:
        """Which time steps of which rows are read, (T, B)."""
        x = self.args[0].transpose(0, 1) if self.module.batch_first else self.args[0]
        lengths = self.given("lengths")
        last = torch.full(x.shape[1:2], len(x)) if lengths is None else torch.as_tensor(lengths)
        return torch.arange(len(x), device=x.device)[:, None] < last.to(x.device)


def saturation(call: Call) -> dict[str, tuple[float, float]]:
    """Of each gate (a value that the step names, and that is a sigmoid), the parts of its values below .1 and above .9.

    Source: Karpathy, Johnson and Li, "Visualizing and Understanding Recurrent Networks", 2015, arXiv:1506.02078, section 4.2.
    """
    module, is_valid = call.module, call.is_valid()
    with torch.no_grad():
        _, _, trace = module.trace(*call.args, **call.kwargs)
    found: dict[str, tuple[float, float]] = {}
    for layer in range(module.num_layers):
        gates = [node.name for node in module.graph(layer).nodes if node.op == "sigmoid"]
        for is_reverse in range(module.directions):
            values = trace.of(layer, bool(is_reverse))
            for gate in (gate for gate in gates if gate in values):
                value = values[gate].transpose(0, 1) if module.batch_first else values[gate]
                read = value[is_valid]
                place = f"{layer}{' backwards' if is_reverse else ''}/{gate}"
                found[place] = ((read < SHUT).float().mean().item(), (read > OPEN).float().mean().item())
    return found


def gradient_by_lag(call: Call) -> list[float]:
    """How strongly the outputs at each row's last step depend on the inputs 0, 1, 2, ... steps before.

    A random projection v of the outputs, standard normal, stands for all of them: the mean of |vᵀJ|² is the squared Frobenius
    norm of the Jacobian J. Of two directions only the forward one counts.

    Source: Pascanu, Mikolov and Bengio, ICML 2013, arXiv:1211.5063, section 2.1, for why it falls or grows with the lag.
    """
    module, lasts = call.module, call.is_valid().sum(0) - 1
    x = call.args[0].detach().clone().requires_grad_()
    with torch.enable_grad():
        y, _ = module(x, *call.args[1:], **call.kwargs)
        y = y.transpose(0, 1) if module.batch_first else y
        size = y.shape[-1] // module.directions
        ends = y[lasts, torch.arange(len(lasts), device=y.device), :size]
        (ends * torch.randn_like(ends)).sum().backward(inputs=[x])
    assert x.grad is not None
    norms = (x.grad.transpose(0, 1) if module.batch_first else x.grad).square().sum(-1).sqrt()
    return list(_by_lag(norms, [int(last) for last in lasts]))


def _by_lag(norms: Float[Tensor, "T B"], lasts: Sequence[int]) -> Iterator[float]:
    """Root mean square over the rows that are long enough, lag by lag."""
    for lag in range(max(lasts) + 1):
        squares = [norms[last - lag, row].item() ** 2 for row, last in enumerate(lasts) if last >= lag]
        yield (sum(squares) / len(squares)) ** 0.5


def _calls(
    model: nn.Module, loss: Callable[[Any, Any, Any], Loss], batches: Sequence[Any], carried: Any
) -> dict[str, Call]:
    """The first call of each recurrent module in the losses of batches."""
    calls: dict[str, Call] = {}

    def noting(name: str) -> Callable[..., None]:
        def note(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            assert isinstance(module, Recurrent)
            if args:
                calls.setdefault(name, Call(module, args, kwargs))

        return note

    with ExitStack() as stack, torch.no_grad():
        for name, module in modules_of(model):
            if isinstance(module, Recurrent):
                stack.callback(module.register_forward_pre_hook(noting(name), with_kwargs=True).remove)
        for batch in batches:
            loss(model, batch, carried)
    return calls


def _norm(tensor: Tensor) -> float:
    return tensor.square().sum().sqrt().item()
