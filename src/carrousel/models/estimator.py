"""A model in three lines of Python: settings, `fit`, `predict`.

tagger = Tagger(cell="gru", hidden_size=64).fit("train.conllu")
tagger.predict([["The", "dog", "barks"]])
tagger.save_pretrained("tagger")
"""

import tempfile
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from rich.console import Console

from carrousel.cell import Cell
from carrousel.errors import ConfigError, nearest
from carrousel.models import network as networks
from carrousel.models.kinds import load
from carrousel.train.console import progress_of
from carrousel.train.kind import Kind
from carrousel.train.run import Run
from carrousel.train.settings import Section, Settings


class Estimator:
    """Settings of a kind of model, and after `fit` or `from_pretrained` its network.

    Args:
        settings: any setting by its own name where only one section has it (`hidden_size=64`), else, and always, by section
            (`train={"epochs": 3}`). `carrousel train --settings KIND` lists them all.

    Attributes:
        settings: checked.
        network: a torch module, once there is one.

    Raises:
        ConfigError: unknown settings or values out of range, all reported together.
    """

    model_kind: ClassVar[Kind[Any]]
    Network: ClassVar[type[networks.Network]]

    def __init__(self, **settings: Any) -> None:
        self.given = dict(settings)
        self.settings: Settings = self.model_kind.Settings.of(
            _by_section(self.model_kind, settings), where=self._where()
        )
        self._network: networks.Network | None = None
        self._loaded_from: Path | None = None
        self.figures: Mapping[str, float] = {}

    @property
    def network(self) -> networks.Network:
        """The torch module.

        Raises:
            ConfigError: nothing was learned yet.
        """
        if self._network is None:
            raise ConfigError(
                f"{self._where()}: there is no network yet, expected a fitted model. Call fit(data) first."
            )
        return self._network

    def __repr__(self) -> str:
        """As it was made; what was loaded was made by the run whose folder it names."""
        if self._loaded_from is not None:
            return f"{type(self).__name__}.from_pretrained({str(self._loaded_from)!r})"
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.given.items())})"

    def fit(
        self,
        data: Any = None,
        *,
        run: str | Path | None = None,
        finetune: str | Path | None = None,
        progress: bool = False,
    ) -> Self:
        """Train on data, and keep the weights that were best on held-out data.

        Args:
            data: a path, or Python objects as the class says; left out where the settings name files.
            run: folder to keep settings, metrics, checkpoints and the report in; left out, they are not kept.
            finetune: folder of a trained model, of this kind or another, to start from: `carrousel train --finetune`.
            progress: show how far it is: a bar on a terminal, lines elsewhere.

        Raises:
            ConfigError: the model was loaded by `from_pretrained`, which has its weights but not the settings of its training.
        """
        if self._loaded_from is not None:
            raise ConfigError(
                f"{self._where()}.fit: {self!r} has the weights of a trained model but no settings to train with, expected "
                f"{self._where()}(settings). To go on from these weights: {self._where()}(...).fit(data, "
                f"finetune={str(self._loaded_from)!r})."
            )
        settings = self.settings
        if isinstance(data, (str, Path)):
            settings, data = settings.model_copy(update={"data": self._with_path(str(data))}), None
        threads = torch.get_num_threads()
        try:
            with tempfile.TemporaryDirectory() as scratch:
                path = Path(run) if run else Path(scratch) / "run"
                weights = None if finetune is None else Path(finetune)
                started = Run.start(
                    self.model_kind, settings, path, self._where(), data, weights, lambda at, where: load(at, where)[1]
                )
                with progress_of(Console(), started) if progress else nullcontext() as shown:
                    for event in started.train():
                        if shown:
                            shown.show(event)
                self.figures = started.finish().figures
                self._network = self.Network.from_pretrained(path)
        finally:
            torch.set_num_threads(threads)
        return self

    def evaluate(self, data: Any, *, skip_bad: bool = False) -> Mapping[str, float]:
        """Figures on a file (its path) or on Python objects.

        Args:
            skip_bad: leave out what is malformed in a file; a `SkippedWarning` counts and names it.
        """
        return self.model_kind.evaluate(self.network, data, self._where(), skip_bad=skip_bad)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config.json and model.safetensors into a folder."""
        self.network.save_pretrained(folder)

    @classmethod
    def from_pretrained(cls, folder: str | Path, cell: Cell | None = None) -> Self:
        """The model in a folder: a run's, or one that `save_pretrained` wrote."""
        made = cls.__new__(cls)
        made.given, made.figures, made._loaded_from = {}, {}, Path(folder)
        made.settings = cls.model_kind.Settings()
        made._network = cls.Network.from_pretrained(folder, cell)
        return made

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The settings given, as scikit-learn asks for them."""
        return dict(self.given)

    def set_params(self, **settings: Any) -> Self:
        """Change settings, as scikit-learn does."""
        self.__init__(**{**self.given, **settings})
        return self

    def _with_path(self, path: str) -> Any:
        section: Section = getattr(self.settings, "data")  # noqa: B009 - every kind has one
        return section.model_copy(update={self.model_kind.path_names()[0]: path})

    def _where(self) -> str:
        return type(self).__name__


def _by_section(kind: Kind[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by section, where some are given by their own name.

    Raises:
        ConfigError: a name that no section has, or several have.
    """
    sections = kind.Settings.model_fields
    names, absent = (
        list(kind.Settings.names()),
        kind.Settings.absences(),
    )  # the latter are refused with their reasons later
    result: dict[str, Any] = {name: dict(value) for name, value in given.items() if name in sections}
    for name, value in given.items():
        if name in sections:
            continue
        places = [full for full in (*names, *absent) if full.split(".")[1] == name]
        if len(places) != 1:
            what = f"is in {' and '.join(places)}" if places else "is unknown"
            known = [*sections, *(full.split(".")[1] for full in names)]
            raise ConfigError(
                f"{kind.name}: the setting {name!r} {what}, expected a name that one section has.{nearest(name, known)} "
                f"All settings: carrousel train --settings {kind.name}"
            )
        section = places[0].split(".")[0]
        result.setdefault(section, {})[name] = value
    return result
