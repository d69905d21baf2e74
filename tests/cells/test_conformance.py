"""Every cell of the catalogue: equal to its paper, and to itself however it is cut."""

import ast
import inspect
import itertools
import re
import sys
from typing import Any, cast

import pytest
import torch
from cells.conformance import assert_equals_reference, assert_same, derivatives_of, problem, results
from reference.problems import STEPS
from thorough import selected
from torch import Tensor

from carrousel import CELLS, Cell

NAMES = sorted(CELLS)
SOME = selected((name, name) for name in NAMES)
"""All names, most of them for the exhaustive tests only."""

OPTIONS: dict[str, dict[str, Any]] = {
    "lstm_1997": {"block_size": 2},
    "jordan": {"output_size": 4},
    "lstm_projected": {"proj_size": 4},
    "lstmp": {"proj_size": 4, "forward_size": 2},
    "nested_lstm": {"depth": 3},
    "array_lstm": {"lanes": 3},
    "array_lstm_soft": {"lanes": 3},
    "array_lstm_stochastic_half": {"lanes": 4},
    "contextual_lstm": {"topic_size": 2},
    "lie_group": {"num_generators": 4},
    "lmu": {"memory_size": 4},
    "tpru": {"num_roles": 5},
    "cfc": {"backbone_units": 5, "backbone_layers": 3},
    "mlstm_matrix": {"num_heads": 3},
    "slstm": {"num_heads": 3},
    "para_lstm": {"num_heads": 3},
    "para_gru": {"num_heads": 3},
}

STRAIGHT_THROUGH = ["array_lstm_semi_hard"]
"""Cells whose derivatives are, by definition, those of another function than their values."""


def test_every_cell_has_a_reference() -> None:
    assert set(STEPS) == set(CELLS)


@pytest.mark.parametrize("name", NAMES)
def test_a_cell_equals_the_paper(name: str) -> None:
    assert_equals_reference(problem(name, **OPTIONS.get(name, {})), STEPS[name])


@pytest.mark.parametrize("name", SOME)
@pytest.mark.parametrize("size", [(1, 1, 1, 1), (1, 2, 5, 7), (4, 1, 2, 17), (7, 7, 1, 3)])
def test_a_cell_equals_the_paper_at_other_sizes(name: str, size: tuple[int, int, int, int]) -> None:
    steps, batch, input_size, hidden_size = size
    given = problem(name, steps=steps, batch=batch, input_size=input_size, hidden_size=hidden_size)
    assert_equals_reference(given, STEPS[name])


@pytest.mark.parametrize("name", NAMES)
def test_a_cell_equals_the_paper_in_single_precision(name: str) -> None:
    assert_equals_reference(problem(name, dtype=torch.float32), STEPS[name], torch.float32)


@pytest.mark.parametrize("name", SOME)
def test_state_carries_across_a_split(name: str) -> None:
    given = problem(name, steps=7)
    y, last = given.layer(given.x, given.layer.cell.State(*given.state), draw=given.draw())
    first, middle = given.layer(given.x[:3], given.layer.cell.State(*given.state), draw=given.draw())
    second, end = given.layer(given.x[3:], middle, draw=given.draw(first_step=3))
    torch.testing.assert_close(torch.cat([first, second]), y, rtol=0, atol=1e-12)
    for a, b in zip(end, last, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", SOME)
def test_a_batch_is_its_rows_one_by_one(name: str) -> None:
    given = problem(name, batch=9)
    y, _ = given.layer(given.x, given.layer.cell.State(*given.state), draw=given.draw())
    for b in range(9):
        state = given.layer.cell.State(*(s[:, b : b + 1] for s in given.state))
        alone, _ = given.layer(given.x[:, b : b + 1], state, draw=given.draw([b]))
        torch.testing.assert_close(alone, y[:, b : b + 1], rtol=0, atol=1e-12)


def by_hand(given: Any, lengths: list[int] | None, reset: Tensor | None) -> dict[str, Tensor]:
    """One layer, one direction: each row cut at its length and at its resets, run piece by piece."""
    x = given.x.clone().requires_grad_()
    start = tuple(s.clone().requires_grad_() for s in given.state)
    steps, batch = x.shape[:2]
    rows: list[Tensor] = []
    ends: list[tuple[Tensor, ...]] = []
    for b in range(batch):
        length = lengths[b] if lengths else steps
        cuts = sorted({0, length, *(t for t in range(length) if reset is not None and reset[t, b])})
        state = tuple(s[:, b : b + 1] for s in start)
        pieces: list[Tensor] = []
        for begin, end in itertools.pairwise(cuts):
            if reset is not None and reset[begin, b]:
                state = tuple(torch.zeros_like(s) for s in state)
            y, state = given.layer(x[begin:end, b : b + 1], given.layer.cell.State(*state), draw=given.draw([b], begin))
            pieces.append(y)
        padding = x.new_zeros(steps - length, 1, given.layer.output_size)
        rows.append(torch.cat([*pieces, padding]))
        ends.append(tuple(state))
    y = torch.cat(rows, dim=1)
    last = tuple(torch.cat(field, dim=1) for field in zip(*ends, strict=True))
    params = dict(given.layer.named_parameters())
    found = derivatives_of(given.loss(y, last), [x, *start, *params.values()])
    fields = list(given.layer.cell.state_axes)
    names = ["d_x", *(f"d_state.{f}" for f in fields), *(f"d_{n}" for n in params)]
    derivatives = dict(zip(names, found, strict=True))
    return {"y": y, **{f"state.{f}": s for f, s in zip(fields, last, strict=True)}, **derivatives}


RAGGED = [5, 1, 4, 5, 2, 3, 3]
RESETS = torch.tensor([[t * 7 + b in (0, 3, 9, 11, 16, 23, 24, 31) for b in range(7)] for t in range(5)])


@pytest.mark.parametrize("name", NAMES)
def test_lengths_and_resets_cut_rows(name: str) -> None:
    given = problem(name, batch=7)
    assert_same(results(given, lengths=RAGGED, reset=RESETS), by_hand(given, RAGGED, RESETS), 1e-10)


@pytest.mark.parametrize("name", SOME)
@pytest.mark.parametrize(("lengths", "reset"), [(RAGGED, None), (None, RESETS)])
def test_lengths_alone_and_resets_alone_cut_rows(name: str, lengths: list[int] | None, reset: Tensor | None) -> None:
    given = problem(name, batch=7)
    assert_same(results(given, lengths=lengths, reset=reset), by_hand(given, lengths, reset), 1e-10)


@pytest.mark.parametrize("name", SOME)
def test_padding_is_ignored_even_when_it_is_nan(name: str) -> None:
    given = problem(name, batch=7)
    clean = results(given, lengths=RAGGED)
    for b, length in enumerate(RAGGED):
        given.x[length:, b] = torch.nan
    assert_same(results(given, lengths=RAGGED), clean, 0)


@pytest.mark.parametrize("name", selected((name, name) for name in NAMES if not CELLS[name].noise_axes))
def test_the_backward_half_is_the_forward_half_on_turned_rows(name: str) -> None:
    given = problem(name, batch=7, bidirectional=True)
    layer = given.layer
    y, last = layer(given.x, layer.cell.State(*given.state), lengths=RAGGED, reset=RESETS)
    half = layer.output_size // 2
    alone = problem(name, batch=7).layer
    alone.load_state_dict(
        {n.removesuffix("_reverse"): v for n, v in layer.state_dict().items() if n.endswith("_reverse")}
    )
    for b, length in enumerate(RAGGED):
        turned = given.x[:length, b : b + 1].flip(0)
        # going backwards, the state is cut after the step at which a sequence begins
        cut = torch.cat([torch.tensor([False]), RESETS[1:length, b].flip(0)])[:, None]
        state = alone.cell.State(*(s[1:, b : b + 1] for s in given.state))
        out, end = alone(turned, state, reset=cut)
        torch.testing.assert_close(y[:length, b : b + 1, half:], out.flip(0), rtol=0, atol=1e-12)
        for a, e in zip(last, end, strict=True):
            torch.testing.assert_close(a[1:, b : b + 1], e, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", selected((name, name) for name in NAMES if name not in STRAIGHT_THROUGH))
def test_derivatives_agree_with_finite_differences_in_a_random_direction(name: str) -> None:
    given = problem(name, seed=3)
    found = results(given)
    torch.manual_seed(1)
    h, tensors = 1e-6, {"d_x": given.x} | {f"d_{n}": p.data for n, p in given.layer.named_parameters()}
    direction = {key: torch.randn_like(value) for key, value in tensors.items()}

    def loss_at(scale: float) -> float:
        for key, value in tensors.items():
            value.add_(scale * direction[key])
        y, last = given.layer(given.x, given.layer.cell.State(*given.state), draw=given.draw())
        for key, value in tensors.items():
            value.sub_(scale * direction[key])
        return float(given.loss(y, last).detach())

    slope = sum(float((found[key] * direction[key]).sum()) for key in tensors)
    assert (loss_at(h) - loss_at(-h)) / (2 * h) == pytest.approx(slope, rel=1e-5)  # h² and rounding / h


@pytest.mark.parametrize("name", NAMES)
def test_tracing_changes_no_bit_and_gives_every_named_value(name: str) -> None:
    both_ways = "H" not in CELLS[name].derived  # a layer above two directions reads twice as many numbers
    given = problem(name, num_layers=2, bidirectional=both_ways, input_size=6)
    y, last = given.layer(given.x, lengths=[5, 2, 3], draw=given.draw())
    traced, end, trace = given.layer.trace(given.x, lengths=[5, 2, 3], draw=given.draw())
    assert torch.equal(y, traced)
    assert all(torch.equal(a, b) for a, b in zip(last, end, strict=True))
    assert set(documented(given.layer.cell)) <= set(trace.names)
    assert all(trace[n].shape[:2] == (5, 3) for n in trace.names)


def documented(cell: Cell) -> list[str]:
    """What the equations define, in their order: those of the step's own docstring, or of the file's when it has none."""
    step = inspect.unwrap(cell.step)
    texts = [inspect.cleandoc(step.__doc__ or ""), inspect.cleandoc(sys.modules[step.__module__].__doc__ or "")]
    found = [re.findall(r"^ *(\w+_t) = ", text, re.MULTILINE) for text in texts]
    return list(dict.fromkeys(found[0] or found[1]))


@pytest.mark.tiny
@pytest.mark.parametrize("name", NAMES)
def test_the_equations_in_the_docstring_and_the_lines_of_the_step_have_the_same_order(name: str) -> None:
    function = cast("ast.FunctionDef", ast.parse(inspect.getsource(inspect.unwrap(CELLS[name].step))).body[0])
    function.body = function.body[1:]  # without the docstring
    written = re.findall(r"^ +(\w+_t) = ", ast.unparse(function), re.MULTILINE)
    assert documented(CELLS[name]) == list(dict.fromkeys(written))


@pytest.mark.tiny
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("steps", "batch"), [(0, 2), (3, 0)])
def test_empty_input_gives_empty_output(name: str, steps: int, batch: int) -> None:
    given = problem(name, steps=steps, batch=batch)
    y, last = given.layer(given.x, given.layer.cell.State(*given.state))
    assert y.shape == (steps, batch, given.layer.output_size)
    assert all(torch.equal(a, b) for a, b in zip(last, given.state, strict=True))


@pytest.mark.tiny
@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_has_a_printed_initialiser(name: str) -> None:
    cell = CELLS[name]
    assert all(init.formula for init in cell.init.values())
    assert cell.source.title
    assert cell.source.authors
    assert cell.differs
