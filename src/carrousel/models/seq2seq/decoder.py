"""Decoders: from what was written so far, scores of what comes next.

Where nothing that attention found goes back into the recurrent layers (no attention, Luong's without input feeding, pointers), the
recurrent layers read a whole target in one call. With feedback they are called once a step.

A unit's number is 1 more than its place in the vocabulary, or its position in the source. 0 is the boundary: read, it begins a
target; written, it ends one.
"""

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from carrousel.heads.attention import AdditiveScores, DotScores, GeneralScores, LocalWindow, Scores, attend, average
from carrousel.layers.draw import Draw
from carrousel.models.encoder import StepDropout
from carrousel.models.seq2seq.encoder import Memory
from carrousel.models.seq2seq.residual import Layers

BOUNDARY = 0


class DecoderState(NamedTuple):
    """What a decoder knows between two steps."""

    recurrent: Any  # the cell's State
    fed: Float[Tensor, "1 B F"]  # what goes back: Luong's attentional vector, or the last output as Bahdanau's query

    def select(self, rows: Int[Tensor, " rows"]) -> "DecoderState":
        """The state of these rows, in this order."""
        parts = (field.index_select(1, rows) for field in self.recurrent)
        return DecoderState(type(self.recurrent)(*parts), self.fed.index_select(1, rows))


class Written(NamedTuple):
    """What a decoder gives for each step of a target."""

    logits: Float[Tensor, "T B C"]  # scores of the boundary and of each unit
    weights: Float[Tensor, "T B source"] | None  # of attention
    state: DecoderState


class Decoder(nn.Module, ABC):
    """Writes targets.

    Args:
        recurrent: layers of any cell in one direction, time first.

    Attributes:
        fed_size: features of `DecoderState.fed`.
    """

    fed_size = 0

    def __init__(self, recurrent: Layers) -> None:
        super().__init__()
        self.recurrent = recurrent

    def start(self, recurrent: Any, memory: Memory) -> DecoderState:
        """The state before the first step; None as the recurrent one stands for zeros."""
        batch = memory.values.shape[1]
        if recurrent is None:
            shapes = self.recurrent.cell.state_shapes(self.recurrent.layer_sizes[0]).values()
            layers = self.recurrent.num_layers
            recurrent = self.recurrent.cell.State(*(memory.values.new_zeros((layers, batch, *s)) for s in shapes))
        return DecoderState(recurrent, memory.values.new_zeros((1, batch, self.fed_size)))

    def prepare(self, memory: Memory) -> Memory:
        """The memory with what attention needs of it beforehand."""
        return memory

    @abstractmethod
    def forward(
        self,
        units: Int[Tensor, "T B"],
        memory: Memory,
        state: DecoderState,
        lengths: Int[Tensor, " B"] | None = None,
        draw: Draw | None = None,
    ) -> Written:
        """Scores of what comes after each unit.

        Args:
            units: the boundary, then what was written; all but the last step of a target.
            memory: as `prepare` gave it.
            state: before the first of these units.
            lengths: valid steps of each row; what comes after is computed or not, as is cheaper, and means nothing.
            draw: the random numbers of dropout, which is on while training; when left out, torch's own.
        """


class UnitDecoder(Decoder):
    """Writes units of a vocabulary, with or without attention.

        none       y_t = layers(e_t)                      r_t = y_t
        Luong      y_t = layers(e_t), c_t from y_t         r_t = tanh(W [c_t; y_t])      input feeding: layers([e_t; r_{t-1}])
        Bahdanau   c_t from y_{t-1}, y_t = layers([e_t; c_t])    r_t = tanh(W [c_t; y_t])

    and logits = U r_t + b. e_t is the embedded unit, c_t the context, y_0 = r_0 = 0.

    Differs: Bahdanau's deep output is a maxout layer over s_{t-1}, e_t and c_t, and the first query is made from the source.

    Args:
        num_units: of the target's vocabulary, without the boundary.
        recurrent: whose input size is `input_size(...)`.
        attention: None, or scores for queries of the layers' output size.
        window: what Luong's local-p attention leaves of the weights; None for all of them.
        is_bahdanau: attend before the layers, with the output of the step before.
        is_fed: input feeding.
        embedding_size: features of a unit.
        is_tied: use the embeddings as U; r_t has their size then.
        dropout: probability with which features of embeddings and of r_t are zeroed while training.
    """

    def __init__(
        self,
        num_units: int,
        recurrent: Layers,
        attention: Scores | None,
        window: LocalWindow | None = None,
        *,
        is_bahdanau: bool,
        is_fed: bool,
        embedding_size: int,
        is_tied: bool,
        dropout: float,
    ) -> None:
        super().__init__(recurrent)
        self.attention, self.window, self.is_bahdanau, self.is_fed = attention, window, is_bahdanau, is_fed
        self.embedding = nn.Embedding(num_units + 1, embedding_size)
        self.read_dropout, self.output_dropout = StepDropout(dropout, "units"), StepDropout(dropout, "output")
        size = recurrent.output_size
        readout_size = embedding_size if is_tied else size
        self.readout: nn.Module = nn.Identity()
        if attention is not None:
            self.readout = nn.Sequential(nn.Linear(attention.key_size + size, readout_size), nn.Tanh())
        elif is_tied:
            self.readout = nn.Linear(size, readout_size)
        self.output = nn.Linear(readout_size, num_units + 1) if not is_tied else None
        if is_tied:
            nn.init.normal_(self.embedding.weight, std=embedding_size**-0.5)
            self.bias = nn.Parameter(torch.zeros(num_units + 1))
        self.fed_size = size if is_bahdanau else readout_size if is_fed else 0

    def prepare(self, memory: Memory) -> Memory:
        """As `Decoder.prepare`."""
        return memory if self.attention is None else memory._replace(keys=self.attention.project(memory.values))

    def forward(
        self,
        units: Int[Tensor, "T B"],
        memory: Memory,
        state: DecoderState,
        lengths: Int[Tensor, " B"] | None = None,
        draw: Draw | None = None,
    ) -> Written:
        """As `Decoder.forward`."""
        x = self.read_dropout(self.embedding(units), draw)
        if not self.fed_size:
            y, after = self.recurrent(x, state.recurrent, lengths=lengths, draw=draw)
            readout, weights = self._read(y, memory)
            return Written(self._logits(readout, draw), weights, DecoderState(after, state.fed))
        steps: list[tuple[Tensor, Tensor]] = []
        for k, x_t in enumerate(x.split(1)):
            here = None if draw is None else replace(draw, first_step=draw.first_step + k)
            readout, weights, state = self._step(x_t, memory, state, here)
            steps.append((readout, weights))
        readouts, weights = (torch.cat(parts) for parts in zip(*steps, strict=True))
        return Written(self._logits(readouts, draw), weights, state)

    def _step(
        self, x_t: Float[Tensor, "1 B D"], memory: Memory, state: DecoderState, draw: Draw | None
    ) -> tuple[Tensor, Tensor, DecoderState]:
        """One step of a decoder with feedback: readout, weights, state."""
        assert self.attention is not None, "only what attention found is fed back"
        if not self.is_bahdanau:
            y_t, after = self.recurrent(torch.cat([x_t, state.fed], -1), state.recurrent, draw=draw)
            readout, weights = self._read(y_t, memory)
            return readout, weights, DecoderState(after, readout)
        weights = attend(self.attention(state.fed, memory.keys), memory.is_valid)
        context = average(weights, memory.values)
        y_t, after = self.recurrent(torch.cat([x_t, context], -1), state.recurrent, draw=draw)
        return self.readout(torch.cat([context, y_t], -1)), weights, DecoderState(after, y_t)

    def _read(self, y: Float[Tensor, "T B H"], memory: Memory) -> tuple[Tensor, Any]:
        """What the output layer reads, and the weights of attention, from the layers' outputs."""
        if self.attention is None:
            return self.readout(y), None
        weights = attend(self.attention(y, memory.keys), memory.is_valid)
        if self.window is not None:
            weights = self.window(weights, y, memory.is_valid)
        return self.readout(torch.cat([average(weights, memory.values), y], -1)), weights

    def _logits(self, readout: Float[Tensor, "T B R"], draw: Draw | None) -> Float[Tensor, "T B C"]:
        readout = self.output_dropout(readout, draw)
        if self.output is None:
            return nn.functional.linear(readout, self.embedding.weight, self.bias)
        return self.output(readout)


class PointerDecoder(Decoder):
    """Writes positions of the source: the scores of attention are the logits, and the unit pointed to is read next.

    The boundary has a learned key and a learned input of its own, so that targets may have any length.

    Source: Vinyals, Fortunato and Jaitly, "Pointer Networks", NIPS 2015, 1506.03134, section 2.3.

    Args:
        recurrent: whose input size is that of an embedded source unit.
        scores: for queries of the layers' output size.
        dropout: probability with which features of the layers' outputs are zeroed while training.
    """

    def __init__(self, recurrent: Layers, scores: AdditiveScores, dropout: float) -> None:
        super().__init__(recurrent)
        self.scores, self.dropout = scores, StepDropout(dropout, "output")
        self.begin = nn.Parameter(0.1 * torch.randn(recurrent.input_size))
        self.end = nn.Parameter(0.1 * torch.randn(scores.key_size))

    def prepare(self, memory: Memory) -> Memory:
        """As `Decoder.prepare`."""
        keys = _with_first(self.end, memory.values)
        return memory._replace(keys=self.scores.project(keys), inputs=_with_first(self.begin, memory.inputs))

    def forward(
        self,
        units: Int[Tensor, "T B"],
        memory: Memory,
        state: DecoderState,
        lengths: Int[Tensor, " B"] | None = None,
        draw: Draw | None = None,
    ) -> Written:
        """As `Decoder.forward`."""
        x = memory.inputs.gather(0, units[:, :, None].expand(-1, -1, memory.inputs.shape[-1]))
        y, after = self.recurrent(x, state.recurrent, lengths=lengths, draw=draw)
        may_end = torch.cat([torch.ones_like(memory.is_valid[:1]), memory.is_valid])
        logits = self.scores(self.dropout(y, draw), memory.keys).masked_fill(~may_end.t(), -torch.inf)
        return Written(logits, logits.softmax(-1)[:, :, 1:], DecoderState(after, state.fed))


def attention_scores(name: str, query_size: int, key_size: int) -> Scores | None:
    """The scores of a setting `attention`; none has none."""
    match name:
        case "none":
            return None
        case "dot":
            return DotScores(query_size, key_size)
        case "general":
            return GeneralScores(query_size, key_size)
        case _:
            return AdditiveScores(query_size, key_size, query_size)


def _with_first(first: Float[Tensor, " D"], rest: Float[Tensor, "source B D"]) -> Float[Tensor, "source+1 B D"]:
    return torch.cat([first.expand(1, rest.shape[1], -1), rest])
