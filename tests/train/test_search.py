"""The section `search`: what it may say, what is drawn from it, and the presets."""

from pathlib import Path
from typing import Any, cast

import pytest
from toy_kind import ToySettings, find_toy

from carrousel.errors import ConfigError
from carrousel.train.search import Search, read_search
from carrousel.train.search_settings import Dimension, SearchFile

optuna = pytest.importorskip("optuna")


def search_of(tmp_path: Path, search: str, rest: str = "") -> Search:
    path = tmp_path / "toy.yaml"
    path.write_text(f"kind: toy\n{rest}\nsearch: {search}\n")
    return read_search(path, find_toy)


def test_the_section_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        search_of(
            tmp_path,
            "{space: {train.learning_rat: {low: 1, high: 2}, model.cell: {choices: [lstm, grru]}, "
            "model.dropout: {low: 0, high: 2}}}",
        )
    assert str(raised.value) == (
        f"tune: {tmp_path}/toy.yaml: search.space has an unknown setting 'train.learning_rat'. Did you mean 'train.learning_rate'? "
        "search.space.model.cell goes to grru: model.cell: unknown cell 'grru'. Did you mean 'gru'? All cells: carrousel cells. "
        "search.space.model.dropout goes to 2.0: model.dropout is 2.0, expected below 1. All settings: carrousel train --settings "
        "toy"
    )
    with pytest.raises(ConfigError) as raised:
        search_of(tmp_path, "{sampel: tpe, space: {a: {low: 5, high: 1}}}")
    assert str(raised.value) == (
        f"tune: {tmp_path}/toy.yaml: search.space.a: low is 5 and high is 1, expected low below high. unknown setting "
        "'search.sampel'. Did you mean 'search.sampler'? For example: search: {space: {train.learning_rate: {low: 1e-4, high: "
        "1e-2, log: true}}}"
    )
    with pytest.raises(ConfigError) as raised:
        search_of(tmp_path, "{}")
    assert str(raised.value) == (
        f"tune: {tmp_path}/toy.yaml has no search space, expected a section search that says which settings to vary. For example: "
        "search: {space: {train.learning_rate: {low: 1e-4, high: 1e-2, log: true}}}"
    )


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"low": 1}, "expected low and high, or choices"),
        ({"low": 1, "high": 2, "choices": [1]}, "expected low and high, or choices"),
        ({}, "expected low and high, or choices"),
        ({"low": 0, "high": 1, "log": True}, "low is 0 with log, expected above 0"),
        ({"low": 1, "high": 9, "log": True, "step": 2}, "step is 2 with log, expected one of them"),
        (
            {"low": 0, "high": 1, "from_one": True},
            "from_one is true with log false and high 1, expected log and high below 1",
        ),
    ],
)
def test_a_dimension_is_a_range_or_choices(given: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigError) as raised:
        SearchFile.of({"search": {"space": {"a": given}}}, where="tune")
    assert str(raised.value) == f"tune: search.space.a: {fault}. {SearchFile.example()}"


def test_whole_numbers_choices_and_what_lacks_to_one_are_drawn_as_said(tmp_path: Path) -> None:
    space = (
        "{model.hidden_size: {low: 3, high: 9, step: 3}, train.momentum: {low: 0.1, high: 0.99, log: true, from_one: true}, "
        "model.sizes.proj_size: {low: 2, high: 4}}"
    )
    search = search_of(tmp_path, f"{{space: {space}}}", "train: {optimiser: sgd}")
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    drawn = [search.draw(study.ask()) for _ in range(200)]
    assert {values["model.hidden_size"] for values in drawn} == {3, 6, 9}
    assert {values["model.sizes.proj_size"] for values in drawn} == {2, 3, 4}
    momenta = [values["train.momentum"] for values in drawn]
    assert 0.1 <= min(momenta) < 0.3
    assert 0.97 < max(momenta) <= 0.99
    assert 0.25 < sum(momentum > 0.9 for momentum in momenta) / 200 < 0.75  # ln(.1/.01) / ln(.9/.01) = .51
    assert cast(ToySettings, search.settings_of(drawn[0], "tune")).model.sizes == {
        "proj_size": drawn[0]["model.sizes.proj_size"]
    }


def test_presets_lay_their_fixed_settings_under_those_of_the_file(tmp_path: Path) -> None:
    from carrousel.models.kinds import find_kind

    path = tmp_path / "lm.yaml"
    path.write_text(
        "kind: language-model\nmodel: {num_layers: 2, hidden_size: 64}\ntrain: {clip_norm: 5}\n"
        "search: {preset: melis-2017, space: {train.learning_rate: {choices: [0.003]}}}\n"
    )
    search = read_search(path, find_kind)
    assert list(search.space) == [
        "train.learning_rate", "model.embedding_size", "regularisation.input_dropout", "regularisation.state_dropout",
        "regularisation.output_dropout", "train.weight_decay", "regularisation.between_dropout",
    ]  # fmt: skip
    assert search.space["train.learning_rate"].choices == [0.003]
    assert search.space["model.embedding_size"] == Dimension(low=8, high=64)
    train = search.settings["train"]
    assert (train["clip_norm"], train["beta1"], train["tbptt"], train["zero_state"]) == (5, 0, 35, 0.01)
    assert (search.sampler, search.left_out) == ("tpe", [])

    search = search_of(tmp_path, "{preset: greff-2015}")
    assert search.left_out == ["model.input_noise"]
    assert {name: dimension.describe() for name, dimension in search.space.items()} == {
        "model.hidden_size": "20 to 200, by factors",
        "train.learning_rate": "1e-06 to 0.01, by factors",
        "train.momentum": "0.001 to 0.99, by factors of what lacks to 1",
    }
    assert (search.sampler, search.settings["train"]["optimiser"]) == ("random", "sgd")


def test_paths_of_the_file_stay_in_its_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        search_of(tmp_path, "{space: {train.seed: {choices: [0]}}}", "data: {train: ../secret}")
    assert str(raised.value) == (
        f"tune: {tmp_path}/toy.yaml: data.train is ../secret, which lies outside {tmp_path}, expected a path inside the settings "
        "file's folder. Move the file there, or name it on the command line: data.train=../secret"
    )
    search = read_search(tmp_path / "toy.yaml", find_toy, ["data.train=/else/where"])  # as the message says
    assert search.settings["data"]["train"] == "/else/where"
