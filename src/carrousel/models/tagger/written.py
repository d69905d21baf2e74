"""Tags as `carrousel predict` writes them: a word a line, its tags in columns."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from carrousel.errors import ConfigError
from carrousel.models.options import SWITCH, TEXT, WHOLE, check_options
from carrousel.models.tagger.sentences import check_option

if TYPE_CHECKING:
    from carrousel.models.tagger.network import TaggerNetwork

OPTIONS = {"input": TEXT, "n_best": WHOLE, "marginals": SWITCH}
LEAST = 0.001
"""Probability from which on a tag is written beside a word."""


def check_predict_options(network: "TaggerNetwork", options: Mapping[str, Any], where: str) -> None:
    """Refuse options that `predict` does not know, or cannot follow.

    Raises:
        ConfigError: one of them.
    """
    check_options(options, OPTIONS, where)
    check_option(where, "input", options.get("input", "columns"), ("columns", "text"))
    if options.get("n_best", 1) < 1:
        raise ConfigError(
            f"{where}: n_best is {options['n_best']}, expected at least 1. Leave it out for the best alone."
        )
    if options.get("n_best", 1) > 1 and network.crf is None:
        raise ConfigError(
            f"{where}: n_best is {options['n_best']}, expected 1: the head softmax does not rank sequences of tags. Leave it "
            "out, or train with model.head=crf."
        )


def tagged_lines(
    network: "TaggerNetwork", sentences: Sequence[Sequence[str]], n_best: int = 1, marginals: bool = False
) -> Iterator[str]:
    """A word and its tag a line, tabs between them, and an empty line after each sentence.

    Args:
        n_best: how many sequences of tags, a column each; above 1 a line before each sentence, that begins with #, has their
            probabilities.
        marginals: a last column with the probability of each tag of the word, over all sequences, the likeliest first.
    """
    shares = network.marginals(sentences) if marginals else [None] * len(sentences)
    for words, found, share in zip(sentences, network.n_best(sentences, n_best), shares, strict=True):
        if n_best > 1:
            yield "# " + "\t".join(f"{probability:.4g}" for _, probability in found)
        for t, word in enumerate(words):
            columns = [word, *(tags[t] for tags, _ in found)]
            if share is not None:
                likely = sorted(zip(share[t].tolist(), network.labels.strings, strict=True), reverse=True)
                columns.append(" ".join(f"{tag}={p:.3f}" for p, tag in likely if p >= LEAST))
            yield "\t".join(columns)
        yield ""
