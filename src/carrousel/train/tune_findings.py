"""What a study has found: its trials in a form to print and draw, and which settings matter."""

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from carrousel.train import study as store
from carrousel.train.search import Search
from carrousel.train.tune import PATH, Tuning, best_of, counts

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

FEWEST = 4  # finished trials that say something about importance

WORDS = {"COMPLETE": "finished", "PRUNED": "ended early", "FAIL": "failed", "RUNNING": "running", "WAITING": "waiting"}


@dataclass(frozen=True)
class Found:
    """One trial.

    Attributes:
        number: in the study.
        state: in a word or two.
        figure: the monitored one; of a trial ended early the last one, None where it has none.
        values: setting -> what it was set to.
        seconds: from its start to its end, 0 while it runs.
        fault: what went wrong, or nothing.
        folder: of its run.
    """

    number: int
    state: str
    figure: float | None
    values: Mapping[str, Any]
    seconds: float
    fault: str
    folder: str


@dataclass(frozen=True)
class Findings:
    """A study as it stands.

    Attributes:
        trials: by number, without those that were tried again.
        best: the best that came to its end.
        importance: setting -> its share of what makes figures differ, the largest first.
        method: how that was found, or why it was not.
    """

    trials: Sequence[Found]
    best: Found | None
    importance: Mapping[str, float]
    method: str


def findings(tuning: Tuning) -> Findings:
    """What a study has found so far."""
    trials = tuning.trials()
    counted = [trial for trial in trials if counts(trial)]
    best = best_of(counted, tuning.is_higher_better)
    importance, method = importances(tuning)
    return Findings(
        trials=[found_of(trial, tuning.search) for trial in counted],
        best=None if best is None else found_of(best, tuning.search),
        importance=importance,
        method=method,
    )


def found_of(trial: "FrozenTrial", search: Search) -> Found:
    """A trial as it is shown."""
    values = {name: values_of(trial, name) for name in search.space}
    end = trial.datetime_complete
    return Found(
        number=trial.number,
        state="diverged"
        if trial.state.name == "PRUNED" and store.FAULT in trial.user_attrs
        else WORDS[trial.state.name],
        figure=trial.value if trial.value is not None else trial.intermediate_values.get(trial.last_step or 0),
        values={name: value for name, value in values.items() if value is not None},
        seconds=(end - trial.datetime_start).total_seconds() if end and trial.datetime_start else 0.0,
        fault=str(trial.user_attrs.get(store.FAULT, "")),
        folder=str(trial.user_attrs.get(PATH, "")),
    )


def values_of(trial: "FrozenTrial", name: str) -> Any:
    """What a setting was set to in a trial, None where it had not come so far."""
    if (from_one := f"1 - {name}") in trial.params:
        return 1 - trial.params[from_one]
    return trial.params.get(name)


def importances(tuning: Tuning) -> tuple[dict[str, float], str]:
    """The share of each setting in what makes figures differ, and by which method; or nothing, and why.

    Source: fANOVA: Hutter, Hoos and Leyton-Brown, ICML 2014. PED-ANOVA: Watanabe, Bansal and Hutter, IJCAI 2023, arXiv:2304.10255.
    """
    optuna = store.import_optuna()
    study = tuning.study()
    whole = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    if len(whole) < FEWEST:
        return {}, f"{len(whole)} finished trials say nothing about importance; {FEWEST} may"
    if len({trial.value for trial in whole}) == 1:
        return {}, "all figures are the same"
    has_forest = importlib.util.find_spec("sklearn") is not None
    evaluator = (
        optuna.importance.FanovaImportanceEvaluator(seed=0)
        if has_forest
        else optuna.importance.PedAnovaImportanceEvaluator()
    )
    try:
        found = cast(dict[str, float], optuna.importance.get_param_importances(study, evaluator=evaluator))
    except (ValueError, RuntimeError) as error:
        return {}, f"the importance could not be found: {' '.join(str(error).split())}"
    method = "fANOVA" if has_forest else "PED-ANOVA; with scikit-learn installed, fANOVA"
    named = {name.removeprefix("1 - "): share for name, share in found.items()}
    return dict(sorted(named.items(), key=lambda item: -item[1])), method
