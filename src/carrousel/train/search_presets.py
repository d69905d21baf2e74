"""Search spaces from the literature, by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from carrousel.train.search_settings import Dimension


@dataclass(frozen=True)
class Preset:
    """A published search.

    Attributes:
        about: what it is, and what of it differs here.
        space: settings of the file -> the values of each setting.
        settings: what stays fixed, where the file does not say otherwise.
        sampler: how it was searched.
    """

    about: str
    space: Callable[[Mapping[str, Any]], dict[str, Dimension]]
    settings: Mapping[str, Any]
    sampler: Literal["tpe", "random"]


def _melis(settings: Mapping[str, Any]) -> dict[str, Dimension]:
    model = settings["model"]
    hidden_size, num_layers = int(model["hidden_size"]), int(model["num_layers"])
    dropout = Dimension(low=0.0, high=0.9)
    space = {
        "train.learning_rate": Dimension(low=1e-3, high=1e-2, log=True),
        "model.embedding_size": Dimension(low=max(1, hidden_size // 8), high=max(2, hidden_size)),
        "regularisation.input_dropout": dropout,
        "regularisation.state_dropout": dropout,
        "regularisation.output_dropout": dropout,
        "train.weight_decay": Dimension(low=1e-7, high=1e-3, log=True),
    }
    return space | ({"regularisation.between_dropout": dropout} if num_layers > 1 else {})


def _greff(settings: Mapping[str, Any]) -> dict[str, Dimension]:
    return {
        "model.hidden_size": Dimension(low=20, high=200, log=True),
        "train.learning_rate": Dimension(low=1e-6, high=1e-2, log=True),
        "train.momentum": Dimension(low=1e-3, high=0.99, log=True, from_one=True),
        "model.input_noise": Dimension(low=0.0, high=1.0),
    }


PRESETS: Mapping[str, Preset] = {
    "melis-2017": Preset(
        about=(
            "Melis, Dyer and Blunsom, On the State of the Art of Evaluation in Neural Language Models, 2017 (arXiv:1707.05589): "
            "learning rate, size of the embedding, dropout of inputs, states, outputs and between layers, weight decay. The paper "
            "gives no ranges: these hold all its released settings. Its tuner was a Gaussian process, this one is tpe; the paper "
            "takes the hidden size from a budget of parameters, here the file says it."
        ),
        space=_melis,
        settings={
            "model.tied": True,
            "train.optimiser": "adam",
            "train.beta1": 0.0,
            "train.beta2": 0.999,
            "train.epsilon": 1e-8,
            "train.clip_norm": 10.0,
            "train.batch_size": 64,
            "train.tbptt": 35,
            "train.zero_state": 0.01,
            "train.schedule": "plateau",
            "train.decay": 0.1,
            "train.decay_patience": 26,
            "train.patience": 30,
        },
        sampler="tpe",
    ),
    "greff-2015": Preset(
        about=(
            "Greff et al., LSTM: A Search Space Odyssey, 2015 (arXiv:1503.04069): hidden size, learning rate, momentum and the "
            "noise added to the input, drawn at random; 200 trials for each variant there. Differs: momentum ends at .99 and "
            "begins at .001."
        ),
        space=_greff,
        settings={"train.optimiser": "sgd", "train.nesterov": True, "train.momentum": 0.9},
        sampler="random",
    ),
}
