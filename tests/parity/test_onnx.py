"""The ONNX operators LSTM, GRU and RNN: their own node tests, and their reference implementation in float64."""

from importlib import import_module
from typing import Any

import numpy as np
import pytest
from parity.onnx_operators import INPUTS, OUTPUTS, Array, drawn, expected, graph

onnx: Any = pytest.importorskip("onnx")
reference: Any = import_module("onnx.reference")
node: Any = import_module("onnx.backend.test.case.node")
for name in ("lstm", "gru", "rnn"):  # importing its module makes an operator's cases
    import_module(f"onnx.backend.test.case.node.{name}")

pytestmark = pytest.mark.usefixtures("annotations_unchecked")
SINGLE = 2e-6  # float32: some 20 units in the last place
EXACT = 1e-10  # float64: the same mathematics, other order of additions


def is_covered(case: Any) -> bool:
    return case.model.graph.node[0].op_type in INPUTS


CASES: list[Any] = [case for case in node._NodeTestCases if is_covered(case)]


def test_the_operators_have_the_node_tests_that_are_held_below() -> None:
    found = sorted(case.name for case in CASES)
    lstm = ("batchwise", "bidirectional", "defaults", "reverse", "with_initial_bias", "with_peepholes")
    gru = ("batchwise", "bidirectional", "defaults", "reverse", "seq_length", "with_initial_bias")
    rnn = ("batchwise", "bidirectional", "defaults", "reverse", "with_initial_bias")
    assert set(found) >= {
        *(f"test_lstm_{name}" for name in lstm),
        *(f"test_gru_{name}" for name in gru),
        *(f"test_simple_rnn_{name}" for name in rnn),
        "test_rnn_seq_length",
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_our_cells_pass_the_operators_own_node_tests(case: Any) -> None:
    operation = case.model.graph.node[0]
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in operation.attribute}
    attributes["direction"] = attributes.get("direction", b"forward").decode()
    ((arrays, outputs),) = case.data_sets
    inputs = dict(zip([name for name in operation.input if name], arrays, strict=True))
    found = expected(operation.op_type, inputs, attributes)
    for name, value in zip([name for name in operation.output if name], outputs, strict=True):
        np.testing.assert_allclose(found[name], value, rtol=SINGLE, atol=SINGLE)


VARIANTS: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    (operator, {**kind, **form}, left_out)
    for operator, kind in (
        ("LSTM", {}),
        ("GRU", {"linear_before_reset": 0}),
        ("GRU", {"linear_before_reset": 1}),
        ("RNN", {}),
    )
    for form in ({}, {"direction": "reverse"}, {"direction": "bidirectional"}, {"layout": 1},
                 {"layout": 1, "direction": "bidirectional"})
    for left_out in ((), ("P",), ("B", "initial_h", "initial_c"))
    if "P" not in left_out or operator == "LSTM"
]  # fmt: skip


@pytest.mark.parametrize(("operator", "attributes", "left_out"), VARIANTS, ids=str)
def test_our_cells_give_what_the_reference_implementation_gives(
    operator: str, attributes: dict[str, Any], left_out: tuple[str, ...]
) -> None:
    inputs = drawn(operator, np.float64, attributes, ("sequence_lens", *left_out))  # it does not look at lengths
    theirs = reference.ReferenceEvaluator(graph(onnx, operator, inputs, attributes)).run(None, inputs)
    assert_same(expected(operator, inputs, attributes), dict(zip(OUTPUTS[operator], theirs, strict=True)))


def assert_same(found: dict[str, Array], theirs: dict[str, Array]) -> None:
    assert found.keys() == theirs.keys()
    for name, value in theirs.items():
        np.testing.assert_allclose(found[name], value, rtol=EXACT, atol=EXACT, err_msg=name)


@pytest.mark.parametrize("reset", [0, 1])
def test_the_other_gru_is_told_from_the_one_meant(reset: int) -> None:
    attributes = {"linear_before_reset": reset}
    inputs = drawn("GRU", np.float64, attributes, ("sequence_lens",))
    (y, _) = reference.ReferenceEvaluator(graph(onnx, "GRU", inputs, attributes)).run(None, inputs)
    other = expected("GRU", inputs, {"linear_before_reset": 1 - reset})["Y"]
    assert np.abs(other - y).max() > 1e-2


def test_the_reference_implementation_does_not_look_at_lengths_where_the_operator_ends_each_row_at_its_own() -> None:
    ragged = drawn("LSTM", np.float64, {}, ())
    whole = {name: value for name, value in ragged.items() if name != "sequence_lens"}
    theirs = [reference.ReferenceEvaluator(graph(onnx, "LSTM", i, {})).run(None, i)[0] for i in (ragged, whole)]
    np.testing.assert_array_equal(*theirs)
    assert (expected("LSTM", ragged, {})["Y"][-1, 0, 1] == 0).all()


def test_the_reference_implementation_does_not_look_at_input_forget_where_the_operator_couples_the_gates() -> None:
    inputs = drawn("LSTM", np.float64, {}, ("sequence_lens",))
    plain, coupled = (
        reference.ReferenceEvaluator(graph(onnx, "LSTM", inputs, {"input_forget": k})).run(None, inputs)[0]
        for k in (0, 1)
    )
    np.testing.assert_array_equal(plain, coupled)
    assert np.abs(expected("LSTM", inputs, {"input_forget": 1})["Y"] - coupled).max() > 1e-2
