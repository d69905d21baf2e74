"""The forecaster: what it reads, what it must not see, and that it learns."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from carrousel.data.ragged import Ragged
from carrousel.data.readers.series import SeriesColumns, SeriesTable, read_series
from carrousel.data.readers.static import Static
from carrousel.data.windows import Windows
from carrousel.errors import ConfigError, DataError
from carrousel.models.forecaster import KIND, Forecaster, ForecasterNetwork, ForecasterSettings
from carrousel.models.forecaster.backtest import cross_validate
from carrousel.models.forecaster.baselines import baselines
from carrousel.models.forecaster.figures import Forecasts
from carrousel.models.forecaster.figures_table import in_order
from carrousel.models.forecaster.forecasts import forecast, measure_baselines
from carrousel.models.forecaster.material import Material
from carrousel.models.forecaster.panel import Panel, fill_forward, fill_seasons
from carrousel.models.network import Network

NAN = float("nan")
SMALL: dict[str, Any] = {
    "horizon": 3,
    "context": 8,
    "hidden_size": 4,
    "updates": 3,
    "batch_size": 4,
    "season": 4,
    "threads": 1,
}


def wave(steps: int = 80, *, series: int = 2) -> dict[str, list[Any]]:
    """Columns of a table: each series a wave of period 4 with a covariate that moves it, known ahead, and one known late."""
    rng, columns = np.random.default_rng(0), dict[str, list[Any]](unique_id=[], ds=[], y=[], plan=[], wind=[])
    for k in range(series):
        plan, wind = rng.integers(0, 2, steps), rng.normal(size=steps)
        y = 10 * (k + 1) + [0, 3, 1, -2] @ np.eye(4)[np.arange(steps) % 4].T + 4 * plan + 0.1 * wind
        columns["unique_id"] += [f"s{k}"] * steps
        columns["ds"] += list(range(steps))
        columns["y"] += y.tolist()
        columns["plan"] += plan.tolist()
        columns["wind"] += wind.tolist()
    return columns


def table(columns: dict[str, list[Any]], past: tuple[str, ...] = (), future: tuple[str, ...] = ()) -> SeriesTable:
    return read_series(columns, SeriesColumns(past=past, future=future))


def material(columns: dict[str, list[Any]] | None = None, **settings: Any) -> Material:
    found = Forecaster(**SMALL | settings)
    given = cast_settings(found)
    return Material.of(given, columns or wave(), "test")


def cast_settings(estimator: Forecaster) -> ForecasterSettings:
    assert isinstance(estimator.settings, ForecasterSettings)
    return estimator.settings


def own_network(estimator: Forecaster) -> ForecasterNetwork:
    assert isinstance(estimator.network, ForecasterNetwork)
    return estimator.network


def network_of(found: Material, **settings: Any) -> ForecasterNetwork:
    torch.manual_seed(0)
    network = ForecasterNetwork(found.recipe, cast_settings(Forecaster(**SMALL | settings)).model)
    torch.nn.init.normal_(network.head.linear.weight)  # which is zero at first
    return network.eval()


def test_filling_looks_only_back() -> None:
    values = np.array([[NAN, 1], [2, NAN], [NAN, NAN], [5, 4]])
    np.testing.assert_array_equal(fill_forward(values), [[NAN, 1], [2, 1], [2, 1], [5, 4]])
    np.testing.assert_array_equal(fill_seasons(np.array([NAN, 1, NAN, 2, NAN, NAN, 3]), 2), [0, 1, 1, 2, 2, 2, 3])


def by_hand(y: list[float], origin: int, horizon: int, season: int) -> dict[str, list[float]]:
    """The baselines of one window, step by step, from the values before it."""
    past = y[:origin]
    seen = [(t, value) for t, value in enumerate(past) if not np.isnan(value)]
    last = seen[-1][1]
    slope = (last - seen[0][1]) / max(1, seen[-1][0] - seen[0][0])
    seasonal: list[float] = []
    for h in range(horizon):
        t = origin + h - season
        while t >= origin:
            t -= season
        place = t
        while place >= 0 and np.isnan(past[place]):
            place -= season
        before = [value for when, value in seen if when <= t]
        seasonal.append(past[place] if place >= 0 else before[-1] if before else 0.0)
    return {
        "persistence": [last] * horizon,
        "seasonal-naive": seasonal,
        "drift": [last + slope * (h + 1) for h in range(horizon)],
        "mean": [float(np.mean([value for _, value in seen]))] * horizon,
    }


def test_baselines_are_what_their_names_say() -> None:
    columns = wave(30, series=2)
    for place in (6, 7, 19, 41, 42, 50):
        columns["y"][place] = NAN
    found = material(columns, context=5, horizon=6, valid=0.4, test=0.0)
    windows = Windows(found.panel.offsets, 5, 6)
    rows = np.arange(len(windows))
    made = baselines(found.panel, windows, rows)
    for row in rows:
        series, origin = (int(part[0]) for part in windows.places(np.array([row])))
        expected = by_hand(found.table.values[series][:, 0].tolist(), origin, 6, 4)
        for name, (make, _) in made.items():
            np.testing.assert_allclose(make(np.array([row]))[:, 0], expected[name], err_msg=name)


def changed_after(columns: dict[str, list[Any]], step: int) -> dict[str, list[Any]]:
    """The same series with other values of everything from a step on."""
    moved = {name: list(cells) for name, cells in columns.items()}
    for row, ds in enumerate(columns["ds"]):
        if ds >= step:
            for name in ("y", "plan", "wind"):
                moved[name][row] = 1000.0 + 17 * row
    return moved


def test_changing_the_validation_part_changes_nothing_that_was_fitted() -> None:
    columns = wave()
    settings = {"past": ("wind",), "future": ("plan",)}
    first, second = material(columns, **settings), material(changed_after(columns, 64), **settings)
    assert first.split.train_ends.tolist() == [64, 64]
    assert json.dumps(first.recipe.to_dict()) == json.dumps(second.recipe.to_dict())
    assert json.dumps(first.recipe.to_dict()) != json.dumps(
        material(changed_after(columns, 63), **settings).recipe.to_dict()
    )


def test_changing_the_test_part_changes_no_weight() -> None:
    columns = wave()
    fitted = [
        Forecaster(**SMALL, past=("wind",), future=("plan",)).fit(given, verbose=False)
        for given in (columns, changed_after(columns, 72))
    ]
    first, second = (estimator.network.state_dict() for estimator in fitted)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert fitted[0].figures == fitted[1].figures


@pytest.mark.parametrize("decoder", ["direct", "recursive"])
def test_a_forecast_does_not_see_its_own_horizon(decoder: str) -> None:
    columns = wave(series=1)
    settings: dict[str, Any] = {"decoder": decoder, "future": ("plan",), "num_samples": 5, "start_from": "seasonal"}
    settings |= {} if decoder == "recursive" else {"past": ("wind",)}
    found = material(columns, **settings)
    network = network_of(found, **settings)
    moved = {name: list(cells) for name, cells in columns.items()}
    for row in range(40, 80):
        moved["y"][row] = moved["wind"][row] = 999.0
    results: list[Forecasts] = []
    for given in (columns, moved):
        panel = Panel(table(given, found.recipe.columns.past, ("plan",)), None, found.recipe)
        windows = Windows(panel.offsets, 8, 3, begins=np.array([40]), ends=np.array([43]))
        results.append(forecast(network, panel, windows, np.arange(1)))
    assert np.array_equal(results[0].point, results[1].point)
    assert np.array_equal(results[0].quantiles, results[1].quantiles)
    moved["plan"][41] = 9.0
    panel = Panel(table(moved, found.recipe.columns.past, ("plan",)), None, found.recipe)
    third = forecast(network, panel, windows, np.arange(1))
    assert third.point[0] == results[0].point[0] or decoder == "direct"
    assert third.point[1] != results[0].point[1]  # a covariate that is known ahead is read where it stands


@pytest.mark.parametrize("decoder", ["direct", "recursive"])
@pytest.mark.parametrize(("cell", "bidirectional"), [("lstm", False), ("gru", False), ("elman", False), ("lstm", True)])
def test_a_window_forecasts_the_same_alone_and_among_shorter_ones(decoder: str, cell: str, bidirectional: bool) -> None:
    settings: dict[str, Any] = {"decoder": decoder, "cell": cell, "min_context": 3, "head": "median", "num_layers": 2}
    settings["bidirectional"] = bidirectional
    found = material(**settings)
    network = network_of(found, **settings)
    windows = Windows(found.panel.offsets, 8, 3, min_context=3)
    rows = np.array([0, 3, 20, 1])
    together = forecast(network, found.panel, windows, rows).point
    for k, row in enumerate(rows):
        alone = forecast(network, found.panel, windows, np.array([row])).point[:, 0]
        np.testing.assert_allclose(together[:, k], alone, rtol=1e-5)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_recursive_point_forecast_is_the_network_fed_with_its_own_steps(bidirectional: bool) -> None:
    settings: dict[str, Any] = {"decoder": "recursive", "head": "median", "start_from": "last"}
    settings["bidirectional"] = bidirectional
    found = material(**settings)
    network = network_of(found, **settings)
    batch = found.panel.batch(found.learned, np.arange(5))
    fed = batch
    for step in range(3):  # by the teacher-forced pass, whose truth is replaced by its own forecast, step by step
        forced = network(fed)[..., 0]
        target = fed.target.clone()
        target[step] = forced[step]
        fed = fed._replace(target=target, weight=torch.ones_like(target))
    torch.testing.assert_close(network.draw(batch, 1)[0], fed.target, atol=1e-5, rtol=1e-5)


def test_steps_that_were_not_observed_cost_nothing() -> None:
    found = material()
    network = network_of(found)
    batch = found.panel.batch(found.learned, np.arange(6))
    weight = batch.weight.clone()
    weight[1, 2] = 0
    target = batch.target.clone()
    target[1, 2] = 1e6
    losses = network.head.loss(network(batch), batch.target)
    expected = (losses.sum() - losses[1, 2]) / (losses.numel() - 1)
    torch.testing.assert_close(network.loss(batch._replace(weight=weight, target=target)), expected)
    assert network.loss(batch._replace(weight=torch.zeros_like(weight))).item() == 0


@pytest.mark.parametrize(
    ("head", "decoder"),
    [
        ("quantile", "direct"),
        ("gaussian", "direct"),
        ("mean", "direct"),
        ("quantile", "recursive"),
        ("laplace", "recursive"),
        ("student-t", "recursive"),
        ("median", "recursive"),
    ],
)
def test_every_head_and_decoder_trains_predicts_and_comes_back(tmp_path: Path, head: str, decoder: str) -> None:
    model = Forecaster(**SMALL, head=head, decoder=decoder, num_samples=20, future=("plan",)).fit(wave(), verbose=False)
    coming = wave(83)
    for row, ds in enumerate(coming["ds"]):
        if ds >= 80:
            coming["y"][row] = None
    made = model.predict(coming)
    has_spread = head not in ("median", "mean")
    names = {"quantile": ["50", "80", "95"]}.get(head, ["80", "95"]) if has_spread else []
    assert list(made) == ["unique_id", "ds", "forecast", *(f"{end}-{p}" for p in names for end in ("lo", "hi"))]
    assert made["unique_id"].tolist() == ["s0"] * 3 + ["s1"] * 3
    assert made["ds"].tolist() == [80, 81, 82] * 2
    if has_spread:
        assert (made["lo-95"] <= made["lo-80"]).all()
        assert (made["lo-80"] <= made["forecast"]).all()
        assert (made["forecast"] <= made["hi-80"]).all()
    model.save_pretrained(tmp_path / "m")
    again = Forecaster.from_pretrained(tmp_path / "m")
    assert all(np.array_equal(made[name], column) for name, column in again.predict(coming).items())
    assert again.evaluate(wave()) == model.evaluate(wave())
    assert ("crps" in model.figures) == has_spread


def test_it_learns_what_a_covariate_says() -> None:
    settings = SMALL | {"updates": 250, "hidden_size": 16, "batch_size": 16, "context": 4, "valid": 0.3, "test": 0.0}
    settings |= {"head": "median", "start_from": "zero", "learning_rate": 0.03, "evaluate_every": 125}
    model = Forecaster(**settings, future=("plan",)).fit(wave(160), verbose=False)
    assert model.figures["mae"] < 0.8  # without the plan, which adds 0 or 4 at random, 2 is to be expected


def test_fit_prints_the_baselines_beside_the_model(capsys: pytest.CaptureFixture[str]) -> None:
    Forecaster(**SMALL).fit(wave())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["mase", "smape", "mae", "rmse", "crps", "nse", "kge", "coverage-80", "coverage-95"]
    assert [line[:16].strip() for line in lines[1:]] == [
        "lstm forecaster",
        "persistence",
        "seasonal-naive",
        "drift",
        "mean",
    ]


def test_training_begins_at_the_forecast_that_the_output_is_added_to() -> None:
    found = material(head="median")
    torch.manual_seed(0)
    network = ForecasterNetwork(found.recipe, cast_settings(Forecaster(**SMALL, head="median")).model)
    torch.nn.init.zeros_(network.head.linear.bias)
    rows = np.arange(len(found.held_out))
    made = forecast(network, found.panel, found.held_out, rows).point
    expected = baselines(found.panel, found.held_out, rows)["seasonal-naive"][0](rows)
    np.testing.assert_allclose(made, expected, rtol=1e-5)


def test_static_numbers_and_words_are_read() -> None:
    columns, fixed = wave(), {"unique_id": ["s1", "s0"], "area": [1.0, 3.0], "soil": ["clay", "sand"]}
    model = Forecaster(**SMALL).fit(columns, static=fixed, verbose=False)
    recipe = own_network(model).recipe
    assert recipe.static == {"area": (2.0, 1.0), "soil": ("clay", "sand")}
    inputs = recipe.static_inputs(Static({"area": (3.0, 1.0), "soil": ("sand", "loam")}), 2)
    assert inputs.tolist() == [[1, 0, 1], [-1, 0, 0]]
    first = model.predict()["forecast"]
    other = model.predict(columns, static={**fixed, "area": [30.0, -5.0]})["forecast"]
    assert (first != other).all()
    with pytest.raises(DataError) as caught:
        model.predict(columns)
    assert str(caught.value) == (
        "Forecaster: the network reads the static columns area, soil, expected a table of them. Name it: static=FILE; in "
        "Python give a pair, series and static table."
    )


def test_a_static_table_is_named_on_the_command_line(tmp_path: Path) -> None:
    columns, static = wave(), tmp_path / "static.csv"
    static.write_text("unique_id,area,soil\ns1,1.0,clay\ns0,3.0,sand\n")
    model = Forecaster(**SMALL).fit(columns, static=str(static), verbose=False)
    network = own_network(model)
    assert list(KIND.predict(network, columns, static=str(static))) == list(model.predict().lines())
    found = KIND.evaluate_with(network, columns, {"static": str(static)})
    assert found.figures == model.evaluate((columns, str(static)))
    with pytest.raises(ConfigError) as caught:
        KIND.evaluate_with(network, columns, {"statik": str(static)})
    assert (
        str(caught.value)
        == "evaluate: unknown option 'statik', expected one of static, each, windows, step. Did you mean "
        "'static'? Leave it out."
    )


def test_covariates_with_gaps_get_an_input_that_says_so() -> None:
    columns = wave()
    columns["wind"][5] = None
    found = material(columns, past=("wind",), future=("plan",))
    assert found.recipe.flagged == ("wind",)
    assert (found.recipe.past_size, found.recipe.future_size) == (2, 1)
    assert found.panel.past[4:7, 1].tolist() == [1, 0, 1]
    assert found.panel.past[5, 0] == found.panel.past[4, 0]


def test_coming_values_of_a_known_covariate_must_be_there() -> None:
    model = Forecaster(**SMALL, future=("plan",)).fit(wave(), verbose=False)
    with pytest.raises(DataError) as caught:
        model.predict()
    assert str(caught.value) == (
        "Forecaster: the covariate plan of the series 's0' has no value in 3 of the 3 steps to forecast, expected all: it is "
        "declared as "
        "known ahead. Add rows with it after the last y, and leave y empty there."
    )


def test_a_series_that_was_not_there_is_forecast() -> None:
    model = Forecaster(**SMALL, head="median", start_from="last").fit(wave(), verbose=False)
    other = {"unique_id": ["new"] * 20, "ds": list(range(20)), "y": (1e6 + 1e3 * np.arange(20) % 4).tolist()}
    made = model.predict(other)
    assert np.abs(made["forecast"] - 1e6).max() < 1e4


def test_frames_come_back_as_they_went(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")
    pytest.importorskip("narwhals")
    model = Forecaster(**SMALL).fit(polars.DataFrame(wave()), verbose=False)
    made = model.predict(level=80)
    assert list(made) == ["unique_id", "ds", "forecast", "lo-80", "hi-80"]
    frame = made.frame()
    assert isinstance(frame, polars.DataFrame)
    assert frame["forecast"].to_list() == made["forecast"].tolist()
    assert next(made.lines()) == "unique_id,ds,forecast,lo-80,hi-80"
    assert list(made.lines())[1].startswith("s0,80,")
    with pytest.raises(ConfigError) as caught:
        dataclasses.replace(made, like=None).frame()
    assert str(caught.value) == (
        "frame: the series came in no frame, expected the name of a library. Give pandas, polars or pyarrow."
    )


def test_a_picture_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    made = Forecaster(**SMALL).fit(wave(), verbose=False).predict()
    figure = made.plot(tmp_path / "f.png", series=["s1"], history=10)
    assert (tmp_path / "f.png").read_bytes()[:4] == b"\x89PNG"
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["observed", "forecast", "95 %", "80 %", "50 %"]
    with pytest.raises(ConfigError) as caught:
        made.plot(series=["s7"])
    assert str(caught.value) == "plot: there is no series 's7', expected one of s0, s1. Name another."


def test_cross_validation_learns_from_what_lies_before_each_date() -> None:
    columns = wave()
    model = Forecaster(**SMALL)
    made = model.cross_validation(columns, n_windows=2, step=4, level=80)
    assert list(made) == ["unique_id", "ds", "forecast", "lo-80", "hi-80", "cutoff", "y"]
    assert made["cutoff"].tolist() == [72] * 6 + [76] * 6
    assert made["ds"].tolist() == [73, 74, 75] * 2 + [77, 78, 79] * 2
    truth = {(i, d): y for i, d, y in zip(columns["unique_id"], columns["ds"], columns["y"], strict=True)}
    assert made["y"].tolist() == [truth[key] for key in zip(made["unique_id"], made["ds"].tolist(), strict=True)]
    assert list(made.figures) == ["model", "persistence", "seasonal-naive", "drift", "mean"]
    assert made.figures["model"]["mae"] == pytest.approx(np.abs(made["y"] - made["forecast"]).mean())
    moved = model.cross_validation(changed_after(columns, 77), n_windows=2, step=4, level=80)
    assert moved["forecast"][:6].tolist() == made["forecast"][:6].tolist()
    again = model.cross_validation(columns, n_windows=2, step=4, level=80, refit=True)
    assert again["forecast"][:6].tolist() == made["forecast"][:6].tolist()
    assert again["forecast"][6:].tolist() != made["forecast"][6:].tolist()


def test_a_back_test_of_a_trained_network_is_that_of_cross_validation() -> None:
    columns = wave()
    model = Forecaster(**SMALL).fit(columns, verbose=False)
    network = own_network(model)
    found = KIND.evaluate_with(network, columns, {"windows": 2, "step": 4})

    def as_it_is(table: SeriesTable, static: Static | None) -> ForecasterNetwork:
        return network

    apart = cross_validate(as_it_is, table(columns), None, 3, 2, 4, False, None, "test")
    assert list(found.parts) == ["from 73", "from 77"]
    assert list(found.parts["from 73"]) == ["this model", "persistence", "seasonal-naive", "drift", "mean"]
    assert found.figures == in_order(apart.figures["model"])
    assert found.baselines["drift"] == in_order(apart.figures["drift"])
    errors = np.abs(apart["y"] - apart["forecast"])
    assert found.parts["from 77"]["this model"]["mae"] == pytest.approx(errors[6:].mean())
    assert found.figures["mae"] == pytest.approx(errors.mean())
    assert found.notes == ["Not retrained: the network as it is forecasts 3 steps from 2 dates, 4 steps apart."]
    one = KIND.evaluate_with(network, columns, {"windows": 1})
    assert one.figures == KIND.evaluate_with(network, columns, {"windows": 1, "step": 9}).figures
    assert one.notes == ["Not retrained: the network as it is forecasts 3 steps from 1 date."]


def test_a_back_test_does_not_forecast_what_was_learned() -> None:
    columns = wave()
    network = own_network(Forecaster(**SMALL).fit(columns, verbose=False))
    until = network.recipe.learned_until
    assert until == 72
    for options, message in (
        ({"windows": 3}, "evaluate: the first of 3 windows begins at 71, expected all from 72 on: the network learned from what "
         "lies before. Ask for windows=2, or train with a larger data.test."),
        ({"windows": 1, "step": 0}, "evaluate: step is 0, expected at least 1. Give a positive step."),
        ({"windows": 0}, "evaluate: windows is 0, expected at least 1. Give a positive windows."),
        ({"step": 3}, "evaluate: step is given without windows, expected both. Say how many: windows=5"),
        ({"windows": 1.5}, "evaluate: windows is 1.5, expected a whole number. Mend it."),
        ({"windows": 30}, "evaluate: 30 windows of 3 steps, 3 apart, need 92 steps, expected at most 80, which the series have. "
         "Ask for fewer windows."),
    ):  # fmt: skip
        with pytest.raises(ConfigError) as caught:
            KIND.evaluate_with(network, columns, options)
        assert str(caught.value) == message
    early = {
        name: [cell for cell, ds in zip(cells, columns["ds"], strict=True) if ds < 60]
        for name, cells in columns.items()
    }
    with pytest.raises(ConfigError) as caught:
        KIND.evaluate_with(network, early, {"windows": 1})
    assert str(caught.value) == (
        "evaluate: the first of 1 windows begins at 57, expected all from 72 on: the network learned from what lies before. Give "
        "later series, or train with a larger data.test."
    )
    everything = own_network(Forecaster(**SMALL, test=0).fit(columns, verbose=False))
    assert KIND.evaluate_with(everything, columns, {"windows": 1}).notes[1] == (
        "It was trained without a test part (data.test=0), so that it may have learned from these steps."
    )


def test_evaluate_stands_beside_the_baselines() -> None:
    columns = wave()
    network = own_network(Forecaster(**SMALL).fit(columns, verbose=False))
    found = KIND.evaluate_with(network, columns, {})
    assert list(found.baselines) == ["persistence", "seasonal-naive", "drift", "mean"]
    assert found.figures == KIND.evaluate(network, columns)
    panel, windows = KIND.held_out(network, columns)
    beside = measure_baselines(panel, windows, np.arange(len(windows)), True)
    assert found.baselines == {name: in_order(values) for name, (values, _) in beside.items()}


def test_the_command_line_draws_a_forecast(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    network = own_network(Forecaster(**SMALL).fit(wave(series=6), verbose=False))
    plain = list(KIND.predict(network, wave(series=6)))
    assert list(KIND.predict(network, wave(series=6), plot=str(tmp_path / "a.svg"))) == plain
    text = (tmp_path / "a.svg").read_text()
    assert "<!-- 4 of 6 series, the first ones -->" in text
    assert [f"<!-- s{k} -->" in text for k in range(6)] == [True] * 4 + [False] * 2
    list(KIND.predict(network, wave(series=6), plot=str(tmp_path / "a.svg"), series=["s5", "s1"], history=9))
    text = (tmp_path / "a.svg").read_text()
    assert "<!-- 2 of 6 series -->" in text
    assert [f"<!-- s{k} -->" in text for k in range(6)] == [False, True, False, False, False, True]
    list(KIND.predict(network, wave(series=6), plot=str(tmp_path / "b.PNG"), series="s5"))
    assert (tmp_path / "b.PNG").read_bytes()[:4] == b"\x89PNG"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.svg", "b.PNG"]
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"plot": "a.gif"}, "plot: the file is a.gif, expected a name that ends in .png, .svg, .pdf. Name another, such as "
         "forecast.png."),
        ({"history": 3}, "predict: history is given without plot, expected a picture. Name a file: plot=forecast.png"),
        ({"series": "s1"}, "predict: series is given without plot, expected a picture. Name a file: plot=forecast.png"),
        ({"plat": "a.png"}, "predict: unknown option 'plat', expected one of level, series, static, plot, history. Did you mean "
         "'plot'? Leave it out."),
    ]  # fmt: skip
    for options, message in wrong:
        with pytest.raises(ConfigError) as caught:
            list(KIND.predict(network, wave(series=6), **options))
        assert str(caught.value) == message


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    network = own_network(Forecaster(**SMALL).fit(wave(), verbose=False))
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigError) as caught:
        list(KIND.predict(network, wave(), plot="a.png"))
    assert str(caught.value) == (
        "plot: Matplotlib is not installed, expected it. Install it: pip install 'carrousel[plot]'"
    )


def test_a_run_keeps_forecasts_for_its_report(tmp_path: Path) -> None:
    Forecaster(**SMALL).fit(wave(), verbose=False, run=tmp_path / "run")
    found = json.loads((tmp_path / "run" / "pictures.json").read_text())
    assert [picture["form"] for picture in found["pictures"]] == ["fan"] * len(found["pictures"])
    first = found["pictures"][0]
    known = dict(zip(zip(wave()["unique_id"], map(str, wave()["ds"]), strict=True), wave()["y"], strict=True))
    assert first["observed"] == [known[first["title"], time] for time in first["times"]]
    assert len(first["times"]) == 9
    assert len(first["forecast"]) == 3
    assert [name for name, *_ in first["bands"]] == ["95 %", "80 %", "50 %"]
    (_, low, high), (_, inner_low, inner_high) = first["bands"][0], first["bands"][2]
    assert all(a <= b <= c <= d for a, b, c, d in zip(low, inner_low, inner_high, high, strict=True))
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert ">Forecasts</h2>" in page
    assert page.count('class="forecast"') == len(found["pictures"])


def test_evaluate_measures_what_comes_after_training() -> None:
    columns = wave()
    model = Forecaster(**SMALL).fit(columns, verbose=False)
    _, windows = KIND.held_out(own_network(model), columns)
    assert windows.places(np.arange(len(windows)))[1].tolist() == [72, 75] * 2
    early = {name: cells[:72] for name, cells in columns.items()}
    with pytest.raises(DataError) as caught:
        model.evaluate(early)
    assert str(caught.value) == (
        "Forecaster: data has no 3 steps to forecast from 72 on, where what the network learned from ends, expected that many "
        "after 8 to "
        "read. Give later or longer series."
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"level": [120]},
            "Forecaster: model.level: 120 is no interval, expected percent, above 0 and below 100. All settings: carrousel train "
            "--settings forecaster",
        ),
        (
            {"reads_target": False},
            "Forecaster: model: start_from is seasonal, expected zero with reads_target=false. All settings: carrousel train "
            "--settings "
            "forecaster",
        ),
        (
            {"min_context": 9},
            "Forecaster: model: min_context is 9, expected at most context, 8. All settings: carrousel train --settings forecaster",
        ),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Forecaster(**SMALL | settings)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"decoder": "recursive", "past": ("wind",)},
            "forecaster: the covariates wind are known up to the present only, expected none with a recursive decoder, which reads "
            "covariates at every step it forecasts. Use model.decoder=direct, or model.bidirectional=true, with which layers of "
            "their own read the past, or declare them as data.future where their coming values are known.",
        ),
        (
            {"reads_target": False, "start_from": "zero"},
            "forecaster: the network has nothing to read, expected past values of y, covariates or the calendar. Set "
            "model.reads_target=true, or name covariates in data.past or data.future.",
        ),
        (
            {"context": 70},
            "Forecaster: the training part of data has no window, expected one of 3 steps after 70 to read. Give longer "
            "series, or lower "
            "model.context, model.min_context or model.horizon.",
        ),
        (
            {"horizon": 9},
            "Forecaster: the validation part of data has no window, expected one of 9 steps after 8 to read. Give longer "
            "series, raise "
            "data.valid, or lower model.horizon.",
        ),
    ],
)
def test_data_and_settings_that_do_not_fit_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises((ConfigError, DataError)) as caught:
        Forecaster(**SMALL | settings).fit(wave(), verbose=False)
    assert str(caught.value) == message


def test_intervals_that_the_head_does_not_have_are_refused() -> None:
    model = Forecaster(**SMALL, head="median").fit(wave(), verbose=False)
    with pytest.raises(ConfigError) as caught:
        model.predict(level=[80])
    assert str(caught.value) == (
        "Forecaster: level is [80], but the head 'median' gives one number. Train with model.head=quantile, or ask for none."
    )
    with pytest.raises(ConfigError) as caught:
        Forecaster(**SMALL).predict()
    assert str(caught.value) == (
        "Forecaster: there is no history to forecast from, expected a table. Give predict(data)."
    )


def test_simulation_from_covariates_alone_does_not_see_y() -> None:
    settings: dict[str, Any] = {"reads_target": False, "start_from": "zero", "future": ("plan",), "head": "mean"}
    columns = wave(series=1)
    found = material(columns, **settings)
    network = network_of(found, **settings)
    moved = {**columns, "y": [value + 5 * np.sin(k) for k, value in enumerate(columns["y"])]}
    other = Panel(table(moved, (), ("plan",)), None, found.recipe)
    rows = np.arange(len(found.learned))
    first, second = (forecast(network, panel, found.learned, rows).point for panel in (found.panel, other))
    assert np.array_equal(first, second)


def test_times_of_day_and_days_of_week_are_inputs() -> None:
    hours = [f"2024-01-{1 + h // 24:02d} {h % 24:02d}:00" for h in range(24 * 20)]
    columns = {"ds": hours, "y": [float(h % 24) for h in range(len(hours))]}
    found = material(columns, season=None)
    assert found.recipe.calendar == ("time of day", "day of week")
    assert (found.recipe.season, found.recipe.future_size) == (24, 11)
    monday, tuesday = found.panel.future[0], found.panel.future[30]
    assert monday[4:].tolist() == [1, 0, 0, 0, 0, 0, 0]
    assert tuesday[4:].tolist() == [0, 1, 0, 0, 0, 0, 0]
    np.testing.assert_allclose(tuesday[:2], [1, 0], atol=1e-7)  # six o'clock is a quarter of the circle


def test_a_dated_cut_in_a_settings_file_is_a_date() -> None:
    settings = ForecasterSettings.from_yaml("kind: forecaster\ndata: {valid: 2024-01-10, test: 2024-01-15 12:00}\n")
    assert (settings.data.valid, settings.data.test) == ("2024-01-10", "2024-01-15 12:00")
    days = {"ds": [f"2024-01-{day:02d}" for day in range(1, 31)], "y": [float(day) for day in range(30)]}
    model = Forecaster(**SMALL | {"context": 5}, valid="2024-01-20", test="2024-01-26").fit(days, verbose=False)
    recipe = own_network(model).recipe
    assert recipe.learned_until is not None
    assert found_text(recipe.learned_until) == "2024-01-26"


def found_text(stamp: int) -> str:
    return str(np.datetime64(stamp, "us"))[:10]


def test_the_network_saves_what_it_needs(tmp_path: Path) -> None:
    model = Forecaster(**SMALL, past=("wind",), future=("plan",)).fit(wave(), verbose=False)
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert (config["kind"], config["recipe"]["frequency"], config["recipe"]["learned_until"]) == ("forecaster", "1", 72)
    assert issubclass(ForecasterNetwork, Network)
    config["recipe"]["scaling"]["names"] = ["s0"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(DataError) as caught:
        Forecaster.from_pretrained(tmp_path)
    assert str(caught.value) == (
        f"from_pretrained: {tmp_path}/config.json describes no forecaster (shift (2, 3) and scale (2, 3) of 1 series)."
    )


def test_predictions_on_the_command_line_are_a_table() -> None:
    model = Forecaster(**SMALL).fit(wave(), verbose=False)
    lines = list(KIND.predict(own_network(model), wave(), level=[80]))
    assert lines[0] == "unique_id,ds,forecast,lo-80,hi-80"
    assert len(lines) == 7
    with pytest.raises(ConfigError) as caught:
        list(KIND.predict(own_network(model), wave(), beam=3))
    assert str(caught.value) == (
        "predict: unknown option 'beam', expected one of level, series, static, plot, history. Leave it out."
    )


def test_a_validation_part_without_y_is_refused() -> None:
    columns = wave()
    columns["y"] = [None if 64 <= ds < 72 else y for ds, y in zip(columns["ds"], columns["y"], strict=True)]
    with pytest.raises(DataError) as caught:
        material(columns)
    assert str(caught.value) == (
        "test: no y was observed in the validation part of data, expected some. Change data.valid."
    )


def test_constant_series_are_judged_by_their_absolute_error() -> None:
    columns = wave(series=1) | {"y": [5.0] * 64 + [5.5] * 16}
    settings = cast_settings(Forecaster(**SMALL, head="median"))
    assert not material(columns, head="median").has_mase
    assert KIND.prepare(settings, data=columns).monitor == "mae"
    assert KIND.prepare(settings, data=wave()).monitor == "mase"


def test_one_empty_series_does_no_harm() -> None:
    columns = wave()
    columns["y"][:80] = [None] * 80
    found = material(columns, head="median")
    assert not np.isnan(found.panel.y).any()
    values = Ragged.of([part[:, 0] for part in found.table.values])
    assert np.isnan(values[0]).all()
    Forecaster(**SMALL, head="median").fit(columns, verbose=False)


def test_a_process_without_a_row_gets_no_batch() -> None:
    settings = cast_settings(Forecaster(**SMALL | {"batch_size": 2}))
    batches = KIND.prepare(settings, data=wave()).batches
    parts = [batches.shard(rank, 3) for rank in range(3)]
    found = [part.next() for part in parts]
    assert [None if drawn is None else len(drawn.rows) for drawn in found] == [1, 1, None]
    assert sorted([int(drawn.rows[0]) for drawn in found[:2]]) == sorted(batches.next().rows.tolist())
    parts[0].load_state_dict({"position": 0})
    assert parts[0].next().rows.tolist() == found[0].rows.tolist()


def test_the_starter_is_complete() -> None:
    files = KIND.starter()
    assert sorted(files) == ["SOURCE.md", "electricity.csv", "forecaster.yaml"]
    settings = ForecasterSettings.from_yaml(files["forecaster.yaml"].decode())
    assert (settings.data.train, settings.model.horizon) == ("electricity.csv", 24)
    assert len(files["electricity.csv"].splitlines()) == 2689
