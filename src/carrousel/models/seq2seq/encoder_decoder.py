"""Encoder, bridge and decoder with attention: learning from pairs, and writing targets by beam search."""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from carrousel.heads.attention import AdditiveScores, LocalWindow
from carrousel.heads.beam import beam_search
from carrousel.heads.steps import valid_steps
from carrousel.layers.draw import Draw
from carrousel.models.bridge import Bridge
from carrousel.models.encoder import draw_for, numbered
from carrousel.models.seq2seq.decoder import (
    BOUNDARY,
    Decoder,
    DecoderState,
    PointerDecoder,
    UnitDecoder,
    attention_scores,
)
from carrousel.models.seq2seq.encoder import Encoder, Memory
from carrousel.models.seq2seq.network import PairBatch, Search, Seq2SeqNetwork


class EncoderDecoder(Seq2SeqNetwork):
    """P(target | source), unit by unit; arguments as `Seq2SeqNetwork`."""

    def build(self) -> None:
        """As `Seq2SeqNetwork.build`."""
        model = self.model
        recurrent = self.layers(model.embedding_size, bidirectional=model.bidirectional)
        self.encoder = Encoder(len(self.source), recurrent, model.dropout, model.reverse_source)
        self.decoder = self._decoder(recurrent.output_size)
        self.bridge = None
        if model.bridge != "none":
            is_learned, remedy = model.bridge == "linear", "Set model.bridge=none, with attention."
            self.bridge = Bridge(recurrent, self.decoder.recurrent, is_learned, "seq2seq", remedy)

    def forward(self, batch: PairBatch, gold_share: float = 1.0, draw: Draw | None = None) -> Float[Tensor, ""]:
        """As `Seq2SeqNetwork.forward`."""
        logits, _ = self.scores(batch, gold_share, draw)
        is_valid = valid_steps(len(batch.written), batch.lengths)
        return nn.functional.cross_entropy(logits[is_valid], batch.written[is_valid])

    def scores(
        self, batch: PairBatch, gold_share: float = 1.0, draw: Draw | None = None
    ) -> tuple[Float[Tensor, "T B C"], Tensor | None]:
        """Scores of what is written at each step, and the weights of attention (T, B, source).

        Args:
            batch: pairs.
            gold_share: probability with which a step reads the right unit; if it does not, it reads one drawn from what the
                decoder gave a step before (scheduled sampling).
            draw: the random numbers of these draws and of dropout; when left out, torch's own.
        """
        memory, state = self.encode(batch.source, batch.source_lengths, draw)
        decoding = None if draw is None else numbered(draw, self.model.num_layers)  # past those of the encoder's layers
        if gold_share < 1:
            chosen = decoding or draw_for(range(batch.read.shape[1]))
            return self._sampled(batch, memory, state, gold_share, chosen)
        written = self.decoder(batch.read, memory, state, batch.lengths, decoding)
        return written.logits, written.weights

    def encode(
        self, source: Int[Tensor, "source B"], lengths: Int[Tensor, " B"], draw: Draw | None = None
    ) -> tuple[Memory, DecoderState]:
        """What the decoder attends to, and its state before the first step."""
        memory, last = self.encoder(source, lengths, draw)
        state = self.decoder.start(None if self.bridge is None else self.bridge(last), memory)
        return self.decoder.prepare(memory), state

    def write(
        self, source: Int[Tensor, "source B"], lengths: Int[Tensor, " B"], search: Search
    ) -> list[list[tuple[tuple[int, ...], float, float]]]:
        """As `Seq2SeqNetwork.write`."""
        hypotheses = beam_search(
            self._step,
            lambda state, chosen: (state[0].select(chosen), state[1].select(chosen)),
            self.encode(source, lengths),
            len(lengths),
            start=BOUNDARY,
            end=BOUNDARY,
            max_steps=cast(int, self.decoding.max_length),
            beam=search.beam,
            n_best=search.n_best,
            length_penalty=search.length_penalty,
            device=self.device,
        )
        return [[(one.tokens, one.log_prob, one.score) for one in several] for several in hypotheses]

    @torch.no_grad()
    def attention(
        self, sources: Sequence[Sequence[str]], targets: Sequence[Sequence[str]]
    ) -> list[Float[np.ndarray, "T source"]]:
        """Weights of attention over each source for each unit of its target, and for the end behind them.

        The network must have attention.
        """
        is_training, found = self.training, list[np.ndarray]()
        self.eval()
        for source, target in zip(sources, targets, strict=True):
            batch = self.batch([source], [target])
            weights = self.scores(batch)[1]
            found.append(cast(Tensor, weights)[:, 0].cpu().numpy())
        self.train(is_training)
        return found

    def _decoder(self, key_size: int) -> Decoder:
        model, embedding_size = self.model, self.model.embedding_size
        output_size = key_size // (2 if model.bidirectional else 1)
        if model.attention == "pointer":
            scores = AdditiveScores(output_size, key_size, output_size)
            return PointerDecoder(self.layers(embedding_size, bidirectional=False), scores, model.dropout)
        fed = key_size if model.attention == "additive" else 0
        if model.input_feeding:
            fed = embedding_size if model.tied_embeddings else output_size
        return UnitDecoder(
            len(self.target),
            self.layers(embedding_size + fed, bidirectional=False),
            attention_scores(model.attention, output_size, key_size),
            None if model.local_reach is None else LocalWindow(output_size, model.local_reach),
            is_bahdanau=model.attention == "additive",
            is_fed=model.input_feeding,
            embedding_size=embedding_size,
            is_tied=model.tied_embeddings,
            dropout=model.dropout,
        )

    def _sampled(
        self, batch: PairBatch, memory: Memory, state: DecoderState, gold_share: float, draw: Draw
    ) -> tuple[Float[Tensor, "T B C"], Tensor | None]:
        """As `scores`, step by step, so that a step can read what the one before gave."""
        steps: list[Tensor] = []
        weights: list[Tensor] = []
        num_steps, num_rows = batch.read.shape
        likes = memory.values.new_empty(0)
        coins, points = (draw.per_step(name, num_steps, num_rows, 1, likes)[..., 0] for name in ("coin", "point"))
        drawn = batch.read[0]
        for k, gold in enumerate(batch.read):
            is_gold = coins[k] < gold_share if steps else torch.ones_like(gold) > 0
            written = self.decoder(
                torch.where(is_gold, gold, drawn)[None], memory, state, None, replace(draw, first_step=k)
            )
            state = written.state
            reached = written.logits[0].detach().softmax(-1).cumsum(-1)
            drawn = (reached < points[k][:, None] * reached[:, -1:]).sum(-1)
            steps.append(written.logits)
            weights += [] if written.weights is None else [written.weights]
        return torch.cat(steps), torch.cat(weights) if weights else None

    def _step(
        self, units: Int[Tensor, " rows"], state: tuple[Memory, DecoderState]
    ) -> tuple[Float[Tensor, "rows C"], tuple[Memory, DecoderState]]:
        """One step of the search."""
        written = self.decoder(units[None], *state)
        return self.forbid_unknown(written.logits[0]).log_softmax(-1), (state[0], written.state)
