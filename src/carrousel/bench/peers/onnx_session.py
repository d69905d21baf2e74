"""ONNX Runtime: a session on one recurrent node, over whole sequences or one step a call."""

from importlib import import_module
from typing import Any

import numpy as np
import torch

from carrousel.bench.workload import Outcome, Prepared, Workload

_GATES = {"lstm": "iofg", "gru_reset_after": "zrn", "elman": ("",)}
"""In ONNX's order; its cell gate is our g."""
_NODES = {"lstm": "LSTM", "gru_reset_after": "GRU", "elman": "RNN"}


def prepare_session(workload: Workload) -> Prepared:
    """The session, with as many threads as torch has."""
    runtime: Any = import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = runtime.InferenceSession(_model(workload), options, providers=["CPUExecutionProvider"])
    start = {f"initial_{name}": field.numpy()[None] for name, field in zip("hc", workload.start(), strict=False)}
    if workload.case.mode == "stream":
        return _stream(session, workload, start)
    x = workload.x.numpy()

    def call() -> Any:
        return session.run(["y"], start | {"x": x})

    return Prepared(call, lambda: {"y": torch.from_numpy(call()[0][:, 0])})


def _stream(session: Any, workload: Workload, start: dict[str, Any]) -> Prepared:
    inputs = [x_t.numpy()[None] for x_t in workload.x]
    names = ["y", *(name.replace("initial", "last") for name in start)]
    current: list[dict[str, Any]] = [start]

    def call() -> list[Any]:
        state, outputs = current[0], list[Any]()
        for x_t in inputs:
            y, *last = session.run(names, state | {"x": x_t})
            state = dict(zip(start, last, strict=True))
            outputs.append(y)
        current[0] = state
        return outputs

    def outcome() -> Outcome:
        current[0] = start
        return {"y": torch.from_numpy(np.concatenate(call())[:, 0])}

    return Prepared(call, outcome, 1 / len(inputs))


def _model(workload: Workload) -> bytes:
    """The node with the cell's weights inside."""
    onnx: Any = import_module("onnx")
    case, params = workload.case, workload.params()
    w, r, b = (
        torch.cat([params[f"{kind}_{gate}" if gate else kind] for gate in _GATES[case.cell]]).detach().numpy()
        for kind in ("W", "R", "b")
    )
    second = np.zeros_like(b)
    if "b_hn" in params:
        second[-case.size :] = params["b_hn"].detach().numpy()
    weights = {"W": w[None], "R": r[None], "b": np.concatenate([b, second])[None]}
    states = ["h", "c"] if case.cell == "lstm" else ["h"]
    attributes = {"linear_before_reset": 1} if case.cell == "gru_reset_after" else {}
    node = onnx.helper.make_node(
        _NODES[case.cell],
        ["x", "W", "R", "b", "", *(f"initial_{name}" for name in states)],
        ["y", *(f"last_{name}" for name in states)],
        hidden_size=case.size,
        **attributes,
    )

    def value(name: str, shape: list[Any]) -> Any:
        return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)

    graph = onnx.helper.make_graph(
        [node],
        "case",
        [
            value("x", [None, case.batch, case.size]),
            *(value(f"initial_{n}", [1, case.batch, case.size]) for n in states),
        ],
        [
            value("y", [None, 1, case.batch, case.size]),
            *(value(f"last_{n}", [1, case.batch, case.size]) for n in states),
        ],
        [onnx.numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    model.ir_version = 9
    return model.SerializeToString()
