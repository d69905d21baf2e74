"""The settings of sequence to sequence."""

import math
from collections.abc import Iterator
from typing import Literal, Self

from pydantic import Field, model_validator

from carrousel.models.seq2seq.units import SourceUnit, TargetUnit
from carrousel.train.settings import RecurrentSettings, Section, Settings
from carrousel.train.train_settings import TrainSettings

Attention = Literal["none", "additive", "dot", "general", "concat", "pointer", "ctc"]
Bridge = Literal["none", "copy", "linear"]
Schedule = Literal["always", "linear", "exponential", "inverse-sigmoid"]


class Seq2SeqDataSettings(Section):
    """What is read."""

    train: str = ""
    """path of the pairs to learn from: one a line, source, tab, target"""
    valid: str | None = None
    """path of held-out pairs; null holds out a tenth of the sources of train, drawn by train.seed"""
    source_units: SourceUnit = "characters"
    """what a source is made of: characters, or words or phonemes with spaces between"""
    target_units: TargetUnit = "characters"
    """what a target is made of: as sources, or positions in the source, counted from 1 (for pointer networks)"""
    min_count: int = Field(default=1, ge=1)
    """how often a unit must occur in the training pairs to be known"""
    skip_bad: bool = False
    """count malformed lines and go on; false stops at the first and names it"""
    store: str | None = None
    """path of a folder to keep the data in as numbers; null keeps it in memory, or from 256 MB of files on in temporary ones"""


class Seq2SeqModelSettings(RecurrentSettings):
    """What is trained: an encoder that reads the source, and a decoder that writes the target."""

    embedding_size: int = Field(default=64, ge=1)
    """features of a unit, on both sides"""
    bidirectional: bool = True
    """read the source in both directions"""
    residual: bool = False
    """add the input of a layer to its output, from the second layer on"""
    reverse_source: bool = False
    """read the source from its end, as Sutskever et al. did; for encoders of one direction"""
    attention: Attention = "general"
    """none (Sutskever), additive (Bahdanau), dot, general, concat (Luong), pointer (Vinyals), or ctc (Graves), without a decoder"""
    local_reach: int | None = Field(default=None, ge=1)
    """steps to each side of a predicted position that dot, general or concat attend to (Luong's local-p); null for all"""
    repeats: int = Field(default=1, ge=1)
    """steps in which each source unit is read with ctc, so that targets can be longer than sources"""
    input_feeding: bool = False
    """the decoder also reads what it attended to a step before (Luong); slower, as targets are learned step by step"""
    bridge: Bridge = "linear"
    """the decoder's first state from the encoder's last: none (zeros), copy (mean of both directions) or linear (learned)"""
    tied_embeddings: bool = False
    """the output layer uses the embeddings of the target units"""

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if faults := list(self._faults()):
            raise ValueError("; ".join(faults))
        return self

    def _faults(self) -> Iterator[str]:
        if self.input_feeding and self.attention not in ("dot", "general", "concat"):
            yield f"input_feeding is true with attention {self.attention}, expected dot, general or concat"
        if self.local_reach is not None and self.attention not in ("dot", "general", "concat"):
            yield f"local_reach is {self.local_reach} with attention {self.attention}, expected null, or dot, general or concat"
        if self.repeats > 1 and self.attention != "ctc":
            yield f"repeats is {self.repeats} with attention {self.attention}, expected 1, or attention ctc"
        if self.attention == "none" and self.bridge == "none":
            yield "bridge is none with attention none, expected copy or linear: nothing else tells the decoder of the source"
        if self.tied_embeddings and self.attention in ("pointer", "ctc"):
            yield f"tied_embeddings is true with attention {self.attention}, which embeds no target units, expected false"
        if self.attention == "dot" and self.bidirectional:
            yield "bidirectional is true with attention dot, expected attention general, as both halves have twice the units"


class SamplingSettings(Section):
    """Scheduled sampling: how often the decoder reads the right unit while learning, and how often what it wrote itself."""

    schedule: Schedule = "always"
    """always the right unit (teacher forcing), or a share of it that falls: linear, exponential or inverse-sigmoid"""
    k: float = Field(default=1.0, gt=0, lt=math.inf)
    """at batch i the share is k - c·i (linear), k^i (exponential, k < 1) or k/(k + e^(i/k)) (inverse-sigmoid, k ≥ 1)"""
    c: float = Field(default=0.0, ge=0, lt=math.inf)
    """slope of the linear schedule"""
    least: float = Field(default=0.0, ge=0, le=1)
    """share that no schedule goes below"""

    @model_validator(mode="after")
    def _k_fits(self) -> Self:
        if self.schedule == "exponential" and self.k >= 1:
            raise ValueError(f"k is {self.k:g} with schedule exponential, expected less than 1, such as .9999")
        if self.schedule == "inverse-sigmoid" and self.k < 1:
            raise ValueError(f"k is {self.k:g} with schedule inverse-sigmoid, expected at least 1, such as 1000")
        return self

    def share(self, batch: int) -> float:
        """How often the right unit is read in a batch, numbered from 0 through all epochs.

        Source: Bengio, Vinyals, Jaitly and Shazeer, "Scheduled Sampling for Sequence Prediction with Recurrent Neural
        Networks", NIPS 2015, 1506.03099, section 2.4.

        >>> SamplingSettings(schedule="linear", k=1.0, c=0.001, least=0.2).share(500)
        0.5
        """
        match self.schedule:
            case "always":
                return 1.0
            case "linear":
                share = self.k - self.c * batch
            case "exponential":
                share = self.k**batch
            case "inverse-sigmoid":
                share = 1 / (1 + math.exp(min(batch / self.k - math.log(self.k), 700.0)))
        return min(1.0, max(self.least, share))


class DecodingSettings(Section):
    """How targets are written once the model has learned."""

    beam: int = Field(default=1, ge=1)
    """hypotheses kept at a time; 1 always takes the likeliest unit"""
    length_penalty: float = Field(default=0.6, ge=0, lt=math.inf)
    """exponent of GNMT's length normalisation; 0 ranks by probability, which favours short targets"""
    max_length: int | None = Field(default=None, ge=1)
    """units at most, the end among them; null for one and a half times the longest target learned from"""


class Seq2SeqTrainSettings(TrainSettings):
    """How it is trained."""

    epochs: float | None = Field(default=20.0, gt=0)
    """passes over the training data; null where updates says how long"""
    batch_size: int = Field(default=64, ge=1)
    """pairs read side by side, all processes together"""
    learning_rate: float = Field(default=3e-3, gt=0, lt=1e30, allow_inf_nan=False)
    """at its peak"""
    warmup_updates: int = Field(default=50, ge=0)
    """updates over which the learning rate rises to its peak"""


class Seq2SeqSettings(Settings):
    """All settings of sequence to sequence.

    >>> Seq2SeqSettings.of({}, ["model.attention=dot", "model.bidirectional=false"]).model.attention
    'dot'
    """

    kind = "seq2seq"

    data: Seq2SeqDataSettings = Seq2SeqDataSettings()
    model: Seq2SeqModelSettings = Seq2SeqModelSettings()
    train: Seq2SeqTrainSettings = Seq2SeqTrainSettings()
    sampling: SamplingSettings = SamplingSettings()
    decoding: DecodingSettings = DecodingSettings()

    @model_validator(mode="after")
    def _pointers_write_positions(self) -> Self:
        attention, units = self.model.attention, self.data.target_units
        if attention == "ctc" and self.sampling.schedule != "always":
            raise ValueError(
                f"sampling.schedule is {self.sampling.schedule} with model.attention ctc, which reads no target, expected always"
            )
        if (attention == "pointer") != (units == "positions"):
            raise ValueError(
                f"model.attention is {attention} with data.target_units {units}, expected pointer exactly with positions"
            )
        return self
