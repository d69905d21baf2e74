"""`LSTM`, `GRU` and `RNN` with the signatures, return values and state_dict names of torch.nn, run by Carrousel's engine.

They are subclasses of the torch modules: parameters, initialisation and loading are torch's own, only the computation is
replaced. `load_state_dict` therefore works in both directions.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from carrousel.cell import Cell
from carrousel.cells.elman import elman, elman_relu
from carrousel.cells.gru_reset_after import gru_reset_after
from carrousel.cells.lstm import lstm
from carrousel.cells.lstm_projected import lstm_projected
from carrousel.engine import compile_cell
from carrousel.errors import ShapeError
from carrousel.layers.stack import Stack, run_stack


class LSTM(nn.LSTM):
    """`torch.nn.LSTM`, argument for argument, with `carrousel.cells` lstm or lstm_projected inside.

    >>> layer = LSTM(3, 5, num_layers=2)
    >>> y, (h_n, c_n) = layer(torch.zeros(7, 2, 3))
    >>> tuple(y.shape), tuple(h_n.shape)
    ((7, 2, 5), (2, 2, 5))
    """

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Outputs and (h_n, c_n), as torch.nn.LSTM.forward.

        Args:
            input: (T, B, D), (B, T, D) with batch_first, (T, D) unbatched, or a PackedSequence.
            hx: (h_0, c_0), each (layers·directions, B, H), without B for unbatched input; zeros when left out.

        Raises:
            ShapeError: a shape or form that does not fit, with the axes by name.
        """
        given = None if hx is None else _pair(hx)
        cell = lstm_projected if self.proj_size else lstm
        y, state = _run(
            self, cell, input, given, ("h_0", "c_0"), (self.proj_size or self.hidden_size, self.hidden_size)
        )
        return y, tuple(state)


class GRU(nn.GRU):
    """`torch.nn.GRU`, argument for argument, with `carrousel.cells` gru_reset_after inside.

    >>> y, h_n = GRU(3, 5, batch_first=True)(torch.zeros(2, 7, 3))
    >>> tuple(y.shape), tuple(h_n.shape)
    ((2, 7, 5), (1, 2, 5))
    """

    def forward(self, input: Any, hx: Tensor | None = None) -> Any:
        """Outputs and h_n, as torch.nn.GRU.forward; arguments and errors as `LSTM.forward`, with one state tensor."""
        y, state = _run(self, gru_reset_after, input, None if hx is None else (hx,), ("hx",), (self.hidden_size,))
        return y, state[0]


class RNN(nn.RNN):
    """`torch.nn.RNN`, argument for argument, with `carrousel.cells` elman or elman_relu inside.

    >>> y, h_n = RNN(3, 5, nonlinearity="relu")(torch.zeros(7, 3))
    >>> tuple(y.shape), tuple(h_n.shape)
    ((7, 5), (1, 5))
    """

    def forward(self, input: Any, hx: Tensor | None = None) -> Any:
        """Outputs and h_n, as torch.nn.RNN.forward; arguments and errors as `LSTM.forward`, with one state tensor."""
        cell = elman if self.nonlinearity == "tanh" else elman_relu
        y, state = _run(self, cell, input, None if hx is None else (hx,), ("hx",), (self.hidden_size,))
        return y, state[0]


def _run(
    module: nn.RNNBase,
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
    y, last, _ = run_stack(_stack(module, cell), x, state, lengths)
    if packed:
        y = _repack(y, lengths, given)
        return y, last if unsorted is None else [tensor.index_select(1, unsorted) for tensor in last]
    if given.dim() == 2:
        return y.squeeze(1), [tensor.squeeze(1) for tensor in last]
    return y.transpose(0, 1) if module.batch_first else y, last


def _stack(module: nn.RNNBase, cell: Cell) -> Stack:
    directions = 2 if module.bidirectional else 1
    chosen = {"proj_size": module.proj_size} if module.proj_size else {}
    later = (module.proj_size or module.hidden_size) * directions
    widths = [module.input_size] + [later] * (module.num_layers - 1)
    return Stack(
        programs=[compile_cell(cell, cell.sizes(width, module.hidden_size, **chosen)) for width in widths],
        params=lambda layer, direction: _params(module, cell, f"_l{layer}{'_reverse' if direction else ''}"),
        directions=directions,
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
    parts = (tensor.chunk(len(gates)) for tensor in (weight_ih, weight_hh, bias_ih, bias_hh))
    for gate, w, r, b_ih, b_hh in zip(gates, *parts, strict=True):
        is_split = gate == "n"  # the GRU's candidate: its recurrent bias lies inside the reset gate's product
        params |= {f"W_{gate}": w, f"R_{gate}": r, f"b_{gate}": b_ih if is_split else b_ih + b_hh}
        params |= {"b_hn": b_hh} if is_split else {}
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
