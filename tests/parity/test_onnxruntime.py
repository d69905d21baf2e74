"""ONNX Runtime on graphs of one operator: its kernels are float32 and know lengths, coupled gates and rectifiers."""

from typing import Any

import numpy as np
import pytest
from parity.onnx_operators import OUTPUTS, drawn, expected, graph

onnx: Any = pytest.importorskip("onnx")
onnxruntime: Any = pytest.importorskip("onnxruntime")

pytestmark = pytest.mark.usefixtures("annotations_unchecked")
SINGLE = 5e-6  # float32, with ONNX Runtime's own approximations of the squashing functions


def run(operator: str, inputs: Any, attributes: dict[str, Any]) -> dict[str, Any]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    model = graph(onnx, operator, inputs, attributes)
    model.ir_version = min(model.ir_version, 10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return dict(zip(OUTPUTS[operator], session.run(None, inputs), strict=True))


VARIANTS: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    (operator, {**kind, **form}, left_out)
    for operator, kind in (
        ("LSTM", {}),
        ("LSTM", {"input_forget": 1}),
        ("GRU", {"linear_before_reset": 0}),
        ("GRU", {"linear_before_reset": 1}),
        ("RNN", {}),
        ("RNN", {"activations": ["Relu"]}),
    )
    for form in ({}, {"direction": "reverse"}, {"direction": "bidirectional"})
    for left_out in ((), ("sequence_lens",), ("sequence_lens", "P"), ("sequence_lens", "B", "initial_h", "initial_c"))
    if ("P" not in left_out or (operator == "LSTM" and "input_forget" not in kind))
    and ("sequence_lens" in left_out or form.get("direction") != "reverse")
]


@pytest.mark.parametrize(("operator", "attributes", "left_out"), VARIANTS, ids=str)
def test_our_cells_give_what_onnx_runtime_gives(
    operator: str, attributes: dict[str, Any], left_out: tuple[str, ...]
) -> None:
    forms = dict(attributes)
    if forms.get("direction") == "bidirectional" and "activations" in forms:
        forms["activations"] = forms["activations"] * 2
    inputs = drawn(operator, np.float32, forms, left_out)
    theirs, ours = run(operator, inputs, forms), expected(operator, inputs, forms)
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        np.testing.assert_allclose(ours[name], value, rtol=SINGLE, atol=SINGLE, err_msg=name)
