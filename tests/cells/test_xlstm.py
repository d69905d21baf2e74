"""sLSTM and mLSTM: parameter counts, first values, what the stabiliser must not change, and what a matrix memory recalls."""

import math

import pytest
import torch
from cells.conformance import problem
from torch import Tensor

from carrousel import CELLS, Recurrent
from carrousel.cells.xlstm import MParams, MState, SState, mlstm_matrix_step


@pytest.mark.tiny
@pytest.mark.parametrize("heads", [1, 2, 4])
def test_parameters_are_counted_as_in_the_paper(heads: int) -> None:
    """I = 3, H = 8: 4(IH + H²/N + H), and 3(IH + H) + 2N(I + 1) + IH + H."""
    slstm, mlstm = CELLS["slstm"], CELLS["mlstm_matrix"]
    assert slstm.num_parameters(slstm.sizes(3, 8, num_heads=heads)) == 4 * (3 * 8 + 64 // heads + 8)
    assert mlstm.num_parameters(mlstm.sizes(3, 8, num_heads=heads)) == 3 * (24 + 8) + 2 * heads * 4 + 24 + 8


@pytest.mark.tiny
def test_forget_biases_start_from_5_down_to_minus_7_in_each_head() -> None:
    bias = Recurrent("slstm", 3, 8, num_heads=2).get_parameter("b_f_l0").detach()
    torch.testing.assert_close(bias[:4], bias[4:], rtol=0, atol=0)
    torch.testing.assert_close(bias[[0, 3]], torch.tensor([5.0, -7.0]), rtol=0, atol=1e-6)
    assert torch.equal(Recurrent("slstm", 3, 4, num_heads=4).get_parameter("b_f_l0").detach(), torch.full((4,), 5.0))


@pytest.mark.tiny
def test_forget_biases_of_a_matrix_memory_start_from_3_to_6_over_the_heads() -> None:
    bias = Recurrent("mlstm_matrix", 3, 8, num_heads=4).get_parameter("b_f_l0").detach()
    torch.testing.assert_close(bias, torch.tensor([3.0, 4.0, 5.0, 6.0]), rtol=0, atol=1e-6)


def test_a_head_never_sees_another() -> None:
    """Another state in the second head's units leaves all outputs of the first as they are."""
    given = problem("slstm", num_heads=2)
    changed = SState(*(torch.cat([s[..., :3], s[..., 3:] + 1], dim=-1) for s in given.state))
    y, _ = given.layer(given.x, SState(*given.state))
    other, _ = given.layer(given.x, changed)
    torch.testing.assert_close(y[..., :3], other[..., :3], rtol=0, atol=1e-14)
    assert not torch.allclose(y[..., 3:], other[..., 3:])


def test_the_stabiliser_of_the_slstm_divides_out() -> None:
    """(c, n, m) and (c e^-3, n e^-3, m + 3) are one state."""
    given = problem("slstm", num_heads=2)
    h, c, n, m = given.state
    y, _ = given.layer(given.x, SState(h, c, n, m))
    scaled, _ = given.layer(given.x, SState(h, math.exp(-3) * c, math.exp(-3) * n, m + 3))
    torch.testing.assert_close(scaled, y, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", ["slstm", "mlstm_matrix"])
def test_input_gates_of_e_to_the_thousand_stay_finite(name: str) -> None:
    given = problem(name, dtype=torch.float32)
    with torch.no_grad():
        given.layer.get_parameter("b_i_l0").fill_(1000.0)
    y, last = given.layer(given.x)
    assert bool(torch.isfinite(y).all())
    assert all(bool(torch.isfinite(s).all()) for s in last)


def test_an_slstm_with_its_gates_shut_and_open_averages_its_inputs() -> None:
    """Input gate e⁰ and forget gate σ(50) = 1: the output is the mean of the cell inputs so far."""
    given = problem("slstm", steps=7)
    with torch.no_grad():
        for name, parameter in given.layer.named_parameters():
            parameter.copy_(parameter if name == "W_z_l0" else torch.zeros_like(parameter))
        given.layer.get_parameter("b_f_l0").fill_(50.0)
        given.layer.get_parameter("b_o_l0").fill_(50.0)
    y, _ = given.layer(given.x)
    z = torch.tanh(given.x @ given.layer.get_parameter("W_z_l0").T)
    mean = z.cumsum(0) / torch.arange(1, 8, dtype=torch.float64)[:, None, None]
    torch.testing.assert_close(y, mean, rtol=0, atol=1e-12)


def parallel(p: MParams, xs: Tensor) -> Tensor:
    """The quadratic form of one sequence from an empty memory: every output attends to all values so far, without a state."""
    q = torch.einsum("nsd,td->tns", p.W_q, xs) + p.b_q
    k = (torch.einsum("nsd,td->tns", p.W_k, xs) + p.b_k) / p.b_k.shape[1] ** 0.5
    v = torch.einsum("nsd,td->tns", p.W_v, xs) + p.b_v
    log_i = xs @ p.w_i.T + p.b_i
    kept = torch.nn.functional.logsigmoid(xs @ p.w_f.T + p.b_f).cumsum(0)
    decay = kept[:, None] - kept[None, :] + log_i[None, :]  # time, source, head
    past = torch.ones(len(xs), len(xs)).tril()[:, :, None]
    weights = torch.einsum("tns,jns->tjn", q, k) * decay.exp() * past
    read = torch.einsum("tjn,jns->tns", weights, v) / weights.sum(1).abs().clamp(min=1)[:, :, None]
    return torch.sigmoid(xs @ p.W_o.T + p.b_o) * read.flatten(1)


def test_a_matrix_memory_is_its_parallel_form() -> None:
    given = problem("mlstm_matrix", steps=9, num_heads=3)
    y, _ = given.layer(given.x)
    p = MParams(*(given.layer.get_parameter(f"{name}_l0").detach() for name in MParams._fields))
    for b in range(3):
        torch.testing.assert_close(y[:, b], parallel(p, given.x[:, b]), rtol=0, atol=1e-12)


def test_a_matrix_memory_recalls_the_value_stored_under_a_key() -> None:
    """Orthogonal keys: each stored value comes back alone when its key, long enough, is the query."""
    keys = 4 * torch.eye(4, dtype=torch.float64)
    values = torch.randn(4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    zeros = {name: torch.zeros(1, 4, dtype=torch.float64) for name in ("b_q", "b_k", "b_v")}
    maps = torch.zeros(1, 4, 8, dtype=torch.float64)
    gates = {name: torch.zeros(1, 8, dtype=torch.float64) for name in ("w_i", "w_f")}
    read_key, read_value = maps.clone(), maps.clone()
    read_key[0, :, :4], read_value[0, :, 4:] = torch.eye(4), torch.eye(4)
    p = MParams(
        W_q=read_key, W_k=read_key, W_v=read_value, W_o=torch.zeros(4, 8, dtype=torch.float64),
        b_i=torch.zeros(1, dtype=torch.float64), b_f=torch.full((1,), 50.0, dtype=torch.float64),
        b_o=torch.full((4,), 50.0, dtype=torch.float64), **zeros, **gates,
    )  # fmt: skip
    state = MState(*(torch.zeros(size, dtype=torch.float64) for size in ((1, 4, 4), (1, 4), (1,))))
    for key, value in zip(keys, values, strict=True):
        _, state = mlstm_matrix_step(p, torch.cat([key, value]), state)
    for key, value in zip(keys, values, strict=True):
        again = MState(*(s.clone() for s in state))
        shut = p._replace(b_i=torch.full((1,), -700.0, dtype=torch.float64))  # reads without writing
        h, _ = mlstm_matrix_step(shut, torch.cat([key, value * 0]), again)
        torch.testing.assert_close(h, value, rtol=0, atol=1e-12)
