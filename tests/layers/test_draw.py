"""`Draw`: the same numbers for the same row, step and unit, however the batch is cut."""

import pytest
import torch
from torch import Tensor

from carrousel import Draw
from carrousel.errors import ShapeError

pytestmark = pytest.mark.tiny

LIKE = torch.empty(0, dtype=torch.float64)


def steps(draw: Draw, count: int, batch: int, like: Tensor = LIKE, label: str = "0.0.u") -> Tensor:
    return draw.per_step(label, count, batch, 5, like)


def test_the_generator_is_splitmix64() -> None:
    # the first three outputs of the reference implementation for seed 1234567
    # (https://rosettacode.org/wiki/Pseudo-random_numbers/Splitmix64)
    from carrousel.layers.draw import mixed_words

    words = mixed_words(torch.tensor(1234567), torch.tensor([1, 2, 3]))
    assert [int(word) % 2**64 for word in words] == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_numbers_are_uniform_from_0_to_below_1() -> None:
    u = Draw(3).per_step("0.0.u", 100, 40, 50, LIKE)
    counts = torch.histc(u, 20, 0, 1)
    assert u.min() >= 0
    assert u.max() < 1
    # 10,000 expected in each of 20 classes; chi-squared with 19 degrees of freedom is above 50.8 in 1 of 10,000 draws
    assert ((counts - 10_000) ** 2 / 10_000).sum() < 50.8


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_neighbours_are_uncorrelated(axis: int) -> None:
    u = Draw(4).per_step("0.0.u", 60, 60, 60, LIKE) - 0.5
    a, b = u.narrow(axis, 0, 59), u.narrow(axis, 1, 59)
    # the correlation of n = 212,400 independent pairs has a standard deviation of 1/√n
    assert abs(12 * (a * b).mean()) < 4 / a.numel() ** 0.5


def test_a_batch_may_be_cut_by_rows() -> None:
    whole = steps(Draw(1), 7, 6)
    assert torch.equal(whole[:, 2:5], steps(Draw(1, rows=[2, 3, 4]), 7, 3))
    assert torch.equal(whole[:, [5, 0]], steps(Draw(1, rows=torch.tensor([5, 0])), 7, 2))


def test_a_sequence_may_be_cut_by_time() -> None:
    whole = steps(Draw(1), 7, 6)
    assert torch.equal(whole[4:], steps(Draw(1, first_step=4), 3, 6))


def test_the_numbers_are_the_same_in_every_format_and_with_any_number_of_threads() -> None:
    one, single = steps(Draw(1), 50, 60), steps(Draw(1), 50, 60, torch.empty(0, dtype=torch.float32))
    torch.set_num_threads(1)
    assert torch.equal(one, steps(Draw(1), 50, 60))
    assert torch.equal(one, single.double())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_in_half_formats_the_numbers_are_rounded(dtype: torch.dtype) -> None:
    found, exact = steps(Draw(1), 50, 60, torch.empty(0, dtype=dtype)), steps(Draw(1), 50, 60)
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), exact, rtol=0, atol=torch.finfo(dtype).eps / 2)


def test_other_seeds_labels_rows_and_steps_give_other_numbers() -> None:
    u = steps(Draw(1), 7, 6)
    others = [steps(Draw(2), 7, 6), steps(Draw(1), 7, 6, label="0.1.u"), steps(Draw(1, range(6, 12)), 7, 6)]
    values = torch.cat([u, *others]).flatten()
    assert values.unique().numel() > values.numel() - 3


def test_numbers_of_a_sequence_are_those_of_no_step() -> None:
    a, b = Draw(1).per_sequence("0.0.u", 6, 5, LIKE), Draw(1, rows=[4]).per_sequence("0.0.u", 1, 5, LIKE)
    assert torch.equal(a[4:5], b)
    assert not torch.isin(a, steps(Draw(1), 7, 6)).any()


def test_a_seed_may_be_a_tensor() -> None:
    assert torch.equal(steps(Draw(torch.tensor(9)), 2, 2), steps(Draw(9), 2, 2))


@pytest.mark.parametrize(
    ("rows", "given"), [([1, 2], "torch.int64 of shape (2,)"), (torch.full((3,), 0.5), "torch.float32 of shape (3,)")]
)
def test_rows_must_be_one_number_a_row(rows: list[int] | Tensor, given: str) -> None:
    with pytest.raises(ShapeError) as error:
        steps(Draw(1, rows=rows), 2, 3)
    assert str(error.value) == (
        f"Draw: rows is {given}, expected whole numbers of shape (B,) = (3,). Pass the number of each row of the batch."
    )
