"""A search as a settings file describes it: what stays, what varies, and how a trial's values are drawn."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from carrousel.errors import ConfigError
from carrousel.train.kind import Kind
from carrousel.train.search_presets import PRESETS
from carrousel.train.search_settings import Dimension, SearchFile, SearchSettings, check_space, is_whole, override
from carrousel.train.settings import Settings, read_yaml
from carrousel.train.settings_file import settings_of, text_of

if TYPE_CHECKING:
    from optuna.trial import Trial


@dataclass(frozen=True)
class Search:
    """What is searched over.

    Attributes:
        kind: of model.
        settings: what stays, in sections, paths absolute.
        space: setting -> its values.
        how: the rest of the section `search`.
        sampler: tpe or random.
        left_out: settings of a preset that this kind of model does not have.
    """

    kind: Kind[Any]
    settings: Mapping[str, Any]
    space: Mapping[str, Dimension]
    how: SearchSettings
    sampler: str
    left_out: Sequence[str] = ()

    def draw(self, trial: "Trial") -> dict[str, Any]:
        """The values of a trial."""
        return {name: self._draw(trial, name, dimension) for name, dimension in self.space.items()}

    def _draw(self, trial: "Trial", name: str, dimension: Dimension) -> Any:
        if dimension.choices is not None:
            return trial.suggest_categorical(name, dimension.choices)
        low, high = cast(float, dimension.low), cast(float, dimension.high)
        if dimension.from_one:
            return 1 - trial.suggest_float(f"1 - {name}", 1 - high, 1 - low, log=True)
        if is_whole(self.kind.Settings, name):
            return trial.suggest_int(name, int(low), int(high), step=int(dimension.step or 1), log=dimension.log)
        return trial.suggest_float(name, low, high, step=dimension.step, log=dimension.log)

    def settings_of(self, values: Mapping[str, Any], where: str) -> Settings:
        """The settings of a trial with these values.

        Raises:
            ConfigError: they do not go together.
        """
        return self.kind.Settings.of(self.settings, [override(name, value) for name, value in values.items()], where)

    def pruning(self, is_on: bool) -> "Search":
        """The same search with trials ended early, or without."""
        pruner = ("median" if self.how.pruner == "none" else self.how.pruner) if is_on else "none"
        return replace(self, how=self.how.model_copy(update={"pruner": pruner}))

    def described(self) -> dict[str, Any]:
        """What must be the same when a study goes on: everything but where the data lies and how much is kept."""
        fixed = {name: values for name, values in self.settings.items() if name != "data"}
        how = self.how.model_dump(mode="json", exclude={"space", "keep", "preset"})
        space = {name: dimension.model_dump(mode="json") for name, dimension in self.space.items()}
        return {"kind": self.kind.name, "settings": fixed, "space": space, "search": how | {"sampler": self.sampler}}


def read_search(
    path: Path, find_kind: Callable[[str, str], Kind[Any]], overrides: Sequence[str] = (), where: str = "tune"
) -> Search:
    """The search that a settings file with a section `search` describes.

    Args:
        find_kind: (name, where) -> the kind.
        overrides: `key.sub=value` on top of what stays.

    Raises:
        DataError: the file cannot be read.
        ConfigError: an unknown kind, or wrong settings, all faults of a section together.
    """
    place = f"{where}: {path}"
    nested = read_yaml(text_of(path, where), place)
    kind = find_kind(str(nested.pop("kind", "")), place)
    how = SearchFile.of({"search": nested.pop("search", None) or {}}, where=place).search
    preset = PRESETS[how.preset] if how.preset is not None else None
    known = set(kind.Settings.names())
    fixed = {name: value for name, value in preset.settings.items() if name in known} if preset else dict[str, Any]()
    whole = settings_of(kind, _laid_under(nested, fixed), path, overrides, where)
    settings: dict[str, Any] = kind.absolute(whole, None, where).model_dump(mode="json")
    given = preset.space(settings) if preset else {}
    space = {name: dimension for name, dimension in given.items() if name in known} | how.space
    if not space:
        raise ConfigError(
            f"{place} has no search space, expected a section search that says which settings to vary. {SearchFile.example()}"
        )
    check_space(space, kind.Settings, settings, place)
    sampler = how.sampler or (preset.sampler if preset else "tpe")
    return Search(kind, settings, space, how, sampler, [name for name in given if name not in known])


def _laid_under(nested: Mapping[str, Any], fixed: Mapping[str, Any]) -> dict[str, Any]:
    """The file's settings, with those of a preset where the file says nothing."""
    merged: dict[str, Any] = copy.deepcopy(dict(nested))
    for name, value in fixed.items():
        section, _, setting = name.partition(".")
        part = merged.setdefault(section, {})
        if isinstance(part, dict):
            cast(dict[str, Any], part).setdefault(setting, value)
    return merged
