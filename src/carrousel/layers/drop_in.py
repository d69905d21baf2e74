"""`LSTM`, `GRU` and `RNN` with the signatures, return values and state_dict names of torch.nn, run by Carrousel's engine.

They are subclasses of the torch modules: parameters, initialisation and loading are torch's own, only the computation is
replaced. `load_state_dict` therefore works in both directions.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from carrousel.cell import Cell
from carrousel.cells.elman import elman, elman_relu
from carrousel.cells.gru_reset_after import gru_reset_after
from carrousel.cells.lstm import lstm
from carrousel.cells.lstm_projected import lstm_projected
from carrousel.engine import Program, compile_cell
from carrousel.errors import ShapeError
from carrousel.layers.stack import Stack, run_stack
from carrousel.layers.stream import Stream, refuse_two_directions


class _WithPrograms:
    """What our classes hold besides torch's parameters."""

    _programs: list[Program]

    if not TYPE_CHECKING:  # to readers and to their tools the constructors are torch's, overloads included

        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self._programs = programs_of(self, self._cell)


class LSTM(_WithPrograms, nn.LSTM):
    """`torch.nn.LSTM`, argument for argument, with `carrousel.cells` lstm or lstm_projected inside.

    >>> layer = LSTM(3, 5, num_layers=2)
    >>> y, (h_n, c_n) = layer(torch.zeros(7, 2, 3))
    >>> tuple(y.shape), tuple(h_n.shape)
    ((7, 2, 5), (2, 2, 5))
    """

    @property
    def _cell(self) -> Cell:
        return lstm_projected if self.proj_size else lstm

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Outputs and (h_n, c_n), as torch.nn.LSTM.forward.

        Args:
            input: (T, B, D), (B, T, D) with batch_first, (T, D) unbatched, or a PackedSequence.
            hx: (h_0, c_0), each (layers·directions, B, H), without B for unbatched input; zeros when left out.

        Raises:
            ShapeError: a shape or form that does not fit, with the axes by name.
        """
        if by_torch(self):
            return cast(Any, super()).forward(input, hx)
        given = None if hx is None else _pair(hx)
        sizes = (self.proj_size or self.hidden_size, self.hidden_size)
        y, state = _run(self, self._programs, self._cell, input, given, ("h_0", "c_0"), sizes)
        return y, tuple(state)

    def stream(self, batch_size: int = 1, hx: Any = None) -> Stream:
        """The layer one time step a call, as `Recurrent.stream`; its states are pairs (h_n, c_n)."""
        sizes = (self.proj_size or self.hidden_size, self.hidden_size)
        return _stream(
            self,
            self._programs,
            self._cell,
            batch_size,
            None if hx is None else _pair(hx),
            ("h_0", "c_0"),
            sizes,
            tuple,
        )


class GRU(_WithPrograms, nn.GRU):
    """`torch.nn.GRU`, argument for argument, with `carrousel.cells` gru_reset_after inside.

    >>> y, h_n = GRU(3, 5, batch_first=True)(torch.zeros(2, 7, 3))
    >>> tuple(y.shape), tuple(h_n.shape)
    ((2, 7, 5), (1, 2, 5))
    """

    @property
    def _cell(self) -> Cell:
        return gru_reset_after

    def forward(self, input: Any, hx: Tensor | None = None) -> Any:
        """Outputs and h_n, as torch.nn.GRU.forward; arguments and errors as `LSTM.forward`, with one state tensor."""
        if by_torch(self):
            return cast(Any, super()).forward(input, hx)
        given = None if hx is None else (hx,)
        y, state = _run(self, self._programs, self._cell, input, given, ("hx",), (self.hidden_size,))
        return y, state[0]

    def stream(self, batch_size: int = 1, hx: Tensor | None = None) -> Stream:
        """The layer one time step a call, as `Recurrent.stream`; its state is h_n."""
        given = None if hx is None else (hx,)
        return _stream(
            self, self._programs, self._cell, batch_size, given, ("hx",), (self.hidden_size,), lambda fields: fields[0]
        )


class RNN(_WithPrograms, nn.RNN):
    """`torch.nn.RNN`, argument for argument, with `carrousel.cells` elman or elman_relu inside.

    >>> y, h_n = RNN(3, 5, nonlinearity="relu")(torch.zeros(7, 3))
    >>> tuple(y.shape), tuple(h_n.shape)
    ((7, 5), (1, 5))
    """

    @property
    def _cell(self) -> Cell:
        return elman if self.nonlinearity == "tanh" else elman_relu

    def forward(self, input: Any, hx: Tensor | None = None) -> Any:
        """Outputs and h_n, as torch.nn.RNN.forward; arguments and errors as `LSTM.forward`, with one state tensor."""
        if by_torch(self):
            return cast(Any, super()).forward(input, hx)
        given = None if hx is None else (hx,)
        y, state = _run(self, self._programs, self._cell, input, given, ("hx",), (self.hidden_size,))
        return y, state[0]

    def stream(self, batch_size: int = 1, hx: Tensor | None = None) -> Stream:
        """The layer one time step a call, as `Recurrent.stream`; its state is h_n."""
        given = None if hx is None else (hx,)
        return _stream(
            self, self._programs, self._cell, batch_size, given, ("hx",), (self.hidden_size,), lambda fields: fields[0]
        )


def by_torch(module: nn.RNNBase) -> bool:
    """Whether torch's own module is the fastest there is: on CUDA, by cuDNN, layers and directions at once.

    torch.compile cannot look into it: there each layer and direction becomes one operation, which comes to the same kernels.
    """
    return cast(Tensor, module.weight_ih_l0).is_cuda and not torch.compiler.is_compiling()


def _run(
    module: nn.RNNBase,
    programs: Sequence[Program],
    cell: Cell,
    given: Any,
    hx: Sequence[Tensor] | None,
    state_names: Sequence[str],
    state_sizes: Sequence[int],
) -> tuple[Any, list[Tensor]]:
    """Lay the input out as (T, B, D), run the stack, and lay the results out as torch does."""
    where, packed = type(module).__name__, isinstance(given, PackedSequence)
    lengths = unsorted = None
    if packed:
        x, lengths = _unpack(given)
        unsorted = given.unsorted_indices
    else:
        _check_input(where, given, module)
        x = given if given.dim() == 3 else given.unsqueeze(1)
        x = x.transpose(0, 1) if module.batch_first and given.dim() == 3 else x
    count = module.num_layers * (2 if module.bidirectional else 1)
    if hx is None:
        state = [x.new_zeros(count, x.shape[1], size) for size in state_sizes]
    else:
        has_batch = packed or given.dim() == 3
        for name, tensor, size in zip(state_names, hx, state_sizes, strict=True):
            _check_state(where, name, tensor, (count, x.shape[1], size) if has_batch else (count, size))
        state = [tensor if has_batch else tensor.unsqueeze(1) for tensor in hx]
        if packed and given.sorted_indices is not None:
            state = [tensor.index_select(1, given.sorted_indices) for tensor in state]
    y, last, _ = run_stack(_stack(module, programs, cell), x, state, lengths)
    if packed:
        y = _repack(y, lengths, given)
        return y, last if unsorted is None else [tensor.index_select(1, unsorted) for tensor in last]
    if given.dim() == 2:
        return y.squeeze(1), [tensor.squeeze(1) for tensor in last]
    return y.transpose(0, 1) if module.batch_first else y, last


def _stream(
    module: nn.RNNBase,
    programs: Sequence[Program],
    cell: Cell,
    batch_size: int,
    hx: Sequence[Tensor] | None,
    state_names: Sequence[str],
    state_sizes: Sequence[int],
    as_state: Callable[[list[Tensor]], Any],
) -> Stream:
    refuse_two_directions(type(module).__name__, module.bidirectional)

    def params() -> list[Mapping[str, Tensor]]:
        return [_params(module, cell, f"_l{layer}") for layer in range(module.num_layers)]

    stream = Stream(programs, params, batch_size, as_state, module.batch_first)
    if hx is not None:
        for name, tensor, size in zip(state_names, hx, state_sizes, strict=True):
            _check_state(type(module).__name__, name, tensor, (module.num_layers, batch_size, size))
        stream.load(hx)
    return stream


def programs_of(module: nn.RNNBase, cell: Cell) -> list[Program]:
    """Made with the layer, because torch.compile cannot look into their making."""
    chosen = {"proj_size": module.proj_size} if module.proj_size else {}
    later = (module.proj_size or module.hidden_size) * (2 if module.bidirectional else 1)
    widths = [module.input_size] + [later] * (module.num_layers - 1)
    return [compile_cell(cell, cell.sizes(width, module.hidden_size, **chosen)) for width in widths]


def _stack(module: nn.RNNBase, programs: Sequence[Program], cell: Cell) -> Stack:
    return Stack(
        programs=programs,
        params=lambda layer, direction: _params(module, cell, f"_l{layer}{'_reverse' if direction else ''}"),
        directions=2 if module.bidirectional else 1,
        dropout=module.dropout if module.training else 0.0,
    )


def _params(module: nn.RNNBase, cell: Cell, suffix: str) -> Mapping[str, Tensor]:
    """Torch's joined matrices as the cell's own parameters: one matrix a gate, one bias a gate."""
    gates = {"lstm": "ifgo", "lstm_projected": "ifgo", "gru_reset_after": "rzn"}.get(cell.name, "")
    weight_ih, weight_hh = (cast(Tensor, getattr(module, name + suffix)) for name in ("weight_ih", "weight_hh"))
    if module.bias:
        bias_ih, bias_hh = (cast(Tensor, getattr(module, name + suffix)) for name in ("bias_ih", "bias_hh"))
    else:
        bias_ih = bias_hh = weight_ih.new_zeros(weight_ih.shape[0])
    if not gates:
        return {"W": weight_ih, "R": weight_hh, "b": bias_ih + bias_hh}
    params: dict[str, Tensor] = {}
    parts = (tensor.chunk(len(gates)) for tensor in (weight_ih, weight_hh, bias_ih + bias_hh))
    for gate, w, r, b in zip(gates, *parts, strict=True):
        params |= {f"W_{gate}": w, f"R_{gate}": r, f"b_{gate}": b}
    if "n" in gates:  # the GRU's candidate: its recurrent bias lies inside the reset gate's product
        params |= {"b_n": bias_ih.chunk(len(gates))[-1], "b_hn": bias_hh.chunk(len(gates))[-1]}
    if module.proj_size:
        params["W_hr"] = cast(Tensor, getattr(module, "weight_hr" + suffix))
    return params


def _unpack(packed: PackedSequence) -> tuple[Tensor, Tensor]:
    """Padded (T, B, D) in the packed (sorted) order of rows, and the length of each row."""
    sizes = packed.batch_sizes.to(packed.data.device)
    steps, batch = len(packed.batch_sizes), int(packed.batch_sizes[0])
    alive = torch.arange(batch, device=sizes.device) < sizes[:, None]
    x = packed.data.new_zeros((steps, batch, packed.data.shape[-1]))
    return x.masked_scatter(alive[:, :, None], packed.data), alive.sum(0)


def _repack(y: Tensor, lengths: Tensor | None, like: PackedSequence) -> PackedSequence:
    alive = torch.arange(y.shape[0], device=y.device)[:, None] < cast(Tensor, lengths)
    return PackedSequence(y[alive], like.batch_sizes, like.sorted_indices, like.unsorted_indices)


def _pair(hx: Any) -> tuple[Tensor, Tensor]:
    parts = cast("Sequence[Tensor]", hx) if isinstance(hx, tuple | list) else ()
    if len(parts) != 2:
        what = (
            f"a tensor of shape {tuple(hx.shape)}" if isinstance(hx, Tensor) else f"a {type(cast(object, hx)).__name__}"
        )
        raise ShapeError(
            f"LSTM: hx is {what}, expected the pair (h_0, c_0), each (layers·directions, B, H). "
            "Pass both: layer(x, (h_0, c_0))."
        )
    return parts[0], parts[1]


def _check_input(where: str, x: Tensor, module: nn.RNNBase) -> None:
    axes = "(B, T, D)" if module.batch_first else "(T, B, D)"
    if x.dim() not in (2, 3) or x.shape[-1] != module.input_size:
        raise ShapeError(
            f"{where}: input has shape {tuple(x.shape)}, expected {axes}, or (T, D) for one sequence, with "
            f"D={module.input_size} because input_size={module.input_size}. Reshape the input, or build the layer with the "
            "size of your features."
        )
    dtype = cast(Tensor, module.weight_ih_l0).dtype
    if x.dtype != dtype:
        raise ShapeError(f"{where}: input is {x.dtype}, expected {dtype} like the weights. Convert one of them.")


def _check_state(where: str, name: str, tensor: Tensor, expected: tuple[int, ...]) -> None:
    if tuple(tensor.shape) != expected:
        axes = "(layers·directions, B, H)" if len(expected) == 3 else "(layers·directions, H)"
        raise ShapeError(
            f"{where}: {name} has shape {tuple(tensor.shape)}, expected {axes} = {expected}; states are never "
            "batch-first. Pass the state that the layer returned."
        )
