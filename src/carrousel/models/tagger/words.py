"""How a tagger reads words: by a vector of their own, and by their letters."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int32
from torch import Tensor, nn

from carrousel.data.kept import Kept, Writer, kept
from carrousel.data.ragged import Ragged
from carrousel.data.tokens import UNKNOWN, Tokens
from carrousel.data.vectors import Vectors
from carrousel.data.vocabulary import CharVocabulary
from carrousel.models.tagger.characters import LETTERS
from carrousel.train.to_device import to_device


@dataclass(frozen=True, eq=False)
class Batch:
    """Some sentences side by side.

    Attributes:
        words: (T, B) numbers of words.
        forms: (T, B) which of the different words of the batch it is.
        letters: (longest word, forms), of each different word.
        num_letters: (forms,) letters in each.
        lengths: (B,) words in each sentence.
        tags: (T, B) numbers of the right tags; zeros where they are not known.
        rows: (B,) the number of each sentence in the whole data.
    """

    words: Tensor
    forms: Tensor
    letters: Tensor
    num_letters: Tensor
    lengths: Tensor
    tags: Tensor
    rows: Tensor

    def to(self, device: torch.device) -> "Batch":
        """The same on a device."""
        return Batch(*(to_device(getattr(self, name), device) for name in self.__dataclass_fields__))


@dataclass(frozen=True, eq=False)
class Encoded:
    """Sentences as numbers.

    Attributes:
        tokens: of each word its number, its form's and its tag's.
        forms: the letters of every different word.
    """

    tokens: Ragged
    forms: Ragged

    @property
    def lengths(self) -> np.ndarray:
        """Words in each sentence."""
        return self.tokens.lengths

    def batch(self, rows: np.ndarray) -> Batch:
        """These sentences as tensors, with each different word once."""
        values, lengths = self.tokens.padded(rows)
        different, forms = np.unique(values[:, :, 1], return_inverse=True)
        letters, num_letters = self.forms.padded(different)
        arrays = (
            values[:, :, 0],
            forms.reshape(values.shape[:2]),
            letters,
            num_letters,
            lengths,
            values[:, :, 2],
            rows,
        )
        return Batch(*(torch.from_numpy(array.astype(np.int64)) for array in arrays))


class WordInput(nn.Module):
    """A word as features: a learned vector, and what its letters give.

    A word outside the vocabulary is read by its lower-case form if that is known, else as unknown; its letters tell it apart.

    Args:
        words: of the training sentences, with `<unk>` among them, as `normal_form` writes them.
        letters: that occur in them.
        size: features of a vector.
        others: words outside the training sentences whose vectors were made elsewhere; these are not changed by training.
        characters: what reads the letters: none, lstm or cnn.
        letter_size: features of a letter.
        spelling_size: features that the letters give.
        lowercase: look words up in lower case.
        zero_digits: read every digit as 0, among the letters, too.
    """

    others: Tensor

    def __init__(
        self,
        words: Tokens,
        letters: CharVocabulary,
        size: int,
        others: Sequence[str] = (),
        *,
        characters: str = "lstm",
        letter_size: int = 25,
        spelling_size: int = 50,
        lowercase: bool = False,
        zero_digits: bool = False,
    ) -> None:
        super().__init__()
        self.words, self.letters, self.other_words = words, letters, tuple(others)
        self.lowercase, self.zero_digits = lowercase, zero_digits
        self.options = {"characters": characters, "letter_size": letter_size, "spelling_size": spelling_size}
        self.embedding = nn.Embedding(len(words), size)
        self.register_buffer("others", torch.zeros(len(self.other_words), size))
        self.spelling = None if characters == "none" else LETTERS[characters](len(letters), letter_size, spelling_size)
        self.size = size + (0 if self.spelling is None else self.spelling.output_size)
        self._numbers = {word: k for k, word in enumerate((*words.strings, *self.other_words))}

    @torch.no_grad()
    def take_vectors(self, vectors: Vectors) -> int:
        """Start from these vectors; how many of the words of the training sentences have one."""
        found = 0
        for k, word in enumerate(self.words.strings):
            if word != UNKNOWN and (vector := vectors.get(word)) is not None:
                self.embedding.weight[k] = torch.from_numpy(vector)
                found += 1
        for k, word in enumerate(self.other_words):
            self.others[k] = torch.from_numpy(vectors.values[vectors.rows[word]])
        return found

    def encode(self, sentences: Iterable[Sequence[str]], tags: Iterable[np.ndarray] | None = None) -> Encoded:
        """Sentences as numbers, in memory.

        Args:
            tags: numbers of the tags of each sentence; zeros when left out.
        """
        forms: dict[str, int] = {}
        tokens = Ragged.of(self._tables(sentences, tags, forms), np.int32)
        return Encoded(tokens, Ragged.of(self.letters.encode(word) for word in forms))

    def keep(
        self,
        sentences: Iterable[Sequence[str]],
        tags: Iterable[np.ndarray],
        folder: Path | None,
        of: Any,
        where: str,
        size: int,
    ) -> tuple[Encoded, Kept]:
        """Sentences as numbers, and where these are kept (`data/kept.py`).

        Args:
            tags: numbers of the tags of each sentence.
            folder: to keep them in, if the user named one.
            of: what the sentences and their tags are, by which the folder is known; what JSON can hold.
            size: bytes of the file that they are from.

        Raises:
            DataError: the folder cannot be written.
        """

        def make(writer: Writer) -> dict[str, Any]:
            forms: dict[str, int] = {}
            with writer.array("tokens", np.int32, (3,)) as tokens:
                for table in self._tables(sentences, tags, forms):
                    tokens.append(table)
            with writer.array("forms", self.letters.dtype) as letters:
                for word in forms:
                    letters.append(self.letters.encode(word))
            return {}

        numbered = ("words", "letters", "others", "lowercase", "zero_digits")
        about = {"of": of, **{name: self.config()[name] for name in numbered}}
        found = kept(folder, [], about, make, where, size=size)
        return Encoded(found["tokens"], found["forms"]), found

    def _tables(
        self, sentences: Iterable[Sequence[str]], tags: Iterable[np.ndarray] | None, forms: dict[str, int]
    ) -> Iterator[Int32[np.ndarray, "T 3"]]:
        """Of each word of each sentence its number, its form's and its tag's; `forms` is filled with the different words."""
        for sentence, numbers in zip(sentences, repeat(0) if tags is None else tags, strict=tags is not None):
            normal = [normal_form(word, False, self.zero_digits) for word in sentence]
            table = np.zeros((len(sentence), 3), np.int32)
            table[:, 0] = [self.number(word) for word in normal]
            table[:, 1] = [forms.setdefault(word, len(forms)) for word in normal]
            table[:, 2] = numbers
            yield table

    def number(self, word: str) -> int:
        """The number of a word, digits as `zero_digits` wants them."""
        lower = word.lower()
        unknown = self._numbers[UNKNOWN]
        return (
            self._numbers.get(lower, unknown)
            if self.lowercase
            else self._numbers.get(word, self._numbers.get(lower, unknown))
        )

    def forward(self, batch: Batch, is_hidden: Bool[Tensor, "T B"] | None = None) -> Float[Tensor, "T B D"]:
        """The features of each word.

        Args:
            batch: sentences side by side.
            is_hidden: words to be read as unknown, but for their letters.
        """
        words = batch.words if is_hidden is None else batch.words.masked_fill(is_hidden, self._numbers[UNKNOWN])
        x = self._vectors(words)
        if self.spelling is None:
            return x
        of_forms = self.spelling(batch.letters, batch.num_letters)
        return torch.cat([x, of_forms[batch.forms]], dim=-1)

    def config(self) -> dict[str, Any]:
        """What `of_config` needs."""
        return {
            "words": self.words.to_dict(),
            "letters": self.letters.to_dict(),
            "size": self.embedding.embedding_dim,
            "others": list(self.other_words),
            "lowercase": self.lowercase,
            "zero_digits": self.zero_digits,
            **self.options,
        }

    @classmethod
    def of_config(cls, config: Mapping[str, Any]) -> Self:
        """The input that `config` described, with fresh weights."""
        given = dict(config)
        words, letters = Tokens.from_dict(given.pop("words")), CharVocabulary.from_dict(given.pop("letters"))
        return cls(words, letters, **given)

    def _vectors(self, words: Int[Tensor, "T B"]) -> Float[Tensor, "T B D"]:
        if not self.other_words:
            return self.embedding(words)
        num_known = len(self.words)
        is_other = (words >= num_known)[:, :, None]
        return torch.where(
            is_other, self.others[(words - num_known).clamp(min=0)], self.embedding(words.clamp(max=num_known - 1))
        )


def normal_form(word: str, lowercase: bool, zero_digits: bool) -> str:
    """A word as it is looked up.

    >>> normal_form("Route66", lowercase=True, zero_digits=True)
    'route00'
    """
    word = word.lower() if lowercase else word
    return re.sub(r"\d", "0", word) if zero_digits else word


def vocabulary_of(
    sentences: Iterable[Sequence[str]], min_count: int, lowercase: bool, zero_digits: bool
) -> tuple[Tokens, CharVocabulary, frozenset[str]]:
    """The words and letters of training sentences, and the words that occur once; different words are in memory, no sentence is."""
    counts = Counter(normal_form(word, False, zero_digits) for sentence in sentences for word in sentence)
    letters = CharVocabulary.of("".join(counts))
    if lowercase:
        lower = Counter[str]()
        for word, count in counts.items():
            lower[word.lower()] += count
        counts = lower
    once = frozenset(word for word, count in counts.items() if count == 1)
    return Tokens.of_counts(counts, min_count), letters, once
