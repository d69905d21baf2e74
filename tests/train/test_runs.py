"""Run folders side by side, whatever their state."""

import io
from pathlib import Path
from typing import cast

import pytest
from rich.console import Console
from run_folders import SUMMARY, make_run

from carrousel.errors import ConfigError, DataError
from carrousel.train.runs import RunSummary, compare, finite, runs_in, sort_runs, summary_of
from carrousel.train.runs_table import print_differences, print_runs

pytestmark = pytest.mark.tiny


def test_a_finished_run_has_everything(tmp_path: Path) -> None:
    run = summary_of(make_run(tmp_path / "a"))
    assert (run.state, run.kind, run.source, run.note) == ("finished", "toy", "sample toys", "")
    assert (run.figures, run.monitor, run.is_higher_better) == ({"accuracy": 0.75, "loss": 0.5}, "accuracy", True)
    assert (run.updates, run.seconds, run.parameters) == (40, 65.0, 1234)
    assert run.settings["train.clip_norm"] == float("inf")


def test_an_unfinished_run_has_its_last_figures(tmp_path: Path) -> None:
    run = summary_of(make_run(tmp_path / "a", updates=25, summary=None))
    assert (run.state, run.updates, run.seconds, run.note) == ("unfinished", 25, 12.5, "")
    assert run.figures == {"accuracy": 0.65, "loss": 0.05}


def test_a_run_that_has_only_begun_and_half_a_line_are_no_faults(tmp_path: Path) -> None:
    run = summary_of(make_run(tmp_path / "a", updates=0, summary=None))
    assert (run.state, run.updates, run.figures) == ("unfinished", 0, {})
    path = make_run(tmp_path / "b", updates=3, summary=None)
    with (path / "metrics.jsonl").open("a") as file:
        file.write('{"update": 4, "lo')
    assert (summary_of(path).state, summary_of(path).updates) == ("unfinished", 3)
    (path / "metrics.jsonl").unlink()
    assert summary_of(path).state == "unfinished"


def test_a_run_that_ended_with_a_loss_that_is_not_finite_says_where(tmp_path: Path) -> None:
    report = '{"update": 26, "loss": NaN, "gradient_norm": Infinity}'
    run = summary_of(make_run(tmp_path / "a", updates=25, summary=None, files={"not_finite.json": report}))
    assert (run.state, run.updates, run.note) == ("not finite", 25, "at update 26: loss nan, gradient norm inf")
    console = Console(file=io.StringIO(), width=100)
    print_runs(console, [run])
    assert cast(io.StringIO, console.file).getvalue().splitlines()[1].split()[:3] == ["a", "not", "finite"]
    again = summary_of(make_run(tmp_path / "b", updates=20, summary=None, files={"not_finite.json": report}))
    assert (again.state, again.note) == ("unfinished", "")  # it was gone on with since
    later = summary_of(make_run(tmp_path / "c", updates=40, files={"not_finite.json": report}))
    assert (later.state, later.note) == ("finished", "")
    damaged = summary_of(
        make_run(tmp_path / "d", updates=25, summary=None, files={"not_finite.json": '{"update": 26}'})
    )
    assert (damaged.state, damaged.note) == ("damaged", "not_finite.json is damaged")


def test_the_figures_of_a_long_unfinished_run_are_read_from_its_end(tmp_path: Path) -> None:
    run = summary_of(make_run(tmp_path / "a", updates=4_000, summary=None))
    assert (tmp_path / "a" / "metrics.jsonl").stat().st_size > 1 << 18
    assert (run.updates, run.figures["loss"], run.note) == (4_000, 1 / 4_000, "")


@pytest.mark.parametrize(
    ("files", "note"),
    [
        ({"summary.json": '{"kind": 3}'}, "summary.json is damaged"),
        ({"summary.json": ""}, "summary.json is damaged"),
        ({"config.yaml": "a: ["}, "config.yaml is damaged"),
        ({"config.yaml": "- a"}, "config.yaml is damaged"),
        (
            {"metrics.jsonl": "x\n{}\n", "summary.json": "[]"},
            "summary.json is damaged; line 1 of metrics.jsonl is damaged",
        ),
    ],
)
def test_a_damaged_run_is_listed_and_says_what_is_damaged(tmp_path: Path, files: dict[str, str], note: str) -> None:
    run = summary_of(make_run(tmp_path / "a", files=files))
    assert (run.state, run.note) == ("damaged", note)


def test_runs_are_found_at_any_depth_but_not_inside_runs_or_hidden_folders(tmp_path: Path) -> None:
    for name in ("b", "a", "study/trials/0001", "a/inner", ".hidden/c"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        if not (tmp_path / name).exists():
            make_run(tmp_path / name)
    (tmp_path / "none").mkdir()
    assert [run.path.relative_to(tmp_path).as_posix() for run in runs_in(tmp_path)] == ["a", "b", "study/trials/0001"]
    assert [run.path for run in runs_in(tmp_path / "b")] == [tmp_path / "b"]


def test_a_folder_that_is_none_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name, what in (("file", "is a file"), ("nothing", "does not exist")):
        with pytest.raises(DataError) as raised:
            runs_in(tmp_path / name)
        assert str(raised.value) == (
            f"runs: {tmp_path / name} {what}, expected a folder with runs. carrousel train makes them in runs."
        )


def of_figures(name: str, monitor: str = "accuracy", **figures: float) -> RunSummary:
    return RunSummary(Path(name), "finished", figures=figures, monitor=monitor, is_higher_better=monitor == "accuracy")


def test_the_best_comes_first_and_what_has_no_such_figure_last() -> None:
    runs = [of_figures("a", accuracy=0.5, loss=3), of_figures("b"), of_figures("c", accuracy=0.9, loss=9)]
    order = {
        name: [run.path.name for run in sort_runs(runs, name)] for name in ("accuracy", "-accuracy", "loss", "-loss")
    }
    assert order == {
        "accuracy": ["c", "a", "b"], "-accuracy": ["a", "c", "b"], "loss": ["a", "c", "b"], "-loss": ["c", "a", "b"],
    }  # fmt: skip


def test_an_unknown_figure_is_named() -> None:
    with pytest.raises(ConfigError) as raised:
        sort_runs([of_figures("a", accuracy=0.5, loss=3)], "acuracy")
    assert str(raised.value) == (
        "runs: no run has a figure 'acuracy', expected one of theirs. Did you mean 'accuracy'? Figures: accuracy, loss."
    )
    with pytest.raises(ConfigError) as raised:
        sort_runs([], "loss")
    assert str(raised.value) == "runs: no run has a figure 'loss', expected one of theirs. None of them has any."


def test_settings_that_differ_are_found_in_the_order_of_the_files(tmp_path: Path) -> None:
    runs = [
        summary_of(make_run(tmp_path / "a")),
        summary_of(make_run(tmp_path / "b", hidden_size=16, learning_rate=0.2)),
        summary_of(make_run(tmp_path / "c", files={"config.yaml": "model: {hidden_size: 8, extra: 1}"})),
    ]
    assert compare(runs[:2]) == {"model.hidden_size": [8, 16], "train.learning_rate": [0.1, 0.2]}
    assert compare(runs)["model.extra"] == [None, None, 1]
    assert compare(runs[:1]) == {}


def test_numbers_that_json_does_not_know_become_text() -> None:
    assert finite({"a": float("nan"), "b": [1.5, float("-inf"), "x", None]}) == {
        "a": "nan",
        "b": [1.5, "-inf", "x", None],
    }


def printed(runs: list[RunSummary], width: int, *, is_terminal: bool = True) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=is_terminal, no_color=True, color_system=None)
    print_runs(console, runs)
    print_differences(console, runs)
    return console.file.getvalue().splitlines()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType]


def test_a_table_where_it_fits_and_blocks_where_it_does_not(tmp_path: Path) -> None:
    make_run(tmp_path / "plays_[b]_2026-11-21", summary=SUMMARY | {"source": "x [/red]"})
    make_run(tmp_path / "quick", updates=10, summary=None, hidden_size=16)
    runs = runs_in(tmp_path)
    wide = printed(runs, 140)
    assert wide[0].split() == ["run", "state", "kind", "accuracy", "loss", "updates", "time", "parameters", "data"]
    assert wide[1].split() == [
        "plays_[b]_2026-11-21",
        "finished",
        "toy",
        "0.750",
        "0.500",
        "40",
        "1:05",
        "1,234",
        "x",
        "[/red]",
    ]
    assert wide[2].split() == ["quick", "unfinished", "toy", "0.550", "0.100", "10", "0:05"]
    assert wide[4].split() == ["model.hidden_size", "8", "16"]
    assert printed(runs, 40, is_terminal=False) == wide
    narrow = printed(runs, 40)
    assert max(map(len, narrow)) <= 40
    assert [line.rstrip() for line in narrow] == [
        "plays_[b]_2026-11-21",
        "  finished, toy, accuracy 0.750, loss",
        "  0.500, updates 40, time 1:05,",
        "  parameters 1,234, x [/red]",
        "quick",
        "  unfinished, toy, accuracy 0.550, loss",
        "  0.100, updates 10, time 0:05",
        "model.hidden_size",
        "  plays_[b]_2026-11-21 8, quick 16",
    ]


def test_equal_settings_are_said_to_be_equal(tmp_path: Path) -> None:
    make_run(tmp_path / "a")
    make_run(tmp_path / "b")
    assert printed(runs_in(tmp_path), 100)[-1] == "All settings are the same."
