"""What the ONNX operators LSTM, GRU and RNN are to give, computed by our cells, and graphs of one such operator."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.func import functional_call

from carrousel import Recurrent

Array = npt.NDArray[Any]
GATES = {"LSTM": "iofg", "GRU": "zrn", "RNN": ""}
"""In ONNX's order, by our names."""
INPUTS = {
    "LSTM": ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P"),
    "GRU": ("X", "W", "R", "B", "sequence_lens", "initial_h"),
    "RNN": ("X", "W", "R", "B", "sequence_lens", "initial_h"),
}
OUTPUTS = {"LSTM": ("Y", "Y_h", "Y_c"), "GRU": ("Y", "Y_h"), "RNN": ("Y", "Y_h")}
HIDDEN, FEATURES, STEPS, BATCH = 4, 3, 6, 2


def cell_of(operator: str, inputs: Mapping[str, Array], attributes: Mapping[str, Any]) -> str:
    """The cell that computes it."""
    if operator == "LSTM" and attributes.get("input_forget"):
        return "odyssey_cifg"
    if operator == "LSTM":
        return "peephole_lstm" if "P" in inputs else "lstm"
    if operator == "GRU":
        return "gru_reset_after" if attributes.get("linear_before_reset") else "gru_reset_before"
    return "elman_relu" if "Relu" in attributes.get("activations", ()) else "elman"


def _weights(operator: str, cell: str, inputs: Mapping[str, Array], direction: int) -> dict[str, Array]:
    """One direction's weights by our names; the two biases are added where nothing stands between them."""
    gates, hidden = GATES[operator], inputs["R"].shape[-1]
    names = [f"_{gate}" for gate in gates] or [""]
    w = np.split(inputs["W"][direction], len(names))
    r = np.split(inputs["R"][direction], len(names))
    b = inputs.get("B", np.zeros((2, 2 * len(names) * hidden), dtype=inputs["X"].dtype))[direction]
    b_w, b_r = (np.split(half, len(names)) for half in np.split(b, 2))
    found: dict[str, Array] = {}
    for k, name in enumerate(names):
        found |= {f"W{name}": w[k], f"R{name}": r[k], f"b{name}": b_w[k] + b_r[k]}
    if cell == "gru_reset_after":
        found |= {"b_n": b_w[2], "b_hn": b_r[2]}
    if "P" in inputs:
        found |= dict(zip(("p_i", "p_o", "p_f"), np.split(inputs["P"][direction], 3), strict=True))
    return found


def expected(operator: str, inputs: Mapping[str, Array], attributes: Mapping[str, Any]) -> dict[str, Array]:
    """The operator's outputs by name, in the type of its X."""
    cell = cell_of(operator, inputs, attributes)
    by_batch = bool(attributes.get("layout"))
    is_reversed = attributes.get("direction") == "reverse"
    directions = inputs["W"].shape[0]
    x = torch.from_numpy(inputs["X"].copy())
    x = x.transpose(0, 1) if by_batch else x
    x = x.flip(0) if is_reversed else x
    hidden = inputs["R"].shape[-1]
    layer = Recurrent(cell, x.shape[2], hidden, bidirectional=directions == 2, dtype=x.dtype)
    weights = {
        f"{name}_l0{'_reverse' if direction else ''}": torch.from_numpy(value.copy())
        for direction in range(directions)
        for name, value in _weights(operator, cell, inputs, direction).items()
        if name in layer.cell.param_axes
    }
    start = [inputs.get(f"initial_{field}") for field in layer.cell.state_axes]
    zeros = torch.zeros(directions, x.shape[1], hidden, dtype=x.dtype)
    state = [zeros if s is None else torch.from_numpy(s.copy()).transpose(0, 1 if by_batch else 0) for s in start]
    lengths = inputs.get("sequence_lens")
    y, last = functional_call(
        layer, weights, (x, layer.cell.State(*state), None if lengths is None else lengths.tolist())
    )
    y = y.flip(0) if is_reversed else y
    y = y.reshape(*y.shape[:2], directions, hidden)
    found: dict[str, Tensor] = {"Y": y.transpose(0, 1) if by_batch else y.transpose(1, 2)}
    for field, value in last._asdict().items():
        found[f"Y_{field}"] = value.transpose(0, 1) if by_batch else value
    return {name: value.detach().numpy() for name, value in found.items()}


def drawn(operator: str, kind: type[np.floating[Any]], attributes: Mapping[str, Any], left_out: tuple[str, ...]) -> Any:
    """Random inputs of every kind that the operator takes but those left out."""
    numbers = np.random.default_rng(0)
    directions = 2 if attributes.get("direction") == "bidirectional" else 1
    gates = len(GATES[operator]) or 1
    sizes = {
        "X": (STEPS, BATCH, FEATURES),
        "W": (directions, gates * HIDDEN, FEATURES),
        "R": (directions, gates * HIDDEN, HIDDEN),
        "B": (directions, 2 * gates * HIDDEN),
        "initial_h": (directions, BATCH, HIDDEN),
        "initial_c": (directions, BATCH, HIDDEN),
        "P": (directions, 3 * HIDDEN),
    }
    inputs: dict[str, Array] = {}
    for name in INPUTS[operator]:
        if name == "sequence_lens":
            value: Array = np.array([STEPS, STEPS - 2], dtype=np.int32)
        else:
            value = (0.6 * numbers.standard_normal(sizes[name])).astype(kind)
        if attributes.get("layout") and name in ("X", "initial_h", "initial_c"):
            value = value.swapaxes(0, 1).copy()
        inputs[name] = value
    return {name: value for name, value in inputs.items() if name not in left_out}


def graph(onnx: Any, operator: str, inputs: Mapping[str, Array], attributes: Mapping[str, Any]) -> Any:
    """A model of this one operator."""
    helper, names = onnx.helper, list(INPUTS[operator])
    while names[-1] not in inputs:
        names.pop()
    node = helper.make_node(
        operator,
        [name if name in inputs else "" for name in names],
        list(OUTPUTS[operator]),
        hidden_size=HIDDEN,
        **attributes,
    )
    kinds = {name: helper.np_dtype_to_tensor_dtype(value.dtype) for name, value in inputs.items()}
    given = [helper.make_tensor_value_info(name, kinds[name], value.shape) for name, value in inputs.items()]
    axes = {name: [None] * (4 if name == "Y" else 3) for name in OUTPUTS[operator]}
    made = [helper.make_tensor_value_info(name, kinds["X"], shape) for name, shape in axes.items()]
    model = helper.make_model(
        helper.make_graph([node], operator, given, made), opset_imports=[helper.make_opsetid("", 22)]
    )
    onnx.checker.check_model(model)
    return model
