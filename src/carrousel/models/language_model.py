"""A character language model: embedding, recurrent layers of any cell, softmax over the characters."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import safetensors
import safetensors.torch
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from carrousel.cell import Cell
from carrousel.cells import find
from carrousel.data import CharVocabulary
from carrousel.errors import ConfigError, DataError
from carrousel.files import write_atomically, write_json
from carrousel.init import forget_bias as with_forget_bias
from carrousel.layers import Recurrent

KIND = "language-model"


class LanguageModel(nn.Module):
    """P(next character | all characters before it), for a vocabulary of characters.

    Args:
        vocabulary: the characters; one class more stands for every other character.
        cell: a Cell, or the name or alias of one in the catalogue.
        embedding_size: features of a character as the recurrent layers read it.
        dropout: probability with which features are zeroed while training: embeddings, outputs between layers, and outputs
            of the last layer.
        forget_bias: start value of the forget-gate biases of cells that have a parameter b_f; None keeps the cell's own start.
        sizes: further sizes of the cell, such as `proj_size=64` for lstm_projected.

    >>> model = LanguageModel(CharVocabulary.of("to be or not to be"), cell="gru", hidden_size=8)
    >>> logits, state = model(torch.zeros(5, 2, dtype=torch.long))
    >>> tuple(logits.shape)
    (5, 2, 8)
    """

    def __init__(
        self,
        vocabulary: CharVocabulary,
        cell: str | Cell = "lstm",
        embedding_size: int = 64,
        hidden_size: int = 256,
        num_layers: int = 1,
        dropout: float = 0.0,
        forget_bias: float | None = None,
        **sizes: int,
    ) -> None:
        super().__init__()
        self.vocabulary, self.sizes = vocabulary, sizes
        self.cell = find(cell) if isinstance(cell, str) else cell
        has_forget_gate = "b_f" in self.cell.param_axes and not self.cell.init["b_f"].is_fixed
        self.embedding = nn.Embedding(len(vocabulary), embedding_size)
        self.recurrent = Recurrent(
            self.cell,
            embedding_size,
            hidden_size,
            num_layers,
            dropout=dropout,
            init=with_forget_bias(forget_bias) if has_forget_gate and forget_bias is not None else None,
            **cast(dict[str, Any], sizes),
        )
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(self.recurrent.output_size, len(vocabulary))

    def forward(
        self, ids: Int[Tensor, "T B"], state: Any = None, reset: Tensor | None = None
    ) -> tuple[Float[Tensor, "T B C"], Any]:
        """Logits of the character after each one, and the state after the last.

        Args:
            ids: the characters read, as the vocabulary numbers them.
            state: what an earlier call returned; zeros when left out.
            reset: (T, B), True where a new text begins.
        """
        y, state = self.recurrent(self.dropout(self.embedding(ids)), state, reset=reset)
        return self.output(self.dropout(y)), state

    @torch.no_grad()
    def bits_per_character(self, text: str, num_streams: int = 64, lead_in: int = 256) -> float:
        """Mean of -log2 P over every character of `text` but the first.

        With one stream the text is read in order from its first character to its last, the state carried all the way.
        More streams share it out and are read side by side, which is much faster: each first reads the `lead_in`
        characters before its stretch to build up a state, without being scored for them. Every character but the first is
        scored once. A text shorter than `lead_in` a stream is read in fewer streams.

        Raises:
            DataError: the text has fewer than two characters.
        """
        if len(text) < 2:
            raise DataError(
                f"bits_per_character: text has {len(text)} characters, expected at least 2. Give a longer one."
            )
        ids = torch.from_numpy(self.vocabulary.encode(text).astype(np.int64))
        num_scored = len(ids) - 1
        num_streams = max(1, min(num_streams, num_scored // max(lead_in, 1)))
        stretch = -(-num_scored // num_streams)
        is_training, state, nats = self.training, None, 0.0
        self.eval()
        first = -lead_in if num_streams > 1 else 0
        for begin in range(first, stretch, 256):
            steps = torch.arange(begin, min(begin + 256, stretch))
            places = steps[:, None] + stretch * torch.arange(num_streams)
            is_scored = (steps[:, None] >= 0) & (places < num_scored)
            starts = places == 0  # the first stream has nothing before it to read
            places = places.clamp(0, num_scored - 1)
            logits, state = self(ids[places], state, reset=starts if starts.any() else None)
            nats += nn.functional.cross_entropy(logits[is_scored], ids[places + 1][is_scored], reduction="sum").item()
        self.train(is_training)
        return nats / num_scored / math.log(2)

    @torch.no_grad()
    def sample(
        self, prompt: str = "", length: int = 200, temperature: float = 1.0, generator: torch.Generator | None = None
    ) -> str:
        r"""What the model writes after a prompt, without the prompt.

        Args:
            prompt: text to go on from; when empty, a line end is read first.
            length: characters to write.
            temperature: 1 draws from the model's own probabilities, less makes likely characters likelier, 0 always takes
                the likeliest.
            generator: where the draws come from; torch's own when left out.

        Raises:
            ConfigError: `length` or `temperature` is below 0.
        """
        for name, value in (("length", length), ("temperature", temperature)):
            if not 0 <= value < math.inf:
                raise ConfigError(f"sample: {name} is {value}, expected 0 or more. Choose a {name} in that range.")
        is_training = self.training
        self.eval()
        ids = torch.from_numpy(self.vocabulary.encode(prompt or "\n").astype(np.int64))[:, None]
        state, written = None, list[int]()
        for _ in range(length):
            logits, state = self(ids, state)
            ids = _draw(logits[-1, 0, : self.vocabulary.unknown], temperature, generator).reshape(1, 1)
            written.append(int(ids))
        self.train(is_training)
        return self.vocabulary.decode(np.array(written, dtype=np.int64))

    @property
    def num_parameters(self) -> int:
        """Trained numbers."""
        return sum(parameter.numel() for parameter in self.parameters())

    def config(self) -> dict[str, Any]:
        """What `from_pretrained` needs to build the model anew, as JSON can hold it."""
        return {
            "kind": KIND,
            "cell": self.cell.name,
            "embedding_size": self.embedding.embedding_dim,
            "hidden_size": self.recurrent.hidden_size,
            "num_layers": self.recurrent.num_layers,
            "dropout": self.dropout.p,
            "sizes": self.sizes,
            "vocabulary": self.vocabulary.to_dict(),
        }

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config.json (vocabulary included) and model.safetensors into a folder, which is made if it is not there."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        write_json(Path(folder) / "config.json", self.config())
        self.save_weights(folder)

    def save_weights(self, folder: str | Path) -> None:
        """Write model.safetensors alone."""
        write_atomically(Path(folder) / "model.safetensors", safetensors.torch.save(self.state_dict()))

    @classmethod
    def from_pretrained(
        cls, folder: str | Path, cell: Cell | None = None, where: str = "from_pretrained"
    ) -> "LanguageModel":
        """The model that `save_pretrained` or `carrousel train` left in a folder.

        Args:
            cell: the cell itself, where it is not in the catalogue.
            where: what to name in front of an error.

        Raises:
            DataError: the folder is missing, or its files are missing, damaged, or of another model.
        """
        config, path = _read_config(Path(folder), where), Path(folder) / "model.safetensors"
        try:
            given = {name: config[name] for name in ("embedding_size", "hidden_size", "num_layers", "dropout")}
            vocabulary = CharVocabulary.from_dict(config["vocabulary"])
            model = cls(vocabulary, cell or config["cell"], **given, **config["sizes"])
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{where}: {folder}/config.json describes no language model ({error}).") from None
        try:
            model.load_state_dict(safetensors.torch.load_file(path))
        except FileNotFoundError:
            raise DataError(
                f"{where}: {folder} has no model.safetensors, expected the weights that training writes when it first "
                f"measures the model. Go on with the run: carrousel train --resume {folder}"
            ) from None
        except (safetensors.SafetensorError, RuntimeError) as error:
            what = str(error).splitlines()[0]
            raise DataError(
                f"{where}: {path} does not hold this model's weights ({what}). Save the model again."
            ) from None
        return model.eval()


def _read_config(folder: Path, where: str) -> Mapping[str, Any]:
    expected = "expected the folder of a trained language model (config.json and model.safetensors)"
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        what = "has no config.json" if folder.is_dir() else "is a file" if folder.exists() else "does not exist"
        raise DataError(f"{where}: {folder} {what}, {expected}. Check the path; `carrousel train` makes one.") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{where}: {folder}/config.json cannot be read ({error}), {expected}.") from None
    if not isinstance(config, dict) or cast(dict[str, Any], config).get("kind") != KIND:
        raise DataError(f"{where}: {folder}/config.json is not of a language model, {expected}. Check the path.")
    return cast(dict[str, Any], config)


def _draw(logits: Float[Tensor, " C"], temperature: float, generator: torch.Generator | None) -> Tensor:
    if not torch.isfinite(logits).all():
        raise ConfigError(
            "sample: the model gives numbers that are not finite, expected probabilities. Train it with a lower learning rate."
        )
    if temperature == 0:
        return logits.argmax()
    return torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator)
