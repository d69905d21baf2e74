"""Masks for any cell, given to `Recurrent(masks=[...])`: zoneout, recurrent and variational dropout, DropConnect.

Masks are on while the layer trains. Which numbers they draw is said by `Draw`; the cell itself knows nothing of them: each
mask is a change of the traced step.

    >>> from carrousel import Recurrent, masks
    >>> Recurrent("lstm", 3, 5, masks=[masks.zoneout(c=0.5, h=0.05), masks.weight_drop(0.5)])
    Recurrent('lstm', 3, 5, masks=[zoneout(c=0.5, h=0.05), weight_drop(0.5)])
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from carrousel.engine import Rewrite
from carrousel.engine.graph import Graph
from carrousel.engine.passes.mask_candidates import mask_candidates
from carrousel.engine.passes.mask_reads import mask_reads
from carrousel.engine.passes.mask_states import mask_states
from carrousel.engine.passes.zone_out import zone_out
from carrousel.errors import ConfigError


@dataclass(frozen=True)
class Mask:
    """What a layer does while it trains, and what when it does not.

    Args:
        name: as it was asked for.
        inside: changes of what the step computes, while training.
        training: changes of the state that it hands on, while training.
        testing: the same otherwise.
        fields: state fields that the cell must have.
        inputs: probability with which a feature of x is 0 for a whole sequence.
        between: the same for what a layer hands to the next.
        outputs: the same for what the last layer puts out.
        weights: probability with which an element of a recurrent matrix is 0 in one call.
        matrices: parameters that `weights` is about; empty for all recurrent matrices.
    """

    name: str
    inside: tuple[Rewrite, ...] = ()
    training: tuple[Rewrite, ...] = ()
    testing: tuple[Rewrite, ...] = ()
    fields: tuple[str, ...] = ()
    inputs: float = 0.0
    between: float = 0.0
    outputs: float = 0.0
    weights: float = 0.0
    matrices: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return self.name


def zoneout(**probabilities: float) -> Mask:
    """Units that keep their state for a step: zoneout(c=0.5, h=0.05) for an LSTM, by the names of the cell's state fields.

    s_t = d ⊙ s_{t-1} + (1 - d) ⊙ ŝ_t with a new d at every step, 1 with the probability; in evaluation d is the probability itself.
    Within the step everything reads ŝ_t, so that an LSTM's h_t is made from the cell state before zoneout.

    Raises:
        ConfigError: a probability is outside 0 to 1; on use, when the cell has no such state field.

    Source: Krueger et al., "Zoneout: Regularizing RNNs by Randomly Preserving Hidden Activations", ICLR 2017, arXiv:1606.01305.
    """
    chosen = _by_field("zoneout", probabilities)
    return Mask(
        _call("zoneout", probabilities),
        training=(_Change(zone_out, (chosen, True)),),
        testing=(_Change(zone_out, (chosen, False)),),
        fields=tuple(probabilities),
    )


def recurrent_dropout(probability: float, *, per_sequence: bool = False, value: str = "") -> Mask:
    """Dropout on the candidate: what is added to a cell state, c_t = f ⊙ c_{t-1} + i ⊙ d(g), never on what it holds.

    Kept values are divided by 1 - probability (the paper multiplies in evaluation instead).

    Args:
        probability: with which a unit's candidate is 0.
        per_sequence: one mask for all steps of a sequence, instead of a new one at every step.
        value: the step's variable to mask; left out, it is found as what is added to the carrousel.

    Raises:
        ConfigError: the probability is outside 0 to 1, 1 excluded; on use, when the cell has no carrousel or no such value.

    Source: Semeniuta, Severyn and Barth, "Recurrent Dropout without Memory Loss", COLING 2016, arXiv:1603.05118.
    """
    _check("recurrent_dropout", "probability", probability)
    settings = {"probability": probability, "per_sequence": per_sequence, "value": value}
    change = _Change(mask_candidates, (probability, per_sequence, value))
    return Mask(_call("recurrent_dropout", settings), (change,) if probability else ())


def rnn_drop(**probabilities: float) -> Mask:
    """Dropout on the state itself, rnn_drop(c=0.2): s_t = m ⊙ ŝ_t with one m a sequence; in evaluation m is its mean.

    Raises:
        ConfigError: a probability is outside 0 to 1; on use, when the cell has no such state field.

    Source: Moon, Choi, Lee and Song, "RnnDrop: A Novel Dropout for RNNs in ASR", ASRU 2015.
    """
    chosen = _by_field("rnn_drop", probabilities)
    return Mask(
        _call("rnn_drop", probabilities),
        training=(_Change(mask_states, (chosen, True)),),
        testing=(_Change(mask_states, (chosen, False)),),
        fields=tuple(probabilities),
    )


def variational_dropout(
    *, inputs: float = 0.0, between: float = 0.0, recurrent: float = 0.0, outputs: float = 0.0
) -> Mask:
    """Dropout with one mask for all time steps of a sequence; kept values are divided by 1 - probability.

    Args:
        inputs: on the features of x.
        between: on what each layer hands to the next.
        recurrent: on the state where matrices read it, in every layer; all gates see the same mask (tied weights).
        outputs: on what the last layer puts out.

    Raises:
        ConfigError: a probability is outside 0 to 1, 1 excluded; on use, when no matrix of the cell reads its state.

    Source: Gal and Ghahramani, "A Theoretically Grounded Application of Dropout in Recurrent Neural Networks", NIPS 2016,
    arXiv:1512.05287.
    """
    settings = {"inputs": inputs, "between": between, "recurrent": recurrent, "outputs": outputs}
    for keyword, probability in settings.items():
        _check("variational_dropout", keyword, probability)
    changes = (_Change(mask_reads, (recurrent,)),) if recurrent else ()
    name = _call("variational_dropout", {k: p for k, p in settings.items() if p})
    return Mask(name, changes, inputs=inputs, between=between, outputs=outputs)


def weight_drop(probability: float, *matrices: str) -> Mask:
    """DropConnect on the recurrent weights: elements of the matrices that multiply the state are 0 for a whole call.

    Kept weights are divided by 1 - probability. One mask serves all rows and steps.

    Args:
        probability: with which a weight is 0.
        matrices: parameters by name; all recurrent matrices when left out.

    Raises:
        ConfigError: the probability is outside 0 to 1, 1 excluded; on use, when the cell has no recurrent matrix, or none of
            that name.

    Source: Wan, Zeiler, Zhang, LeCun and Fergus, "Regularization of Neural Networks using DropConnect", ICML 2013; on recurrent
    weights: Merity, Keskar and Socher, "Regularizing and Optimizing LSTM Language Models", ICLR 2018, arXiv:1708.02182.
    """
    _check("weight_drop", "probability", probability)
    name = f"weight_drop({', '.join([f'{probability:g}', *map(repr, matrices)])})"
    return Mask(name, weights=probability, matrices=matrices)


@dataclass(frozen=True)
class _Change:
    """A pass with its settings: equal when both are."""

    change: Callable[..., Graph]
    settings: tuple[Any, ...]

    def __call__(self, graph: Graph) -> Graph:
        return self.change(graph, *self.settings)


def _by_field(where: str, probabilities: dict[str, float]) -> tuple[tuple[str, float], ...]:
    if not probabilities:
        raise ConfigError(
            f"{where}: no state field is given, expected one such as {where}(c=0.5). Name the cell's fields."
        )
    for field, probability in probabilities.items():
        if not 0 <= probability <= 1:
            raise ConfigError(
                f"{where}: {field} is {probability}, expected a probability, 0 to 1. Choose one in range."
            )
    return tuple((field, probability) for field, probability in probabilities.items() if probability)


def _check(where: str, keyword: str, probability: float) -> None:
    if not 0 <= probability < 1:
        raise ConfigError(
            f"{where}: {keyword} is {probability}, expected a probability, 0 to 1, but not 1, which would leave nothing. "
            "Choose one in range."
        )


def _call(function: str, settings: dict[str, Any]) -> str:
    return f"{function}({', '.join(f'{k}={v!r}' for k, v in settings.items() if v not in (False, ''))})"
