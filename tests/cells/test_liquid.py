"""LTC and CfC: parameter counts, first values, and the bounds that their equations promise."""

import pytest
import torch
from cells.conformance import problem
from torch.nn.functional import softplus

from carrousel import CELLS, Recurrent


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ltc", 4 * 36 + 4 * 18 + 3 * 6 + 2 * 3),
        ("cfc", 5 * (3 + 6 + 1) + 2 * 5 * 6 + 4 * 6 * 6),
        ("cfc_no_gate", 5 * (3 + 6 + 1) + 2 * 5 * 6 + 4 * 6 * 6),
        ("cfc_minimal", 5 * (3 + 6 + 1) + 2 * 5 * 6 + 6 * 6 + 2 * 6),
    ],
)
def test_parameters_are_counted_as_in_the_papers(name: str, expected: int) -> None:
    """I = 3, H = 6, K = 5, n = 3: 4H² + 4IH + 3H + 2I; K(I + H + 1) + (n-1)K(K + 1) + 4H(K + 1), one head and 2H when minimal."""
    cell = CELLS[name]
    sizes = cell.sizes(3, 6, **({} if name == "ltc" else {"backbone_units": 5, "backbone_layers": 3}))
    assert cell.num_parameters(sizes) == expected


@pytest.mark.tiny
def test_conductances_of_a_new_liquid_network_lie_in_the_ranges_of_its_code() -> None:
    layer = Recurrent("ltc", 3, 50, dtype=torch.float64)
    for name, low, high in (("w", 0.01, 1.0), ("w_s", 0.01, 1.0), ("c", 0.5, 0.5), ("g", 1.0, 1.0)):
        values = softplus(layer.get_parameter(f"{name}_l0").detach())
        assert low - 1e-12 <= float(values.min())
        assert float(values.max()) <= high + 1e-12
    potentials = layer.get_parameter("E_l0").detach()
    assert torch.equal(potentials.abs(), torch.ones_like(potentials))
    assert 0 < float((potentials > 0).sum()) < potentials.numel()


def test_potentials_of_a_liquid_network_stay_between_those_that_pull_them() -> None:
    """Each Euler step is an average of the potential, the leak and the synapses: whatever the input, nothing leaves their range."""
    given = problem("ltc", steps=50)
    p = {name: tensor.detach() for name, tensor in given.layer.named_parameters()}
    pulls = torch.cat([p["v_l_l0"], p["E_l0"].flatten(), p["E_s_l0"].flatten(), given.state[0].flatten()])
    y, _ = given.layer(100 * given.x, given.layer.cell.State(*given.state))
    assert float(pulls.min()) <= float(y.detach().min())
    assert float(y.detach().max()) <= float(pulls.max())


@pytest.mark.parametrize(("sign", "head"), [(-1, "1"), (1, "2")])
def test_a_long_interval_takes_a_cfc_to_one_end(sign: int, head: str) -> None:
    """s = σ(±∞): all of the first candidate or all of the second, as if the other were not there."""
    given = problem("cfc", backbone_units=5)
    layer = given.layer
    other = "2" if head == "1" else "1"
    with torch.no_grad():
        layer.get_buffer("log_dt_l0").fill_(30.0)
        layer.get_parameter("T_a_l0").zero_()
        layer.get_parameter("b_a_l0").fill_(float(sign))
    y, _ = layer(given.x, layer.cell.State(*given.state))
    with torch.no_grad():
        layer.get_parameter(f"F_{other}_l0").zero_()
        layer.get_parameter(f"b_{other}_l0").zero_()
    alone, _ = layer(given.x, layer.cell.State(*given.state))
    torch.testing.assert_close(y, alone, rtol=0, atol=1e-14)
    assert float(y.detach().abs().max()) > 0.1


def test_a_minimal_cfc_reaches_a_when_the_interval_is_long() -> None:
    """A - A exp(-∞) f = A."""
    given = problem("cfc_minimal", backbone_units=5)
    with torch.no_grad():
        given.layer.get_buffer("log_dt_l0").fill_(30.0)
    y, _ = given.layer(given.x, given.layer.cell.State(*given.state))
    torch.testing.assert_close(y, given.layer.get_parameter("A_l0").expand_as(y), rtol=0, atol=1e-12)
