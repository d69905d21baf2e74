"""Sums of outer products against torch, at every rest that tiles and chunks leave."""

import pytest
import torch
from torch import Tensor

from carrousel.engine.lower import outer
from carrousel.engine.lower.outer import outer_sum

SIZES = [
    (1, 1, 1),
    (7, 5, 3),
    (96, 6, 64),  # one chunk of one whole tile
    (97, 13, 70),
    (192, 24, 16),
    (200, 31, 129),
    (193, 47, 113),
]
"""Rows, columns of the first factor, columns of the second."""


def drawn(rows: int, columns: int, dtype: torch.dtype, seed: int) -> Tensor:
    """Columns inside a wider matrix, as derivatives of joined streams lie."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, columns + 5, generator=generator, dtype=torch.float64).to(dtype)[:, 2 : columns + 2]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(("dtype", "limit"), [(torch.float64, 1e-12), (torch.float32, 2e-5)], ids=str)
def test_it_is_the_product_of_the_first_turned_over_and_the_second(
    size: tuple[int, int, int], dtype: torch.dtype, limit: float
) -> None:
    rows, height, width = size
    a, b = drawn(rows, height, dtype, 1), drawn(rows, width, dtype, 2)
    expected = a.double().T @ b.double()
    torch.testing.assert_close(outer_sum(a, b).double(), expected, rtol=0, atol=limit * rows**0.5)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_every_element_is_written_and_none_beside_it(size: tuple[int, int, int]) -> None:
    rows, height, width = size
    ones = outer_sum(torch.ones(rows, height), torch.ones(rows, width))
    assert ones.shape == (height, width)
    assert (ones == rows).all()


def test_it_is_bit_equal_for_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outer, "_WORTH_A_THREAD", 1)
    a, b = drawn(300, 100, torch.float32, 3), drawn(300, 37, torch.float32, 4)
    found: list[Tensor] = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        found.append(outer_sum(a, b))
    assert (found[0] == found[1]).all()
    assert (found[0] == found[2]).all()


def test_no_rows_give_zeros() -> None:
    assert (outer_sum(torch.empty(0, 3), torch.empty(0, 4)) == torch.zeros(3, 4)).all()


def test_columns_that_lie_apart_are_brought_together_first() -> None:
    a, b = drawn(20, 12, torch.float64, 5)[:, ::2], drawn(8, 20, torch.float64, 6).T
    torch.testing.assert_close(outer_sum(a, b), a.T @ b, rtol=0, atol=1e-12)
