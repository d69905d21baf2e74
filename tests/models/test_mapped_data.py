"""Pairs, series and tables that are mapped from files: views, the same numbers as in memory, and nothing left behind."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from carrousel.data import kept
from carrousel.data.far import FarValueWarning
from carrousel.errors import DataError
from carrousel.models.autoencoder import KIND as AUTOENCODER
from carrousel.models.autoencoder.reading import read_series
from carrousel.models.autoencoder.scores import scores_of
from carrousel.models.autoencoder.settings import AutoencoderDataSettings
from carrousel.models.forecaster import KIND as FORECASTER
from carrousel.models.forecaster import ForecasterSettings
from carrousel.models.forecaster.material import Material
from carrousel.models.kinds import find_kind
from carrousel.models.seq2seq import KIND as SEQ2SEQ
from carrousel.models.seq2seq.kind import UnknownUnitsWarning
from carrousel.models.seq2seq.reading import pairs_of
from carrousel.train.kind import Prepared
from carrousel.train.run import Run

WAVE = [f"{np.sin(k / 5):.4f}" for k in range(400)]
GAPPED = ["" if k % 11 in (3, 4) or 190 < k < 210 else cell for k, cell in enumerate(WAVE)]
FILES = {
    "autoencoder": "a,odd\n" + "".join(f"{cell},{int(k == 390)}\n" for k, cell in enumerate(WAVE)),
    "forecaster": "unique_id,ds,y\n" + "".join(f"s{k // 200},{k % 200},{cell}\n" for k, cell in enumerate(GAPPED)),
    "seq2seq": "".join(f"{k:03d}\t{k * 7 % 1000:03d}\n" for k in range(60)),
}
SETTINGS: dict[str, dict[str, Any]] = {
    "autoencoder": {"data": {"label": "odd", "window": 20, "stride": 7}, "model": {"hidden_size": 3}},
    "forecaster": {"data": {}, "model": {"hidden_size": 3, "context": 8, "horizon": 3, "season": 4}},
    "seq2seq": {"data": {}, "model": {"hidden_size": 3, "embedding_size": 3}, "decoding": {"max_length": 4}},
}
ENDINGS = {"seq2seq": "tsv"}


def file_of(kind: str, folder: Path) -> Path:
    path = folder / f"data.{ENDINGS.get(kind, 'csv')}"
    path.write_text(FILES[kind])
    return path


def settings_of(kind: str, path: Path, store: Path | None, **train: Any) -> Any:
    given = json.loads(json.dumps(SETTINGS[kind]))
    given["data"] |= {"train": str(path), "store": None if store is None else str(store)}
    given["train"] = {"batch_size": 8, "updates": 4, "epochs": None, "evaluate_every": 2, "threads": 1} | train
    return find_kind(kind).Settings.of(given)


def numbers_of(prepared: Prepared, kind: str) -> list[Any]:
    """Losses of some batches, held-out figures, baselines, examples and names: everything that comes from the data."""
    losses = [prepared.loss(prepared.network, prepared.batches.next(), None).loss.item() for _ in range(5)]
    ids = list(prepared.ids(prepared.batches.next()))
    return [
        losses,
        ids,
        dict(prepared.evaluate(prepared.network)),
        prepared.baselines(),
        list(prepared.examples(prepared.network)),
        prepared.fingerprint,
        prepared.size,
    ]


@pytest.mark.parametrize("kind", FILES)
def test_mapped_data_give_the_numbers_of_data_in_memory(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, found = file_of(kind, tmp_path), list[list[Any]]()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for store, large in ((None, kept.LARGE), (tmp_path / "store", kept.LARGE), (tmp_path / "store", 1), (None, 1)):
        monkeypatch.setattr(kept, "LARGE", large)
        torch.manual_seed(0)
        prepared = find_kind(kind).prepare(settings_of(kind, path, store))
        found.append(numbers_of(prepared, kind))
        assert ("" if store is None and large > 1 else "Kept in") in prepared.store
    assert found[1:] == found[:1] * 3
    assert sorted(one.name for one in tmp_path.iterdir()) == [path.name, "store"]
    assert not [one for one in (tmp_path / "store").rglob("*") if one.name.startswith(".")]


SMALL = {
    "carrousel.data.stretches": 13,
    "carrousel.models.forecaster.panel": 12,
    "carrousel.models.forecaster.metrics": 5,
    "carrousel.models.autoencoder.scores": 9,
    "carrousel.models.autoencoder.baselines": 60,
    "carrousel.models.autoencoder.reading": 11,
}


@pytest.mark.parametrize("kind", FILES)
def test_small_blocks_give_the_numbers_of_a_large_one(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, found = file_of(kind, tmp_path), list[list[Any]]()
    for is_small in (False, True):
        if is_small:
            monkeypatch.setattr("carrousel.models.seq2seq.kind.CHUNK", 2)
            for module, size in SMALL.items():
                monkeypatch.setattr(f"{module}.BLOCK", size)
        torch.manual_seed(0)
        found.append(numbers_of(find_kind(kind).prepare(settings_of(kind, path, None)), kind))
    (losses, ids, figures, baselines, _, fingerprint, size), (*others, shown, again, same) = found[1], found[0]
    assert len(shown) > 0
    assert (ids, fingerprint, size) == (others[1], again, same)
    assert losses == pytest.approx(others[0], rel=1e-5)
    assert figures == pytest.approx(others[2], rel=1e-4)
    assert {name: one for name, (one, _) in baselines.items()} == {
        name: pytest.approx(one, rel=1e-6) for name, (one, _) in others[3].items()
    }


@pytest.mark.parametrize("kind", FILES)
def test_a_run_on_mapped_data_that_is_stopped_goes_on_as_if_it_had_not(kind: str, tmp_path: Path) -> None:
    path = file_of(kind, tmp_path)

    def metrics(run: Run) -> list[Any]:
        return [{name: value for name, value in line.items() if name != "seconds"} for line in run.folder.metrics()]

    whole = Run.start(find_kind(kind), settings_of(kind, path, None), tmp_path / "whole")
    for _ in whole.train():
        pass
    stopped = Run.start(find_kind(kind), settings_of(kind, path, tmp_path / "store"), tmp_path / "stopped")
    for _ in stopped.train(lambda: stopped.training.update >= 2):
        pass
    again = Run.resume(tmp_path / "stopped", find_kind)
    assert again.training.update == 2
    for _ in again.train():
        pass
    assert metrics(again) == metrics(whole)
    for name, weight in whole.prepared.network.state_dict().items():
        torch.testing.assert_close(again.prepared.network.state_dict()[name], weight, rtol=0, atol=0)


def is_mapped(array: np.ndarray) -> bool:
    base: Any = array
    while base is not None and not isinstance(base, np.memmap):
        base = base.base
    return base is not None


@pytest.mark.tiny
def test_parts_series_and_windows_are_views_of_the_mapped_values(tmp_path: Path) -> None:
    series = read_series(
        file_of("autoencoder", tmp_path), AutoencoderDataSettings(label="odd"), "test", store=tmp_path / "store"
    )
    train, valid = series.split(0.1, 20, "test")
    assert is_mapped(series.values.values)
    for part in (train, valid):
        assert np.shares_memory(part.values[0], series.values.values)
    assert [part.num_steps for part in (train, valid)] == [360, 40]

    pairs, _ = pairs_of(
        file_of("seq2seq", tmp_path), ("characters", "characters"), "test", store=tmp_path / "store" / "pairs"
    )
    learned, held_out = pairs.hold_out(0, "test")
    assert is_mapped(pairs.sources.ids.values)
    for part in (learned, held_out):
        assert np.shares_memory(part.targets.ids[1], pairs.targets.ids.values)

    given = settings_of("forecaster", file_of("forecaster", tmp_path), tmp_path / "store" / "table")
    assert isinstance(given, ForecasterSettings)
    found = Material.of(given, None, "test")
    assert np.shares_memory(found.panel.raw, found.table.values.values)
    for array in (found.panel.raw, found.panel.y, found.panel.seasonal, found.panel.seen):
        assert is_mapped(array)


@pytest.mark.tiny
def test_rows_of_several_series_may_be_mixed(tmp_path: Path) -> None:
    path = tmp_path / "mixed.csv"
    path.write_text("who,a,b,odd\nx,1,2,0\ny,3,4,1\nx,5,6,1\nz,7,8,0\ny,9,10,0\n")
    for store in (None, tmp_path / "store"):
        found = read_series(path, AutoencoderDataSettings(series="who", label="odd"), "test", store=store)
        assert found.names == ["x", "y", "z"]
        assert [part.tolist() for part in found.values] == [[[1, 2], [5, 6]], [[3, 4], [9, 10]], [[7, 8]]]
        assert found.labels is not None
        assert found.lines is not None
        assert [part.tolist() for part in found.labels] == [[False, True], [True, False], [False]]
        assert [part.tolist() for part in found.lines] == [[2, 4], [3, 6], [5]]


@pytest.mark.tiny
def test_scores_in_parts_are_those_of_all_windows_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = file_of("autoencoder", tmp_path)
    prepared = AUTOENCODER.prepare(settings_of("autoencoder", path, None))
    series = read_series(path, AutoencoderDataSettings(label="odd", columns=["a"]), "test")
    whole = np.concatenate(list(scores_of(prepared.network, series)))  # type: ignore[arg-type]
    monkeypatch.setattr("carrousel.models.autoencoder.scores.BATCH_SIZE", 3)
    monkeypatch.setattr(kept, "LARGE", 1)
    parts = scores_of(prepared.network, series)  # type: ignore[arg-type]
    assert is_mapped(parts.values)
    np.testing.assert_allclose(np.concatenate(list(parts)), whole, rtol=1e-5)


@pytest.mark.tiny
@pytest.mark.parametrize("length", [100, 2_000])
def test_a_value_that_makes_scaling_useless_is_named_by_line(length: int, tmp_path: Path) -> None:
    rng, path = np.random.default_rng(0), tmp_path / "x.csv"
    cells = [f"{value:.3f}" for value in rng.normal(size=length)]
    cells[17] = "1e30"
    path.write_text("quiet,loud\n" + "".join(f"{k % 3},{cell}\n" for k, cell in enumerate(cells)))
    with pytest.warns(FarValueWarning) as caught:
        prepared = AUTOENCODER.prepare(AUTOENCODER.Settings.of({"data": {"train": str(path)}}))
    text = str(caught[0].message)
    assert text.startswith(
        f"train: {path}: values more than 20 standard deviations from the others of their column: loud has 1 value, the furthest "
        "1e+30 in line 19, |z| = "
    )
    assert text.endswith(". Scaled by these, the others are nearly equal. Correct or leave out what is wrong.")
    assert prepared.notes["far_values"] in text
    with pytest.warns(FarValueWarning, match=r"in series 0, step 17, \|z\| = "):
        AUTOENCODER.prepare(AUTOENCODER.Settings.of({}), data=[np.array(cells, np.float64)])


@pytest.mark.tiny
def test_pairs_of_another_task_are_refused_and_many_unknown_units_told(tmp_path: Path) -> None:
    prepared = SEQ2SEQ.prepare(settings_of("seq2seq", file_of("seq2seq", tmp_path), None))
    network: Any = prepared.network
    wrong = tmp_path / "wrong.tsv"
    wrong.write_text("abcd1\tab\nab\t123\n")
    with pytest.raises(DataError) as caught:
        SEQ2SEQ.evaluate(network, wrong)
    assert str(caught.value) == (
        f"evaluate: {wrong} has 6 of 7 source characters that were never learned ('a' 2, 'b' 2, 'c' 1, 'd' 1), expected few. Check "
        "that it is the right file, a source and a target a line."
    )
    with pytest.raises(DataError) as caught:
        SEQ2SEQ.evaluate(network, [("12", "positive")])
    assert str(caught.value) == (
        "evaluate: data has 8 of 8 target characters that were never learned ('i' 2, 'p' 1, 'o' 1, 's' 1, 't' 1, 'v' 1, 'e' 1), "
        "expected few. Check that it is the right file, a source and a target a line."
    )
    with pytest.warns(UnknownUnitsWarning) as told:
        figures = SEQ2SEQ.evaluate(network, [("12x4", "123")])
    assert str(told[0].message) == "evaluate: data has 1 of 4 source characters that were never learned ('x' 1)."
    assert set(figures) == {"character_error_rate", "exact_match"}


@pytest.mark.tiny
def test_a_file_too_large_for_memory_is_evaluated_from_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file_of("forecaster", tmp_path)
    prepared = FORECASTER.prepare(settings_of("forecaster", path, None))
    network: Any = prepared.network
    in_memory = FORECASTER.evaluate(network, path)
    monkeypatch.setattr(kept, "LARGE", 1)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert FORECASTER.evaluate(network, path) == in_memory
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.tiny
@pytest.mark.parametrize("block", [4, 8, 12])
def test_gaps_are_filled_alike_across_the_ends_of_blocks(
    block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = settings_of("forecaster", file_of("forecaster", tmp_path), None)
    whole = Material.of(given, None, "test").panel
    monkeypatch.setattr("carrousel.models.forecaster.panel.BLOCK", block)
    parts = Material.of(given, None, "test").panel
    for name in ("y", "seasonal", "seen", "past", "future"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name), err_msg=name)


@pytest.mark.parametrize("head", ["quantile", "student-t", "median"])
def test_forecasts_in_lots_have_the_figures_and_lines_of_all_at_once(
    head: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of("forecaster", file_of("forecaster", tmp_path), None)
    settings = settings.model_copy(update={"model": settings.model.model_copy(update={"head": head})})
    torch.manual_seed(0)
    network: Any = FORECASTER.prepare(settings).network
    later = tmp_path / "later.csv"
    later.write_text(
        "unique_id,ds,y\n" + "".join(f"s{k // 200},{500 + k % 200},{cell}\n" for k, cell in enumerate(GAPPED * 3))
    )
    whole = FORECASTER.evaluate(network, later), list(FORECASTER.predict(network, later))
    assert len(whole[1]) == 1 + 6 * 3
    monkeypatch.setattr("carrousel.models.forecaster.forecasts.BATCH", 4)
    monkeypatch.setattr("carrousel.models.forecaster.forecasts.AT_ONCE", 1)
    monkeypatch.setattr("carrousel.models.forecaster.future.BLOCK", 7)
    assert FORECASTER.evaluate(network, later) == pytest.approx(whole[0], rel=1e-6)
    lines = list(FORECASTER.predict(network, later))
    assert lines[0] == whole[1][0]
    for line, expected in zip(lines[1:], whole[1][1:], strict=True):
        assert line.split(",")[:2] == expected.split(",")[:2]
        numbers, known = ([float(cell) for cell in text.split(",")[2:]] for text in (line, expected))
        assert numbers == pytest.approx(known, rel=1e-4, abs=1e-5)
