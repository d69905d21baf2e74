"""Any cell as a sequence module: layers, directions, ragged batches, resets, state in and out, every value on request."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from carrousel.cell import Cell, Sizes
from carrousel.cells import CELLS, find
from carrousel.engine import Program, compile_cell
from carrousel.engine.explain import explain
from carrousel.engine.graph import Graph
from carrousel.engine.passes.add_input import add_input
from carrousel.engine.torch_ops import register_state
from carrousel.errors import ConfigError, ShapeError
from carrousel.layers.changes import Changes
from carrousel.layers.draw import Draw
from carrousel.layers.inputs import check_finite, check_input, check_lengths
from carrousel.layers.masks import Mask
from carrousel.layers.noise import refuse_noise, with_dropped
from carrousel.layers.stack import Stack, run_stack
from carrousel.layers.stream import Stream, refuse_two_directions


class Recurrent(nn.Module):
    """A recurrent layer, or a stack of them, of any cell.

    Args:
        cell: a Cell, or the name or alias of one in the catalogue (`carrousel cells`).
        input_size: features of x.
        hidden_size: H of the cell.
        num_layers: each further layer reads the outputs of the one below.
        bidirectional: a second set of cells reads the sequence backwards, at the same time as the first; outputs are joined,
            forward half first.
        batch_first: x, y and reset are (B, T, ...) instead of (T, B, ...). States are never batch-first.
        dropout: probability with which outputs between layers are zeroed while training.
        init: applied to the parameters of every layer and direction after the cell's own initialisation, such as
            `carrousel.init.forget_bias(1.0)`.
        masks: what is dropped while training, such as `[carrousel.masks.zoneout(c=0.5, h=0.05)]`, in the order of application.
        gradient: "full", or "truncated" as in 1997: errors flow back in time along the carrousel alone, not through the state
            that gates and cell inputs read. Outputs are the same, and x keeps its gradient. `explain()` names the cuts.
        residual: add what a layer reads to its output, y_l = layer_l(y_{l-1}) + y_{l-1}, wherever both have as many features, which
            they have from the second layer on.
        sizes: further sizes of the cell, by its keywords, such as `block_size=2` for lstm_1997.

    Raises:
        ConfigError: unknown cell, or a size or setting out of range.

    Source: residual: Longpre, Pradhan, Xiong and Socher, "A Way out of the Odyssey", 2016, arXiv:1611.05104.

    >>> layer = Recurrent("peephole_lstm", input_size=3, hidden_size=5)
    >>> y, state = layer(torch.zeros(7, 2, 3))
    >>> tuple(y.shape), tuple(state.c.shape)
    ((7, 2, 5), (1, 2, 5))
    """

    def __init__(
        self,
        cell: str | Cell,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bidirectional: bool = False,
        batch_first: bool = False,
        dropout: float = 0.0,
        init: Callable[[Any], Any] | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        masks: Sequence[Mask] = (),
        gradient: str = "full",
        residual: bool = False,
        **sizes: int,
    ) -> None:
        super().__init__()
        if num_layers < 1:
            raise ConfigError(f"Recurrent: num_layers is {num_layers}, expected at least 1. Use num_layers=1 or more.")
        if not 0 <= dropout <= 1:
            raise ConfigError(f"Recurrent: dropout is {dropout}, expected a probability, 0 to 1. Choose one in range.")
        self.cell = find(cell) if isinstance(cell, str) else cell
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bidirectional, self.batch_first, self.dropout = bidirectional, batch_first, dropout
        self.init, self.residual = init, residual
        self.changes = Changes(tuple(masks), gradient)
        self.directions = 2 if bidirectional else 1
        first = self.cell.sizes(input_size, hidden_size, **sizes)
        cell_output = first[self.cell.output]
        self.output_size = cell_output * self.directions
        later = self.cell.sizes(self.output_size, hidden_size, **sizes) if num_layers > 1 else first
        self.layer_sizes: tuple[Sizes, ...] = (first, *[later] * (num_layers - 1))
        self._check_state_stacks()
        register_state(self.cell.State)
        self.changes.check_fields(self.cell)
        self._dropped_weights = self.changes.dropped_weights(self.cell, first)
        self._programs = {  # made here, because torch.compile cannot look into their making
            is_training: [compile_cell(self.cell, s, self.changes.rewrites(is_training)) for s in self.layer_sizes]
            for is_training in (False, True)
        }
        for layer, suffix in self._places():
            for name, shape in self.cell.param_shapes(self.layer_sizes[layer]).items():
                value = torch.empty(shape, device=device, dtype=dtype)
                if self.cell.init[name].is_fixed:
                    self.register_buffer(name + suffix, value)
                else:
                    self.register_parameter(name + suffix, nn.Parameter(value))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew by the cell's table of initialisers, then by `init`."""
        with torch.no_grad():
            for layer, suffix in self._places():
                params = self._params(suffix)
                for name, tensor in params._asdict().items():
                    self.cell.init[name].fill(tensor, self.layer_sizes[layer], None)
                if self.init is not None:
                    for tensor, changed in zip(params, self.init(params), strict=True):
                        tensor.copy_(changed)

    def forward(
        self,
        x: Tensor,  # what a user hands over is checked in the body, with errors of our own
        state: Any = None,
        lengths: Tensor | Sequence[int] | None = None,
        reset: Tensor | None = None,
        draw: Draw | None = None,
    ) -> tuple[Float[Tensor, "A0 A1 O"], Any]:
        """Run over whole sequences.

        Args:
            x: (T, B, D), or (B, T, D) with batch_first; values past a row's length are ignored.
            state: the cell's State, every field (layers·directions, B, ...); zeros when left out.
            lengths: valid steps in each row, 1 to T, on any device; outputs past them are zero, and the state returned is
                the one after the last valid step. The backward direction starts there.
            reset: True where a new sequence begins, on any device: the state is zeroed before that step, in both directions.
            draw: the random numbers of masks and of stochastic cells; when left out, a seed from torch's own generator. A mask for
                a whole sequence stays the same over resets.

        Returns:
            Outputs, laid out as x, and the state after the last step, as the cell's own State.

        Raises:
            ShapeError: a shape, form or value that does not fit, with the axes by name.
        """
        y, last, _ = self._run(x, state, lengths, reset, draw, is_recording=False)
        return y, last

    def trace(
        self,
        x: Tensor,
        state: Any = None,
        lengths: Tensor | Sequence[int] | None = None,
        reset: Tensor | None = None,
        draw: Draw | None = None,
    ) -> tuple[Float[Tensor, "A0 A1 O"], Any, "Trace"]:
        """Run as `forward` does and also give every value that the cell's step names, at every time step.

        >>> layer = Recurrent("lstm", 3, 5)
        >>> y, state, trace = layer.trace(torch.zeros(7, 2, 3))
        >>> tuple(trace["f_t"].shape), trace.names
        ((7, 2, 5), ('i_t', 'f_t', 'g_t', 'o_t', 'c_t', 'h_t'))
        """
        return self._run(x, state, lengths, reset, draw, is_recording=True)

    def stream(self, batch_size: int = 1, state: Any = None) -> Stream:
        """The layer one time step a call: a stepper with its own copy of the weights and its own state.

        Args:
            batch_size: sequences that go side by side.
            state: to begin with, as `forward` takes it; zeros when left out.

        Raises:
            ConfigError: a bidirectional layer, whose backward cells read the end of a sequence first; a stochastic cell.

        >>> stream = Recurrent("lstm", 3, 5).stream()
        >>> tuple(stream.step(torch.zeros(1, 3)).shape)
        (1, 5)
        """
        refuse_two_directions("Recurrent", self.bidirectional)
        refuse_noise(self._programs[False])
        programs = self._programs_with_shortcuts() if self.residual else self._programs[False]

        def params() -> list[Mapping[str, Tensor]]:
            return [self._params(_suffix(layer, 0))._asdict() for layer in range(self.num_layers)]

        stream = Stream(programs, params, batch_size, lambda fields: self.cell.State(*fields), self.batch_first)
        if state is not None:
            stream.load(self._check_state(state, batch_size, torch.empty(0)))
        return stream

    def graph(self, layer: int = 0) -> Graph:
        """The step of one layer as a graph; print it to read it."""
        return self._program(layer).graph

    def explain(self, layer: int = 0) -> str:
        """How the engine runs one layer, in words and numbers: what leaves the loop, the phases, the tape, the work.

        >>> print(Recurrent("elman", 3, 5).explain().splitlines()[2])
        before the loop: one product over all steps for W (in the loop's own tiles from 2 sequences a thread on)
        """
        return explain(self._program(layer).plan)

    def extra_repr(self) -> str:
        """What `print(layer)` shows."""
        settings = {"num_layers": 1, "bidirectional": False, "batch_first": False, "dropout": 0.0, "residual": False}
        changed = [f"{k}={getattr(self, k)!r}" for k, default in settings.items() if getattr(self, k) != default]
        return ", ".join(
            [f"{self.cell.name!r}", f"{self.input_size}", f"{self.hidden_size}", *changed, *self.changes.words]
        )

    def _run(
        self, x: Tensor, state: Any, lengths: Any, reset: Tensor | None, draw: Draw | None, *, is_recording: bool
    ) -> tuple[Tensor, Any, "Trace"]:
        check_input(x, self.input_size, self.batch_first)
        x = x.transpose(0, 1) if self.batch_first else x
        steps, batch = x.shape[0], x.shape[1]
        valid = check_lengths("Recurrent", lengths, steps, batch, x.device)
        reset = self._check_reset(reset, steps, batch, x.device)
        if valid is not None:
            x = torch.where((torch.arange(steps, device=x.device)[:, None] < valid)[:, :, None], x, x.new_zeros(()))
        check_finite(x)
        before = self._check_state(state, batch, x)
        programs = [self._program(layer) for layer in range(self.num_layers)]
        if draw is None and (any(program.noise for program in programs) or (self.training and self.changes.masks)):
            draw = Draw(torch.randint(2**62, ()))
        stack = Stack(
            programs=programs,
            params=lambda layer, direction: self._dropped_params(layer, direction, draw),
            directions=self.directions,
            dropout=self.dropout if self.training else 0.0,
            is_recording=is_recording,
            draw=draw,
            sequence_dropout=self.changes.sequence_dropout if self.training else (0.0, 0.0, 0.0),
            residual=self.residual,
        )
        y, last, recorded = run_stack(stack, x, before, valid, reset)
        if self.batch_first:
            y = y.transpose(0, 1)
            recorded = [{name: value.transpose(0, 1) for name, value in values.items()} for values in recorded]
        return y, self.cell.State(*last), Trace(tuple(recorded), self.directions)

    def _places(self) -> Iterator[tuple[int, str]]:
        for layer in range(self.num_layers):
            for direction in range(self.directions):
                yield layer, _suffix(layer, direction)

    def _params(self, suffix: str) -> Any:
        return self.cell.Params(*(getattr(self, name + suffix) for name in self.cell.param_axes))

    def _dropped_params(self, layer: int, direction: int, draw: Draw | None) -> Mapping[str, Tensor]:
        params = self._params(_suffix(layer, direction))._asdict()
        return with_dropped(params, self._dropped_weights if self.training else (), draw, f"{layer}.{direction}")

    def _program(self, layer: int) -> Program:
        return self._programs[self.training][layer]

    def _programs_with_shortcuts(self) -> list[Program]:
        """A program a layer, not for training, that adds what it reads to its output wherever both have as many features."""
        rewrites = self.changes.rewrites(is_training=False)
        return [
            compile_cell(self.cell, s, (*rewrites, add_input) if s["D"] == s[self.cell.output] else rewrites)
            for s in self.layer_sizes
        ]

    def _check_state_stacks(self) -> None:
        shapes = [self.cell.state_shapes(sizes) for sizes in self.layer_sizes]
        for name in shapes[0]:
            if len({shape[name] for shape in shapes}) > 1:
                raise ConfigError(
                    f"Recurrent: state {name} of {self.cell.name} has shape {shapes[0][name]} in layer 0 and "
                    f"{shapes[1][name]} in layer 1, expected the same in every layer. Choose input_size="
                    f"{self.output_size}, or stack one-layer Recurrent modules yourself."
                )

    def _check_state(self, state: Any, batch: int, x: Tensor) -> list[Tensor]:
        shapes = self.cell.state_shapes(self.layer_sizes[0])
        count = self.num_layers * self.directions
        if state is None:
            return [x.new_zeros((count, batch, *shape)) for shape in shapes.values()]
        fields = ", ".join(shapes)
        if isinstance(state, Tensor) or not isinstance(state, tuple):
            raise ShapeError(
                f"Recurrent: state is a {type(state).__name__}, expected {self.cell.name}'s State({fields}). "
                f"Pass the state that the layer returned, or State({fields}) with one tensor a field."
            )
        given = cast(tuple[Tensor, ...], state)
        if len(given) != len(shapes):
            raise ShapeError(
                f"Recurrent: state has {len(given)} fields, expected {len(shapes)}: {self.cell.name}'s State({fields}). "
                "Pass the state that the layer returned."
            )
        for (name, shape), tensor in zip(shapes.items(), given, strict=True):
            expected = (count, batch, *shape)
            if tuple(tensor.shape) != expected:
                axes = " ".join(self.cell.state_axes[name])
                raise ShapeError(
                    f"Recurrent: state.{name} has shape {tuple(tensor.shape)}, expected (layers·directions, B, {axes}) = "
                    f"{expected}; states are never batch-first. Pass the state that the layer returned."
                )
        return list(given)

    def _check_reset(self, reset: Tensor | None, steps: int, batch: int, device: torch.device) -> Tensor | None:
        if reset is None:
            return None
        expected = (batch, steps) if self.batch_first else (steps, batch)
        if tuple(reset.shape) != expected or reset.dtype != torch.bool:
            axes = "(B, T)" if self.batch_first else "(T, B)"
            raise ShapeError(
                f"Recurrent: reset is {reset.dtype} of shape {tuple(reset.shape)}, expected torch.bool {axes} = {expected}. "
                "Pass True where a new sequence begins."
            )
        return (reset.transpose(0, 1) if self.batch_first else reset).to(device)


for _cell in CELLS.values():  # so that exported programs of the catalogue's cells can be loaded
    register_state(_cell.State)


class Trace(NamedTuple):
    """Every value that the step names, at every time step.

    `trace["f_t"]` is layer 0, forwards; `trace.of(layer, reverse)` gives the values of another place by name. Values are
    laid out as the layer's input: (T, B, ...) or, with batch_first, (B, T, ...). Past a row's length they are undefined.
    """

    values: tuple[Mapping[str, Tensor], ...]
    directions: int

    def __getitem__(self, name: Any) -> Any:
        if name not in self.values[0]:
            raise ConfigError(
                f"trace: no value {name!r}, expected one of {', '.join(self.names)}. Choose one of these."
            )
        return self.values[0][name]

    @property
    def names(self) -> tuple[str, ...]:
        """The step's own variable names, in the order in which it computes them."""
        return tuple(self.values[0])

    def of(self, layer: int, reverse: bool = False) -> Mapping[str, Tensor]:
        """The values of one layer and direction by name."""
        return self.values[layer * self.directions + reverse]


def _suffix(layer: int, direction: int) -> str:
    return f"_l{layer}{'_reverse' if direction else ''}"
