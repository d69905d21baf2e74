"""A search: trials, each a run with other settings, drawn by Optuna; ended early, gone on with, shared by processes and machines.

study = Tuning.open(search, folder)
for trial in tune(study, num_trials=50): ...
"""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import filelock

from carrousel.errors import CarrouselError, ConfigError, DataError
from carrousel.train import study as store
from carrousel.train.loop import Evaluation
from carrousel.train.protocols import TrainingError
from carrousel.train.run import Run
from carrousel.train.search import Search

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

DESCRIBED, MONITOR, PATH = "search", "monitor", "folder"
HEAVY = ("model.safetensors", "checkpoint.safetensors")


@dataclass(frozen=True)
class Tuning:
    """A study that trials can be made for; workers get a copy each.

    Attributes:
        search: what is searched over.
        folder: of the study, with a run folder for each trial made here.
        storage: URL, or path of a journal file.
        name: of the study in its storage.
        monitor: the figure to make best.
        is_higher_better: whether more of it is better.
    """

    search: Search
    folder: Path
    storage: str
    name: str
    monitor: str
    is_higher_better: bool

    @classmethod
    def open(cls, search: Search, folder: Path, name: str, storage: str | None = None, where: str = "tune") -> "Tuning":
        """A new study, or the one of that name, which must have been begun with the same search.

        Raises:
            ConfigError: settings that the kind refuses, or another search than the study began with.
            DataError: data or a storage that cannot be used.
        """
        optuna = store.import_optuna(where)
        storage = storage or f"sqlite:///{(folder / 'study.db').absolute()}"
        prepared = None
        if not folder.exists():  # everything is checked before something is made
            prepared = search.kind.prepare(search.settings_of({}, where), where)
        _make(folder, where)
        opened = store.open_storage(storage, where)
        names = {found.study_name for found in optuna.get_all_study_summaries(opened)}
        if name not in names:
            prepared = prepared or search.kind.prepare(search.settings_of({}, where), where)
            direction = "maximize" if prepared.is_higher_better else "minimize"
            new = optuna.create_study(storage=opened, study_name=name, direction=direction, load_if_exists=True)
            new.set_user_attr(MONITOR, prepared.monitor)
            new.set_user_attr(DESCRIBED, search.described())
        found = optuna.load_study(study_name=name, storage=opened)
        _check_same(found.user_attrs.get(DESCRIBED, {}), search.described(), name, where)
        is_higher_better = found.direction.name == "MAXIMIZE"
        return cls(search, folder, storage, name, str(found.user_attrs[MONITOR]), is_higher_better)

    def study(self) -> "Study":
        """The study with its sampler and pruner, connected to its storage."""
        optuna = store.import_optuna()
        how, samplers, pruners = self.search.how, optuna.samplers, optuna.pruners
        seed = how.seed + len(self.trials())  # a study that goes on does not draw the same again
        sampler = (
            samplers.RandomSampler(seed=seed)
            if self.search.sampler == "random"
            else samplers.TPESampler(seed=seed, n_startup_trials=how.startup_trials)
        )
        pruner = {
            "median": lambda: pruners.MedianPruner(how.pruner_startup, how.pruner_warmup),
            "halving": pruners.SuccessiveHalvingPruner,
            "none": pruners.NopPruner,
        }[how.pruner]()
        storage = store.open_storage(self.storage)
        return optuna.load_study(study_name=self.name, storage=storage, sampler=sampler, pruner=pruner)

    def trials(self) -> list["FrozenTrial"]:
        """All trials so far, by number."""
        optuna = store.import_optuna()
        study = optuna.load_study(study_name=self.name, storage=store.open_storage(self.storage))
        return study.get_trials(deepcopy=False)


def tune(
    tuning: Tuning, num_trials: int, deadline: float | None = None, should_stop: Callable[[], bool] = lambda: False
) -> Iterator[int]:
    """Make trials until the study has that many, in this process; the number of each as it ends.

    Args:
        num_trials: in the whole study, those of before and of other workers counted.
        deadline: time.time() after which no new trial begins.
        should_stop: asked after every update; when true, the trial that runs is left to a later process.
    """
    study = tuning.study()
    store.give_up_dead(study)
    while not should_stop() and (deadline is None or time.time() < deadline):
        with filelock.FileLock(tuning.folder / ".lock"):  # so that two workers do not both begin the last one
            if sum(counts(trial) for trial in study.get_trials(deepcopy=False)) >= num_trials:
                return
            trial = study.ask()
        make_trial(tuning, study, trial, should_stop)
        yield trial.number


def counts(trial: "FrozenTrial") -> bool:
    """Whether a trial is one of those asked for: it runs, or has ended by itself."""
    from optuna.trial import TrialState

    return trial.state != TrialState.WAITING and not trial.user_attrs.get(store.KILLED)


def make_trial(tuning: Tuning, study: "Study", trial: "Trial", should_stop: Callable[[], bool]) -> None:
    """Train one run and tell the study its figure; or that it was ended early, did not go well, or is to be tried again."""
    from optuna.trial import TrialState

    path = tuning.folder / "trials" / f"{trial.number:04d}"
    with store.sign_of_life(trial):
        try:
            trial.set_user_attr(PATH, str(path.absolute()))
            figure = _train(tuning, trial, path, should_stop)
        except CarrouselError as error:
            trial.set_user_attr(store.FAULT, str(error))
            # a trial that diverges says something about its values; one that cannot be made does not
            state = TrialState.PRUNED if isinstance(error, TrainingError) else TrialState.FAIL
            study.tell(trial, state=state)
        except BaseException:
            store.try_again(study, _frozen(study, trial), counts=False)
            raise
        else:
            if figure is None:
                store.try_again(study, _frozen(study, trial), counts=False)
            else:
                is_whole, value = figure
                study.tell(trial, value if is_whole else None, TrialState.COMPLETE if is_whole else TrialState.PRUNED)
    _drop_weights(tuning, study)


def _train(tuning: Tuning, trial: "Trial", path: Path, should_stop: Callable[[], bool]) -> tuple[bool, float] | None:
    """Whether the run came to its end and its figure; None when it was told to stop."""
    where = f"tune: trial {trial.number}"
    settings = tuning.search.settings_of(tuning.search.draw(trial), where)
    run = Run.start(tuning.search.kind, settings, path, where)
    evaluations = 0
    with closing(cast(Any, run.train(should_stop))) as events:
        for event in events:
            if isinstance(event, Evaluation):
                evaluations += 1
                trial.report(event.values[tuning.monitor], evaluations)
                if trial.should_prune():
                    return False, event.values[tuning.monitor]
    if not run.is_complete:
        return None
    return True, run.finish().figures[tuning.monitor]


def _frozen(study: "Study", trial: "Trial") -> "FrozenTrial":
    return study.get_trials(deepcopy=False)[trial.number]


def _drop_weights(tuning: Tuning, study: "Study") -> None:
    """Delete the weights of trials that are not the best, and what only a run that goes on needs."""
    from optuna.trial import TrialState

    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL))
    best = best_of(done, tuning.is_higher_better)
    for trial in done:
        folder = Path(str(trial.user_attrs.get(PATH, "")))
        keeps = trial is best or tuning.search.how.keep == "all"
        for name in HEAVY[1:] if keeps else HEAVY:
            if folder.is_relative_to(tuning.folder.absolute()):
                (folder / name).unlink(missing_ok=True)


def best_of(trials: list["FrozenTrial"], is_higher_better: bool) -> "FrozenTrial | None":
    """The trial that came to its end with the best figure; the first of equals."""
    from optuna.trial import TrialState

    whole = [trial for trial in trials if trial.state == TrialState.COMPLETE and trial.value is not None]
    sign = 1 if is_higher_better else -1
    return max(whole, key=lambda trial: (sign * cast(float, trial.value), -trial.number), default=None)


def _make(folder: Path, where: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"{where}: the folder {folder} cannot be made ({error.strerror}), expected a place to write to. Choose another "
            "--folder."
        ) from None


def _check_same(before: dict[str, Any], now: dict[str, Any], name: str, where: str) -> None:
    """Refuse to go on with a study under other settings."""
    changed = sorted(_differing(before, now, ""))
    if changed:
        said = ", ".join(changed[:5]) + (f" and {len(changed) - 5} more" if len(changed) > 5 else "")
        raise ConfigError(
            f"{where}: the study {name!r} was begun with other settings ({said}), expected the same: figures of different "
            "searches do not go together. Choose another --name."
        )


def _differing(before: Any, now: Any, name: str) -> Iterator[str]:
    """Names of what is not the same in two nested mappings."""
    if isinstance(before, dict) and isinstance(now, dict):
        one, other = cast(dict[str, Any], before), cast(dict[str, Any], now)
        for key in {**one, **other}:
            yield from _differing(one.get(key), other.get(key), f"{name}.{key}".lstrip("."))
    elif before != now:
        yield name
