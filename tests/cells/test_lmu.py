"""LMU: parameter counts, its constants, the fold of two products into one, and a window that is remembered."""

import math

import pytest
import torch
from cells.conformance import problem

from carrousel import CELLS, Recurrent
from carrousel.cells.lmu import discretised


@pytest.mark.tiny
def test_parameters_of_the_permuted_mnist_network_are_those_of_the_paper() -> None:
    """I + H + d + IH + H² + dH with I = 1, H = 212, d = 256; with a read-out of 10 classes 102,027, the paper's 102k."""
    lmu = CELLS["lmu"]
    count = lmu.num_parameters(lmu.sizes(1, 212, memory_size=256))
    assert count == 1 + 212 + 256 + 212 + 212**2 + 256 * 212
    assert count + 212 * 10 + 10 == 102_027


@pytest.mark.tiny
def test_the_memory_is_a_constant_of_the_cell() -> None:
    layer = Recurrent("lmu", 3, 6, memory_size=4)
    frozen = dict(layer.named_buffers())
    assert frozen["A_l0"].shape == (4, 4)
    assert frozen["B_l0"].shape == (4,)
    assert not any(name.startswith(("A_", "B_")) for name, _ in layer.named_parameters())


@pytest.mark.tiny
def test_a_memory_of_one_polynomial_is_a_leaky_average() -> None:
    held, driven = discretised(1, 7)
    torch.testing.assert_close(held[0, 0].item(), math.exp(-1 / 7), rtol=0, atol=1e-15)
    torch.testing.assert_close(driven[0].item(), 1 - math.exp(-1 / 7), rtol=0, atol=1e-15)


@pytest.mark.tiny
def test_a_constant_input_leaves_only_the_first_polynomial() -> None:
    held, driven = discretised(6, 20)
    m = torch.zeros(6, dtype=torch.float64)
    for _ in range(1000):
        m = held @ m + driven * 3.0
    torch.testing.assert_close(m, torch.tensor([3.0, 0, 0, 0, 0, 0], dtype=torch.float64), rtol=0, atol=1e-10)


def test_the_memory_holds_a_slow_wave_over_its_whole_window() -> None:
    """û(t - rθ) = Σ P_i(2r - 1) m_i, P_i the Legendre polynomials: within half a step of the wave, the width of the hold."""
    window, order, slope = 200, 10, 2 * math.pi / 300
    held, driven = discretised(order, window)
    m = torch.zeros(order, dtype=torch.float64)
    for t in range(1000):
        m = held @ m + driven * math.sin(slope * t)
    for r in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, p = 2 * r - 1, [1.0, 2 * r - 1]
        for i in range(1, order - 1):
            p.append(((2 * i + 1) * x * p[-1] - i * p[-2]) / (i + 1))
        decoded = float((torch.tensor(p, dtype=torch.float64) * m).sum())
        # the last sample, of step 999, is held until 1000
        assert decoded == pytest.approx(math.sin(slope * (1000 - r * window - 0.5)), abs=slope / 4)


def test_the_memory_and_its_reader_fold_into_one_product_of_the_state() -> None:
    """W_m m_t = W_m (Ā + B̄ e_mᵀ) m_{t-1} + (W_m B̄)(e_x · x_t + e_h · h_{t-1}): one dependent product a step."""
    given = problem("lmu", batch=1, memory_size=4)
    p = {name: tensor.detach() for name, tensor in [*given.layer.named_parameters(), *given.layer.named_buffers()]}
    e_x, e_h, e_m, A, B, W_x, W_h, W_m = (p[f"{n}_l0"] for n in ("e_x", "e_h", "e_m", "A", "B", "W_x", "W_h", "W_m"))
    closed, written = A + torch.outer(B, e_m), W_m @ B
    h, m = (s[0, 0] for s in given.state)
    expected: list[torch.Tensor] = []
    for x in given.x[:, 0]:
        read = W_m @ closed @ m + written * (e_x @ x + e_h @ h)
        m = closed @ m + B * (e_x @ x + e_h @ h)
        h = torch.tanh(W_x @ x + W_h @ h + read)
        expected.append(h)
    y, last = given.layer(given.x, given.layer.cell.State(*given.state))
    torch.testing.assert_close(y[:, 0], torch.stack(expected), rtol=0, atol=1e-12)
    torch.testing.assert_close(last.m[0, 0], m, rtol=0, atol=1e-12)
