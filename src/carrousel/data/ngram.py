"""What a character model has to beat: n-gram models with Witten-Bell interpolation, and `xz -9`.

With n(h) the occurrences of the context h in the training text, d(h) the distinct symbols seen after it, n(h c) those
of h followed by c, h' the context without its oldest symbol, and V symbols in all:

    P(c | h) = (n(h c) + d(h) P(c | h')) / (n(h) + d(h))        P(c | h') for a context never seen
    P(c)     = (n(c) + d / V) / (n + d)                         the shortest context, interpolated with 1 / V

Source: Witten and Bell, "The zero-frequency problem", IEEE Transactions on Information Theory 37(4), 1991 (method C),
in the interpolated form of Chen and Goodman, "An empirical study of smoothing techniques for language modeling",
Harvard TR-10-98, 1998.
"""

import lzma
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64, Integer

from carrousel.data.vocabulary import CharVocabulary
from carrousel.errors import ConfigError

UNSEEN = -1


def baselines(train: str, valid: str) -> dict[str, float]:
    """Bits per character that models without a network need for `valid`, by name.

    `uniform` gives every symbol the same chance; `unigram`, `trigram` and `5-gram` are interpolated models of order 1,
    3 and 5 (`NGram`), learned from `train`; `xz` is `valid` compressed by itself (`xz_bits_per_character`). The symbols
    are the characters of `train` and one for all others, which is all a model pays for when it meets one of those.

    Raises:
        ConfigError: `valid` is empty.
    """
    vocabulary = CharVocabulary.of(train)
    found = symbol_baselines(vocabulary.encode(train), vocabulary.encode(valid), len(vocabulary), (0, 1, 3, 5))
    return found | {"xz": xz_bits_per_character(valid)}


NAMES = {0: "uniform", 1: "unigram", 2: "bigram", 3: "trigram"}


def symbol_baselines(
    train: Integer[np.ndarray, " num_train"],
    valid: Integer[np.ndarray, " num_valid"],
    num_symbols: int,
    orders: Sequence[int],
) -> dict[str, float]:
    """Bits per symbol that n-gram models learned from `train` need for `valid`, by name, such as "trigram" or "5-gram".

    Args:
        num_symbols: V; both parts have the symbols 0 .. V - 1, which may be characters, bytes or words.
        orders: of the models; 0 is the uniform one.

    Raises:
        ConfigError: `valid` is empty.

    >>> symbol_baselines(np.array([0, 1, 0, 1]), np.array([0, 1]), num_symbols=2, orders=(0, 1))
    {'uniform': 1.0, 'unigram': 1.0}
    """
    model = NGram.fit(train, max(*orders, 1), num_symbols)
    return {
        NAMES.get(order, f"{order}-gram"): model.up_to(order).bits_per_symbol(valid)
        if order
        else float(np.log2(num_symbols))
        for order in orders
    }


def xz_bits_per_character(text: str) -> float:
    """Bits per character of `text` as UTF-8 in the .xz format at preset 9 (what `xz -9` writes), container included.

    The text is compressed alone: nothing is learned from other text first.
    """
    return xz_bits(text.encode("utf-8", "surrogatepass")) / len(text)


def xz_bits(content: bytes) -> int:
    """Bits of `content` in the .xz format at preset 9, container included."""
    return 8 * len(lzma.compress(content, preset=9))


@dataclass(frozen=True, eq=False)
class Counts:
    """The n-grams of one length in a training text, a context being named by its place among the next shorter n-grams.

    Each array but `grams` has one entry more, 0, at its end: what the place UNSEEN = -1 picks.

    Attributes:
        grams: context * V + symbol, for each n-gram that occurs, ascending.
        occurrences: n(h c) of each n-gram.
        context_occurrences: n(h) of each context.
        context_kinds: d(h) of each context.
    """

    grams: Int64[np.ndarray, " num_grams"]
    occurrences: Int64[np.ndarray, " num_places"]
    context_occurrences: Int64[np.ndarray, " num_context_places"]
    context_kinds: Int64[np.ndarray, " num_context_places"]

    def find(self, grams: Int64[np.ndarray, "*shape"]) -> Int64[np.ndarray, "*shape"]:
        """The place of each n-gram in this table, or UNSEEN."""
        if not len(self.grams):
            return np.full_like(grams, UNSEEN)
        places = np.minimum(np.searchsorted(self.grams, grams), len(self.grams) - 1)
        return np.where(self.grams[places] == grams, places, UNSEEN)

    def interpolate(
        self,
        contexts: Int64[np.ndarray, "*shape"],
        places: Int64[np.ndarray, "*shape"],
        p_shorter: Float64[np.ndarray, "*shape"],
    ) -> Float64[np.ndarray, "*shape"]:
        """P(c | h) of the n-grams at these places, from P(c | h')."""
        kinds = self.context_kinds[contexts]
        total = self.context_occurrences[contexts] + kinds
        return np.where(total > 0, (self.occurrences[places] + kinds * p_shorter) / np.maximum(total, 1), p_shorter)


@dataclass(frozen=True, eq=False)
class NGram:
    """A model of the next symbol given up to n - 1 symbols before it, for n-grams up to the order of the model.

    >>> model = NGram.fit(np.array([0, 1, 0, 1, 0, 2]), order=2, num_symbols=3)
    >>> print(model.distribution(np.array([0])).round(3))
    [0.178 0.533 0.289]
    """

    num_symbols: int
    tables: tuple[Counts, ...]  # for n = 1 .. order

    @classmethod
    def fit(cls, ids: Integer[np.ndarray, " num_ids"], order: int, num_symbols: int) -> "NGram":
        """The model of a training sequence of the symbols 0 .. `num_symbols` - 1.

        Raises:
            ConfigError: `order` is below 1.
        """
        if order < 1:
            raise ConfigError(f"NGram.fit: order is {order}, expected at least 1. Use 1 for a unigram model.")
        tables: list[Counts] = []
        contexts, num_contexts = np.zeros(len(ids), np.int64), 1
        for n in range(1, order + 1):
            grams = contexts * num_symbols + ids[n - 1 :].astype(np.int64)
            table, places = _count(grams, num_contexts, num_symbols)
            tables.append(table)
            contexts, num_contexts = places[:-1], len(table.grams)
        return cls(num_symbols, tuple(tables))

    def up_to(self, order: int) -> "NGram":
        """The model of a lower order that was learned along with this one."""
        return NGram(self.num_symbols, self.tables[:order])

    def probabilities(self, ids: Integer[np.ndarray, "*batch T"]) -> Float64[np.ndarray, "*batch T"]:
        """P of each symbol given those before it in its row; the first ones have only the context that is there."""
        p = np.full(ids.shape, 1 / self.num_symbols)
        contexts = np.zeros(ids.shape, np.int64)
        for table in self.tables:
            places = table.find(contexts * self.num_symbols + ids)
            p = table.interpolate(contexts, places, p)
            contexts = np.roll(places, 1, axis=-1)
            contexts[..., :1] = UNSEEN
        return p

    def distribution(self, context: Integer[np.ndarray, " T"]) -> Float64[np.ndarray, " C"]:
        """P of every symbol after this context, of which the model reads the last order - 1 symbols."""
        recent = context[max(0, len(context) - len(self.tables) + 1) :]
        rows = [np.append(recent, symbol) for symbol in range(self.num_symbols)]
        return self.probabilities(np.stack(rows).astype(np.int64))[:, -1]

    def bits_per_symbol(self, ids: Integer[np.ndarray, " T"]) -> float:
        """Mean of -log2 P over a sequence.

        Raises:
            ConfigError: the sequence is empty.
        """
        if not len(ids):
            raise ConfigError("NGram: ids has 0 symbols, expected at least 1. Give a held-out text that is not empty.")
        return float(-np.log2(self.probabilities(ids)).mean())


def _count(
    grams: Int64[np.ndarray, " T"], num_contexts: int, num_symbols: int
) -> tuple[Counts, Int64[np.ndarray, " T"]]:
    """The table of these n-grams, and the place in it of each."""
    kinds, places, occurrences = np.unique(grams, return_inverse=True, return_counts=True)
    contexts = kinds // num_symbols
    context_occurrences = np.bincount(grams // num_symbols, minlength=num_contexts + 1)
    context_kinds = np.bincount(contexts, minlength=num_contexts + 1)
    return Counts(kinds, np.append(occurrences, 0), context_occurrences, context_kinds), places
