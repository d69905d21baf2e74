"""The work of a step, counted by hand."""

import pytest

from carrousel.analysis.counts import Work, work
from carrousel.cells import find
from carrousel.engine import trace_cell

pytestmark = pytest.mark.tiny


@pytest.mark.parametrize(
    ("name", "sizes", "expected"),
    [
        # 2·H·(D + H) a gate; three additions and a squashing a gate, then f·c, i·g, their sum, tanh(c), o·tanh(c)
        ("lstm", {}, Work(4 * 2 * 5 * (3 + 5), 4 * 3 * 5 + 5 * 5)),
        ("elman", {}, Work(2 * 5 * (3 + 5), 3 * 5)),
        # the projection: P numbers from H
        ("lstm_projected", {"proj_size": 2}, Work(4 * 2 * 5 * (3 + 2) + 2 * 2 * 5, 4 * 4 * 5 + 5 * 5)),
    ],
)
def test_the_work_of_a_step_is_the_count_by_hand(name: str, sizes: dict[str, int], expected: Work) -> None:
    cell = find(name)
    got = work(trace_cell(cell, cell.sizes(3, 5, **sizes)))
    assert got.products == expected.products
    assert got.total == got.products + got.elementwise


def test_elementwise_work_counts_every_number_once() -> None:
    assert work(trace_cell(find("elman"), find("elman").sizes(3, 5))) == Work(80, 15)


def test_what_needs_parameters_alone_costs_nothing_in_a_step() -> None:
    """lmu's constants and scrn's 1 - α are computed once for all steps."""
    plain, learned = (work(trace_cell(find(n), find(n).sizes(4, 4))) for n in ("scrn", "scrn_learned_decay"))
    assert plain == learned
