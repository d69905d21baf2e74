"""Each pass on its own: the same values and derivatives before and after it, and its result as text for every cell."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from engine.checks import (
    EACH,
    LEAVES,
    check_close,
    check_derivative,
    derivatives_of,
    evaluate,
    fitting_sizes,
    one_step,
    problem,
    results,
    user_cell,
)
from jaxtyping import Float
from torch import Tensor

from carrousel.cell import Cell
from carrousel.cells import CELLS
from carrousel.engine import compile_cell, trace_cell
from carrousel.engine.graph import Graph, Node
from carrousel.engine.lower.interpret import interpret
from carrousel.engine.passes.fuse_inputs import D_X, X
from carrousel.engine.passes.hoist_inputs import hoist_inputs
from carrousel.engine.passes.join_matmuls import join_matmuls
from carrousel.engine.passes.simplify import simplify
from carrousel.engine.passes.spell_broadcasts import spell_broadcasts
from carrousel.engine.passes.spell_copies import spell_copies
from carrousel.engine.passes.spell_products import spell_products
from carrousel.engine.passes.split_phases import inline, split_phases
from carrousel.engine.spec import check
from carrousel.engine.views import is_stored, view

Pass = Callable[[Graph], Graph]


def joined(graph: Graph) -> Graph:
    return simplify(join_matmuls(simplify(spell_products(simplify(graph)))))


WHOLE_STEP: Mapping[str, Pass] = {
    "simplify": simplify,
    "spell_products": lambda graph: spell_products(simplify(graph)),
    "join_matmuls": lambda graph: join_matmuls(spell_products(simplify(graph))),
    "spell_broadcasts": spell_broadcasts,
    "all three": lambda graph: simplify(spell_broadcasts(joined(graph))),
}


@EACH
@pytest.mark.parametrize("rewrite", WHOLE_STEP.values(), ids=WHOLE_STEP)
def test_a_rewrite_of_the_step_keeps_values_and_derivatives(cell: Cell, rewrite: Pass) -> None:
    given = problem(cell)
    graph = check(rewrite(given.program.graph))

    def rewritten(*arguments: Any) -> Any:
        return interpret(graph, *arguments)

    check_close(results(given, rewritten), results(given, given.interpreted), torch.float64)


@EACH
def test_prologue_and_loop_together_are_the_step(cell: Cell) -> None:
    graph = joined(traced(cell))
    prologue, loop = hoist_inputs(graph)
    whole, leaves = one_step(graph)
    before = evaluate(check(prologue), leaves)
    cut = evaluate(check(loop), {node.name: (before | leaves)[node.name] for node in loop.nodes if node.op in LEAVES})
    outputs = [name for _, name in graph.outputs]
    for name in outputs:
        torch.testing.assert_close(cut[name], whole[name], rtol=1e-12, atol=1e-12)
    loss, same = (sum(v[name].square().sum() for name in outputs) for v in (whole, cut))
    assert isinstance(loss, Tensor)
    assert isinstance(same, Tensor)
    for a, b in zip(*(derivatives_of(total, list(leaves.values())) for total in (loss, same)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@EACH
def test_no_product_on_x_is_left_in_the_loop(cell: Cell) -> None:
    prologue, loop = hoist_inputs(joined(traced(cell)))
    assert not list(loop.leaves("x"))
    assert {node.op for node in loop.computed}.isdisjoint({"matvec"})
    assert all(role.split(".")[0] in ("input", "param") for role, _ in prologue.outputs)


HOISTED = {"lstm_1997", "gers_lstm", "layer_norm_lstm", "layer_norm_gru", "slstm"} | {n for n in CELLS if "array" in n}
"""Cells whose products on x_t would need more registers than a tile has."""


@EACH
def test_products_on_x_taken_back_into_the_loop_give_the_same(cell: Cell) -> None:
    plan = compile_cell(cell, fitting_sizes(cell, input_size=3, hidden_size=6)).plan
    if plan.fused is None:
        assert cell.name in HOISTED or not (plan.linear.names and any(n.op == "products" for n in plan.loop.nodes))
        return
    fused, leaves = one_step(plan.fused)
    weights = zip(plan.linear.names, plan.linear.weights, strict=True)
    hoisted = {name: leaves[X] @ leaves[weight][0].T for name, weight in weights}
    whole = evaluate(
        plan.loop, {node.name: (hoisted | leaves)[node.name] for node in plan.loop.nodes if node.op in LEAVES}
    )
    for _, name in plan.loop.outputs:
        torch.testing.assert_close(fused[name], whole[name], rtol=1e-12, atol=1e-12, equal_nan=True)
    for name in plan.tape:
        torch.testing.assert_close(fused[name], whole[name], rtol=1e-12, atol=1e-12, equal_nan=True)


@EACH
def test_the_derivative_of_x_in_the_backward_loop_is_that_of_the_hoisted_products(cell: Cell) -> None:
    plan = compile_cell(cell, fitting_sizes(cell, input_size=3, hidden_size=6)).plan
    assert (plan.backward_to_x is None) == (plan.fused is None)
    if plan.backward_to_x is None:
        return
    values, leaves = one_step_backward(plan.backward_to_x)
    roles = dict(plan.backward_to_x.outputs)
    weights = zip(plan.linear.names, plan.linear.weights, strict=True)
    terms = [values[roles[f"input.{name}"]] @ leaves[weight][0] for name, weight in weights]
    torch.testing.assert_close(values[D_X], torch.stack(terms).sum(0), rtol=1e-12, atol=1e-12)


@EACH
@pytest.mark.parametrize("is_taped", [False, True], ids=["all values saved", "from the tape"])
def test_the_backward_step_is_the_derivative_of_the_loop(cell: Cell, is_taped: bool) -> None:
    check_derivative(loop_of(cell), is_taped=is_taped)


@EACH
def test_every_node_of_a_loop_is_in_one_phase_after_what_it_reads(cell: Cell) -> None:
    loop = loop_of(cell)
    phases = split_phases(loop)
    place = {node.name: k for k, phase in enumerate(phases) for node in phase.nodes}
    made = {node.name for node in loop.computed if node.op != "constant" and is_stored(loop, node.name)}
    assert place.keys() == made - inline(loop)
    assert sum(len(phase.nodes) for phase in phases) == len(place)
    for node in (node for phase in phases for node in phase.nodes):
        read = [place[view(loop, arg).source] for arg in node.args if view(loop, arg).source in place]
        limit = place[node.name] - (node.op == "products")
        assert all(k <= limit for k in read)


@EACH
def test_the_passes_give_these_graphs(cell: Cell, golden: Callable[[str, str], None]) -> None:
    plan = compile_cell(cell, fitting_sizes(cell, input_size=3, hidden_size=4)).plan
    parts = {
        "trace": plan.graph,
        "simplify": simplify(plan.graph),
        "spell_products, join_matmuls": joined(plan.graph),
        "hoist_inputs: prologue": plan.prologue,
        "hoist_inputs, spell_broadcasts, spell_copies: loop": plan.loop,
        "differentiate, choose_tape, spell_copies: backward": plan.backward,
        "fuse_inputs: loop": plan.fused or "none",
        "fuse_inputs: derivative of x_t": plan.backward_to_x[D_X] if plan.backward_to_x else "none",
        "tape": ", ".join(plan.tape),
        "split_phases: loop": "\n".join(map(str, plan.phases)),
        "split_phases: backward": "\n".join(map(str, split_phases(plan.backward))),
    }
    golden(f"passes/{cell.name}.txt", "\n\n".join(f"# {title}\n{text}" for title, text in parts.items()) + "\n")


def test_simplify_makes_one_node_of_equal_ones_and_drops_what_nobody_reads() -> None:
    nodes = (
        Node("x", "x", (), ("H",)),
        Node("s", "state", (), ("H",)),
        Node("v1", "constant", (), (), (("value", 1.0),)),
        Node("v2", "sub", ("v1", "s"), ("H",)),
        Node("v3", "constant", (), (), (("value", 1.0),)),
        Node("v4", "sub", ("v3", "s"), ("H",)),
        Node("v5", "reshape", ("v4",), ("H",), (("shape", ("H",)),)),
        Node("v6", "mul", ("v2", "v5"), ("H",)),
        Node("v7", "exp", ("v6",), ("H",)),
    )
    graph = Graph("example", nodes, (("output", "v6"), ("state.s", "v5")), {"H": 2})
    assert str(simplify(graph)) == (
        "example(H=2)\n"
        "  x: H = x\n"
        "  s: H = state\n"
        "  v1: () = constant value=1\n"
        "  v2: H = sub v1 s\n"
        "  v6: H = mul v2 v2\n"
        "  -> output v6, state.s v2"
    )


def test_names_of_a_step_that_look_like_made_ones_do_not_collide() -> None:
    from typing import NamedTuple

    class Params(NamedTuple):
        R: Float[Tensor, "H H"]
        b: Float[Tensor, " H"]

    class State(NamedTuple):
        h: Float[Tensor, " H"]

    def step(p: Params, x_t: Tensor, s: State) -> tuple[Tensor, State]:
        h = s.h + s.h * s.h + torch.tanh(s.h) + p.b + torch.sigmoid(s.h) + p.R @ s.h
        h = torch.tanh(h) * x_t.sum()
        h = h * p.b
        return h, State(h)

    given = problem(user_cell("renamed", step, Params, State))
    graph = check(joined(given.program.graph))

    def rewritten(*arguments: Any) -> Any:
        return interpret(graph, *arguments)

    check_close(results(given, rewritten), results(given, given.interpreted), torch.float64)


def one_step_backward(graph: Graph) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """All values of one backward step of three sequences, and the leaves they are made from."""
    generator = torch.Generator().manual_seed(2)
    leaves = {
        node.name: torch.randn(1 if node.op == "param" else 3, *graph.elements(node.name), generator=generator).double()
        for node in graph.nodes
        if node.op in ("param", "saved", "grad")
    }
    return evaluate(graph, leaves), leaves


def traced(cell: Cell) -> Graph:
    return trace_cell(cell, fitting_sizes(cell, input_size=3, hidden_size=6))


def loop_of(cell: Cell) -> Graph:
    return check(spell_copies(simplify(spell_broadcasts(hoist_inputs(joined(traced(cell)))[1]))))
