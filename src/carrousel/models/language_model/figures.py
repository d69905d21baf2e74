"""How good a language model is, in the unit of its symbols, and what models without a network reach on the same text."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Integer

from carrousel.data.ngram import symbol_baselines, xz_bits
from carrousel.models.language_model.texts import Text
from carrousel.models.language_model.vocabularies import Vocabulary, unit_of
from carrousel.train.kind import Figures

ABOUT = {0: "every symbol equally likely", 1: "how often a symbol occurs", 2: "one symbol of context (Witten-Bell)",
                3: "two symbols of context (Witten-Bell)", 5: "four symbols of context (Witten-Bell)"}  # fmt: skip
MOST_COUNTED = 10_000_000
"""Symbols that n-grams are counted in, the training text's last, and that they are measured on: each takes about 100 bytes."""

DECODED = 1 << 18
"""Subwords decoded together."""


@dataclass(frozen=True)
class Measure:
    """What a unit is measured in.

    Attributes:
        plural: of the symbols.
        figure: name; bits per character or byte, or perplexity, e to the mean cost of a word in nats.
        orders: of the n-gram models to compare with.
    """

    plural: str
    figure: str
    orders: tuple[int, ...]

    def of(self, nats: float, count: int) -> float:
        """The figure of a text that costs that much, of `count` characters, bytes or words."""
        mean = nats / max(count, 1)
        return math.exp(min(mean, 700.0)) if self.figure == "perplexity" else mean / math.log(2)


MEASURES = {
    "char": Measure("characters", "bits_per_character", (0, 1, 3, 5)),
    "byte": Measure("bytes", "bits_per_byte", (0, 1, 3, 5)),
    "word": Measure("words", "perplexity", (0, 1, 2, 3)),
    "subword": Measure("subwords", "bits_per_character", (0, 1, 2, 3)),
}


def measure_of(vocabulary: Vocabulary) -> Measure:
    """How a model with this vocabulary is measured.

    With words, <eos> is one at each line end, and a word that is not known is predicted as <unk>, at the cost of that one symbol:
    the perplexities of two models can be compared where they know the same words.
    """
    return MEASURES[unit_of(vocabulary)]


def count_of(vocabulary: Vocabulary, ids: Integer[np.ndarray, " T"]) -> int:
    """What the cost of a text is divided by: its symbols after the first, or with subwords the characters in these.

    Many subwords are decoded some at a time, where a character that two of them share is counted twice.
    """
    if unit_of(vocabulary) != "subword":
        return len(ids) - 1
    return sum(len(vocabulary.decode(ids[begin : begin + DECODED])) for begin in range(1, len(ids), DECODED))


def baselines_of(text: Text) -> Mapping[str, tuple[Figures, str]]:
    """What n-gram models with the same vocabulary, and for characters and bytes `xz -9`, reach on the held-out part."""
    measure, vocabulary, valid = measure_of(text.vocabulary), text.vocabulary, np.asarray(text.valid[:MOST_COUNTED])
    count = count_of(vocabulary, valid)
    bits = symbol_baselines(np.asarray(text.train[-MOST_COUNTED:]), valid, len(vocabulary), measure.orders)
    found = {
        name: (
            {measure.figure: measure.of(mean * math.log(2) * (len(valid) - 1), count)},
            ABOUT[order].replace("symbol", measure.plural.removesuffix("s")) + _parts(text),
        )
        for (name, mean), order in zip(bits.items(), measure.orders, strict=True)
    }
    if unit_of(vocabulary) in ("char", "byte"):
        content = valid.tobytes() if unit_of(vocabulary) == "byte" else vocabulary.decode(valid).encode()
        found["xz"] = (
            {measure.figure: xz_bits(content) / len(valid)},
            "xz -9 of the held-out text alone" + _parts(text),
        )
    return found


def _parts(text: Text) -> str:
    """What was left out, where a text is too long for n-grams."""
    long = [name for name, part in (("training", text.train), ("held-out", text.valid)) if len(part) > MOST_COUNTED]
    return f", {MOST_COUNTED:,} symbols of the {' and the '.join(long)} text" if long else ""
