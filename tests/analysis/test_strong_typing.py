"""Which cells mix types, and where."""

import pytest

from carrousel.analysis.cards import small_sizes
from carrousel.analysis.strong_typing import Mixing, mixing
from carrousel.cells import CELLS, find
from carrousel.engine import trace_cell


def found(name: str) -> Mixing | None:
    cell = find(name)
    return mixing(trace_cell(cell, small_sizes(cell)))


# Section 3 of the paper: its own three cells are strongly typed, the classical ones are not.
@pytest.mark.parametrize(
    "name", ["t_rnn", "t_lstm", "t_gru", "t_mr", "sru", "qrnn_fo", "indrnn", "min_gru", "para_gru"]
)
def test_a_cell_that_works_unit_by_unit_is_strongly_typed(name: str) -> None:
    assert found(name) is None


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("name", "line", "field"),
    [
        ("elman", "h_t", "h"),
        ("lstm", "i_t", "h"),
        ("gru_reset_before", "r_t", "h"),
        ("gru_reset_after", "r_t", "h"),
        ("lmu", "u_t", "h"),
        ("layer_norm_lstm", "u_t", "h"),
    ],
)
def test_the_offending_line_is_named(name: str, line: str, field: str) -> None:
    got = found(name)
    assert got is not None
    assert (got.line, got.field) == (line, field)


def test_a_matrix_memory_whose_numbers_are_only_scaled_is_strongly_typed() -> None:
    assert found("mlstm_matrix") is None


def test_a_shift_that_never_comes_back_mixes_nothing() -> None:
    assert found("sopa") is None


def test_the_line_is_one_of_the_step_for_every_cell() -> None:
    for name, cell in CELLS.items():
        got = found(name)
        assert got is None or got.field in cell.state_axes
