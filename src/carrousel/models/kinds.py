"""The kinds of model by name; each is imported when it is asked for."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml
from torch import nn

from carrousel.errors import ConfigError, DataError, nearest
from carrousel.files import write_atomically
from carrousel.models.network import read_config
from carrousel.models.samples import sample_files
from carrousel.train.kind import Kind
from carrousel.train.settings import read_yaml
from carrousel.train.settings_file import settings_of, text_of

KINDS: dict[str, str] = {
    "language-model": "carrousel.models.language_model",
    "tagger": "carrousel.models.tagger",
    "classifier": "carrousel.models.classifier",
    "target-classifier": "carrousel.models.target_classifier",
    "word-sense": "carrousel.models.word_sense",
    "seq2seq": "carrousel.models.seq2seq",
    "forecaster": "carrousel.models.forecaster",
    "autoencoder": "carrousel.models.autoencoder",
}
"""Name -> the package that has it as `KIND`."""


def find_kind(name: str, where: str = "find_kind") -> Kind[Any]:
    """The kind of this name.

    Raises:
        ConfigError: there is none.
    """
    if name not in KINDS:
        raise ConfigError(f"{where}: unknown kind of model {name!r}.{nearest(name, KINDS)} Kinds: {', '.join(KINDS)}.")
    return import_module(KINDS[name]).KIND


def read_settings(path: Path, overrides: Sequence[str] = (), where: str = "train") -> tuple[Kind[Any], Any]:
    """The kind and the settings in a settings file, its paths as seen from the current folder.

    Args:
        overrides: `key.sub=value` on top; paths in them may lie anywhere, those in the file only in its folder.

    Raises:
        DataError: the file cannot be read.
        ConfigError: an unknown kind, or wrong settings, all faults together.
    """
    settings = read_yaml(text_of(path, where), f"{where}: {path}")
    settings.pop("search", None)  # what carrousel tune is to vary
    name = settings.pop("kind", None)
    if name is None:
        raise ConfigError(
            f"{where}: {path} does not say which kind of model it is about, expected a line such as 'kind: tagger'. "
            f"Kinds: {', '.join(KINDS)}."
        )
    kind = find_kind(str(name), f"{where}: {path}")
    return kind, settings_of(kind, settings, path, overrides, where)


def load(folder: Path, where: str) -> tuple[Kind[Any], nn.Module]:
    """The kind and the network of a trained model's folder.

    Raises:
        DataError: the folder is missing, damaged, or of a kind that is not known.
    """
    kind = find_kind(str(read_config(folder, where)["kind"]), f"{where}: {folder}/config.json")
    return kind, kind.load(folder, where)


def options_of(given: Sequence[str], where: str, example: str = "beam=5") -> dict[str, Any]:
    """Options from `key=value`, the values read as YAML.

    Args:
        example: of an option, for the error.

    Raises:
        ConfigError: one that is none.
    """
    options: dict[str, Any] = {}
    for option in given:
        name, equals, text = option.partition("=")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            value, equals = None, ""
        if not equals or not name.isidentifier():
            raise ConfigError(f"{where}: {option!r} is no option, expected KEY=VALUE, such as {example}. Mend it.")
        options[name] = _number(value) if isinstance(value, str) else value
    return options


def _number(text: str) -> str | float:
    """1e-3, which YAML takes for a text, as the number that people mean."""
    try:
        return float(text) if text[-1:].isdigit() else text
    except ValueError:
        return text


def write_starter(name: str, folder: Path, sample: str = "", where: str = "new") -> list[Path]:
    """The files that a kind's project starts with, the settings file first.

    Args:
        sample: the data to begin with, one of `carrousel.models.samples.sample_names(name)`; the kind's first if empty.

    Raises:
        ConfigError: an unknown kind or sample, or one of the files is there already.
        DataError: the folder cannot be written to.
    """
    kind = find_kind(name, where)
    content = sample_files(name, sample, where) if sample else kind.starter()
    paths = [folder / file for file in sorted(content, key=lambda file: not file.endswith(".yaml"))]
    for path in paths:
        if path.exists():
            raise ConfigError(f"{where}: {path} already exists, expected a folder without it. Name another folder.")
    for path in paths:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(
                f"{where}: {path.parent} cannot be made ({error.strerror}), expected a folder to write to. Name another."
            ) from None
        write_atomically(path, content[str(path.relative_to(folder))])
    return paths
