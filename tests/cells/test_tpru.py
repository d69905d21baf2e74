"""TPRU: parameter counts, and weights of roles that sum to 1."""

import pytest
import torch
from cells.conformance import problem

from carrousel import CELLS, Recurrent


@pytest.mark.tiny
@pytest.mark.parametrize("roles", [1, 5, 40])
def test_parameters_do_not_grow_with_the_roles(roles: int) -> None:
    """2(IH + H) + 4H² + 4H + 2 with I = 3, H = 6, however many roles."""
    cell = CELLS["tpru"]
    assert cell.num_parameters(cell.sizes(3, 6, num_roles=roles)) == 2 * (18 + 6) + 4 * 36 + 4 * 6 + 2


@pytest.mark.tiny
def test_the_basis_of_the_roles_is_never_trained() -> None:
    layer = Recurrent("tpru", 3, 6, num_roles=5)
    assert dict(layer.named_buffers())["V_l0"].shape == (5, 6)


def test_with_one_role_the_candidate_is_that_role() -> None:
    """One weight, q / q = 1: an open update gate puts out V W_rᵀ + b_r."""
    given = problem("tpru", num_roles=1)
    layer = given.layer
    with torch.no_grad():
        for name in ("W_gx", "W_gh", "b_gh"):
            layer.get_parameter(f"{name}_l0").zero_()
        layer.get_parameter("b_gx_l0").fill_(50.0)
        layer.get_parameter("beta_x_l0").fill_(100.0)
    y, _ = layer(given.x, layer.cell.State(*given.state))
    role = layer.get_buffer("V_l0") @ layer.get_parameter("W_r_l0").T + layer.get_parameter("b_r_l0")
    torch.testing.assert_close(y, role.expand_as(y), rtol=0, atol=1e-12)


def test_roles_that_hold_nothing_give_an_empty_candidate() -> None:
    """All a_t = 0: 0 / 1e-7 weights, so that an open gate forgets everything and nothing is divided by zero."""
    given = problem("tpru", num_roles=5)
    layer = given.layer
    with torch.no_grad():
        for name in ("W_gx", "W_gh", "b_gh"):
            layer.get_parameter(f"{name}_l0").zero_()
        layer.get_parameter("b_gx_l0").fill_(50.0)
        layer.get_parameter("beta_x_l0").fill_(-1e6)
        layer.get_parameter("beta_h_l0").fill_(-1e6)
    y, _ = layer(given.x, layer.cell.State(*given.state))
    torch.testing.assert_close(y, torch.zeros_like(y), rtol=0, atol=1e-12)
