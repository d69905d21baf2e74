"""What every kind of network shares: its description as JSON, its weights as safetensors, and the way back."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import safetensors
import safetensors.torch
from torch import Tensor, nn

from carrousel.cell import Cell
from carrousel.errors import ConfigError, DataError
from carrousel.files import write_atomically, write_json
from carrousel.models.continued import NamedRows, difference, take_over
from carrousel.models.transfer import Reading, transfer


class Network(nn.Module, ABC):
    """A module that can be saved to a folder and read back; no pickle is involved.

    Attributes:
        kind: of model, as `carrousel new` calls it.
    """

    kind: ClassVar[str]

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """What `of_config` needs to build the network anew, vocabularies included, as JSON can hold it."""

    @classmethod
    @abstractmethod
    def of_config(cls, config: Mapping[str, Any], cell: Cell | None = None) -> Self:
        """A fresh network as `config` described it.

        Args:
            cell: the cell itself, where it is not in the catalogue.

        Raises:
            KeyError, TypeError, ValueError: the description is damaged.
        """

    def reading(self) -> Reading:
        """The embeddings and recurrent layers with which it reads, for a start from a network of another kind.

        Raises:
            ConfigError: this kind has none that others could use.
        """
        raise ConfigError(
            f"{self.kind}: its layers are made for it alone, expected a kind that reads as others do, such as language-model. "
            "Start from a run of the same kind."
        )

    def meaning(self) -> Mapping[str, Any]:
        """The part of `config` whose texts, such as a vocabulary, say what the weights are for; a kind may leave some out."""
        return self.config()

    def named_rows(self) -> NamedRows:
        """Which weights have a row a word or label, and which belong to the data; a kind without vocabularies has none."""
        return {}

    def start_from(self, folder: Path, where: str, load: Callable[[Path, str], "Network"]) -> list[str]:
        """Take the weights of a trained model.

        All of them where kind, sizes and vocabularies are the same; where only the vocabularies differ, all but the rows of words
        and labels that it has not; else what it reads with.

        Args:
            load: (folder, where) -> the network there, of any kind.

        Returns:
            What was taken, in words.

        Raises:
            DataError: the folder is missing or damaged.
            ConfigError: nothing of it fits.
        """
        source = load(folder, where)
        shapes = [{name: value.shape for name, value in net.state_dict().items()} for net in (source, self)]
        if source.kind == self.kind and shapes[0] == shapes[1] and _words(source.meaning()) == _words(self.meaning()):
            self.load_state_dict(source.state_dict())
            return ["all weights"]
        try:
            theirs, own = source.reading(), self.reading()
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from None
        if source.kind == self.kind and self.named_rows() and _is_built_alike(source, theirs, self, own):
            return take_over(source, self)
        return transfer(theirs, own, where)

    @property
    def num_parameters(self) -> int:
        """Trained numbers."""
        return sum(parameter.numel() for parameter in self.parameters())

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config.json and model.safetensors into a folder, which is made if it is not there."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        write_json(Path(folder) / "config.json", self.described())
        self.save_weights(folder)

    def described(self) -> dict[str, Any]:
        """The content of config.json."""
        return {"kind": self.kind, **self.config()}

    def save_weights(self, folder: str | Path, weights: Mapping[str, Tensor] | None = None) -> None:
        """Write model.safetensors alone.

        Args:
            weights: by name, in place of those that the network has.
        """
        content = safetensors.torch.save(dict(self.state_dict() if weights is None else weights))
        write_atomically(Path(folder) / "model.safetensors", content)

    @classmethod
    def from_pretrained(cls, folder: str | Path, cell: Cell | None = None, where: str = "from_pretrained") -> Self:
        """The network that `save_pretrained` or `carrousel train` left in a folder.

        Args:
            cell: the cell itself, where it is not in the catalogue.
            where: what to name in front of an error.

        Raises:
            DataError: the folder is missing, or its files are missing, damaged, or of another model.
        """
        config = read_config(Path(folder), where)
        if config["kind"] != cls.kind:
            raise DataError(
                f"{where}: {folder}/config.json is of kind {config['kind']!r}, expected {cls.kind!r}. Check the path."
            )
        try:
            network = cls.of_config(config, cell)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{where}: {folder}/config.json describes no {cls.kind} ({error}).") from None
        network.load_weights(Path(folder), where)
        return network.eval()

    def load_weights(self, folder: Path, where: str) -> None:
        """Take the weights in model.safetensors.

        Raises:
            DataError: the file is missing, damaged, or of another model.
        """
        path = folder / "model.safetensors"
        try:
            self.load_state_dict(safetensors.torch.load_file(path))
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


def _is_built_alike(source: Network, theirs: Reading, target: Network, ours: Reading) -> bool:
    """Whether two networks of a kind differ in their words and labels alone."""
    cells = [[layer.cell.name for layer in reading.layers] for reading in (theirs, ours)]
    names = [{name for name, _ in network.named_parameters()} for network in (source, target)]
    return cells[0] == cells[1] and names[0] == names[1] and not difference(source, target)


def _words(described: Any) -> list[str]:
    """All the texts in a description, in order: vocabularies and labels, which must be the same for all weights to fit."""
    if isinstance(described, Mapping):
        return [word for value in cast(Mapping[str, Any], described).values() for word in _words(value)]
    if isinstance(described, list | tuple):
        return [word for value in cast(list[Any], described) for word in _words(value)]
    return [described] if isinstance(described, str) else []


def read_config(folder: Path, where: str) -> Mapping[str, Any]:
    """config.json of a trained model's folder; it has a `kind`.

    Raises:
        DataError: the folder or the file is missing or damaged.
    """
    expected = "expected the folder of a trained model (config.json and model.safetensors)"
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        what = "has no config.json" if folder.is_dir() else "is a file" if folder.exists() else "does not exist"
        raise DataError(f"{where}: {folder} {what}, {expected}. Check the path; `carrousel train` makes one.") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{where}: {folder}/config.json cannot be read ({error}), {expected}.") from None
    if not isinstance(config, dict) or "kind" not in config:
        raise DataError(f"{where}: {folder}/config.json is not of a trained model, {expected}. Check the path.")
    return cast(dict[str, Any], config)
