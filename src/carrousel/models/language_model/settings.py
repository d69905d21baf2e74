"""The settings of a language model."""

import math
from collections.abc import Mapping
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from carrousel.models.language_model.output import HeadName
from carrousel.train.settings import RecurrentSettings, Section, Settings
from carrousel.train.train_settings import TrainSettings

Unit = Literal["char", "word", "byte", "subword"]


class DataSettings(Section):
    """What is read."""

    text: str = "shakespeare"
    """path of a UTF-8 text file, or name of a sample text"""
    valid: str | None = None
    """path of the held-out text; null holds out the last tenth, of a sample whole plays"""
    unit: Unit = "char"
    """what is predicted: char, word (what stands between white space, and line ends), byte (any file), or subword"""
    min_count: int = Field(default=1, ge=1)
    """with unit word: words that occur less often in the training text become <unk>"""
    max_size: int | None = Field(default=None, ge=3)
    """with unit word: most words to know, the most frequent, <unk> and <eos> included; null for all"""
    tokenizer: str | None = None
    """path of a tokenizer.json, with unit subword (needs the package tokenizers)"""
    resets_at_lines: bool = False
    """whether each line is a text of its own, read from a zero state"""
    skip_bad: bool = False
    """whether bytes that are no text are left out and counted, instead of ending it"""
    store: str | None = None
    """path of a folder to keep the data in as numbers; null keeps it in memory, or from 256 MB of files on in temporary ones"""

    @model_validator(mode="after")
    def _tokens_have_a_tokenizer(self) -> Self:
        if (self.unit == "subword") != (self.tokenizer is not None):
            given = "null" if self.tokenizer is None else self.tokenizer
            raise ValueError(
                f"tokenizer is {given} with unit {self.unit}, expected a file with unit subword, and null with others"
            )
        return self


class ModelSettings(RecurrentSettings):
    """What is trained."""

    absent: ClassVar[Mapping[str, str]] = {
        "bidirectional": "a language model gives each symbol a probability from those before it alone"
    }
    embedding_size: int = Field(default=128, ge=1)
    """features of a symbol as the first layer reads it"""
    hidden_size: int = Field(default=256, ge=1)
    """units in a layer"""
    residual: bool = False
    """add the input of a layer to its output, from the second layer on"""
    output: HeadName = "softmax"
    """softmax; for many words: adaptive, or in training only sampled or nce (noise-contrastive estimation)"""
    tied: bool = False
    """whether the embedding's rows are the output's weights, too; a matrix makes the outputs as long as they are"""
    cutoffs: tuple[int, ...] = ()
    """ranks by frequency at which the clusters of adaptive begin; empty for a tenth and half of the symbols, where these fit"""
    divisor: float = Field(default=4.0, ge=1, allow_inf_nan=False)
    """by which the features that each further cluster of adaptive reads shrink"""
    samples: int = Field(default=1_024, ge=1)
    """symbols drawn a batch, with sampled and nce"""


class RegularisationSettings(Section):
    """What is dropped while training, mostly with one mask for all steps of a window, and what is added to the loss."""

    word_dropout: float = Field(default=0.0, ge=0, lt=1)
    """probability with which a symbol's embedding is zero wherever it occurs in a batch"""
    input_dropout: float = Field(default=0.0, ge=0, lt=1)
    """probability with which a feature of the embeddings is zero"""
    between_dropout: float = Field(default=0.0, ge=0, lt=1)
    """probability with which an output that the next layer reads is zero"""
    state_dropout: float = Field(default=0.0, ge=0, lt=1)
    """probability with which a unit of the state is zero where matrices read it"""
    output_dropout: float = Field(default=0.0, ge=0, lt=1)
    """probability with which an output of the last layer is zero"""
    weight_drop: float = Field(default=0.0, ge=0, lt=1)
    """probability with which a weight of a recurrent matrix is zero"""
    recurrent_dropout: float = Field(default=0.0, ge=0, lt=1)
    """probability with which what is added to a cell state is zero, at each step anew"""
    zoneout: dict[str, float] = Field(default_factory=dict[str, float])
    """probability with which a unit keeps its value for a step, by field of the state, such as {c: 0.5, h: 0.05}"""
    ar: float = Field(default=0.0, ge=0)
    """factor of the mean square of the outputs, added to the loss"""
    tar: float = Field(default=0.0, ge=0)
    """factor of the mean square of their change from step to step, added to the loss"""


class LanguageTrainSettings(TrainSettings):
    """How it is trained."""

    updates: int | None = Field(default=6_400, ge=1)
    """optimiser steps in all; null where epochs says how long"""
    epochs: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """passes over the training data; null where updates says how long"""
    batch_size: int = Field(default=16, ge=1)
    """streams of text read side by side, all processes together"""
    tbptt: int = Field(default=32, ge=1)
    """steps between two updates, through which gradients flow back; the state is carried on"""
    random_tbptt: bool = False
    """whether that number varies (half of it once in twenty times, and a spread of 5), the learning rate with it"""
    learning_rate: float = Field(default=6e-3, gt=0, lt=1e30, allow_inf_nan=False)
    """at its peak"""
    warmup_updates: int = Field(default=200, ge=0)
    """updates over which the learning rate rises to its peak"""
    evaluate_every: int | None = Field(default=1_600, ge=1)
    """updates from one measurement on the held-out text to the next; null for once an epoch"""


class SampleSettings(Section):
    """What is written at the end to show what was learned."""

    prompt: str = "\n"
    """text to go on from"""
    length: int = Field(default=400, ge=0)
    """characters, words, bytes or subwords"""
    temperature: float = Field(default=0.7, ge=0, lt=math.inf)
    """1 draws from the model's own probabilities, less makes likely symbols likelier, 0 takes the likeliest"""
    top_k: int | None = Field(default=None, ge=1)
    """draw among that many likeliest symbols; null for all"""
    top_p: float | None = Field(default=None, gt=0, le=1)
    """draw among the likeliest symbols that together reach this probability; null for all"""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """of the draws"""


class LanguageModelSettings(Settings):
    """All settings of a language model.

    >>> LanguageModelSettings.of({}, ["train.updates=500", "model.cell=gru"]).train.updates
    500
    """

    kind = "language-model"

    data: DataSettings = DataSettings()
    model: ModelSettings = ModelSettings()
    regularisation: RegularisationSettings = RegularisationSettings()
    train: LanguageTrainSettings = LanguageTrainSettings()
    sample: SampleSettings = SampleSettings()
