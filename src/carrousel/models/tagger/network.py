"""A tagger: words and their letters, recurrent layers of any cell in one direction or two, a CRF or a softmax over the tags."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn

from carrousel.cell import Cell
from carrousel.data.batches import Bucketed
from carrousel.data.lazy import in_chunks
from carrousel.data.tokens import Tokens
from carrousel.errors import ConfigError
from carrousel.heads.crf import CRF
from carrousel.heads.legal_tags import legal_tags
from carrousel.heads.steps import valid_steps
from carrousel.layers import Recurrent
from carrousel.layers.draw import Draw
from carrousel.models.continued import NamedRows, difference, take_over
from carrousel.models.encoder import Encoder
from carrousel.models.network import Network, read_config
from carrousel.models.spans import convert
from carrousel.models.tagger.continued import check_tags, rows_of
from carrousel.models.tagger.sentences import AT_ONCE
from carrousel.models.tagger.words import Batch, Encoded, WordInput
from carrousel.models.transfer import Reading

BATCH_SIZE = 128  # of a prediction
SIZES = ("hidden_size", "num_layers", "bidirectional", "residual", "dropout", "forget_bias", "sizes")
"""Settings that go to the `Encoder` as they are."""


class TaggerNetwork(Network):
    """Scores of tags for each word of a sentence, and the sequence of tags that is likeliest.

        y_1 .. y_T = encoder(x_1 .. x_T)
        scores_t = V tanh(H y_t + h) + v           without the tanh layer V y_t + v
        pairs_t = W tanh(H y_t + h) + w            with the head crf-pairs

    Args:
        read: words as features.
        labels: the tags.
        head: crf, crf-pairs or softmax.
        scheme: bio, iob1 or iobes: a CRF gives tags that break it probability 0; None for tags that anything may follow.
        written: scheme in which predicted spans are written, where that is another one.
        tanh_size: units of the tanh layer; 0 for none.
        cell: a Cell, or the name or alias of one in the catalogue.
        columns: of the files: word and tag, None for what is usual.
        sizes: what the `Encoder` takes: hidden_size, num_layers, bidirectional, residual, dropout, forget_bias, sizes.

    Sources: Lample et al., NAACL 2016, arXiv:1603.01360 (letters by an LSTM, tanh layer); Ma and Hovy, ACL 2016, arXiv:1603.01354
    (letters by a CNN, pairs).
    """

    kind = "tagger"

    def __init__(
        self,
        read: WordInput,
        labels: Tokens,
        *,
        head: str = "crf",
        scheme: str | None = None,
        written: str | None = None,
        tanh_size: int = 0,
        cell: str | Cell = "lstm",
        columns: Mapping[str, int | str | None] | None = None,
        **sizes: Any,
    ) -> None:
        super().__init__()
        self.read, self.labels = read, labels
        self.sizes: dict[str, Any] = {"bidirectional": True, **sizes}
        self.head, self.scheme, self.written = head, scheme, written
        self.columns = dict(columns or {"word": None, "tag": None})
        self.encoder = Encoder(cell, read.size, **self.sizes)
        self.tanh_layer = nn.Linear(self.encoder.output_size, tanh_size) if tanh_size else None
        size, num_tags = tanh_size or self.encoder.output_size, len(labels)
        self.output = nn.Linear(size, num_tags)
        self.pairs = nn.Linear(size, num_tags**2) if head == "crf-pairs" else None
        legal = None if scheme is None else legal_tags(labels.strings, scheme)
        self.crf = None if head == "softmax" else CRF(num_tags, legal)

    def forward(
        self, batch: Batch, draw: Draw, is_hidden: Tensor | None = None
    ) -> tuple[Float[Tensor, "T B C"], Float[Tensor, "T B C C"] | None]:
        """Scores of the tags of each word, and of pairs of neighbours, [before, here], where the head has them.

        Args:
            batch: sentences side by side.
            draw: the random numbers of dropout, which is on while training.
            is_hidden: (T, B), words to be read as unknown, but for their letters.
        """
        y = self.encoder(self.read(batch, is_hidden), batch.lengths, draw)
        if self.tanh_layer is not None:
            y = torch.tanh(self.tanh_layer(y))
        num_tags = len(self.labels)
        return self.output(y), None if self.pairs is None else self.pairs(y).unflatten(2, (num_tags, num_tags))

    def loss(self, batch: Batch, draw: Draw, is_hidden: Tensor | None = None, per: str = "token") -> Float[Tensor, ""]:
        """Mean of -log p(right tags) in nats, over words or over sentences."""
        scores, pairs = self(batch, draw, is_hidden)
        if self.crf is not None:
            return self.crf.loss(scores, batch.tags, batch.lengths, pairs, per)
        is_word = valid_steps(len(scores), batch.lengths)
        nats = nn.functional.cross_entropy(scores[is_word], batch.tags[is_word], reduction="sum")
        return nats / (is_word.sum() if per == "token" else len(batch.rows))

    def predict(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        """The likeliest tags of each sentence, which may be empty."""
        return [tags for ((tags, _),) in self.n_best(sentences, 1)]

    def tagged(self, sentences: Iterable[Sequence[str]]) -> Iterator[list[str]]:
        """As `predict`, of sentences that need not be in memory together."""
        for some in in_chunks(sentences, AT_ONCE, len):
            yield from self.predict(some)

    @torch.no_grad()
    def n_best(self, sentences: Sequence[Sequence[str]], n: int) -> list[list[tuple[list[str], float]]]:
        """The n likeliest sequences of tags of each sentence with their probabilities, the best first.

        There are fewer where fewer are possible, and one where the head is a softmax, which does not rank sequences.
        """
        found: dict[int, list[tuple[list[str], float]]] = {}
        for batch, scores, pairs in self._scored(self.read.encode(sentences)):
            if self.crf is None:
                best, tags = scores.log_softmax(-1).max(-1)
                is_word = valid_steps(len(scores), batch.lengths)
                paths, logs = tags[None], best.masked_fill(~is_word, 0.0).sum(0)[None]
            else:
                paths, logs = self.crf.n_best(scores, n, batch.lengths, pairs)
                logs = logs - self.crf.log_partition(scores, batch.lengths, pairs)
            for b, row, length in _rows(batch):
                ranked = zip(paths[:, :length, b].cpu().numpy(), logs[:, b].exp().cpu().numpy(), strict=True)
                found[row] = [(self._written(path), float(share)) for path, share in ranked if path[0] >= 0]
        return [found.get(row, [([], 1.0)]) for row in range(len(sentences))]

    @torch.no_grad()
    def marginals(self, sentences: Sequence[Sequence[str]]) -> list[Float64[np.ndarray, "T C"]]:
        """Probability of each label for each word of each sentence, over all sequences of tags."""
        found: dict[int, Float64[np.ndarray, "T C"]] = {}
        for batch, scores, pairs in self._scored(self.read.encode(sentences)):
            each = scores.softmax(-1) if self.crf is None else self.crf.marginals(scores, batch.lengths, pairs)
            for b, row, length in _rows(batch):
                found[row] = each[:length, b].double().cpu().numpy()
        return [found.get(row, np.zeros((0, len(self.labels)))) for row in range(len(sentences))]

    def reading(self) -> Reading:
        """As `Network.reading`: vectors of words, and the recurrent layers."""
        layers = [cast(Recurrent, layer) for layer in self.encoder.layers]
        spelling = [f"spelling {k + 1}" for k in range(self.read.size - self.read.embedding.embedding_dim)]
        return Reading(layers, self.read.embedding, self.read.words.strings, spelling)

    def start_from(self, folder: Path, where: str, load: Callable[[Path, str], Network]) -> list[str]:
        """As `Network.start_from`; words, letters and tags may be others than there."""
        config = read_config(folder, where)
        if config["kind"] != self.kind:
            return super().start_from(folder, where, load)
        own = self.encoder.cell if config.get("cell") == self.encoder.cell.name else None
        source = type(self).from_pretrained(folder, own, where)
        check_tags(source, self, where)
        if found := difference(source, self):
            raise ConfigError(
                f"{where}: {found.format(source='the tagger to start from')}. Set the section model as it was there."
            )
        return take_over(source, self)

    def named_rows(self) -> NamedRows:
        """As `Network.named_rows`."""
        return rows_of(self)

    def config(self) -> dict[str, Any]:
        """As `Network.config`."""
        return {
            "cell": self.encoder.cell.name,
            "labels": self.labels.to_dict(),
            "head": self.head,
            "scheme": self.scheme,
            "written": self.written,
            "tanh_size": 0 if self.tanh_layer is None else self.tanh_layer.out_features,
            "columns": self.columns,
            **self.sizes,
            "read": self.read.config(),
        }

    @classmethod
    def of_config(cls, config: Mapping[str, Any], cell: Cell | None = None) -> Self:
        """As `Network.of_config`."""
        names = ("head", "scheme", "written", "tanh_size", "columns", *SIZES)
        known: dict[str, Any] = {"bidirectional": True, **config}  # older models do not say so
        given = {name: known[name] for name in names}
        read, labels = WordInput.of_config(config["read"]), Tokens.from_dict(config["labels"])
        return cls(read, labels, cell=cell or config["cell"], **given)

    def _written(self, path: Int64[np.ndarray, " T"]) -> list[str]:
        tags = self.labels.decode(path)
        return tags if self.written is None else convert(tags, self.written)

    def _scored(self, encoded: Encoded) -> Iterator[tuple[Batch, Tensor, Tensor | None]]:
        """Scores of all sentences that have words, like lengths together, in evaluation mode."""
        is_training, device = self.training, self.output.weight.device
        rows = np.flatnonzero(encoded.lengths)
        if not len(rows):
            return
        self.eval()
        batches = Bucketed(encoded.lengths[rows], BATCH_SIZE, None)
        for _ in range(len(batches)):
            batch = encoded.batch(rows[batches.next()]).to(device)
            yield batch, *cast(tuple[Tensor, Tensor | None], self(batch, Draw(0, batch.rows)))
        self.train(is_training)


def _rows(batch: Batch) -> Iterator[tuple[int, int, int]]:
    """Place in the batch, number and length of each sentence."""
    for b in range(len(batch.rows)):
        yield b, int(batch.rows[b]), int(batch.lengths[b])
