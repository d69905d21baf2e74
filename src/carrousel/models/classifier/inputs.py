"""How a network reads its sequences: text as embedded words or characters, series as standardised channels."""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Self, cast

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor, nn

from carrousel.data.ragged import Ragged
from carrousel.data.tokens import UNKNOWN, Tokens
from carrousel.data.vectors import Vectors, read_vectors
from carrousel.errors import ConfigError
from carrousel.layers.draw import Draw
from carrousel.models.classifier.rows import VALUES_AT_ONCE
from carrousel.models.classifier.settings import TextDataSettings, TextModelSettings
from carrousel.models.continued import Named, NamedRows

DROPPED, EDGE = "<dropped>", "<edge>"
SPECIALS = (UNKNOWN, DROPPED, EDGE)
_WORDS = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


def split(text: str | Sequence[str], unit: str, lowercase: bool) -> list[str]:
    """The words or characters of a text.

    A word is a run of letters, digits and apostrophes inside; every other character that is no space is a word, too.

    Args:
        text: or its words, where it is split already.
        unit: word or char.
        lowercase: turn everything into lower case.

    >>> split("It's good, isn't it?", "word", lowercase=True)
    ["it's", 'good', ',', "isn't", 'it', '?']
    """
    if not isinstance(text, str):
        return [part.lower() for part in text] if lowercase else list(text)
    text = text.lower() if lowercase else text
    return list(text) if unit == "char" else _WORDS.findall(text)


class TextInput(nn.Module):
    """Embedded words or characters.

    Args:
        tokens: the words or characters, with `SPECIALS` among them.
        unit: word or char.
        lowercase: read everything in lower case.
        size: features of a word.
        dropword: probability with which a word is read as `<dropped>` while training.
        noise: standard deviation of the noise added while training, as a multiple of that of the embeddings.

    Source: dropword and noise: Kågebäck and Salomonsson, "Word Sense Disambiguation using a Bidirectional LSTM", 2016,
    arXiv:1606.03568.
    """

    def __init__(
        self, tokens: Tokens, unit: str, lowercase: bool, size: int, dropword: float = 0.0, noise: float = 0.0
    ) -> None:
        super().__init__()
        self.tokens, self.unit, self.lowercase, self.size = tokens, unit, lowercase, size
        self.dropword, self.noise = dropword, noise
        self.embedding = nn.Embedding(len(tokens), size)
        self._dropped = tokens.id(DROPPED)

    def split(self, text: str | Sequence[str]) -> list[str]:
        """The words of a text."""
        return split(text, self.unit, self.lowercase)

    def words(self, ids: Int[Tensor, " T"]) -> list[str]:
        """What was read at each step."""
        return self.tokens.decode(cast(list[int], ids.tolist()))

    def named_rows(self) -> NamedRows:
        """As `Network.named_rows` of the network that reads with it, by the name `read`."""
        return {"read.embedding.weight": Named("words" if self.unit == "word" else "characters", self.tokens.strings)}

    def numbering(self) -> dict[str, Any]:
        """All that the numbers of a text's words depend on; what JSON can hold."""
        return {"tokens": self.tokens.to_dict(), "unit": self.unit, "lowercase": self.lowercase}

    def forward(self, ids: Int[Tensor, "T B"], draw: Draw) -> Float[Tensor, "T B D"]:
        """The embedded words; while training some are dropped, and noise is added.

        Args:
            ids: numbers of words.
            draw: the random numbers.
        """
        steps, batch = ids.shape
        weight = self.embedding.weight
        if self.training and self.dropword:
            ids = ids.masked_fill(
                draw.per_step("words", steps, batch, 1, weight)[..., 0] < self.dropword, self._dropped
            )
        x = self.embedding(ids)
        if self.training and self.noise:
            x = x + self.noise * weight.detach().std() * normal(draw, "noise", x)
        return x

    def config(self) -> dict[str, Any]:
        """What `of_config` needs."""
        return {
            "reads": "text",
            "unit": self.unit,
            "lowercase": self.lowercase,
            "size": self.size,
            "dropword": self.dropword,
            "noise": self.noise,
            "tokens": self.tokens.to_dict(),
        }


class SeriesInput(nn.Module):
    """Channels with mean 0 and standard deviation 1 over the training data.

    Args:
        means, deviations: of the channels in the training data; a channel that never changes keeps deviation 1.
        noise: standard deviation of the noise added while training.
        missing: what a missing value (NaN) is read as: "mean", the channel's mean; with "refuse" there must be none.
    """

    def __init__(
        self, means: Sequence[float], deviations: Sequence[float], noise: float = 0.0, missing: str = "refuse"
    ) -> None:
        super().__init__()
        self.means, self.deviations, self.noise, self.missing = list(means), list(deviations), noise, missing
        self.size = len(self.means)
        self.register_buffer("mean", torch.tensor(self.means), persistent=False)
        self.register_buffer("deviation", torch.tensor(self.deviations), persistent=False)

    @classmethod
    def of(cls, series: Iterable[Float[np.ndarray, "..."]], noise: float = 0.0, missing: str = "refuse") -> Self:
        """With the statistics of these series (T, D), of which a few are in memory at a time; they are asked for twice."""
        counts, sums = np.int64(0), np.float64(0.0)
        for values, is_there in _pieces(series):
            counts, sums = counts + is_there.sum(0), sums + np.where(is_there, values, 0.0).sum(0)
        counts = np.maximum(counts, 1)
        means, squares = sums / counts, np.float64(0.0)
        for values, is_there in _pieces(series):
            squares = squares + np.where(is_there, (values - means) ** 2, 0.0).sum(0)
        deviations = np.sqrt(squares / counts)
        return cls(means.tolist(), np.where(deviations > 0, deviations, 1.0).tolist(), noise, missing)

    def words(self, values: Float[Tensor, "T D"]) -> list[str]:
        """The number of each step."""
        return [str(t) for t in range(len(values))]

    def standardised(self, series: Ragged) -> Ragged:
        """The same as `forward` does, for NumPy."""
        values = (series.values - np.array(self.means)) / np.array(self.deviations)
        return Ragged(np.nan_to_num(values, nan=0.0), series.offsets)

    def forward(self, x: Float[Tensor, "T B D"], draw: Draw) -> Float[Tensor, "T B D"]:
        """The standardised channels, with noise while training."""
        mean, deviation = self.get_buffer("mean"), self.get_buffer("deviation")
        x = torch.nan_to_num((x.to(mean.dtype) - mean) / deviation, nan=0.0)
        return x + self.noise * normal(draw, "noise", x) if self.training and self.noise else x

    def config(self) -> dict[str, Any]:
        """What `of_config` needs."""
        return {
            "reads": "series",
            "means": self.means,
            "deviations": self.deviations,
            "noise": self.noise,
            "missing": self.missing,
        }


def _pieces(
    series: Iterable[Float[np.ndarray, "..."]],
) -> Iterator[tuple[Float64[np.ndarray, "..."], Bool[np.ndarray, "..."]]]:
    """The values of the series, one after the other, about `VALUES_AT_ONCE` of them at a time, and which of them are there."""
    some, num_values = list[Float[np.ndarray, "..."]](), 0
    for one in chain(series, [None]):
        if some and (one is None or num_values >= VALUES_AT_ONCE):
            values = np.concatenate(some).astype(np.float64)
            yield values, ~np.isnan(values)
            some, num_values = [], 0
        if one is not None:
            some.append(one)
            num_values += one.size


def input_of_config(config: Mapping[str, Any]) -> TextInput | SeriesInput:
    """The input that `config` described.

    Raises:
        KeyError, TypeError, ValueError: the description is damaged.
    """
    given = dict(config)
    if given.pop("reads") == "series":
        return SeriesInput(**given)
    return TextInput(Tokens.from_dict(given.pop("tokens")), **given)


def text_input(
    data: TextDataSettings, model: TextModelSettings, texts: Iterable[Sequence[str]], unit: str, where: str
) -> TextInput:
    """Embeddings of the words of these texts, started at random or with vectors from a file.

    Args:
        texts: those of the training part, split.
        unit: word or char.

    Raises:
        ConfigError: the file's vectors are of another size than the embeddings.
        DataError: the file cannot be used.
    """
    words = (word for text in texts for word in text)
    most = None if data.max_words is None else data.max_words + len(SPECIALS)
    tokens = Tokens.of(words, data.min_count, most, SPECIALS)
    made = TextInput(tokens, unit, data.lowercase, model.embedding_size, model.dropword, model.input_noise)
    if data.vectors is not None:
        vectors = read_vectors(data.vectors, is_wanted=_wanted(tokens), skip_bad=data.skip_bad, where=where)
        _take(vectors, made, f"{where}: {data.vectors}")
    return made


def _wanted(tokens: Tokens) -> Callable[[str], bool]:
    """Whether a word of a file is one of the tokens, or the lower-case form of one."""
    known = {form for word in tokens.strings for form in (word, word.lower())}
    return lambda word: word in known


def _take(vectors: Vectors, read: TextInput, where: str) -> None:
    size = vectors.values.shape[1]
    if size != read.size:
        raise ConfigError(
            f"{where} has vectors of {size} features, expected {read.size} as model.embedding_size says. "
            f"Set model.embedding_size={size}"
        )
    with torch.no_grad():
        for k, word in enumerate(read.tokens.strings):
            if (found := vectors.get(word)) is not None:
                read.embedding.weight[k] = torch.from_numpy(found)


def normal(draw: Draw, label: str, like: Float[Tensor, "T B D"]) -> Float[Tensor, "T B D"]:
    """Numbers from the standard normal distribution, new for every row, step and feature."""
    steps, batch, size = like.shape
    between = 2 * draw.per_step(label, steps, batch, size, like) - 1
    return math.sqrt(2) * torch.erfinv(between.clamp(min=2.0**-23 - 1))  # 0, which can be drawn, would give infinity
