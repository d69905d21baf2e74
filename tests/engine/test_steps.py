"""Steps taken one a call, against `interpret` on the whole sequence."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest
import torch
from engine.checks import ALL, TOLERANCE, Problem, problem
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from carrousel.cell import Cell
from carrousel.cells import CELLS
from carrousel.engine import SlowPathWarning, announce
from carrousel.engine.stream import Steps, open_steps, plan_step

EVERY = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])


@ALL
@EVERY
def test_steps_equal_interpret(cell: Cell, dtype: torch.dtype) -> None:
    check(problem(cell, steps=5, dtype=dtype))


@ALL
@pytest.mark.parametrize(
    "shape",
    [
        {"batch": 1},
        {"batch": 7, "hidden_size": 37, "input_size": 5},
        {"steps": 1, "batch": 1, "hidden_size": 1, "input_size": 1},
    ],
    ids=["one sequence", "several vectors and a rest", "one of everything"],
)
def test_steps_of_other_sizes_equal_interpret(cell: Cell, shape: dict[str, Any]) -> None:
    check(problem(cell, **shape))


@pytest.mark.tiny
@settings(max_examples=25, deadline=None)
@given(sizes=st.lists(st.integers(0, 4), min_size=1, max_size=5))
def test_any_chunks_give_the_same_bits_as_the_whole_sequence(sizes: list[int]) -> None:
    drawn = problem(CELLS["lstm"], steps=max(1, sum(sizes)))
    x = drawn.x.detach()[: sum(sizes)]
    whole, parts = opened(drawn), opened(drawn)
    y = take(drawn, whole, x)
    joined = torch.cat([take(drawn, parts, chunk) for chunk in cut(x, sizes)])
    assert torch.equal(joined, y)
    for a, b in zip(whole.state()[0], parts.state()[0], strict=True):
        assert torch.equal(a, b)


def test_the_product_on_the_input_is_joined_with_those_on_the_state() -> None:
    plan = plan_step(problem(CELLS["elman"]).program.graph)
    assert not plan.reason
    assert "v4.r: H = products W x_t R h_tm1 transposed=(0 0)" in str(plan.loop)


@pytest.mark.parametrize("place", [0, 6, 20], ids=["first", "in the middle", "last"])
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_no_step_is_taken_where_the_input_is_not_finite(value: float, place: int) -> None:
    drawn = problem(CELLS["lstm"], steps=1, input_size=7, dtype=torch.float32)
    steps, x = opened(drawn), drawn.x.detach().clone()
    before = [field.clone() for field in steps.state()[0]]
    x.view(-1)[place] = value
    assert not steps.run(x, torch.empty(1, 3, 6), 1)
    for a, b in zip(steps.state()[0], before, strict=True):
        assert torch.equal(a, b)


def test_the_largest_numbers_are_taken() -> None:
    drawn = problem(CELLS["elman"], steps=1, dtype=torch.float32)
    assert opened(drawn).run(torch.full((1, 3, 3), 3e38), torch.empty(1, 3, 6), 1)


def test_two_threads_run_their_own_streams_at_the_same_time() -> None:
    drawn = problem(CELLS["lstm"], steps=400, batch=8, input_size=32, hidden_size=64, dtype=torch.float32)
    alone = take(drawn, opened(drawn), drawn.x.detach())
    streams = [opened(drawn) for _ in range(4)]
    with ThreadPoolExecutor(2) as pool:
        for running in [pool.submit(take, drawn, steps, drawn.x.detach()) for steps in streams]:
            assert torch.equal(running.result(), alone)
    singly = opened(drawn)
    assert torch.equal(torch.cat([take(drawn, singly, x_t) for x_t in cut(drawn.x.detach(), [1] * 400)]), alone)


@pytest.mark.parametrize("name", ["lstm", "gru_reset_before"])
def test_other_number_formats_are_stepped_by_interpret_and_announced(name: str) -> None:
    announce.cache_clear()
    drawn = problem(CELLS[name], steps=4)
    params = {key: value.detach().bfloat16() for key, value in drawn.params.items()}
    with pytest.warns(
        SlowPathWarning, match=f"^{name}: runs node by node, which is slow: there are no compiled loops for"
    ):
        steps = open_steps([drawn.program], [params], 3, drawn.x.detach().bfloat16())
    put(steps, drawn.state)
    y = take(drawn, steps, drawn.x.detach().bfloat16())
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(
        y.double(), drawn.interpreted(drawn.params, drawn.x, drawn.state)[0].detach(), rtol=0, atol=0.1
    )


def check(drawn: Problem) -> None:
    """Single steps, and the whole sequence at once, give what `interpret` gives in float64."""
    exact = drawn.to(torch.float64)
    with torch.no_grad():
        y, last, _ = exact.interpreted(exact.params, exact.x, exact.state)
    limit = TOLERANCE[str(drawn.x.dtype).removeprefix("torch.")]["value"]
    for sizes in ([1] * len(drawn.x), [len(drawn.x)]):
        steps = opened(drawn)
        got = torch.cat([take(drawn, steps, chunk) for chunk in cut(drawn.x.detach(), sizes)])
        for a, b in zip([got, *steps.state()[0]], [y, *last], strict=True):
            scale = max(1.0, float(b.abs().max()))
            torch.testing.assert_close(a.double(), b, rtol=0, atol=limit * scale)


def opened(drawn: Problem) -> Steps:
    """Compiled steps that begin where the problem begins."""
    assert not plan_step(drawn.program.graph).reason
    steps = open_steps([drawn.program], [drawn.params], drawn.x.shape[1], drawn.x.detach())
    put(steps, drawn.state)
    return steps


def put(steps: Steps, state: Sequence[Tensor]) -> None:
    for field, start in zip(steps.state()[0], state, strict=True):
        field.copy_(start.detach())


def take(drawn: Problem, steps: Steps, x: Tensor) -> Tensor:
    """The outputs of further steps."""
    graph = drawn.program.graph
    y = x.new_empty((*x.shape[:2], *graph.elements(dict(graph.outputs)["output"])))
    assert steps.run(x.contiguous(), y, len(x))
    return y


def cut(x: Tensor, sizes: Sequence[int]) -> Sequence[Tensor]:
    return cast("Sequence[Tensor]", x.split(list(sizes)))
