"""Tests of the tests: engines that are wrong in one place must be caught by the checks used in this folder."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest
import torch
from engine.checks import COMPILED, ILL_CONDITIONED, RUN, check, check_derivative, fresh, problem
from torch import Tensor

import carrousel.engine.passes.differentiate as derivatives
from carrousel.cells import CELLS
from carrousel.engine.graph import Graph, Node
from carrousel.engine.lower.emitter import Emitter
from carrousel.engine.lower.vector_math import VECTOR
from carrousel.engine.passes.choose_tape import choose_tape
from carrousel.engine.passes.join_matmuls import join_matmuls

LSTM, GRU = CELLS["lstm"], CELLS["gru_reset_before"]
LENGTHS = torch.tensor([2, 4, 1])
RESET = torch.zeros(4, 3, dtype=torch.bool)
RESET[2, 1] = True


def test_the_right_engine_passes() -> None:
    check(problem(fresh(LSTM)), LENGTHS, RESET)


@pytest.mark.parametrize("op", ["tanh", "sigmoid", "mul", "add", "sub"])
def test_a_derivative_of_the_wrong_sign_is_found(op: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = derivatives.RULES[op]

    def wrong(d: Any, node: Node, g: str) -> None:
        right(d, node, d.pointwise("neg", g))

    loop = fresh(GRU).plan.loop
    monkeypatch.setitem(derivatives.RULES, op, wrong)
    with pytest.raises(AssertionError, match="not close"):
        check_derivative(loop, is_taped=True)
    with pytest.raises(AssertionError, match="not close"):
        check(problem(fresh(GRU)))


def test_a_derivative_that_forgets_one_argument_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(d: Any, node: Node, g: str) -> None:
        d.add(node.args[0], d.pointwise("mul", g, d.read(node.args[1])))

    monkeypatch.setitem(derivatives.RULES, "mul", forgetful)
    with pytest.raises(AssertionError, match=r"not close|only one side has"):
        check_derivative(fresh(CELLS["peephole_lstm"]).plan.loop, is_taped=False)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("op", ["tanh", "sigmoid", "mul"])
def test_an_elementwise_tail_wrong_by_a_thousandth_is_found(
    op: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = VECTOR[op]

    def wrong(e: Emitter, *arguments: str) -> str:
        return e.binary("fmul", right(e, *arguments), e.number(1.001))

    monkeypatch.setitem(cast("dict[str, Callable[..., str]]", VECTOR), op, wrong)
    with pytest.raises(AssertionError, match="not close"):
        check(problem(fresh(LSTM), dtype=dtype))


@pytest.mark.parametrize(
    ("name", "shape"), [("slstm", {"hidden_size": 64, "batch": 7}), ("sopa_max_plus", {"scale": 1e-6})]
)
def test_an_ill_conditioned_cell_passes_in_float32_only_where_the_table_names_it(
    name: str, shape: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = problem(CELLS[name], dtype=torch.float32, **shape)
    check(given)
    monkeypatch.delitem(ILL_CONDITIONED, name)
    with pytest.raises(AssertionError, match="not close"):
        check(given)


@pytest.mark.parametrize("kept", [0, 1], ids=["last dropped", "first dropped"])
def test_a_pass_that_drops_a_term_is_found(kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def dropping(graph: Graph) -> Graph:
        joined = join_matmuls(graph)
        victim = next(node for node in joined.nodes if node.op == "add" and node.name.endswith(".x"))
        single = Node(victim.name, "reshape", (victim.args[kept],), victim.shape, (("shape", victim.shape),))
        return joined.with_nodes(tuple(single if node is victim else node for node in joined.nodes))

    monkeypatch.setattr("carrousel.engine.plan.join_matmuls", dropping)
    with pytest.raises(AssertionError, match="not close"):
        check(problem(fresh(LSTM)))


def test_a_tape_with_a_value_in_anothers_place_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def swapped(forward: Graph, backward: Graph) -> tuple[Graph, tuple[str, ...]]:
        right, tape = choose_tape(forward, backward)
        other = {"i_t": "f_t", "f_t": "i_t"}
        nodes = tuple(
            node if node.op == "saved" else replace(node, args=tuple(other.get(arg, arg) for arg in node.args))
            for node in sorted(right.nodes, key=lambda node: node.op not in ("saved", "param", "grad"))
        )
        return right.with_nodes(nodes), tape

    monkeypatch.setattr("carrousel.engine.plan.choose_tape", swapped)
    with pytest.raises(AssertionError, match="not close"):
        check(problem(fresh(LSTM)))


@pytest.mark.parametrize("forgotten", ["lengths", "reset"])
def test_a_forgotten_argument_is_found(forgotten: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lay_out = RUN.lay_out

    def forgetful(steps: int, batch: int, lengths: Tensor | None, reset: Tensor | None) -> Any:
        return lay_out(
            steps, batch, None if forgotten == "lengths" else lengths, None if forgotten == "reset" else reset
        )

    monkeypatch.setattr(RUN, "lay_out", forgetful)
    with pytest.raises(AssertionError, match="not close"):
        check(problem(fresh(LSTM)), LENGTHS, RESET)


def test_a_packed_weight_in_the_wrong_lane_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    pack = COMPILED.pack

    def shifted(*arguments: Any) -> Tensor:
        return pack(*arguments).roll(1, -1)

    monkeypatch.setattr(COMPILED, "pack", shifted)
    with pytest.raises(AssertionError, match="not close"):
        check(problem(fresh(LSTM)))


def test_a_program_that_does_not_compile_is_found() -> None:
    program = fresh(LSTM)
    vars(program)["plan"] = replace(program.plan, reason="switched off")
    with pytest.raises(AssertionError, match="switched off"):
        check(problem(program))


def test_a_changed_graph_differs_from_its_golden_text(golden: Callable[[str, str], None], request: Any) -> None:
    if request.config.getoption("--regenerate-golden", default=False):
        pytest.skip("texts are being written")
    with pytest.raises(AssertionError):
        golden("passes/elman.txt", "elman(D=3, H=4)\n")
