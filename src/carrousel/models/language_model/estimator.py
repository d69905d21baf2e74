"""A language model in three lines of Python."""

from typing import Any, cast

import torch

from carrousel.models.estimator import Estimator
from carrousel.models.language_model.adapting import RATE, figures_adapting
from carrousel.models.language_model.dynamic import DynamicEvaluation, NeuralCache, Squares
from carrousel.models.language_model.kind import KIND
from carrousel.models.language_model.network import LanguageModelNetwork


class LanguageModel(Estimator):
    """P(next symbol | all symbols before it), learned from a text; the settings are those of `carrousel train`.

    `fit` and `evaluate` take the path of a text file, or a list of lines.

    >>> LanguageModel(cell="gru", hidden_size=8).settings.model.cell
    'gru'
    """

    model_kind = KIND
    Network = LanguageModelNetwork

    @property
    def network(self) -> LanguageModelNetwork:
        """The torch module.

        Raises:
            ConfigError: nothing was learned yet.
        """
        return cast(LanguageModelNetwork, super().network)

    def sample(
        self,
        prompt: str = "",
        length: int = 200,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
    ) -> str:
        """What the model writes after a prompt; see `LanguageModelNetwork.sample`."""
        return self.network.sample(prompt, length, temperature, generator, top_k, top_p)

    def beam(self, prompt: str = "", length: int = 20, beam: int = 4, stop: str = "\n") -> str:
        """The likeliest continuation that a beam search finds; see `LanguageModelNetwork.beam`."""
        return self.network.beam(prompt, length, beam, stop)

    def evaluate_adapting(
        self, data: Any, how: DynamicEvaluation | NeuralCache | None = None, squares: Squares | None = None
    ) -> dict[str, float]:
        """Figures on a file or lines while the model adapts to what it has read; afterwards it is what it was.

        Args:
            how: by gradient descent (dynamic evaluation, the default) or by memory (a neural cache).
            squares: from `carrousel.models.language_model.dynamic.mean_squares`, for dynamic evaluation with them.
        """
        where = f"{self._where()}.evaluate_adapting"
        return figures_adapting(self.network, data, how or DynamicEvaluation(learning_rate=RATE), squares, where)
