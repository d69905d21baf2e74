"""The recurrences that torch has kernels of its own for (cuDNN's on CUDA), recognised by their equations."""

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from carrousel.engine.graph import Graph
from carrousel.engine.lower.products import exact_products, is_autocast
from carrousel.engine.passes.simplify import simplify

_SUM = "add(add(matvec(W_{k},x),matvec(R_{k},s0)),b_{k})"
_I, _F, _O = (f"sigmoid({_SUM.format(k=k)})" for k in "ifo")
_C = f"add(mul({_F},s1),mul({_I},tanh({_SUM.format(k='g')})))"
_M = f"mul({_O},tanh({_C}))"
_H = f"matvec(W_hr,{_M})"
_R, _Z = (f"sigmoid({_SUM.format(k=k)})" for k in "rz")
_N = f"tanh(add(add(matvec(W_n,x),b_n),mul({_R},add(matvec(R_n,s0),b_hn))))"
_G = f"add(mul(sub(1,{_Z}),{_N}),mul({_Z},s0))"
_T, _L = (f"{f}({_SUM.format(k='h')})" for f in ("tanh", "relu"))

_EQUATIONS = {
    "lstm": (_M, _M, _C),
    "lstm_projected": (_H, _H, _C),
    "gru": (_G, _G),
    "rnn_tanh": (_T, _T),
    "rnn_relu": (_L, _L),
}
"""Kernel -> output and next state, in terms of x, the state before (s0, s1) and parameters."""

_GATES = {"lstm": "ifgo", "lstm_projected": "ifgo", "gru": "rzn", "rnn_tanh": "h", "rnn_relu": "h"}
"""The order in which torch lays the gates' matrices below each other."""

_PARAMETER = re.compile(r"[WRb]_\w+")


@dataclass(frozen=True)
class Kernel:
    """One of torch's recurrences.

    Args:
        name: a key of the equations.
        params: parameter of the equations -> parameter of the cell.
    """

    name: str
    params: Mapping[str, str]

    def run(
        self, params: Mapping[str, Tensor], x: Tensor, state: Sequence[Tensor], lengths: Tensor | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Outputs and the last state; arguments as in `interpret`."""
        device = x.device.type
        if is_autocast(device):  # the format that torch.nn's modules compute in there
            dtype = torch.get_autocast_dtype(device)
            params = {name: value.to(dtype) for name, value in params.items()}
            x, state = x.to(dtype), [field.to(dtype) for field in state]
        with exact_products(device), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous chunk")
            return self._run(params, x, state, lengths)

    def _run(
        self, params: Mapping[str, Tensor], x: Tensor, state: Sequence[Tensor], lengths: Tensor | None
    ) -> tuple[Tensor, list[Tensor]]:
        weights = self._weights({own: params[theirs] for own, theirs in self.params.items()})
        start = [field.unsqueeze(0).contiguous() for field in state]  # cuDNN refuses others
        if lengths is None:
            y, last = self._call(x, None, start, weights)
            return y, [field.squeeze(0) for field in last]
        packed = pack_padded_sequence(x, lengths.cpu(), enforce_sorted=False)
        order, back = packed.sorted_indices, packed.unsorted_indices
        assert order is not None
        assert back is not None
        y, last = self._call(packed.data, packed.batch_sizes, [f.index_select(1, order) for f in start], weights)
        padded, _ = pad_packed_sequence(PackedSequence(y, packed.batch_sizes, order, back), total_length=len(x))
        return padded, [field.index_select(1, back).squeeze(0) for field in last]

    def _call(
        self, x: Tensor, batch_sizes: Tensor | None, state: Sequence[Tensor], weights: Sequence[Tensor]
    ) -> tuple[Tensor, Sequence[Tensor]]:
        is_lstm = self.name.startswith("lstm")
        function = getattr(torch, "lstm" if is_lstm else self.name)
        hx = list(state) if is_lstm else state[0]
        trains = torch.is_grad_enabled()
        if batch_sizes is None:
            y, *last = function(x, hx, weights, True, 1, 0.0, trains, False, False)
        else:
            y, *last = function(x, batch_sizes, hx, weights, True, 1, 0.0, trains, False)
        return y, last

    def _weights(self, own: Mapping[str, Tensor]) -> list[Tensor]:
        """Torch's matrices and biases, in one piece of memory, as cuDNN wants them."""
        gates = _GATES[self.name]
        w, r, b = ([own[f"{kind}_{k}"] for k in gates] for kind in "WRb")
        hidden_bias = [
            own["b_hn"] if self.name == "gru" and k == "n" else torch.zeros_like(own[f"b_{k}"]) for k in gates
        ]
        groups = [w, r, b, hidden_bias, *([[own["W_hr"]]] if "W_hr" in own else [])]
        flat = torch.cat([part.reshape(-1) for group in groups for part in group])
        sizes = [sum(part.numel() for part in group) for group in groups]
        pieces: Sequence[Tensor] = torch.split(flat, sizes)
        return [piece.reshape(-1, *group[0].shape[1:]) for piece, group in zip(pieces, groups, strict=True)]


def recognise(graph: Graph) -> Kernel | None:
    """The kernel that computes exactly this step, whatever its parameters are called; None when there is none."""
    graph = simplify(graph)
    found = ";".join(_expressions(graph))
    for name, equations in _EQUATIONS.items():
        match = re.fullmatch(_pattern(";".join(equations)), found)
        if match and _is_plain(graph, match.groupdict()):
            return Kernel(name, match.groupdict())
    return None


def _expressions(graph: Graph) -> list[str]:
    """Every output as one expression; parameters are marked with @."""
    text: dict[str, str] = {}
    for k, node in enumerate(graph.leaves("state")):
        text[node.name] = f"s{k}"
    for node in graph.nodes:
        if node.op == "param":
            text[node.name] = f"@{node.name}"
        elif node.op == "x":
            text[node.name] = "x"
        elif node.op == "constant":
            text[node.name] = f"{node.settings['value']:g}"
        elif node.op != "state":
            op = f"{node.op}{node.attributes or ''}"
            text[node.name] = f"{op}({','.join(text[arg] for arg in node.args)})"
    return [text[name] for _, name in graph.outputs]


def _pattern(equations: str) -> str:
    """A regular expression that finds the equations' parameters, each the same wherever it stands."""
    parts: list[str] = []
    seen: set[str] = set()
    place = 0
    for match in _PARAMETER.finditer(equations):
        name = match.group()
        parts.append(re.escape(equations[place : match.start()]))
        parts.append(f"@(?P={name})" if name in seen else f"@(?P<{name}>[^(),;@]+)")
        seen.add(name)
        place = match.end()
    return "".join([*parts, re.escape(equations[place:])])


def _is_plain(graph: Graph, params: Mapping[str, str]) -> bool:
    """Whether each matrix is one matrix and each bias has an element a unit."""
    hidden = {graph[name].shape[:1] for own, name in params.items() if own[0] in "WR" and own != "W_hr"}
    biases = {graph[name].shape for own, name in params.items() if own[0] == "b"}
    return hidden == biases and all(len(graph[name].shape) == 2 for own, name in params.items() if own[0] in "WR")
