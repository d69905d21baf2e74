"""What layers change about a step, for every cell: legal graphs, the same values where nothing is masked, still compiled."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from engine.checks import ALL, check_close, problem, results
from torch import Tensor

from carrousel.cell import Cell
from carrousel.cells import find
from carrousel.engine import Program, compile_cell, trace_cell
from carrousel.engine.carrousel import find_carrousels, matrix_reads, recurrent_matrices, recurrent_reads
from carrousel.engine.graph import Graph
from carrousel.engine.lower.torch_kernels import recognise
from carrousel.engine.passes.join_inputs import join_inputs
from carrousel.engine.passes.mask_candidates import mask_candidates
from carrousel.engine.passes.mask_reads import mask_reads
from carrousel.engine.passes.mask_states import mask_states
from carrousel.engine.passes.truncate_gradient import truncate_gradient
from carrousel.engine.passes.zone_out import zone_out
from carrousel.engine.plan import make_plan
from carrousel.engine.spec import check
from carrousel.errors import ConfigError

Rewrite = Callable[[Graph], Graph]


def graph_of(cell: Cell) -> Graph:
    return compile_cell(cell, cell.sizes(6, 6)).graph


def run(cell: Cell, *rewrites: Rewrite, steps: int = 4) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Outputs, the state after, and the state before, node by node."""
    given = problem(compile_cell(cell, cell.sizes(6, 6), rewrites), steps=steps)
    y, last, _ = given.interpreted(given.params, given.x, given.state)
    return y.detach(), [s.detach() for s in last], [s.detach() for s in given.state]


def every_field(change: Callable[..., Graph], cell: Cell, probability: float, *, is_training: bool) -> Rewrite:
    chosen = tuple((field, probability) for field in cell.state_axes)
    return partial(change, probabilities=chosen, is_training=is_training)


@ALL
def test_a_truncated_gradient_changes_no_value(cell: Cell) -> None:
    if not find_carrousels(graph_of(cell)):
        with pytest.raises(ConfigError, match=r"gradient='truncated' keeps the gradient of a cell state"):
            truncate_gradient(graph_of(cell))
        return
    y, last, _ = run(cell, truncate_gradient)
    plain, end, _ = run(cell)
    torch.testing.assert_close([y, *last], [plain, *end], rtol=0, atol=0, equal_nan=True)


@ALL
def test_zoneout_with_probability_1_keeps_the_state(cell: Cell) -> None:
    for is_training in (True, False):
        _, last, before = run(cell, every_field(zone_out, cell, 1.0, is_training=is_training))
        torch.testing.assert_close(last, before, rtol=0, atol=0)


@ALL
def test_rnn_drop_with_probability_1_forgets_the_state(cell: Cell) -> None:
    for k, field in enumerate(cell.state_axes):
        change = partial(mask_states, probabilities=((field, 1.0),), is_training=True)
        _, last, _ = run(cell, change, steps=1)  # a state of 0 may be no state of the cell
        assert not last[k].any()


@ALL
def test_changed_steps_are_legal_and_compiled_where_the_plain_one_is(cell: Cell) -> None:
    graph = trace_cell(cell, cell.sizes(6, 6))
    changes: list[Rewrite] = [every_field(zone_out, cell, 0.5, is_training=True)]
    if find_carrousels(graph):
        changes += [truncate_gradient, partial(mask_candidates, probability=0.5, is_per_sequence=False, value="")]
    if matrix_reads(graph):
        changes += [partial(mask_reads, probability=0.5)]
    for change in changes:
        changed, _ = join_inputs(check(change(graph)))
        assert make_plan(check(changed)).reason == make_plan(join_inputs(graph)[0]).reason


@ALL
def test_all_changes_together_have_the_loops_agree_with_interpret(cell: Cell) -> None:
    graph = graph_of(cell)
    rewrites: list[Rewrite] = [every_field(zone_out, cell, 0.5, is_training=True)]
    if matrix_reads(graph):
        rewrites = [partial(mask_reads, probability=0.3), *rewrites]
    if find_carrousels(graph):
        candidates = partial(mask_candidates, probability=0.3, is_per_sequence=False, value="")
        rewrites = [candidates, *rewrites, truncate_gradient]
    given = problem(compile_cell(cell, cell.sizes(6, 6), tuple(rewrites)))
    check_close(results(given, given.program), results(given, given.interpreted), torch.float64)


READS = {
    "elman": {("h_tm1", "v2")},
    "lstm": {("h_tm1", "v2"), ("h_tm1", "v6"), ("h_tm1", "v10"), ("h_tm1", "v14")},
    "gru_reset_before": {
        ("h_tm1", "v2"),
        ("h_tm1", "v6"),
        ("h_tm1", "v10"),
    },  # v10: r_t ⊙ h_{t-1}; z_t ⊙ h_{t-1} is carried
    "t_lstm": set[tuple[str, str]](),
}


@pytest.mark.tiny
@pytest.mark.parametrize("name", READS)
def test_gates_and_cell_inputs_are_told_from_the_carrousel(name: str) -> None:
    cell = find(name)
    graph = trace_cell(cell, cell.sizes(3, 6))
    assert {(read.source, read.reader) for read in recurrent_reads(graph)} == READS[name]


@pytest.mark.tiny
def test_a_deeper_layer_of_a_step_reads_the_carrousel_of_the_layer_before_it() -> None:
    cell = find("rhn")
    graph = trace_cell(cell, cell.sizes(3, 6))
    assert {read.source for read in recurrent_reads(graph)} == {"s_tm1", "s_t", "s_t.2"}


MATRICES = {
    "lstm_projected": ("R_i", "R_f", "R_g", "R_o"),  # not W_hr, which multiplies the squashed cell output
    "gru_reset_before": ("R_r", "R_z", "R_n"),
    "elman": ("R",),
    "t_lstm": (),
}


@pytest.mark.tiny
@pytest.mark.parametrize("name", MATRICES)
def test_recurrent_matrices_are_those_that_multiply_the_state(name: str) -> None:
    cell = find(name)
    assert recurrent_matrices(trace_cell(cell, cell.sizes(3, 6))) == MATRICES[name]


@pytest.mark.tiny
def test_a_step_with_one_input_is_left_as_it_is() -> None:
    graph = graph_of(find("lstm"))
    assert join_inputs(graph) == (graph, ())
    assert Program(graph).named_values == ("i_t", "f_t", "g_t", "o_t", "c_t", "h_t")


@pytest.mark.tiny
def test_equal_changes_find_the_same_program() -> None:
    from carrousel.layers import masks

    cell = find("lstm")
    first, second = (compile_cell(cell, cell.sizes(3, 6), masks.zoneout(c=0.5).training) for _ in range(2))
    assert first is second
    assert compile_cell(cell, cell.sizes(3, 6), masks.zoneout(c=0.4).training) is not first


@pytest.mark.tiny
@pytest.mark.parametrize("name", ["lstm", "gru_reset_after"])
def test_a_changed_step_is_not_taken_for_the_one_that_torch_has_a_kernel_for(name: str) -> None:
    cell = find(name)
    graph = trace_cell(cell, cell.sizes(3, 6))
    changes = [
        truncate_gradient,
        every_field(zone_out, cell, 0.5, is_training=False),
        partial(mask_reads, probability=0.5),
    ]
    assert recognise(graph) is not None
    assert [recognise(join_inputs(change(graph))[0]) for change in changes] == [None, None, None]
