"""The settings of a language-model run: what they mean, YAML in and out, `key.sub=value` overrides, and their errors."""

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from carrousel.cells import find
from carrousel.errors import ConfigError, nearest

LIST_THEM = "All settings: carrousel train --settings"
PLAIN_WORDS = {  # for Pydantic's
    "greater than or equal to": "at least",
    "greater than": "above",
    "less than": "below",
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "a valid string": "text",
}


class Section(BaseModel):
    """A group of settings; the string under each is its documentation."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, coerce_numbers_to_str=True, allow_inf_nan=True
    )


class DataSettings(Section):
    """What is read."""

    text: str = "shakespeare"
    """name of a sample text, or path of a UTF-8 text file"""


class ModelSettings(Section):
    """What is trained."""

    cell: str = "lstm"
    """name of a cell (carrousel cells lists them)"""
    embedding_size: int = Field(default=128, ge=1)
    """features of a character as the first layer reads it"""
    hidden_size: int = Field(default=256, ge=1)
    """units in a layer"""
    num_layers: int = Field(default=1, ge=1)
    """recurrent layers"""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """probability with which a feature is zeroed while training: embeddings, between layers, before the softmax"""
    forget_bias: float | None = Field(default=None, allow_inf_nan=False)
    """start value of the forget-gate biases, in cells that have them; null keeps the cell's own start"""
    sizes: dict[str, int] = {}
    """further sizes of the cell, such as {proj_size: 64} for lstm_projected"""

    @field_validator("cell")
    @classmethod
    def _cell_is_known(cls, name: str) -> str:
        find(name)
        return name

    @field_validator("sizes")
    @classmethod
    def _sizes_are_further_ones(cls, sizes: dict[str, int]) -> dict[str, int]:
        for name in sizes:
            if name in cls.model_fields:
                raise ValueError(f"{name} is a setting of its own, model.{name}")
        return sizes


class TrainSettings(Section):
    """How it is trained."""

    updates: int = Field(default=6_400, ge=1)
    """optimiser steps in all"""
    batch_size: int = Field(default=16, ge=1)
    """streams of text read side by side"""
    window: int = Field(default=32, ge=1)
    """characters between two updates, through which gradients flow back; the state is carried on"""
    learning_rate: float = Field(default=6e-3, gt=0, lt=1e30, allow_inf_nan=False)
    """of Adam, at its peak; it then falls to 0 along half a cosine"""
    warmup_updates: int = Field(default=200, ge=0)
    """updates over which the learning rate rises to its peak"""
    clip_norm: float = Field(default=1.0, gt=0)
    """largest Euclidean norm of the gradient; .inf for no limit"""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """of the initial weights, dropout and the offsets of epochs"""
    threads: int | None = Field(default=None, ge=1)
    """processor threads; null for as many as torch chooses. Other counts can change the last bits of the results"""
    evaluate_every: int = Field(default=1_600, ge=1)
    """updates from one measurement on the held-out text to the next"""
    checkpoint_every: int = Field(default=400, ge=1)
    """updates from one checkpoint to the next"""


class SampleSettings(Section):
    """What is written at the end to show what was learned."""

    prompt: str = "\n"
    """text to go on from"""
    length: int = Field(default=400, ge=0)
    """characters"""
    temperature: float = Field(default=0.7, ge=0, lt=math.inf)
    """1 draws from the model's own probabilities, less makes likely characters likelier, 0 takes the likeliest"""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """of the draws"""


class Config(Section):
    """All settings of a run.

    >>> Config.of({}, ["train.updates=500", "model.cell=gru"]).train.updates
    500
    """

    data: DataSettings = DataSettings()
    model: ModelSettings = ModelSettings()
    train: TrainSettings = TrainSettings()
    sample: SampleSettings = SampleSettings()

    @classmethod
    def of(cls, settings: Mapping[str, Any], overrides: Sequence[str] = (), where: str = "train") -> "Config":
        """Settings from nested mappings, with `key.sub=value` overrides on top, whose values are read as YAML.

        Raises:
            ConfigError: all faults together: unknown settings, values out of range, overrides that are none.
        """
        nested = copy.deepcopy(dict(settings))
        faults = [fault for override in overrides if (fault := _override(nested, override))]
        try:
            config = cls.model_validate(nested)
        except ValidationError as error:
            faults += [_fault(detail, [*cls.model_fields, *setting_names()]) for detail in error.errors()]
            config = cls()
        if faults:
            raise ConfigError(f"{where}: {' '.join(faults)} {LIST_THEM}")
        return config

    @classmethod
    def from_yaml(cls, text: str, where: str = "train") -> "Config":
        """What `to_yaml` or a person wrote.

        Raises:
            ConfigError: not YAML, not a mapping of sections, or wrong settings.
        """
        try:
            settings: Any = yaml.safe_load(text) or {}
        except yaml.YAMLError as error:
            raise ConfigError(
                f"{where}: the settings are not YAML ({' '.join(str(error).split())}). Mend them."
            ) from None
        if not isinstance(settings, dict):
            raise ConfigError(
                f"{where}: the settings are {settings!r}, expected sections such as 'train:'. {LIST_THEM}"
            )
        return cls.of(cast(dict[str, Any], settings), where=where)

    def to_yaml(self) -> str:
        """Every setting with its value and, as a comment, its meaning."""
        lines: list[str] = []
        for section in type(self).model_fields:
            lines.append(f"{section}:")
            values = cast(Section, getattr(self, section))
            for name, field in type(values).model_fields.items():
                lines.append(f"  {name}: {_yaml(getattr(values, name))}  # {field.description}")
        return "\n".join(lines) + "\n"


def _yaml(value: Any) -> str:
    """One value on one line."""
    style = '"' if isinstance(value, str) and not value.isprintable() else None
    text = yaml.safe_dump(value, default_flow_style=True, default_style=style, allow_unicode=True, width=math.inf)
    return text.removesuffix("...\n").rstrip()


def setting_names() -> Iterator[str]:
    """Every setting, such as `model.hidden_size`."""
    for section, field in Config.model_fields.items():
        for name in cast(type[Section], field.annotation).model_fields:
            yield f"{section}.{name}"


def _override(settings: dict[str, Any], override: str) -> str | None:
    """Write one override into the nested settings, or say what is wrong with it."""
    path, equals, text = override.partition("=")
    if not equals or not path:
        return f"{override!r} is no setting, expected KEY=VALUE, such as train.updates=500."
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return f"{path} is {text}, expected a YAML value. Put it in quotes: {path}='\"...\"'."
    *sections, name = path.split(".")
    here = settings
    for section in sections:
        inner = here.setdefault(section, {})
        if not isinstance(inner, dict):
            return f"{path} lies inside {section}, which is {inner!r}, expected a section."
        here = cast(dict[str, Any], inner)
    here[name] = value
    return None


def _fault(detail: ErrorDetails, known: Sequence[str]) -> str:
    path, given = ".".join(map(str, detail["loc"])), detail["input"]
    match detail["type"]:
        case "extra_forbidden":
            return f"unknown setting {path!r}.{nearest(path, known)}"
        case "value_error":
            return f"{path}: {detail['ctx']['error']}." if "ctx" in detail else f"{path}: {detail['msg']}."
        case "model_type" | "model_attributes_type":
            return f"{path} is {given!r}, expected settings below it, such as {_first(path, known)}=VALUE."
        case _:
            return f"{path} is {given!r}, expected {_expected(detail['msg'])}."


def _first(section: str, known: Sequence[str]) -> str:
    return next(name for name in known if name.startswith(section + "."))


def _expected(message: str) -> str:
    """Pydantic's "Input should be a valid integer, unable to ..." as "a valid integer"."""
    phrase = message.removeprefix("Input should be ").partition(",")[0]
    for name, plain in PLAIN_WORDS.items():
        phrase = phrase.replace(name, plain)
    return phrase
