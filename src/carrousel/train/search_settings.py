"""What is searched over: the section `search` of a settings file, for `carrousel tune`.

search:
  space:
    train.learning_rate: {low: 1e-4, high: 1e-2, log: true}
    model.hidden_size: {low: 32, high: 512, log: true}
    model.cell: {choices: [lstm, gru]}
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Self, cast, get_args

from pydantic import Field, model_validator

from carrousel.errors import ConfigError, nearest
from carrousel.train.settings import Section, Settings

PresetName = Literal["melis-2017", "greff-2015"]


class Dimension(Section):
    """The values of one setting: a range, or a list of choices."""

    low: float | None = None
    """smallest value"""
    high: float | None = None
    """largest value"""
    log: bool = False
    """whether factors count, not differences: as much time between 1e-4 and 1e-3 as between 1e-3 and 1e-2"""
    step: float | None = Field(default=None, gt=0)
    """distance between values, from low on; null for any"""
    from_one: bool = False
    """whether log is meant of what lacks to 1, as for a momentum between 0 and .99"""
    choices: list[Any] | None = Field(default=None, min_length=1)
    """values to choose from, in place of low and high"""

    @model_validator(mode="after")
    def _is_a_range_or_choices(self) -> Self:
        if faults := list(self._faults()):
            raise ValueError("; ".join(faults))
        return self

    def _faults(self) -> Iterator[str]:
        if (self.choices is None) == (self.low is None and self.high is None) or (
            self.choices is None and (self.low is None or self.high is None)
        ):
            yield "expected low and high, or choices"
        elif self.low is not None and self.high is not None:
            if not self.low < self.high:
                yield f"low is {self.low:g} and high is {self.high:g}, expected low below high"
            if self.from_one and not (self.log and self.high < 1):
                yield f"from_one is true with log {str(self.log).lower()} and high {self.high:g}, expected log and high below 1"
            if self.log and not self.from_one and self.low <= 0:
                yield f"low is {self.low:g} with log, expected above 0"
            if self.log and self.step is not None:
                yield f"step is {self.step:g} with log, expected one of them"

    @property
    def ends(self) -> Sequence[Any]:
        """Values that a setting must be able to have, or nothing in between can be tried."""
        return self.choices if self.choices is not None else (self.low, self.high)

    def describe(self) -> str:
        """In words, such as "1e-4 to 1e-2, by factors"."""
        if self.choices is not None:
            return " or ".join(str(choice) for choice in self.choices)
        how = ", by factors of what lacks to 1" if self.from_one else ", by factors" if self.log else ""
        return f"{self.low:g} to {self.high:g}" + (f" in steps of {self.step:g}" if self.step else how)


class SearchSettings(Section):
    """How settings are searched for."""

    preset: PresetName | None = None
    """a published search space: melis-2017 (language models) or greff-2015 (any LSTM); space adds to it and replaces"""
    space: dict[str, Dimension] = Field(default={})
    """setting -> its values, such as {train.learning_rate: {low: 1e-4, high: 1e-2, log: true}}"""
    sampler: Literal["tpe", "random"] | None = None
    """tpe learns from the trials before, random does not; null for the preset's, or tpe"""
    startup_trials: int = Field(default=10, ge=1)
    """trials drawn at random before tpe learns from them"""
    pruner: Literal["median", "halving", "none"] = "median"
    """which trials are ended early: below the median of those before, by successive halving, or none"""
    pruner_startup: int = Field(default=5, ge=0)
    """trials that are never ended early by median"""
    pruner_warmup: int = Field(default=1, ge=0)
    """evaluations of a trial before median may end it"""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """of the draws; with several workers their order decides, too"""
    keep: Literal["best", "all"] = "best"
    """trials whose weights stay on the disk"""


class SearchFile(Settings):
    """The section `search` as a file has it, for its checks and errors.

    >>> SearchFile.of({"search": {"space": {"train.seed": {"choices": [0, 1]}}}}).search.space["train.seed"].describe()
    '0 or 1'
    """

    search: SearchSettings = SearchSettings()

    @classmethod
    def _list_them(cls) -> str:
        return cls.example()

    @staticmethod
    def example() -> str:
        """What to write."""
        return "For example: search: {space: {train.learning_rate: {low: 1e-4, high: 1e-2, log: true}}}"


def check_space(
    space: Mapping[str, Dimension], settings: type[Settings], nested: Mapping[str, Any], where: str = "tune"
) -> None:
    """Refuse a space with settings that the kind does not have, or with values that they cannot have.

    Args:
        nested: the settings of the file, in sections; the ends of each dimension are tried in them.

    Raises:
        ConfigError: all faults together.
    """
    known, faults = list(settings.names()), list[str]()
    for name, dimension in space.items():
        if name not in known and name.rpartition(".")[0] not in known:
            faults.append(f"search.space has an unknown setting {name!r}.{nearest(name, known)}")
            continue
        for value in dimension.ends:
            try:
                settings.of(nested, [override(name, value)], where="")
            except ConfigError as error:
                said = str(error).removeprefix(": ").partition(" All settings:")[0]
                faults.append(f"search.space.{name} goes to {value}: {said}")
    if faults:
        kind = settings.kind
        raise ConfigError(f"{where}: {' '.join(faults)} All settings: carrousel train --settings {kind}")


def override(name: str, value: Any) -> str:
    """A value as an override, such as `train.learning_rate=0.001`.

    >>> override("model.cell", "lstm"), override("train.updates", 500)
    ('model.cell="lstm"', 'train.updates=500')
    """
    return f"{name}={json.dumps(value)}"


def is_whole(settings: type[Settings], name: str) -> bool:
    """Whether a setting takes whole numbers only."""
    section, _, rest = name.partition(".")
    fields = cast(type[Section], settings.model_fields[section].annotation).model_fields
    annotation: Any = fields[rest].annotation if rest in fields else int  # below a setting: a size of a cell
    kinds = get_args(annotation) or (annotation,)
    return int in kinds and float not in kinds
