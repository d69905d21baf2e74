"""Attention, batched and masked, against the papers' equations for one query and one source."""

import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError
from reference import attention as paper
from reference.arrays import Array
from torch import Tensor

from carrousel.errors import ShapeError
from carrousel.heads.attention import (
    AdditiveScores,
    DotScores,
    GeneralScores,
    LocalWindow,
    Scores,
    attend,
    average,
    source_steps,
)

LENGTHS = [4, 1, 3]


def problem(query_size: int, key_size: int) -> tuple[Tensor, Tensor]:
    """Queries (2, 3, query_size) and keys (4, 3, key_size), in double precision."""
    return torch.randn(2, 3, query_size, dtype=torch.float64), torch.randn(4, 3, key_size, dtype=torch.float64)


def array(tensor: Tensor) -> Array:
    return tensor.detach().numpy()


def general(scores: GeneralScores) -> Callable[[Array, Array], Array]:
    return lambda s, h: paper.general(array(scores.W.weight), s, h)


def additive(scores: AdditiveScores) -> Callable[[Array, Array], Array]:
    return lambda s, h: paper.additive(array(scores.v), array(scores.W.weight), array(scores.U.weight), s, h)


def concat(scores: AdditiveScores) -> Callable[[Array, Array], Array]:
    joined = np.concatenate([array(scores.W.weight), array(scores.U.weight)], 1)
    return lambda s, h: paper.concat(array(scores.v), joined, s, h)


def pointer(scores: AdditiveScores) -> Callable[[Array, Array], Array]:
    return lambda s, h: paper.pointer(array(scores.v), array(scores.U.weight), array(scores.W.weight), s, h)


def cases() -> list[tuple[Scores, Callable[[Array, Array], Array]]]:
    torch.manual_seed(3)
    by_matrix, by_sum = GeneralScores(5, 3).double(), AdditiveScores(5, 3, 7).double()
    return [
        (DotScores(5, 5), paper.dot),
        (by_matrix, general(by_matrix)),
        (by_sum, additive(by_sum)),
        (by_sum, concat(by_sum)),
        (by_sum, pointer(by_sum)),
    ]


@pytest.mark.tiny
@pytest.mark.parametrize("case", range(5), ids=["dot", "general", "additive", "concat", "pointer"])
def test_scores_weights_and_context_are_the_papers_for_every_query_and_row(case: int) -> None:
    scores, reference = cases()[case]
    queries, keys = problem(scores.query_size, scores.key_size)
    found = scores(queries, scores.project(keys))
    weights = attend(found, source_steps(4, torch.tensor(LENGTHS)))
    contexts = average(weights, keys)
    for t in range(2):
        for b, length in enumerate(LENGTHS):
            e = reference(array(queries[t, b]), array(keys[:length, b]))
            np.testing.assert_allclose(array(found[t, b, :length]), e, atol=1e-13)
            np.testing.assert_allclose(array(weights[t, b, :length]), paper.weights(e), atol=1e-13)
            context = paper.context(paper.weights(e), array(keys[:length, b]))
            np.testing.assert_allclose(array(contexts[t, b]), context, atol=1e-13)


@pytest.mark.tiny
def test_padded_steps_weigh_exactly_nothing_and_get_no_gradient() -> None:
    queries, keys = problem(3, 3)
    keys[3, 2] = 1e300
    keys.requires_grad_()
    weights = attend(DotScores(3, 3)(queries, keys), source_steps(4, torch.tensor(LENGTHS)))
    assert (weights[:, 1, 1:] == 0).all()
    assert (weights[:, 2, 3:] == 0).all()
    (gradient,) = torch.autograd.grad((weights**2).sum(), keys)
    assert gradient.isfinite().all()
    assert (gradient[1:, 1] == 0).all()
    assert (gradient[3:, 2] == 0).all()


@pytest.mark.tiny
def test_one_source_step_has_the_weight_one() -> None:
    queries, keys = problem(3, 3)
    weights = attend(DotScores(3, 3)(queries, keys), source_steps(4, torch.tensor(LENGTHS)))
    assert (weights[:, 1, 0] == 1).all()
    torch.testing.assert_close(average(weights, keys)[:, 1], keys[0, 1].expand(2, 3), rtol=0, atol=0)


@pytest.mark.tiny
def test_equal_scores_share_the_weight_among_the_valid_steps() -> None:
    weights = attend(torch.zeros(1, 3, 4), source_steps(4, torch.tensor(LENGTHS)))
    expected = torch.tensor([[1 / 4] * 4, [1, 0, 0, 0], [1 / 3, 1 / 3, 1 / 3, 0]])
    torch.testing.assert_close(weights[0], expected)


@pytest.mark.tiny
def test_the_local_window_is_the_papers() -> None:
    queries, _ = problem(5, 5)
    window = LocalWindow(5, reach=2).double()
    weights = attend(torch.randn(2, 3, 4, dtype=torch.float64), source_steps(4, torch.tensor(LENGTHS)))
    found = window(weights, queries, source_steps(4, torch.tensor(LENGTHS)))
    for t in range(2):
        for b, length in enumerate(LENGTHS):
            given = array(weights[t, b, :length])
            expected = paper.local_p(array(window.v), array(window.W.weight), array(queries[t, b]), given, 2)
            np.testing.assert_allclose(array(found[t, b, :length]), expected, atol=1e-14)
            assert (found[t, b, length:] == 0).all()


@pytest.mark.tiny
def test_a_dot_product_needs_equal_sizes() -> None:
    message = (
        "attention: a dot product of queries of size 3 with keys of size 4, expected one size. Use general scores, which have a "
        "matrix between."
    )
    with pytest.raises(ShapeError, match=f"^{re.escape(message)}$"):
        DotScores(3, 4)


@pytest.mark.tiny
@pytest.mark.parametrize("lengths", [[0, 2], [1, 5]])
def test_lengths_outside_the_source_are_refused(lengths: list[int]) -> None:
    message = (
        f"attention: lengths go from {min(lengths)} to {max(lengths)}, expected 1 to 4, the steps of the source. Leave out empty "
        "sequences."
    )
    with pytest.raises(ShapeError, match=f"^{re.escape(message)}$"):
        source_steps(4, torch.tensor(lengths))


@pytest.mark.tiny
def test_scores_laid_out_wrongly_are_caught_by_the_annotations() -> None:
    queries, keys = problem(3, 3)
    with pytest.raises(TypeCheckError):
        average(DotScores(3, 3)(queries, keys).transpose(0, 1), keys)
