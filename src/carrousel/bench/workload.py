"""A case with numbers: the layer, its input, and what the definition makes of them in float64."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import torch
from torch import Tensor, nn

from carrousel import layers
from carrousel.bench.cases import TORCH_CELLS, Case
from carrousel.engine import compile_cell
from carrousel.engine.lower.interpret import interpret
from carrousel.layers import Recurrent
from carrousel.layers.draw import Draw

_DRAW = Draw(0)

Outcome = dict[str, Tensor]
"""Results to compare: y, and in training the derivatives of a weighted sum of y."""


@dataclass(frozen=True)
class Prepared:
    """A contender that is ready.

    Args:
        call: the work that is timed.
        outcome: its results; None when it does not compute the same thing.
        scale: what the time is multiplied by before it is shown.
        run: the forward call of training, for contenders whose memory torch's profiler sees.
    """

    call: Callable[[], object]
    outcome: Callable[[], Outcome] | None
    scale: float = 1.0
    run: Callable[[], Tensor] | None = None


class Workload:
    """A case with numbers.

    Args:
        case: which.
        seed: of parameters and inputs.
    """

    def __init__(self, case: Case, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.case = case
        self.layer = Recurrent(case.cell, case.size, case.size, case.num_layers, case.bidirectional)
        self.x = torch.randn(case.steps, case.batch, case.size)
        low = min(10, case.steps)
        self.lengths = torch.randint(low, case.steps + 1, (case.batch,)) if case.is_ragged else None
        self.d_y = torch.randn(case.steps, case.batch, self.layer.output_size)
        if self.lengths is not None:
            self.d_y *= (torch.arange(case.steps)[:, None] < self.lengths)[:, :, None]

    def params(self, place: str = "_l0") -> dict[str, Tensor]:
        """The cell's own parameters by name."""
        return {name: cast(Tensor, getattr(self.layer, name + place)) for name in self.layer.cell.param_axes}

    def start(self) -> list[Tensor]:
        """A state of zeros."""
        shapes = self.layer.cell.state_shapes(self.layer.layer_sizes[0]).values()
        return [torch.zeros(self.case.batch, *shape) for shape in shapes]

    def with_noise(self, x: Tensor) -> Tensor:
        """x_t beside the random numbers that a stochastic cell's graph reads behind it, the same ones at every call."""
        program = compile_cell(self.layer.cell, self.layer.layer_sizes[0])
        steps, batch = self.case.steps, self.case.batch
        columns = [_DRAW.per_step(f"0.0.{n}", steps, batch, size, x) for n, size in program.noise_sizes.items()]
        return torch.cat([x, *columns], dim=-1) if columns else x

    @cached_property
    def ours(self) -> Prepared:
        """Carrousel: the drop-in module where torch has the cell, `Recurrent` elsewhere."""
        if self.case.mode == "stream":
            return self._streamed()
        if self.case.cell in TORCH_CELLS and not self.case.is_ragged:
            module = self.torch_module(layers)
            return prepare(lambda x: module(x)[0], list(module.parameters()), self)
        return prepare(
            lambda x: self.layer(x, lengths=self.lengths, draw=_DRAW)[0], list(self.layer.parameters()), self
        )

    def _streamed(self) -> Prepared:
        stepper: Any = self.layer.stream(batch_size=self.case.batch)
        inputs = list(self.x)

        def call() -> None:
            for x_t in inputs:
                stepper.step(x_t)

        def outcome() -> Outcome:
            stepper.reset()
            return {"y": torch.stack([stepper.step(x_t).clone() for x_t in inputs]).double()}

        return Prepared(call, outcome, 1 / len(inputs))

    def torch_module(self, home: Any = nn) -> nn.Module:
        """The module of torch.nn, or Carrousel's of the same name, with the layer's numbers."""
        case = self.case
        module = cast(nn.Module, getattr(home, TORCH_CELLS[case.cell])(
            case.size, case.size, num_layers=case.num_layers, bidirectional=case.bidirectional
        ))  # fmt: skip
        with torch.no_grad():
            for layer in range(case.num_layers):
                for place in (f"_l{layer}", f"_l{layer}_reverse")[: 1 + case.bidirectional]:
                    for name, value in joined(case.cell, self.params(place)).items():
                        getattr(module, name + place).copy_(value)
        return module

    @cached_property
    def exact(self) -> Outcome:
        """What the definition gives in float64; torch.nn's own module for stacks of layers."""
        x = self.x.double()
        if self.case.num_layers > 1 or self.case.bidirectional:
            module = self.torch_module().double()
            return _outcome(lambda x: module(x)[0], self, x)
        params = {name: value.detach().double() for name, value in self.params().items()}
        start = [field.double() for field in self.start()]
        graph = self.layer.graph()
        return _outcome(lambda x: interpret(graph, params, self.with_noise(x), start, self.lengths)[0], self, x)

    def error(self, outcome: Outcome) -> float:
        """The largest difference from float64, as a part of the largest element."""
        return max(
            float((value.double() - self.exact[name]).abs().max() / self.exact[name].abs().max())
            for name, value in outcome.items()
        )


def joined(cell: str, params: dict[str, Tensor]) -> dict[str, Tensor]:
    """A cell's parameters in torch.nn's layout: gates one below the other; where it has two biases, the second is mostly zero."""
    gates = {"lstm": ("_i", "_f", "_g", "_o"), "gru_reset_after": ("_r", "_z", "_n"), "elman": ("",)}[cell]
    bias = torch.cat([params[f"b{gate}"] for gate in gates])
    second = torch.zeros_like(bias)
    if "b_hn" in params:
        second[-len(params["b_hn"]) :] = params["b_hn"]
    return {
        "weight_ih": torch.cat([params[f"W{gate}"] for gate in gates]),
        "weight_hh": torch.cat([params[f"R{gate}"] for gate in gates]),
        "bias_ih": bias,
        "bias_hh": second,
    }


def prepare(run: Callable[[Tensor], Tensor], parameters: Sequence[Tensor], workload: Workload) -> Prepared:
    """A contender that is a function of a torch tensor."""
    x, d_y, is_training = workload.x.clone(), workload.d_y, workload.case.mode == "train"
    x.requires_grad_(is_training)

    def train() -> None:
        cleared().backward(d_y)

    def infer() -> None:
        with torch.no_grad():
            run(x)

    def cleared() -> Tensor:
        for leaf in (x, *parameters):
            leaf.grad = None
        return run(x)

    return Prepared(
        train if is_training else infer,
        lambda: _outcome(run, workload, workload.x),
        run=cleared if is_training else None,
    )


def _outcome(run: Callable[[Tensor], Tensor], workload: Workload, x: Tensor) -> Outcome:
    if workload.case.mode != "train":
        with torch.no_grad():
            return {"y": run(x)}
    x = x.clone().requires_grad_()
    y = run(x)
    (d_x,) = torch.autograd.grad(y, x, workload.d_y.to(y.dtype))
    return {"y": y.detach(), "d_x": d_x}
