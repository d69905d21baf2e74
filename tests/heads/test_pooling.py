"""Pooling over ragged batches, held against one row at a time."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from carrousel.errors import ConfigError
from carrousel.heads.pooling import POOLINGS, AttentionPooling, Pooling
from carrousel.layers import Recurrent

pytestmark = pytest.mark.tiny

few = settings(deadline=None, max_examples=15)
ragged = st.lists(st.integers(1, 6), min_size=1, max_size=5)


def new_pooling(name: str, directions: int = 2) -> Pooling:
    torch.manual_seed(0)
    return Pooling(name, 4, directions).double()


def batch(lengths: list[int]) -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    return torch.randn(max(lengths) + 2, len(lengths), 4, dtype=torch.float64), torch.tensor(lengths)


def of_one_row(pooling: Pooling, row: Tensor) -> Tensor:
    """The definition, for a (T, 4) row without padding."""
    match pooling.name:
        case "last":
            return torch.cat([row[-1, :2], row[0, 2:]]) if pooling.directions == 2 else row[-1]
        case "mean":
            return row.mean(0)
        case "max":
            return row.max(0).values
        case _:
            attention = pooling.attention
            assert attention is not None
            u = torch.tanh(row @ attention.hidden.weight.T + attention.hidden.bias)
            e = (u @ attention.score.weight[0]).exp()
            return (e / e.sum()) @ row


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("name", POOLINGS)
@few
@given(lengths=ragged)
def test_each_row_is_pooled_as_if_it_were_alone(name: str, directions: int, lengths: list[int]):
    pooling, (y, sizes) = new_pooling(name, directions), batch(lengths)
    found = pooling(y, sizes)
    for b, length in enumerate(lengths):
        assert torch.allclose(found[b], of_one_row(pooling, y[:length, b]), atol=1e-12)


@pytest.mark.parametrize("padding", [0.0, 7.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", POOLINGS)
@few
@given(lengths=ragged)
def test_padding_changes_neither_values_nor_gradients(name: str, padding: float, lengths: list[int]):
    pooling, (y, sizes) = new_pooling(name), batch(lengths)
    is_padding = torch.arange(len(y))[:, None] >= sizes
    gradients: list[Tensor] = []
    for filled in (y, y.masked_fill(is_padding[:, :, None], padding)):
        filled = filled.clone().requires_grad_()
        (pooling(filled, sizes) ** 2).sum().backward()
        assert filled.grad is not None
        gradients.append(filled.grad)
    assert torch.equal(pooling(y, sizes), pooling(y.masked_fill(is_padding[:, :, None], padding), sizes))
    assert torch.equal(gradients[0], gradients[1])
    assert (gradients[0][is_padding] == 0).all()


@pytest.mark.parametrize("name", POOLINGS)
@few
@given(lengths=ragged, seed=st.integers(0, 99))
def test_rows_in_another_order_give_the_results_in_that_order(name: str, lengths: list[int], seed: int):
    pooling, (y, sizes) = new_pooling(name), batch(lengths)
    order = torch.randperm(len(lengths), generator=torch.Generator().manual_seed(seed))
    assert torch.allclose(pooling(y[:, order], sizes[order]), pooling(y, sizes)[order], atol=1e-12)


@few
@given(lengths=ragged)
def test_last_is_the_state_after_the_last_step_of_each_direction(lengths: list[int]):
    torch.manual_seed(0)
    layer = Recurrent("lstm", 4, 3, bidirectional=True).double()
    x, sizes = batch(lengths)
    y, state = layer(x, lengths=sizes)
    found = Pooling("last", 6, 2)(y, sizes)
    assert torch.equal(found, torch.cat([state.h[0], state.h[1]], dim=-1))


@few
@given(lengths=ragged)
def test_attention_shares_out_one_over_the_valid_steps(lengths: list[int]):
    torch.manual_seed(0)
    y, sizes = batch(lengths)
    weights = AttentionPooling(4).double().weights(y, sizes)
    assert torch.allclose(weights.sum(0), torch.ones(len(lengths), dtype=torch.float64))
    for b, length in enumerate(lengths):
        assert (weights[:length, b] > 0).all()
        assert (weights[length:, b] == 0).all()


def test_an_unknown_pooling_is_refused():
    with pytest.raises(ConfigError) as caught:
        Pooling("men", 4)
    assert str(caught.value) == (
        "Pooling: name is 'men', expected one of last, mean, max, attention. Did you mean 'mean'? Choose one."
    )
