"""LSTM with two projections: its count, and the projected LSTM that it contains."""

import pytest
import torch
from cells.conformance import problem
from cells.limits import parameters, run, state, zeros

from carrousel import CELLS
from carrousel.cells import find


@pytest.mark.tiny
def test_parameters_are_counted_as_in_the_paper() -> None:
    """4 gates that read the projection, 3 peepholes, the two projections."""
    cell, d, h, p, f = CELLS["lstmp"], 5, 7, 4, 3
    expected = 4 * (d * h + p * h + h) + 3 * h + h * p + h * f
    assert cell.num_parameters(cell.sizes(d, h, proj_size=p, forward_size=f)) == expected


def test_without_peepholes_the_first_part_of_the_output_is_the_projected_lstm() -> None:
    given = problem("lstmp", proj_size=4, forward_size=4)
    p = parameters(given)
    p |= zeros(p, "p_i", "p_f", "p_o") | {"W_pm": 2 * p["W_rm"], "W_hr": p["W_rm"]}
    start = state(given)
    y, last = run("lstmp", p, given.x, start, proj_size=4, forward_size=4)
    expected, end = run("lstm_projected", p, given.x, {"h": start["r"], "c": start["c"]}, proj_size=4)
    torch.testing.assert_close(y, torch.cat([expected, 2 * expected], dim=-1), rtol=0, atol=1e-14)
    torch.testing.assert_close(last["r"], end["h"], rtol=0, atol=1e-14)
    torch.testing.assert_close(last["c"], end["c"], rtol=0, atol=1e-14)


@pytest.mark.tiny
def test_each_name_means_its_own_cell() -> None:
    assert find("lstmp").noise_axes == {}
    assert find("lstmp") is not find("lstm_projected")
