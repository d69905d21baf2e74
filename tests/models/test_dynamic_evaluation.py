"""A model that learns or remembers while it is measured: against plain loops, and never from what it has not yet predicted."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from carrousel.data import CharVocabulary
from carrousel.errors import ConfigError
from carrousel.models.language_model import DynamicEvaluation, LanguageModelNetwork, NeuralCache, dynamic, mean_squares

TEXT = "the quick brown fox jumps over the lazy dog. " * 2
VOCABULARY = CharVocabulary.of(TEXT)
IDS = VOCABULARY.encode(TEXT)


def new_network() -> LanguageModelNetwork:
    torch.manual_seed(0)
    return LanguageModelNetwork(VOCABULARY, "elman", embedding_size=4, hidden_size=6, dropout=0.5).double()


def by_definition(about: DynamicEvaluation, squares: dict[str, torch.Tensor] | None) -> float:
    """Segment by segment with torch's own gradients, weights as a dictionary that is replaced."""
    network = new_network().eval()
    trained = {name: value.detach().clone() for name, value in network.named_parameters()}
    mean = None
    if squares is not None:
        mean = torch.cat([square.sqrt().flatten() for square in squares.values()]).mean()
    x, total, state = torch.from_numpy(IDS.astype(np.int64)), 0.0, None
    for begin in range(0, len(x) - 1, about.segment):
        part = x[begin : begin + about.segment + 1]
        logits, state = network(part[:-1, None], state)
        state = type(state)(*(field.detach() for field in state))
        costs = -logits[:, 0].log_softmax(-1)[torch.arange(len(part) - 1), part[1:]]
        total += costs.sum().item()
        names = list(trained)
        gradients = torch.autograd.grad(costs.mean(), [network.get_parameter(name) for name in names])
        for name, gradient in zip(names, gradients, strict=True):
            now = network.get_parameter(name)
            if squares is None or mean is None:
                new = now - about.learning_rate * gradient + about.decay * (trained[name] - now)
            else:
                root = squares[name].sqrt()
                pull = torch.minimum(about.decay * root / mean, torch.ones(()).double())
                new = now - about.learning_rate * gradient / (root + about.epsilon) + pull * (trained[name] - now)
            with torch.no_grad():
                now.copy_(new)
    return total


@pytest.mark.parametrize("with_squares", [False, True])
def test_dynamic_evaluation_is_its_definition_and_leaves_the_model_as_it_was(with_squares: bool) -> None:
    network = new_network().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    about = DynamicEvaluation(learning_rate=0.01 if with_squares else 0.5, decay=0.03, segment=7)
    squares = mean_squares(network, IDS, segment=7) if with_squares else None
    assert about.nats(network, IDS, squares) == pytest.approx(by_definition(about, squares), abs=1e-9)
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_without_a_step_it_is_the_plain_figure_and_with_one_it_learns_the_text() -> None:
    network = new_network()
    plain = network.nats(IDS, num_streams=1)
    assert DynamicEvaluation(learning_rate=0.0).nats(network, IDS) == pytest.approx(plain, abs=1e-9)
    assert DynamicEvaluation(learning_rate=1.0, decay=0.0, segment=5).nats(network, IDS) < 0.97 * plain


def adapting(network: LanguageModelNetwork, ids: np.ndarray) -> float:
    return DynamicEvaluation(learning_rate=0.5, segment=4).nats(network, ids)


def remembering(network: LanguageModelNetwork, ids: np.ndarray) -> float:
    return NeuralCache(window=30, theta=1.0, part=0.3).nats(network, ids)


@pytest.mark.parametrize("nats", [adapting, remembering])
def test_a_symbol_is_predicted_from_those_before_it_alone(
    nats: Callable[[LanguageModelNetwork, np.ndarray], float],
) -> None:
    """The probabilities of all symbols that can stand at a place add up to 1, whatever is learned there afterwards."""
    network, place = new_network(), 11
    total = 0.0
    before = nats(network, IDS[:place])
    for symbol in range(len(VOCABULARY)):
        total += math.exp(before - nats(network, np.append(IDS[:place], symbol).astype(IDS.dtype)))
    assert total == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("at_once", [5, 256])
def test_the_cache_is_its_definition_however_much_is_looked_at_together(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dynamic, "AT_ONCE", at_once)
    network, about = new_network().eval(), NeuralCache(window=9, theta=0.7, part=0.2)
    x = torch.from_numpy(IDS.astype(np.int64))
    h = network.features(x[:-1, None]).dropped[:, 0].detach()
    p_model, total = network.output.log_probs(h).exp().detach(), 0.0
    for t in range(len(h)):
        p = p_model[t, x[t + 1]]
        if t:
            remembered = range(max(0, t - 9), t)
            weights = torch.stack([0.7 * h[i] @ h[t] for i in remembered]).softmax(0)
            same = sum(w for w, i in zip(weights, remembered, strict=True) if x[i + 1] == x[t + 1])
            p = 0.8 * p + 0.2 * same
        total -= math.log(p.item())
    assert about.nats(network, IDS) == pytest.approx(total, abs=1e-9)


@pytest.mark.tiny
def test_weights_that_run_away_are_named_and_the_model_is_as_it_was() -> None:
    network = new_network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(ConfigError) as caught:
        DynamicEvaluation(learning_rate=1e308, decay=0.0).nats(network, IDS)
    assert str(caught.value) == (
        "DynamicEvaluation: embedding.weight is no longer finite at a learning_rate of 1e+308, expected weights that stay near the "
        "trained ones. Lower learning_rate."
    )
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [("learning_rate", -0.1, "0 or more"), ("decay", 1.5, "0 to 1"), ("segment", 0, "at least 1"), ("epsilon", -1.0, "0 or more")],
)  # fmt: skip
def test_settings_out_of_range_are_refused(name: str, value: float, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        DynamicEvaluation(**{name: value})  # pyright: ignore[reportArgumentType]
    assert str(caught.value) == f"DynamicEvaluation: {name} is {value}, expected {expected}. Choose one in that range."
