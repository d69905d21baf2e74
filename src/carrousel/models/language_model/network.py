"""A language model: embedding, recurrent layers of any cell, a softmax over the symbols or one of its stand-ins."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, NamedTuple, Self, cast

import torch
from jaxtyping import Float, Int, Integer
from torch import Tensor, nn

from carrousel.cell import Cell
from carrousel.cells import find
from carrousel.errors import DataError
from carrousel.heads.softmax import AdaptiveSoftmax, Softmax
from carrousel.init import forget_bias_for
from carrousel.layers import Recurrent
from carrousel.layers.draw import Draw
from carrousel.layers.noise import dropped
from carrousel.models.continued import Named, NamedRows
from carrousel.models.encoder import StepDropout, draw_for
from carrousel.models.language_model.generation import Choice, continue_text, continue_text_by_beam
from carrousel.models.language_model.output import Output
from carrousel.models.language_model.regularisation import Regularisation, drop_words
from carrousel.models.language_model.scoring import nats_of
from carrousel.models.language_model.vocabularies import (
    Vocabulary,
    line_end_of,
    symbols_of,
    unit_of,
    vocabulary_of,
)
from carrousel.models.network import Network
from carrousel.models.transfer import Reading

NAMES = {"char": "characters", "word": "words", "byte": "bytes", "subword": "subwords"}
"""Unit of a vocabulary -> what its symbols are called."""


class Features(NamedTuple):
    """What the recurrent layers made of a window."""

    dropped: Tensor  # (T, B, O), with dropout on the outputs: what the head reads
    raw: Tensor  # (T, B, O), without
    state: Any  # after the last step


class LanguageModelNetwork(Network):
    """P(next symbol | all symbols before it), for a vocabulary of characters, words, bytes or subwords.

    Args:
        vocabulary: what text is made of; the symbol it calls unknown stands for everything else.
        cell: a Cell, or the name or alias of one in the catalogue.
        embedding_size: features of a symbol as the recurrent layers read it.
        dropout: probability with which features are zeroed while training, new at each step: embeddings, outputs between layers,
            and outputs of the last layer.
        forget_bias: start value of the forget-gate biases of cells that have a parameter b_f; None keeps the cell's own start.
        output: which softmax, and with what.
        regularisation: dropout of other kinds, and terms that training adds to the loss.
        resets_at_lines: the state is zero wherever a line end is read, so that each line is a text of its own.
        residual: add the input of a layer to its output, from the second layer on.
        counts: how often each symbol occurs in the training data, for the outputs that need it.
        sizes: further sizes of the cell, such as `proj_size=64` for lstm_projected.

    Raises:
        ConfigError: settings of the output or of the cell that do not fit.

    >>> from carrousel.data import CharVocabulary
    >>> model = LanguageModelNetwork(CharVocabulary.of("to be or not to be"), cell="gru", hidden_size=8)
    >>> logits, state = model(torch.zeros(5, 2, dtype=torch.long))
    >>> tuple(logits.shape)
    (5, 2, 8)
    """

    kind = "language-model"
    output: Softmax | AdaptiveSoftmax

    def __init__(
        self,
        vocabulary: Vocabulary,
        cell: str | Cell = "lstm",
        embedding_size: int = 64,
        hidden_size: int = 256,
        num_layers: int = 1,
        dropout: float = 0.0,
        forget_bias: float | None = None,
        output: Output | None = None,
        regularisation: Regularisation | None = None,
        resets_at_lines: bool = False,
        counts: Integer[Tensor, " C"] | None = None,
        residual: bool = False,
        **sizes: int,
    ) -> None:
        super().__init__()
        self.vocabulary, self.sizes = vocabulary, sizes
        self.cell = find(cell) if isinstance(cell, str) else cell
        self.output_settings, self.regularisation = output or Output(), regularisation or Regularisation()
        self.line_end = line_end_of(vocabulary) if resets_at_lines else None
        self.embedding = nn.Embedding(len(vocabulary), embedding_size)
        self.recurrent = Recurrent(
            self.cell,
            embedding_size,
            hidden_size,
            num_layers,
            dropout=dropout,
            init=forget_bias_for(self.cell, forget_bias),
            masks=self.regularisation.masks(),
            residual=residual,
            **cast(dict[str, Any], sizes),
        )
        self.read_dropout, self.written_dropout = StepDropout(dropout, "read"), StepDropout(dropout, "written")
        if self.output_settings.tied:
            nn.init.uniform_(
                self.embedding.weight, -0.1, 0.1
            )  # rows of size 1, as an embedding's are, would make logits too large
        self.output = self.output_settings.build(self.recurrent.output_size, self.embedding, counts)

    def forward(
        self, ids: Int[Tensor, "T B"], state: Any = None, reset: Tensor | None = None
    ) -> tuple[Float[Tensor, "T B C"], Any]:
        """Logits of the symbol after each one, and the state after the last.

        Args:
            ids: the symbols read, as the vocabulary numbers them.
            state: what an earlier call returned; zeros when left out.
            reset: (T, B), True where a new text begins.
        """
        features = self.features(ids, state, reset)
        return self.output(features.dropped), features.state

    def features(
        self, ids: Int[Tensor, "T B"], state: Any = None, reset: Tensor | None = None, draw: Draw | None = None
    ) -> Features:
        """What the head reads, and the state after the last step; as `forward`.

        Args:
            draw: the random numbers of dropout, which is on while training; when left out, torch's own.
        """
        if self.line_end is not None:
            is_line = ids == self.line_end
            reset = is_line if reset is None else reset | is_line
        chosen, training = self.regularisation, self.training
        draw = draw_for(range(ids.shape[1])) if draw is None and training else draw
        x = drop_words(self.embedding, ids, chosen.word_dropout if training else 0.0, draw)
        x = self.read_dropout(x, draw)
        x = dropped(x, chosen.input_dropout if training else 0.0, draw, "locked.read", is_per_sequence=True)
        y, state = self.recurrent(x, state, reset=reset, draw=draw)
        written = self.written_dropout(y, draw)
        output_dropout = chosen.output_dropout if training else 0.0
        return Features(dropped(written, output_dropout, draw, "locked.written", is_per_sequence=True), y, state)

    def loss(
        self, x: Int[Tensor, "T B"], y: Int[Tensor, "T B"], state: Any = None, draw: Draw | None = None
    ) -> tuple[Float[Tensor, ""], Any]:
        """What training makes small, a mean over the window's symbols, and the state after it.

        Args:
            x: the symbols read.
            y: those to be predicted, one step later.
            draw: as `features`.
        """
        features = self.features(x, state, draw=draw)
        loss = self.output.loss(features.dropped.flatten(0, 1), y.flatten())
        return loss + self.regularisation.penalty(features.dropped, features.raw), features.state

    def nats(self, ids: Integer[Any, " T"], num_streams: int = 64, lead_in: int = 256) -> float:
        """Sum of -ln P over every symbol but the first; `bits_per_character` says how it is read.

        Args:
            ids: a sequence as the vocabulary numbers it, in memory or mapped.
        """
        return nats_of(self, ids, num_streams, lead_in)

    def bits_per_character(self, text: str, num_streams: int = 64, lead_in: int = 256) -> float:
        """-log2 P of `text` after its first symbol, by the number of characters after that.

        With one stream the text is read in order from its first symbol to its last, the state carried all the way. More streams
        share it out and are read side by side, which is much faster: each first reads the `lead_in` symbols before its stretch to
        build up a state, without being scored for them. Every symbol but the first is scored once. A text shorter than `lead_in` a
        stream is read in fewer streams.

        Raises:
            DataError: the text has fewer than two symbols.
        """
        ids = self.vocabulary.encode(text)
        if len(ids) < 2:
            raise DataError(
                f"bits_per_character: text has {len(text)} characters, expected at least 2. Give a longer one."
            )
        num_characters = len(text) - len(self.vocabulary.decode(ids[:1]))
        return self.nats(ids, num_streams, lead_in) / max(num_characters, 1) / math.log(2)

    def sample(
        self,
        prompt: str = "",
        length: int = 200,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
    ) -> str:
        r"""What the model writes after a prompt, without the prompt.

        Args:
            prompt: text to go on from; when empty, a line end is read first.
            length: symbols to write.
            temperature: 1 draws from the model's own probabilities, less makes likely symbols likelier, 0 takes the likeliest.
            generator: where the draws come from; torch's own when left out.
            top_k: draw among that many likeliest symbols.
            top_p: draw among the likeliest symbols that together reach this probability (the nucleus).

        Raises:
            ConfigError: `length` or `temperature` is below 0, `top_k` below 1, or `top_p` outside 0 to 1.
        """
        return continue_text(self, prompt, length, Choice(temperature, top_k, top_p), generator)

    def beam(self, prompt: str = "", length: int = 20, beam: int = 4, stop: str = "\n") -> str:
        """The likeliest continuation that a beam search finds, up to where `stop` would be written.

        Args:
            prompt: as `sample`.
            length: most symbols to write.
            beam: continuations kept side by side.
            stop: the symbol that ends a continuation.

        Raises:
            ConfigError: a number below 1, or `stop` is not one known symbol.
        """
        return continue_text_by_beam(self, prompt, length, beam, stop)

    def reading(self) -> Reading:
        """As `Network.reading`."""
        return Reading([self.recurrent], self.embedding, symbols_of(self.vocabulary))

    def named_rows(self) -> NamedRows:
        """As `Network.named_rows`: of the embedding and the output; how often symbols occur belongs to the data."""
        symbols, what = symbols_of(self.vocabulary), NAMES[unit_of(self.vocabulary)]
        found: dict[str, Named | None] = {
            f"output.{name}": None for name, _ in self.output.named_buffers()
        }  # ranks by count, and chances of being drawn
        found["embedding.weight"] = Named(what, symbols)
        if isinstance(self.output, AdaptiveSoftmax):
            for name, (places, others) in self.output.rows_of_classes().items():
                in_output = Named(f"{what} in the same cluster", [symbols[k] for k in places], last=others)
                found[f"output.{name}"] = in_output
        else:
            own = ("bias",) if self.output_settings.tied else ("weight", "bias")
            found |= {f"output.{name}": Named(what, symbols) for name in own}
        return found

    def config(self) -> dict[str, Any]:
        """What `from_pretrained` needs to build the model anew, as JSON can hold it."""
        return {
            "cell": self.cell.name,
            "embedding_size": self.embedding.embedding_dim,
            "hidden_size": self.recurrent.hidden_size,
            "num_layers": self.recurrent.num_layers,
            "residual": self.recurrent.residual,
            "dropout": self.read_dropout.probability,
            "sizes": self.sizes,
            "output": dataclasses.asdict(self.output_settings),
            "regularisation": dataclasses.asdict(self.regularisation),
            "resets_at_lines": self.line_end is not None,
            "vocabulary": dict(self.vocabulary.to_dict()),
        }

    @classmethod
    def of_config(cls, config: Mapping[str, Any], cell: Cell | None = None) -> Self:
        """A fresh network as `config` described it."""
        given = {name: config[name] for name in ("embedding_size", "hidden_size", "num_layers", "dropout")}
        return cls(
            vocabulary_of(config["vocabulary"]),
            cell or config["cell"],
            **given,
            output=Output.from_dict(config.get("output", {})),
            regularisation=Regularisation(**config.get("regularisation", {})),
            resets_at_lines=config.get("resets_at_lines", False),
            residual=config.get("residual", False),
            **config["sizes"],
        )
