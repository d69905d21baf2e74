"""Heads over many classes: each agrees with the full softmax in its limit, and NCE ends nearly normalised."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from carrousel.errors import ConfigError
from carrousel.heads.sampled import NoiseContrastive, SampledSoftmax
from carrousel.heads.samplers import AliasSampler, draw_distinct, log_uniform, unigram
from carrousel.heads.softmax import AdaptiveSoftmax, Softmax

TARGETS = [0, 1, 3, 6, 1, 5]
COUNTS = torch.tensor([3, 50, 1, 20, 0, 9, 7])


def features(rows: int = 6, size: int = 4) -> Tensor:
    return torch.randn(rows, size, dtype=torch.float64)


def check_gradient(loss: Callable[[], Tensor], parameters: list[Tensor]) -> None:
    """The derivative along random directions, from differences, where every call of `loss` draws the same."""
    total = loss()
    gradients = torch.autograd.grad(total, parameters)
    generator = torch.Generator().manual_seed(7)
    for _ in range(3):
        along = [torch.randn(p.shape, generator=generator, dtype=p.dtype) for p in parameters]
        expected = sum((g * d).sum() for g, d in zip(gradients, along, strict=True))
        values: list[float] = []
        for step in (1e-6, -1e-6):
            with torch.no_grad():
                for p, d in zip(parameters, along, strict=True):
                    p.add_(d, alpha=step)
                values.append(float(loss()))
                for p, d in zip(parameters, along, strict=True):
                    p.sub_(d, alpha=step)
        assert (values[0] - values[1]) / 2e-6 == pytest.approx(float(expected), rel=1e-5, abs=1e-8)


@pytest.mark.tiny
def test_the_softmax_is_a_linear_layer_and_cross_entropy() -> None:
    head, y, targets = Softmax(4, 7).double(), features(), torch.randint(7, (6,))
    logits = nn.functional.linear(y, head.weight, head.bias)
    assert torch.equal(head(y), logits)
    assert head.loss(y, targets).item() == pytest.approx(nn.functional.cross_entropy(logits, targets).item(), abs=1e-12)
    torch.testing.assert_close(head.nats(y, targets), -head.log_probs(y)[torch.arange(6), targets])


@pytest.mark.tiny
@pytest.mark.parametrize("size", [4, 3])
def test_tied_rows_are_the_embeddings_own_and_learn_from_the_loss(size: int) -> None:
    embedding = nn.Embedding(7, size).double()
    head = Softmax(4, 7, tied=embedding).double()
    assert head.rows is embedding.weight
    assert "weight" not in head.state_dict()
    assert ("projection.weight" in head.state_dict()) == (size != 4)
    check_gradient(lambda: head.loss(Y, T), [embedding.weight, *head.parameters()])


Y, T = (
    torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)),
    torch.tensor(TARGETS),
)


@pytest.mark.tiny
def test_an_embedding_of_other_symbols_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        Softmax(4, 7, tied=nn.Embedding(8, 4))
    assert str(caught.value) == (
        "Softmax: tied has 8 rows, expected 7, one a class. Tie it to the embedding of the same symbols, or leave it out."
    )


@pytest.mark.tiny
def test_an_adaptive_softmax_with_nothing_to_save_is_the_softmax() -> None:
    """One cluster of one class: its entry among the frequent ones stands for that class, whose own softmax is 1."""
    adaptive, y = AdaptiveSoftmax(4, 7, COUNTS, cutoffs=(6,)).double(), features()
    order = torch.argsort(COUNTS, descending=True, stable=True)
    full = Softmax(4, 7).double()
    with torch.no_grad():
        full.weight[order] = adaptive.clusters.head.weight
        full.bias[order] = adaptive.clusters.head.bias
    torch.testing.assert_close(adaptive.log_probs(y), full.log_probs(y))
    torch.testing.assert_close(adaptive.nats(y, T), full.nats(y, T))
    assert adaptive.loss(y, T).item() == pytest.approx(full.loss(y, T).item(), abs=1e-12)


@pytest.mark.tiny
def test_an_adaptive_softmax_is_normalised_and_its_costs_are_those_probabilities() -> None:
    head = AdaptiveSoftmax(4, 7, COUNTS, cutoffs=(2, 4), divisor=2).double()
    y = features()
    torch.testing.assert_close(head.log_probs(y).exp().sum(-1), torch.ones(6, dtype=torch.float64))
    torch.testing.assert_close(head.nats(y, T), -head.log_probs(y)[torch.arange(6), T])
    assert head.rank.tolist() == [4, 0, 5, 1, 6, 2, 3]
    check_gradient(lambda: head.loss(Y, T), list(head.parameters()))


@pytest.mark.tiny
@pytest.mark.parametrize("cutoffs", [(), (0, 3), (3, 3), (5, 2), (3, 7)])
def test_cutoffs_that_are_no_ranks_are_refused(cutoffs: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError) as caught:
        AdaptiveSoftmax(4, 7, cutoffs=cutoffs)
    assert str(caught.value) == (
        f"AdaptiveSoftmax: cutoffs is {list(cutoffs)}, expected ascending numbers from 1 to 6 for 7 classes. Choose about a tenth "
        "of the classes first, then half."
    )


@pytest.mark.tiny
def test_a_cluster_without_features_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        AdaptiveSoftmax(8, 7, cutoffs=(2, 4))
    assert str(caught.value) == (
        "AdaptiveSoftmax: the last of 2 clusters would see 8 / 4^2 features, expected 1 to 8. Give fewer cutoffs, "
        "or another divisor."
    )


@pytest.mark.tiny
@pytest.mark.parametrize("noise", ["log-uniform", "unigram"])
@pytest.mark.parametrize("is_tied", [False, True])
def test_a_sampled_softmax_that_draws_every_class_is_the_softmax(noise: str, is_tied: bool) -> None:
    embedding = nn.Embedding(7, 3).double() if is_tied else None
    head = SampledSoftmax(4, 7, COUNTS, samples=7, noise=noise, tied=embedding).double()
    y = features()
    full = nn.functional.cross_entropy(head(y), T)
    assert head.loss(y, T).item() == pytest.approx(full.item(), abs=1e-12)
    parameters = list(head.parameters())
    for sampled, exact in zip(
        torch.autograd.grad(head.loss(y, T), parameters), torch.autograd.grad(full, parameters), strict=True
    ):
        torch.testing.assert_close(sampled, exact)


def test_more_samples_come_closer_to_the_softmax() -> None:
    torch.manual_seed(0)
    head, y, targets = (
        SampledSoftmax(8, 400, samples=1, noise="unigram").double(),
        features(64, 8),
        torch.randint(400, (64,)),
    )
    full = head.nats(y, targets).mean().item()
    away: list[float] = []
    for samples in (10, 100, 390, 400):
        head.samples = samples
        found = [head.loss(y, targets).item() for _ in range(20)]
        away.append(abs(float(np.mean(found)) - full))
    assert away == sorted(away, reverse=True)
    assert away[-1] < 1e-12


@pytest.mark.tiny
@pytest.mark.parametrize("kind", [SampledSoftmax, NoiseContrastive])
def test_the_gradient_of_a_sampled_loss_is_that_of_its_value(
    kind: type[SampledSoftmax] | type[NoiseContrastive],
) -> None:
    head = kind(4, 7, COUNTS, samples=3).double()

    def loss() -> Tensor:
        torch.manual_seed(3)
        return head.loss(Y, T)

    check_gradient(loss, list(head.parameters()))


@pytest.mark.tiny
def test_noise_contrastive_loss_is_its_definition() -> None:
    head = NoiseContrastive(4, 7, COUNTS, samples=5).double()
    assert torch.equal(head.bias.detach().float(), torch.full((7,), -math.log(7)))
    torch.manual_seed(1)
    found = head.loss(Y, T).item()
    torch.manual_seed(1)
    noise = [int(w) for w in head.noise.draw(5)]
    q = unigram(COUNTS)
    logits, total = head(Y), 0.0
    for row, target in enumerate(TARGETS):
        total -= nn.functional.logsigmoid(logits[row, target] - math.log(5 * q[target])).item()
        total -= sum(nn.functional.logsigmoid(math.log(5 * q[w]) - logits[row, w]).item() for w in noise)
    assert found == pytest.approx(total / 6, rel=1e-6)  # ln k q is kept in float32


@pytest.mark.tiny
def test_settings_of_sampled_heads_out_of_range_are_refused() -> None:
    for make, message in (
        (lambda: SampledSoftmax(4, 7, samples=8),
         "SampledSoftmax: samples is 8, expected 1 to 7, the number of classes. Choose about a hundredth."),
        (lambda: SampledSoftmax(4, 7, samples=2, noise="zipf"),
         "SampledSoftmax: noise is 'zipf', expected one of log-uniform, unigram. Choose one of these."),
        (lambda: NoiseContrastive(4, 7, samples=0),
         "NoiseContrastive: samples is 0, expected at least 1. Choose about a hundred."),
        (lambda: NoiseContrastive(4, 7, noise="zipf"),
         "NoiseContrastive: noise is 'zipf', expected one of log-uniform, unigram. Choose one of these."),
    ):  # fmt: skip
        with pytest.raises(ConfigError) as caught:
            make()
        assert str(caught.value) == message


@pytest.mark.tiny
def test_samplers_are_distributions() -> None:
    for q in (unigram(COUNTS), log_uniform(COUNTS)):
        assert q.sum().item() == pytest.approx(1, abs=1e-12)
        assert (q > 0).all()
    assert torch.argsort(log_uniform(COUNTS), descending=True).tolist() == [1, 3, 5, 6, 0, 2, 4]


def test_alias_draws_have_the_distribution_they_were_made_for() -> None:
    q = unigram(torch.tensor([100, 1, 40, 0, 7]))
    sampler = AliasSampler(q)
    whole = torch.zeros(5, dtype=torch.float64)
    for own in range(5):  # the exact distribution of a draw, bin by bin
        whole[own] += sampler.threshold[own] / 5
        whole[sampler.alias[own]] += (1 - sampler.threshold[own]) / 5
    torch.testing.assert_close(whole, q, atol=1e-7, rtol=0)
    drawn = torch.bincount(sampler.draw(200_000), minlength=5) / 200_000
    torch.testing.assert_close(drawn.double(), q, atol=0.005, rtol=0)


def test_sums_over_distinct_draws_have_the_whole_sum_as_their_mean() -> None:
    """What sampled softmax rests on: f(w) / chance(w), summed over the classes drawn."""
    f, log_q = torch.rand(30, dtype=torch.float64) + 0.1, unigram(torch.arange(30)).log()
    sums: list[float] = []
    for _ in range(4_000):
        drawn, log_chance = draw_distinct(log_q, 8)
        assert drawn.unique().numel() == 8
        sums.append((f / log_chance.exp())[drawn].sum().item())
    assert np.mean(sums) == pytest.approx(
        f.sum().item(), rel=4 * float(np.std(sums) / np.mean(sums)) / math.sqrt(4_000)
    )
    assert draw_distinct(log_q, 30)[0].tolist() == list(range(30))


def zipf_chain(num_classes: int, length: int, branches: int = 8) -> tuple[Tensor, Tensor]:
    """Symbols of a Markov chain: each is followed by one of a few, themselves drawn by Zipf's law. The chain, and its counts."""
    rng = np.random.default_rng(0)
    zipf = 1 / np.arange(1, num_classes + 1)
    nexts = rng.choice(num_classes, (num_classes, branches), p=zipf / zipf.sum())
    picks = rng.integers(branches, size=length)
    chain = np.zeros(length, np.int64)
    for t in range(1, length):
        chain[t] = nexts[chain[t - 1], picks[t]]
    return torch.from_numpy(chain), torch.from_numpy(np.bincount(chain, minlength=num_classes))


def trained(head: Softmax, embedding: nn.Embedding, chain: Tensor, updates: int, batch: int) -> tuple[float, float]:
    """Learn next from last symbol; mean cost by the full softmax in nats, and mean ln Z, on the last part of the chain."""
    parameters = [*embedding.parameters(), *head.parameters()]
    optimiser = torch.optim.Adam(parameters, 0.03)
    pairs, held_out = chain[:-2_001], chain[-2_001:]
    for update in range(updates):
        for group in optimiser.param_groups:
            group["lr"] = 0.03 * (1 - update / updates)
        places = torch.randint(len(pairs) - 1, (batch,))
        loss = head.loss(embedding(pairs[places]), pairs[places + 1])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        y = embedding(held_out[:-1])
        return head.nats(y, held_out[1:]).mean().item(), head(y).logsumexp(-1).mean().item()


def compare_on_a_chain(num_classes: int, samples: int, length: int, updates: int) -> None:
    torch.set_num_threads(1)  # operations are too small to share
    chain, counts = zipf_chain(num_classes, length)
    costs: dict[str, float] = {}
    for name in ("softmax", "sampled", "nce"):
        torch.manual_seed(0)
        embedding = nn.Embedding(num_classes, 32)
        heads = {
            "softmax": lambda: Softmax(32, num_classes),
            "sampled": lambda: SampledSoftmax(32, num_classes, counts, samples),
            "nce": lambda: NoiseContrastive(32, num_classes, counts, samples),
        }
        costs[name], log_z = trained(heads[name](), embedding, chain, updates, 256)
        if name == "nce":
            assert abs(log_z) < 0.2
    assert math.exp(costs["sampled"] - costs["softmax"]) < 1.05
    assert math.exp(costs["nce"] - costs["softmax"]) < 1.05


def test_noise_contrastive_training_ends_nearly_normalised_and_near_cross_entropy() -> None:
    compare_on_a_chain(num_classes=200, samples=100, length=40_000, updates=1_200)


@pytest.mark.slow
def test_noise_contrastive_training_over_20_000_classes() -> None:
    compare_on_a_chain(num_classes=20_000, samples=4_000, length=1_000_000, updates=4_000)
