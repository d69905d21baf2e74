"""Rows shared out over threads: every row once, the same bits whatever the share."""

import pytest
import torch

from carrousel import Recurrent
from carrousel.engine.lower import team


def outputs(layer: Recurrent, x: torch.Tensor, threads: int) -> list[torch.Tensor]:
    torch.set_num_threads(threads)
    x = x.clone().requires_grad_()
    y, state = layer(x, lengths=list(range(1, 41)))
    (d_x,) = torch.autograd.grad(y.square().sum(), [x])
    return [y.detach(), *(s.detach() for s in state), d_x]


@pytest.mark.parametrize("has_openmp", [True, False])
def test_no_bit_depends_on_the_number_of_threads(has_openmp: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not has_openmp:
        monkeypatch.setattr(team, "_openmp", lambda: None)
    layer = Recurrent("gru", 24, 40)
    x = torch.randn(40, 40, 24)
    alone = outputs(layer, x, 1)
    for threads in (2, 3):
        for a, b in zip(alone[:2], outputs(layer, x, threads)[:2], strict=True):
            assert torch.equal(a, b)


def test_the_rows_are_cut_into_shares_of_equal_work() -> None:
    from carrousel.engine.rows import lay_out

    assert lay_out(5, 9, None, None).shares(2) == [(0, 4), (4, 9)]
    assert lay_out(5, 1, None, None).shares(3) == [(0, 1)]
    ragged = lay_out(100, 4, torch.tensor([10, 100, 20, 10]), None)
    assert ragged.shares(2) == [(0, 1), (1, 4)]
    assert ragged.total == 140
