"""The CRF against all sequences written out one by one, its equations in NumPy, and another package."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from reference import crf as reference
from reference.arrays import Array
from torch import Tensor

from carrousel.errors import ConfigError, ShapeError
from carrousel.heads.crf import CRF
from carrousel.heads.legal_tags import legal_tags

EXACT = 1e-10
LABELS = ("O", "B-a", "I-a", "I-b")
LENGTHS = [5, 1, 3, 2, 5]


def problem(classes: int, is_constrained: bool = False, has_pairs: bool = False) -> tuple[CRF, Tensor, Tensor | None]:
    """A CRF and random scores in float64, T=5, B=5."""
    crf = CRF(classes, legal_tags(LABELS[:classes], "bio") if is_constrained else None).double()
    for parameter in crf.parameters():
        torch.nn.init.normal_(parameter)
    scores = 2 * torch.randn(5, len(LENGTHS), classes, dtype=torch.float64)
    return crf, scores, torch.randn(*scores.shape, classes, dtype=torch.float64) if has_pairs else None


def row(crf: CRF, scores: Tensor, pairs: Tensor | None, b: int) -> tuple[Array, Array, Array, Array]:
    """What `reference` reads, for one sequence: start, P, A, stop."""
    steps = LENGTHS[b]
    start = np.where(crf.legal_start, crf.start.detach(), -np.inf)
    stop = np.where(crf.legal_stop, crf.stop.detach(), -np.inf)
    moves = np.where(crf.legal_between, crf.transitions.detach(), -np.inf)
    extra = np.zeros((steps, 1, 1)) if pairs is None else pairs[:steps, b].numpy()
    return start, scores[:steps, b].numpy(), moves + extra, stop


FORMS = [(k, constrained, pairs) for k in (1, 2, 4) for constrained in (False, True) for pairs in (False, True)]


@pytest.mark.parametrize(("classes", "is_constrained", "has_pairs"), FORMS)
def test_everything_equals_enumeration(classes: int, is_constrained: bool, has_pairs: bool) -> None:
    crf, scores, pairs = problem(classes, is_constrained, has_pairs)
    log_z = crf.log_partition(scores, LENGTHS, pairs)
    marginals = crf.marginals(scores, LENGTHS, pairs)
    tags, best = crf.viterbi(scores, LENGTHS, pairs)
    n_tags, n_scores = crf.n_best(scores, 7, LENGTHS, pairs)
    for b, steps in enumerate(LENGTHS):
        paths = reference.enumerate_paths(*row(crf, scores, pairs, b))
        weights = np.exp([score for score, _ in paths])
        assert log_z[b].item() == pytest.approx(math.log(weights.sum()), abs=EXACT)
        expected = np.zeros((steps, classes))
        for weight, (_, path) in zip(weights, paths, strict=True):
            expected[np.arange(steps), path] += weight / weights.sum()
        np.testing.assert_allclose(marginals[:steps, b].numpy(), expected, atol=EXACT)
        assert not marginals[steps:, b].any()
        assert best[b].item() == pytest.approx(paths[0][0], abs=EXACT)
        assert tags[:, b].tolist() == [*paths[0][1], *[-1] * (5 - steps)]
        possible = [(score, path) for score, path in paths if score > -math.inf][:7]
        assert n_scores[: len(possible), b].tolist() == pytest.approx([score for score, _ in possible], abs=EXACT)
        assert n_tags[: len(possible), :steps, b].tolist() == [list(path) for _, path in possible]
        assert (n_scores[len(possible) :, b] == -math.inf).all()
        assert (n_tags[len(possible) :, :, b] == -1).all()
        assert (n_tags[:, steps:, b] == -1).all()


@pytest.mark.parametrize("has_pairs", [False, True])
def test_the_equations_in_logarithms_say_the_same_on_long_sequences(has_pairs: bool) -> None:
    crf = CRF(7).double()
    torch.nn.init.normal_(crf.transitions)
    scores = 5 * torch.randn(60, 1, 7, dtype=torch.float64)
    pairs = torch.randn(60, 1, 7, 7, dtype=torch.float64) if has_pairs else None
    moves = crf.transitions.detach().numpy() + (np.zeros((60, 1, 1)) if pairs is None else pairs[:, 0].numpy())
    given = (crf.start.detach().numpy(), scores[:, 0].numpy(), moves, crf.stop.detach().numpy())
    assert crf.log_partition(scores, pairs=pairs).item() == pytest.approx(reference.log_partition(*given), abs=1e-9)
    np.testing.assert_allclose(crf.marginals(scores, pairs=pairs)[:, 0].numpy(), reference.marginals(*given), atol=1e-9)
    tags, score = crf.viterbi(scores, pairs=pairs)
    best, path = reference.viterbi(*given)
    assert score.item() == pytest.approx(best, abs=1e-9)
    assert tags[:, 0].tolist() == list(path)


@pytest.mark.parametrize("is_constrained", [False, True])
@pytest.mark.parametrize("per", ["token", "sentence"])
def test_the_loss_is_the_negative_log_probability_of_the_right_tags(is_constrained: bool, per: str) -> None:
    crf, scores, pairs = problem(4, is_constrained, has_pairs=True)
    tags = crf.viterbi(scores, LENGTHS, pairs)[0].roll(1, 1)  # legal ones, of another row
    tags = torch.where(tags < 0, 0, tags)
    nats = 0.0
    for b, steps in enumerate(LENGTHS):
        given = row(crf, scores, pairs, b)
        nats += reference.log_partition(*given) - reference.score(*given, tuple(map(int, tags[:steps, b])))
    expected = nats / (sum(LENGTHS) if per == "token" else len(LENGTHS))
    assert crf.loss(scores, tags, LENGTHS, pairs, per=per).item() == pytest.approx(expected, abs=EXACT)


@pytest.mark.parametrize(("is_constrained", "has_pairs"), [(False, False), (True, False), (False, True), (True, True)])
def test_derivatives_in_random_directions(is_constrained: bool, has_pairs: bool) -> None:
    crf, scores, pairs = problem(4, is_constrained, has_pairs)
    leaves = [scores, *([] if pairs is None else [pairs]), *crf.parameters()]
    for leaf in leaves:
        leaf.requires_grad_()
    weights = torch.randn(len(LENGTHS), dtype=torch.float64)
    tags = torch.zeros(5, len(LENGTHS), dtype=torch.int64)

    def value() -> Tensor:
        return weights @ (crf.log_partition(scores, LENGTHS, pairs) - crf.gold_score(scores, tags, LENGTHS, pairs))

    grads = torch.autograd.grad(value(), leaves)
    directions = [torch.randn_like(leaf) for leaf in leaves]
    size = 1e-5
    with torch.no_grad():
        for leaf, direction in zip(leaves, directions, strict=True):
            leaf += size * direction
        ahead = value()
        for leaf, direction in zip(leaves, directions, strict=True):
            leaf -= 2 * size * direction
        behind = value()
    slope = sum((grad * direction).sum() for grad, direction in zip(grads, directions, strict=True))
    assert isinstance(slope, Tensor)
    assert slope.item() == pytest.approx(((ahead - behind) / (2 * size)).item(), rel=1e-7)


def test_marginals_sum_to_one_and_forbidden_tags_have_none() -> None:
    crf, scores, _ = problem(4, is_constrained=True)
    marginals = crf.marginals(scores, LENGTHS)
    valid = torch.arange(5)[:, None] < torch.tensor(LENGTHS)
    torch.testing.assert_close(marginals.sum(2), valid.double())
    assert not marginals[0, :, 2:].any()  # I- at the beginning
    assert not marginals[:, :, 3].any()  # I-b, when there is no B-b


def test_a_ragged_batch_is_its_rows_one_by_one_and_ignores_the_padding() -> None:
    crf, scores, pairs = problem(4, has_pairs=True)
    assert pairs is not None
    for b, steps in enumerate(LENGTHS):
        scores[steps:, b] = math.nan
        pairs[steps:, b] = math.nan
    log_z = crf.log_partition(scores, LENGTHS, pairs)
    tags, _ = crf.viterbi(scores, LENGTHS, pairs)
    for b, steps in enumerate(LENGTHS):
        alone = scores[:steps, b : b + 1], None, pairs[:steps, b : b + 1]
        assert log_z[b].item() == pytest.approx(crf.log_partition(*alone).item(), abs=EXACT)
        assert tags[:steps, b].tolist() == crf.viterbi(*alone)[0][:, 0].tolist()
    scores.requires_grad_()
    crf.log_partition(scores, LENGTHS, pairs).sum().backward()
    assert scores.grad is not None
    assert torch.isfinite(scores.grad).all()


def test_scores_hundreds_of_nats_apart_are_exact() -> None:
    crf, scores, _ = problem(4)
    scores = 100 * scores
    for b, _steps in enumerate(LENGTHS):
        expected = reference.log_partition(*row(crf, scores, None, b))
        assert crf.log_partition(scores, LENGTHS)[b].item() == pytest.approx(expected, rel=1e-12)


def test_float32_scores_give_float32_results_to_its_precision() -> None:
    crf, scores, _ = problem(4)
    expected = crf.log_partition(scores, LENGTHS)
    found = crf.float().log_partition(scores.float(), LENGTHS)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected.float(), rtol=1e-6, atol=1e-6)


def test_a_row_without_a_legal_sequence_has_partition_zero() -> None:
    crf = CRF(1, legal_tags(["I-a"], "bio"))
    assert crf.log_partition(torch.zeros(2, 1, 1)).item() == -math.inf
    assert crf.viterbi(torch.zeros(2, 1, 1))[0].tolist() == [[-1], [-1]]


def test_constraints_can_be_left_to_decoding() -> None:
    crf, scores, _ = problem(4, is_constrained=True)
    free = CRF(4).double()
    free.load_state_dict(crf.state_dict())
    tags = torch.full((5, len(LENGTHS)), 3)  # I-b throughout: forbidden
    assert crf.loss(scores, tags, LENGTHS, is_constrained=False).item() == pytest.approx(
        free.loss(scores, tags, LENGTHS).item(), abs=EXACT
    )


def test_errors_say_what_was_given_and_expected() -> None:
    crf, scores, _ = problem(4, is_constrained=True)
    tags = torch.zeros(5, 5, dtype=torch.int64)
    cases: list[tuple[type[Exception], Any, str]] = [
        (
            ShapeError,
            lambda: crf.viterbi(scores[:, :, :3]),
            "CRF: scores has shape (5, 5, 3), expected (T, B, C) with T of at least 1 and C=4. Give one score a tag, time first.",
        ),
        (
            ShapeError,
            lambda: crf.viterbi(scores, lengths=[5, 1, 3, 2, 0]),
            "CRF: lengths is [5, 1, 3, 2, 0], expected 5 numbers from 1 to 5. Leave empty sequences out.",
        ),
        (
            ShapeError,
            lambda: crf.viterbi(scores, pairs=scores),
            "CRF: pairs has shape (5, 5, 4), expected (T, B, C, C) = (5, 5, 4, 4). Give one score a pair of tags.",
        ),
        (
            ShapeError,
            lambda: crf.loss(scores, tags[:4]),
            "CRF: tags has shape (4, 5), expected (T, B) = (5, 5). Give one tag a step.",
        ),
        (
            ShapeError,
            lambda: crf.loss(scores, tags - 1),
            "CRF: tags has numbers from -1 to -1, expected 0 to 3. Number the tags as the scores' last axis does.",
        ),
        (
            ShapeError,
            lambda: crf.loss(scores, tags + 3),
            "CRF: the tags of row 0 are a sequence that legal forbids, expected a legal one. Correct the data, choose the scheme "
            "that it has, or call loss(is_constrained=False).",
        ),
        (
            ConfigError,
            lambda: crf.loss(scores, tags, per="word"),
            "CRF: per is 'word', expected 'token' or 'sentence'. Choose one.",
        ),
        (
            ConfigError,
            lambda: crf.n_best(scores, 0),
            "CRF: n is 0, expected at least 1. Give the number of sequences wanted.",
        ),
        (ConfigError, lambda: CRF(0), "CRF: num_classes is 0, expected at least 1. Give the number of tags."),
        (
            ConfigError,
            lambda: CRF(3, legal_tags(["O", "B-a"], "bio")),
            "CRF: legal is for 2 tags, expected num_classes=3. Make it from the same labels.",
        ),
    ]
    for error, call, message in cases:
        with pytest.raises(error) as caught:
            call()
        assert str(caught.value) == message


def test_pytorch_crf_computes_the_same() -> None:
    torchcrf: Any = pytest.importorskip("torchcrf")
    crf, scores, _ = problem(4)
    theirs = torchcrf.CRF(4).double()
    theirs.load_state_dict(
        {"start_transitions": crf.start, "end_transitions": crf.stop, "transitions": crf.transitions}
    )
    valid = torch.arange(5)[:, None] < torch.tensor(LENGTHS)
    tags = torch.randint(4, (5, len(LENGTHS)))
    for per, reduction in (("token", "token_mean"), ("sentence", "mean")):
        expected = -theirs(scores, tags, valid, reduction=reduction)
        assert crf.loss(scores, tags, LENGTHS, per=per).item() == pytest.approx(expected.item(), abs=EXACT)
    found, _ = crf.viterbi(scores, LENGTHS)
    for b, path in enumerate(theirs.decode(scores, valid)):
        assert found[: LENGTHS[b], b].tolist() == path
