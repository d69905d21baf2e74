"""The first number that is not finite in an update: the batch is computed again, and every layer is looked at.

Inside a recurrent layer, its `trace` names the gate or the state and the time step.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from carrousel.errors import CarrouselError
from carrousel.layers import Recurrent
from carrousel.train import randomness
from carrousel.train.protocols import Loss
from carrousel.train.update import Attempt, detach, modules_of

WITHOUT_NEVER = (Recurrent, nn.Linear, nn.Embedding, nn.Conv1d)
"""Modules that put out minus infinity by overflow alone."""


@dataclass(frozen=True)
class Place:
    """Where it began.

    Attributes:
        layer: the module, as the network calls it; empty for the network itself.
        value: what is not finite there, such as "c_t", "output", "gradient of the input".
        number: the first such value, "nan", "inf" or "-inf".
        inner: which of a recurrent layer's own layers, such as "layer 0" or "layer 1, backwards".
        step: time step, from 0, where there is one.
        row: of the batch, from 0, where there is one.
        batch: of those accumulated, from 0.
    """

    layer: str
    value: str
    number: str
    inner: str = ""
    step: int | None = None
    row: int | None = None
    batch: int = 0

    def __str__(self) -> str:
        where = " of " + (self.layer or "the network") + (f" ({self.inner})" if self.inner else "")
        spots = [f"time step {self.step}"] if self.step is not None else []
        spots += [f"row {self.row}"] if self.row is not None else []
        return f"{self.value}{where}{' at ' if spots else ''}{' of '.join(spots)} is {self.number}"


def find_place(model: nn.Module, loss: Callable[[Any, Any, Any], Loss], attempt: Attempt) -> Place | None:
    """Where an update that was attempted first has a number that is not finite; None where every one is.

    The model's parameters, their gradients and the random generators stay as they are.
    """
    with randomness.undisturbed():
        randomness.restore(attempt.random)
        carried = attempt.carried
        for number, batch in enumerate(attempt.batches):
            if batch is None:
                continue
            watch = _Watch(number)
            with watch.on(model):
                try:
                    found = loss(model, batch, carried)
                except CarrouselError:  # a layer that refuses such an input
                    return watch.place
            if watch.place:
                return watch.place
            if not torch.isfinite(found.loss):
                return Place("the loss function", "output", _name(found.loss.detach()), batch=number)
            if place := watch.backward(model, found.loss):
                return place
            carried = detach(found.carried)
    return None


class _Watch:
    """Hooks on every module that note the first thing not finite, forwards and then backwards."""

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self.place: Place | None = None
        self._at_entry: dict[str, Any] = {}
        self._readers: dict[Tensor, tuple[str, nn.Module]] = {}  # by input, the innermost module that it was handed to
        self._gradients: list[tuple[Tensor, Tensor]] = []  # input and its gradient, in the order of the backward pass

    def on(self, model: nn.Module) -> ExitStack:
        """The hooks, as long as the context lasts."""
        stack = ExitStack()
        for name, module in modules_of(model):
            stack.callback(module.register_forward_pre_hook(self._before(name), with_kwargs=True).remove)
            stack.callback(module.register_forward_hook(self._after(name), with_kwargs=True).remove)
        return stack

    def backward(self, model: nn.Module, loss: Tensor) -> Place | None:
        """The first gradient that is not finite."""
        named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
        leaves = [parameter for _, parameter in named]
        found = cast(
            "Sequence[Tensor | None]", torch.autograd.grad(loss, [*leaves, *self._readers], allow_unused=True)
        )  # not backward(), which would wake DistributedDataParallel
        for x, gradient in self._gradients:
            name, module = self._readers[x]
            if (index := _first_bad(gradient)) is not None:
                step, row = _step_and_row(module, gradient, -1)  # it comes from the end
                value = "gradient of the input"
                return Place(name, value, _name(gradient[index]), step=step, row=row, batch=self.batch)
        gradients = {name: g for (name, _), g in zip(named, found, strict=False) if g is not None}
        return self._of_parameters(gradients)

    def _of_parameters(self, gradients: Mapping[str, Tensor]) -> Place | None:
        """The last parameter with a gradient that is not finite, or with one whose square is not."""
        for name, gradient in reversed(list(gradients.items())):
            if (index := _first_bad(gradient)) is not None:
                layer, _, own = name.rpartition(".")
                return Place(layer, f"gradient of {own}", _name(gradient[index]), batch=self.batch)
        largest = {name: gradient.abs().max() for name, gradient in gradients.items()}
        if not largest or torch.isfinite(torch.stack(list(largest.values())).square().sum()):
            return None
        layer, _, own = max(largest, key=lambda name: largest[name].item()).rpartition(".")
        return Place(layer, f"the square of an element of the gradient of {own}", "inf", batch=self.batch)

    def _before(self, name: str) -> Callable[..., Any]:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            self._at_entry[name] = randomness.state() if isinstance(module, Recurrent) else None
            if self.place:
                return None
            for tensor in _tensors((args, kwargs)):
                if (index := _first_bad(tensor, module)) is not None:
                    step, row = _step_and_row(module, tensor, 0) if tensor is args[0] else (None, None)
                    self.place = Place(name, "input", _name(tensor[index]), step=step, row=row, batch=self.batch)
                    return None
            return self._noting_gradients(name, module, args, kwargs)

        return hook

    def _noting_gradients(self, name: str, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The same arguments, the first of which tells its gradient."""
        if not args or not isinstance(args[0], Tensor) or not args[0].is_floating_point():
            return None
        x = (
            args[0] if args[0].requires_grad else args[0].clone().requires_grad_().clone()
        )  # no leaf: it may be written to

        def note(gradient: Tensor) -> None:
            self._gradients.append((x, gradient))

        if x not in self._readers:
            x.register_hook(note)
        self._readers[x] = name, module
        return (x, *args[1:]), kwargs

    def _after(self, name: str) -> Callable[..., Any]:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            if self.place:
                return
            for tensor in _tensors(output):
                if (index := _first_bad(tensor, module)) is not None:
                    inside = isinstance(module, Recurrent) and self._inside(name, module, args, kwargs)
                    self.place = inside or Place(name, "output", _name(tensor[index]), batch=self.batch)
                    return

        return hook

    def _inside(self, name: str, module: Recurrent, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Place | None:
        """The gate or state of a recurrent layer that went first."""
        with torch.no_grad(), randomness.undisturbed():
            randomness.restore(self._at_entry[name])
            _, _, trace = module.trace(*args, **kwargs)
        lengths = inspect.signature(module.forward).bind(*args, **kwargs).arguments.get("lengths")
        for layer in range(module.num_layers):
            for is_reverse in range(module.directions):
                values = trace.of(layer, bool(is_reverse))
                if found := _first_value(values, lengths, module.batch_first, bool(is_reverse)):
                    value, number, step, row = found
                    inner = f"layer {layer}{', backwards' if is_reverse else ''}"
                    return Place(name, value, number, inner, step, row, self.batch)
        return None


def _first_value(
    values: Mapping[str, Tensor], lengths: Any, batch_first: bool, is_reverse: bool
) -> tuple[str, str, int, int] | None:
    """Name, number, time step and row of what went first: the first step, in it the first name, in that the first row."""
    found: list[tuple[int, int, int, str, str]] = []
    for order, (name, value) in enumerate(values.items()):
        value = value.transpose(0, 1) if batch_first else value
        is_bad = (~torch.isfinite(value)).flatten(2).any(-1)
        if lengths is not None:
            is_bad &= torch.arange(len(value), device=value.device)[:, None] < torch.as_tensor(
                lengths, device=value.device
            )
        if is_bad.any():
            step, row = (int(i) for i in is_bad.nonzero()[-1 if is_reverse else 0])
            row = int(is_bad[step].nonzero()[0])
            number = _name(value[step, row].flatten()[~torch.isfinite(value[step, row].flatten())][0])
            found.append((-step if is_reverse else step, order, row, name, number))
    if not found:
        return None
    step, _, row, name, number = min(found)
    return name, number, abs(step), row


def _step_and_row(module: nn.Module, value: Tensor, which: int) -> tuple[int | None, int | None]:
    """Time step and row of the first or the last bad number in the input of a recurrent layer."""
    if not isinstance(module, Recurrent):
        return None, None
    is_bad = (~torch.isfinite(value.transpose(0, 1) if module.batch_first else value)).flatten(2).any(-1)
    step = int(is_bad.any(1).nonzero()[which])
    return step, int(is_bad[step].nonzero()[0])


def _tensors(value: Any) -> Iterator[Tensor]:
    """Every floating-point tensor in nested containers."""
    if isinstance(value, Tensor):
        if value.is_floating_point():
            yield value
    elif isinstance(value, Mapping):
        yield from _tensors(tuple(cast(Mapping[Any, Any], value).values()))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for part in cast(Sequence[Any], value):
            yield from _tensors(part)


def _first_bad(tensor: Tensor, module: nn.Module | None = None) -> tuple[int, ...] | None:
    """Where the first number lies that is not finite; many modules say "never" by minus infinity, which is nothing bad."""
    value = tensor.detach()
    is_meant = (module is not None and not isinstance(module, WITHOUT_NEVER)) & (value == -torch.inf)
    is_bad = ~torch.isfinite(value) & ~is_meant
    return tuple(int(i) for i in is_bad.nonzero()[0]) if is_bad.any() else None


def _name(number: Tensor) -> str:
    return f"{number.item():g}"
