"""The recurrence as an operation of torch's own: what torch asks of one, and the same derivatives as without it."""

import gc
from typing import Any

import pytest
import torch
from engine.checks import ALL, Problem, problem
from torch import Tensor

from carrousel.cell import Cell
from carrousel.cells import CELLS
from carrousel.engine import torch_ops
from carrousel.engine.graph_text import graph_of, text_of
from carrousel.engine.torch_ops import run_as_operation

LENGTHS = torch.tensor([2, 4, 3])
RESET = torch.zeros(4, 3, dtype=torch.bool)
RESET[1, 1] = RESET[3, 2] = True


@ALL
def test_a_graph_is_read_back_from_its_text(cell: Cell) -> None:
    graph = problem(cell).program.graph
    assert graph_of(text_of(graph)) == graph


@pytest.mark.parametrize("name", ["lstm", "gru_reset_before", "qrnn_fo", "lstm_1997"])
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["whole", "lengths"])
@pytest.mark.parametrize("reset", [None, RESET], ids=["through", "reset"])
def test_values_and_derivatives_are_those_of_the_program(
    name: str, lengths: Tensor | None, reset: Tensor | None
) -> None:
    drawn = problem(CELLS[name])
    expected = outcome(drawn, *drawn.program(drawn.params, drawn.x, drawn.state, lengths, reset)[:2])
    got = outcome(drawn, *as_operation(drawn, lengths, reset))
    for key, value in expected.items():
        assert torch.equal(got[key], value), key


def test_what_is_not_wanted_has_no_derivative() -> None:
    drawn = problem(CELLS["lstm"])
    drawn.params["R_f"].requires_grad_(False)
    drawn.x.requires_grad_(False)
    y, _ = as_operation(drawn)
    y.sum().backward()
    assert drawn.x.grad is None
    assert drawn.params["R_f"].grad is None
    assert drawn.params["R_i"].grad is not None


def test_a_run_that_is_differentiated_twice_over_gives_the_same_again() -> None:
    drawn = problem(CELLS["lstm"])
    y, _ = as_operation(drawn)
    first = torch.autograd.grad(y.sum(), drawn.x, retain_graph=True)[0]
    assert torch.equal(torch.autograd.grad(y.sum(), drawn.x)[0], first)


def test_derivatives_without_a_tape_are_those_with_one() -> None:
    drawn = problem(CELLS["gru_reset_after"])
    given = drawn.program.text, drawn.x, list(drawn.state), list(drawn.params.values()), LENGTHS, None
    taped: list[Tensor] = torch.ops.carrousel.run(*given, True)
    untaped: list[Tensor] = torch.ops.carrousel.run(*given, False)
    assert len(untaped[-1]) == 0
    for leaf in drawn.leaves.values():
        derivatives = [torch.autograd.grad(y.sum(), leaf, retain_graph=True)[0] for y in (taped[0], untaped[0])]
        assert torch.equal(*derivatives)


def test_the_tape_goes_when_the_outputs_do() -> None:
    gc.collect()
    tapes: Any = torch_ops._tapes
    before = len(tapes)
    y, last = as_operation(problem(CELLS["lstm"]))
    assert len(tapes) == before + 1
    del y, last
    gc.collect()
    assert len(tapes) == before


def test_no_tape_is_kept_where_no_derivative_is_wanted() -> None:
    tapes: Any = torch_ops._tapes
    before, drawn = len(tapes), problem(CELLS["lstm"])
    with torch.no_grad():
        y, last = as_operation(drawn)
    assert not y.requires_grad
    assert len(last) == 2
    assert len(tapes) == before


@pytest.mark.parametrize("name", ["lstm", "qrnn_fo", "elman"])
def test_torchs_own_examination_of_an_operation_is_passed(name: str) -> None:
    drawn = problem(CELLS[name])
    given = drawn.program.text, drawn.x, list(drawn.state), list(drawn.params.values()), None, None, False
    torch.library.opcheck(torch.ops.carrousel.run.default, given)


def test_outputs_share_no_memory_with_what_was_given_where_there_are_no_steps() -> None:
    drawn = problem(CELLS["lstm"])
    state = [s.detach() for s in drawn.state]
    results = torch.ops.carrousel.run(
        drawn.program.text, drawn.x[:0], state, list(drawn.params.values()), None, None, False
    )
    assert results[0].shape == (0, 3, 6)
    for field, start in zip(results[1:3], state, strict=True):
        assert torch.equal(field, start)
        assert field.data_ptr() != start.data_ptr()


def as_operation(
    drawn: Problem, lengths: Tensor | None = None, reset: Tensor | None = None
) -> tuple[Tensor, list[Tensor]]:
    return run_as_operation(drawn.program.text, drawn.params, drawn.x, drawn.state, lengths, reset)


def outcome(drawn: Problem, y: Tensor, last: list[Tensor]) -> dict[str, Tensor]:
    """Outputs, last state and derivatives of a loss of all of them."""
    loss = y.square().sum() + sum((k + 2) * field.sum() for k, field in enumerate(last))
    found = torch.autograd.grad(loss, list(drawn.leaves.values()))
    return {"y": y, **{f"last.{k}": f for k, f in enumerate(last)}, **dict(zip(drawn.leaves, found, strict=True))}
