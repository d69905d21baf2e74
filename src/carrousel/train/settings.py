"""Settings of a run: sections of named values, YAML in and out, `key.sub=value` overrides, JSON schema, and their errors.

Each kind of model has its own `Settings`, with the sections data, model, train and what else it needs; a file says which by
`kind: NAME` in its first line.
"""

import copy
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from carrousel.cells import find
from carrousel.errors import ConfigError, nearest

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
    either: ClassVar[tuple[tuple[str, str], ...]] = ()
    """pairs of settings of which one is null"""
    absent: ClassVar[Mapping[str, str]] = {}
    """settings of other kinds that this one cannot have, and why"""


class RecurrentSettings(Section):
    """The recurrent layers, the same in every kind of model."""

    cell: str = "lstm"
    """name of a cell (carrousel cells lists them)"""
    hidden_size: int = Field(default=128, ge=1)
    """units in a layer"""
    num_layers: int = Field(default=1, ge=1)
    """recurrent layers"""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """probability with which a feature is zeroed while training: inputs, between layers, outputs"""
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


class Settings(Section):
    """All settings of a run of one kind; a kind's own class adds its sections.

    `Settings.of({"train": {"updates": 500}}, ["model.cell=gru"])` checks everything and reports all faults together.
    """

    kind: ClassVar[str] = ""
    """name of the kind, as `kind:` in a file says it"""

    @classmethod
    def of(cls, settings: Mapping[str, Any], overrides: Sequence[str] = (), where: str = "train") -> Self:
        """Settings from nested mappings, with `key.sub=value` overrides on top, whose values are read as YAML.

        Raises:
            ConfigError: all faults together: unknown settings, values out of range, overrides that are none.
        """
        nested = copy.deepcopy(dict(settings))
        faults = [fault for override in overrides if (fault := _override(nested, override))]
        cls._leave_one(nested, overrides)
        try:
            config = cls.model_validate(nested)
        except ValidationError as error:
            known, absent = [*cls.model_fields, *cls.names()], cls.absences()
            faults += [_fault(detail, known, absent) for detail in error.errors()]
            config = None
        if faults or config is None:
            raise ConfigError(f"{where}: {' '.join(faults)} {cls._list_them()}")
        return config

    @classmethod
    def from_yaml(cls, text: str, overrides: Sequence[str] = (), where: str = "train") -> Self:
        """What `to_yaml` or a person wrote.

        Raises:
            ConfigError: not YAML, not a mapping of sections, of another kind, or wrong settings.
        """
        settings = read_yaml(text, where)
        kind = settings.pop("kind", cls.kind)
        if kind != cls.kind:
            raise ConfigError(
                f"{where}: the settings are of kind {kind!r}, expected {cls.kind!r}. Give a file of that kind."
            )
        return cls.of(settings, overrides, where)

    def to_yaml(self) -> str:
        """Every setting with its value and, as a comment, its meaning."""
        lines = [f"kind: {self.kind}"] if self.kind else []
        for name in type(self).model_fields:
            lines.append(f"{name}:")
            values = cast(Section, getattr(self, name))
            for key, field in type(values).model_fields.items():
                lines.append(f"  {key}: {_yaml(getattr(values, key))}  # {field.description}")
        return "\n".join(lines) + "\n"

    @classmethod
    def json_schema(cls) -> str:
        """The JSON schema of a settings file, for editors."""
        schema = cls.model_json_schema()
        schema["properties"] = {"kind": {"const": cls.kind}, **schema["properties"]}
        return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def names(cls) -> Iterator[str]:
        """Every setting, such as `model.hidden_size`."""
        for section, field in cls.model_fields.items():
            for name in cast(type[Section], field.annotation).model_fields:
                yield f"{section}.{name}"

    @classmethod
    def absences(cls) -> dict[str, str]:
        """Settings that other kinds have and this one cannot have, such as `model.bidirectional`, and why."""
        sections = {name: cast(type[Section], field.annotation) for name, field in cls.model_fields.items()}
        return {f"{name}.{key}": why for name, section in sections.items() for key, why in section.absent.items()}

    @classmethod
    def _leave_one(cls, nested: dict[str, Any], overrides: Sequence[str]) -> None:
        """An override of one of two settings of which only one can be set takes the other one away."""
        changed = [override.partition("=")[0] for override in overrides]
        for section, field in cls.model_fields.items():
            values: Any = nested.get(section)
            if not isinstance(values, dict):
                continue
            for pair in cast(type[Section], field.annotation).either:
                for one, other in (pair, pair[::-1]):
                    is_set = f"{section}.{one}" in changed and cast(dict[str, Any], values)[one] is not None
                    if is_set and f"{section}.{other}" not in changed:
                        values[other] = None

    @classmethod
    def _list_them(cls) -> str:
        return f"All settings: carrousel train --settings {cls.kind}".rstrip()


def read_yaml(text: str, where: str) -> dict[str, Any]:
    """The mapping in a settings file.

    Raises:
        ConfigError: not YAML, or no mapping.
    """
    try:
        settings: Any = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}: the settings are not YAML ({' '.join(str(error).split())}). Mend them.") from None
    if not isinstance(settings, dict):
        raise ConfigError(
            f"{where}: the settings are {settings!r}, expected sections such as 'train:'. All settings: carrousel train "
            "--settings KIND"
        )
    return cast(dict[str, Any], settings)


def path_in(folder: Path, name: str, setting: str, where: str) -> Path:
    """The file that a path in a settings file means: in that file's own folder, or below.

    Args:
        folder: of the settings file.
        name: the path as it stands there.
        setting: that holds it, such as data.train.

    Raises:
        ConfigError: the path is absolute, or leaves the folder, by `..` or over a link.
    """
    path = folder / name
    if Path(name).is_absolute() or not path.resolve().is_relative_to(folder.resolve()):
        raise ConfigError(
            f"{where}: {setting} is {name}, which lies outside {folder}, expected a path inside the settings file's folder. "
            f"Move the file there, or name it on the command line: {setting}={name}"
        )
    return path


def _yaml(value: Any) -> str:
    """One value on one line."""
    style = '"' if isinstance(value, str) and not value.isprintable() else None
    text = yaml.safe_dump(value, default_flow_style=True, default_style=style, allow_unicode=True, width=math.inf)
    return text.removesuffix("...\n").rstrip()


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


def _fault(detail: ErrorDetails, known: Sequence[str], absent: Mapping[str, str]) -> str:
    path, given = ".".join(map(str, detail["loc"])), detail["input"]
    match detail["type"]:
        case "extra_forbidden" if path in absent:
            return f"{path} is {given!r}, expected no such setting: {absent[path]}. Leave it out."
        case "extra_forbidden":
            return f"unknown setting {path!r}.{nearest(path, known)}"
        case "value_error":
            return f"{path}: {detail['ctx']['error']}." if "ctx" in detail else f"{path}: {detail['msg']}."
        case "model_type" | "model_attributes_type":
            return f"{path} is {given!r}, expected settings below it, such as {_first(path, known)}=VALUE."
        case "literal_error":
            choices = str(detail["ctx"]["expected"]).replace(" or ", ", ") if "ctx" in detail else "others"
            return f"{path} is {given!r}, expected one of {choices}."
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
