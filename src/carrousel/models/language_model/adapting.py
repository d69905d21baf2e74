"""Figures of a language model that adapts to the text it is measured on, with options as the command line gives them."""

from collections.abc import Mapping
from typing import Any

from carrousel.errors import ConfigError
from carrousel.models.language_model.dynamic import DynamicEvaluation, NeuralCache, Squares, mean_squares
from carrousel.models.language_model.figures import count_of, measure_of
from carrousel.models.language_model.network import LanguageModelNetwork
from carrousel.models.language_model.texts import ids_of
from carrousel.models.options import NUMBER, TEXT, WHOLE, check_options

WAYS: Mapping[str, Mapping[str, str]] = {
    "dynamic": {"learning_rate": NUMBER, "decay": NUMBER, "segment": WHOLE, "epsilon": NUMBER, "squares": TEXT},
    "cache": {"window": WHOLE, "theta": NUMBER, "part": NUMBER},
}
"""Way of adapting -> its options: fields of `DynamicEvaluation` (and a text to take squares from) or of `NeuralCache`."""
RATE = 0.1  # of dynamic evaluation without squares


def figures_adapting(
    network: LanguageModelNetwork,
    data: Any,
    how: DynamicEvaluation | NeuralCache,
    squares: Squares | None = None,
    where: str = "evaluate",
    skip_bad: bool = False,
) -> dict[str, float]:
    """The figure of `evaluate`, of a text read in one stream while the model adapts; afterwards it is what it was.

    Args:
        data: the path of a text file, or a list of lines.
        how: by gradient descent or by memory.
        squares: for dynamic evaluation with them.
        skip_bad: leave out malformed bytes of a file; a `SkippedWarning` counts and names them.

    Raises:
        ConfigError: weights that are no longer finite.
        DataError: the file cannot be used.
    """
    ids, measure = ids_of(network.vocabulary, data, where, skip_bad), measure_of(network.vocabulary)
    nats = how.nats(network, ids, squares) if isinstance(how, DynamicEvaluation) else how.nats(network, ids)
    return {measure.figure: measure.of(nats, count_of(network.vocabulary, ids))}


def figures_by_options(
    network: LanguageModelNetwork,
    data: Any,
    options: Mapping[str, Any],
    where: str = "evaluate",
    skip_bad: bool = False,
) -> dict[str, float]:
    """The same, with the way named by the option `adapt` and its numbers by further ones.

    Args:
        options: adapt=dynamic, with learning_rate, decay, segment, epsilon and squares (a training text to measure gradients on);
            or adapt=cache, with window, theta and part.

    Raises:
        ConfigError: an unknown way or option, or a number out of range.
        DataError: a file cannot be used.
    """
    given = dict(options)
    way = given.pop("adapt", None)
    if way not in WAYS:
        what = f"adapt is {way}" if "adapt" in options else f"{next(iter(given))!r} is given without adapt"
        raise ConfigError(
            f"{where}: {what}, expected dynamic or cache. Choose one: adapt=dynamic learns from the text while it reads, "
            "adapt=cache remembers it."
        )
    check_options(given, WAYS[way], f"{where}: adapt={way}")
    if way == "cache":
        return figures_adapting(network, data, NeuralCache(**given), None, where, skip_bad)
    text = given.pop("squares", None)
    start: dict[str, Any] = {} if text else {"learning_rate": RATE}
    how = DynamicEvaluation(**start | given)
    squares = mean_squares(network, ids_of(network.vocabulary, text, where), how.segment) if text else None
    return figures_adapting(network, data, how, squares, where, skip_bad)
