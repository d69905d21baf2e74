"""The gradient of one update against one batch of everything."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from carrousel.layers import Recurrent
from carrousel.train.loop import Loss
from carrousel.train.update import Attempt, Gradient, clip, detach, draws_zero_state

Ragged = tuple[Tensor, list[int]]


class Summing(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.recurrent = Recurrent("gru_reset_after", 2, 3, dtype=torch.float64)


def squares(model: Summing, batch: Ragged, carried: Any) -> Loss:
    x, lengths = batch
    y, state = model.recurrent(x, lengths=lengths)
    return Loss(y.square().sum() / sum(lengths), state, sum(lengths))


def ragged(rows: int) -> Ragged:
    lengths = [int(length) for length in torch.randint(1, 6, (rows,))]
    return torch.randn(max(lengths), rows, 2, dtype=torch.float64), lengths


def gradients(model: Summing, batches: list[Ragged]) -> tuple[Any, list[Tensor]]:
    model.zero_grad()
    found = Gradient(model, squares)(Attempt(0, batches, None, None))
    return found, [parameter.grad for parameter in model.parameters() if parameter.grad is not None]


@pytest.mark.parametrize("sizes", [(2, 2), (1, 4, 3)])
def test_batches_together_are_one_batch_of_all_their_rows(sizes: tuple[int, ...]) -> None:
    model, batches = Summing(), [ragged(rows) for rows in sizes]
    steps = max(len(x) for x, _ in batches)
    padded = [nn.functional.pad(x, (0, 0, 0, 0, 0, steps - len(x))) for x, _ in batches]
    joined = torch.cat(padded, 1), [length for _, lengths in batches for length in lengths]
    one, expected = gradients(model, [joined])
    expected = [gradient.clone() for gradient in expected]
    several, found = gradients(model, batches)
    assert several.loss == pytest.approx(one.loss, rel=1e-12)
    assert several.num_seen == one.num_seen == sum(joined[1])
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-13)


def test_the_state_goes_from_batch_to_batch() -> None:
    seen: list[Any] = []

    def counting(model: nn.Linear, batch: int, carried: Any) -> Loss:
        seen.append(carried)
        return Loss(model.weight.sum(), model.weight.sum() + batch, 1)

    model = nn.Linear(1, 1, bias=False)
    found = Gradient(model, counting)(Attempt(0, [1, 2, 3], "the state before", None))
    weight = model.weight.item()
    assert [float(value) if isinstance(value, Tensor) else value for value in seen] == [
        "the state before",
        weight + 1,
        weight + 2,
    ]
    assert float(found.carried) == weight + 3
    assert not found.carried.requires_grad


def test_without_counts_batches_weigh_the_same() -> None:
    model = nn.Linear(1, 1, bias=False)
    found = Gradient(model, lambda m, batch, carried: Loss(m.weight.sum() * 0 + batch))(
        Attempt(0, [1.0, 3.0], None, None)
    )
    assert found.loss == 2.0
    assert found.num_seen == 0


def test_one_batch_alone_is_not_scaled() -> None:
    model = nn.Linear(1, 1, bias=False)
    Gradient(model, lambda m, batch, carried: Loss(m.weight.sum() / 3, num_seen=7))(Attempt(0, [0], None, None))
    assert model.weight.grad is not None
    assert torch.equal(model.weight.grad, torch.full((1, 1), 1 / 3))


@pytest.mark.tiny
def test_gradients_are_clipped_by_norm_and_then_by_value() -> None:
    def clipped(norm: float, value: float) -> tuple[float, list[float]]:
        parameter = nn.Parameter(torch.zeros(2))
        parameter.grad = torch.tensor([3.0, -4.0])
        return clip([parameter], norm, value), [float(element) for element in parameter.grad]

    assert clipped(math.inf, math.inf) == (5.0, [3.0, -4.0])
    assert clipped(2.5, math.inf) == (5.0, pytest.approx([1.5, -2.0]))
    assert clipped(math.inf, 3.5) == (5.0, [3.0, -3.5])
    assert clipped(2.5, 1.75) == (5.0, pytest.approx([1.5, -1.75]))


@pytest.mark.tiny
def test_zero_states_are_drawn_by_seed_and_update() -> None:
    def draws(probability: float, seed: int) -> list[bool]:
        return [draws_zero_state(probability, seed, update) for update in range(2_000)]

    assert not any(draws(0.0, 1))
    assert all(draws(1.0, 1))
    assert draws(0.1, 1) == draws(0.1, 1) != draws(0.1, 2)
    assert 160 < sum(draws(0.1, 1)) < 240  # three standard deviations of the 200 expected


@pytest.mark.tiny
def test_a_nest_of_states_is_cut_off_whole() -> None:
    state = (torch.ones(1, requires_grad=True) * 2, (None, torch.ones(1, requires_grad=True) * 3))
    assert detach(state)[1][0] is None
    assert not detach(state)[0].requires_grad
    assert not detach(state)[1][1].requires_grad


def test_mixed_precision_leaves_the_recurrence_in_float32_and_learns_the_same() -> None:
    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.front, self.recurrent, self.read = nn.Linear(3, 8), Recurrent("lstm", 8, 8), nn.Linear(8, 1)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            y, _ = self.recurrent(self.front(x))
            return y, self.read(y)

    seen: list[torch.dtype] = []

    def loss_of(model: Reader, x: Tensor, carried: Any) -> Loss:
        y, read = model(x)
        seen.extend((y.dtype, read.dtype))
        return Loss((read.float() - 1).square().mean(), num_seen=4)

    model, x = Reader(), torch.randn(5, 4, 3)
    found: dict[str, tuple[float, Tensor]] = {}
    for precision in ("float32", "bf16"):
        model.zero_grad()
        loss = Gradient(model, loss_of, precision)(Attempt(0, [x], None, None)).loss
        found[precision] = loss, torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    assert seen == [torch.float32, torch.float32, torch.float32, torch.bfloat16]
    assert found["bf16"][0] == pytest.approx(found["float32"][0], rel=2e-2)
    assert found["bf16"][1].dtype == torch.float32
    torch.testing.assert_close(found["bf16"][1], found["float32"][1], rtol=0.1, atol=0.02)
