"""Series through a bottleneck and back: windows, scores, the threshold, files, and what another kind can take over."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from carrousel.data import kept
from carrousel.data.ragged import Ragged
from carrousel.data.stretches import Stretches
from carrousel.errors import ConfigError, DataError
from carrousel.models.autoencoder import KIND, Autoencoder, AutoencoderNetwork
from carrousel.models.autoencoder.baselines import plain_errors
from carrousel.models.autoencoder.reading import read_series
from carrousel.models.autoencoder.scores import (
    detection,
    errors_of,
    figures_of,
    of_steps,
    over_windows,
    scores_of,
    smoothed,
    threshold_of,
)
from carrousel.models.autoencoder.series import of_objects, windows_of
from carrousel.models.autoencoder.settings import AutoencoderDataSettings

COLUMNS = AutoencoderDataSettings()


def sines(num_steps: int = 400, seed: int = 0) -> np.ndarray:
    """Two channels, a sine and a cosine with a little noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(num_steps) * 0.3
    return np.stack([np.sin(time), np.cos(time)], 1).astype(np.float32) + 0.02 * rng.normal(size=(num_steps, 2))


def new_network(horizon: int = 0) -> AutoencoderNetwork:
    torch.manual_seed(0)
    return AutoencoderNetwork([0.0, 1.0], [1.0, 2.0], window=7, horizon=horizon, hidden_size=5).double()


@pytest.mark.tiny
def test_the_decoder_knows_the_state_alone_and_writes_backwards() -> None:
    network, ends = new_network(), [5, 3]
    lengths = torch.tensor(ends)
    z = torch.randn(5, 2, 2, dtype=torch.float64)
    written, after = network(z, lengths)
    assert after.shape == (0, 2, 2)
    for b, length in enumerate(ends):
        _, state = network.encoder(z[:length, b : b + 1])
        backwards, _ = network.decoder(torch.zeros(length, 1, 1, dtype=torch.float64), state)
        expected = network.output(backwards).flip(0)[:, 0]
        torch.testing.assert_close(written[:length, b], expected, rtol=0, atol=1e-12)


@pytest.mark.tiny
def test_the_predictor_goes_on_from_the_same_state() -> None:
    network = new_network(horizon=3)
    z = torch.randn(7, 2, 2, dtype=torch.float64)
    _, after = network(z)
    _, state = network.encoder(z)
    assert network.predictor is not None
    assert network.predicted is not None
    y, _ = network.predictor(torch.zeros(3, 2, 1, dtype=torch.float64), state)
    torch.testing.assert_close(after, network.predicted(y), rtol=0, atol=1e-12)


@pytest.mark.tiny
def test_errors_are_of_standardised_channels_and_zero_past_the_end() -> None:
    network, lengths = new_network(), torch.tensor([4, 2])
    x = torch.randn(4, 2, 2, dtype=torch.float64)
    z = (x - torch.tensor([0.0, 1.0])) / torch.tensor([1.0, 2.0])
    written, _ = network(z, lengths)
    expected = (written - z).square().mean(-1)
    expected[2:, 1] = 0
    torch.testing.assert_close(network.errors(x, lengths), expected, rtol=0, atol=1e-12)


@pytest.mark.tiny
@given(lengths=st.lists(st.integers(0, 30), min_size=1, max_size=4), window=st.integers(2, 9), stride=st.integers(1, 9))
def test_windows_lie_in_their_series_and_reach_its_end(lengths: list[int], window: int, stride: int) -> None:
    series = of_objects([np.zeros((length, 1)) for length in lengths], "test")
    found = windows_of(series, window, stride)
    rows: list[list[int]] = found.tolist()
    assert all(2 <= length <= window and start + length <= lengths[k] for k, start, length in rows)
    for k, length in enumerate(lengths):
        own = [(start, start + size) for series_number, start, size in rows if series_number == k]
        assert (own[0][0], own[-1][1]) == (0, length) if length >= 2 else not own
        if stride <= window:
            assert all(later[0] <= earlier[1] for earlier, later in itertools.pairwise(own))


@pytest.mark.tiny
def test_a_steps_score_is_the_mean_over_the_windows_that_hold_it() -> None:
    network = new_network().float()
    series = of_objects([sines(17)], "test")
    total, count = np.zeros(17), np.zeros(17)
    for start in (0, 3, 6, 9, 10):
        x = torch.from_numpy(series.values[0][start : start + 7])[:, None]
        total[start : start + 7] += network.errors(x, torch.tensor([7]))[:, 0].detach().numpy()
        count[start : start + 7] += 1
    np.testing.assert_allclose(scores_of(network, series)[0], total / count, rtol=1e-5)


@pytest.mark.tiny
@given(
    scores=arrays(np.float64, 12, elements=st.integers(0, 4).map(float)),
    marks=arrays(bool, 12).filter(lambda marks: 0 < marks.sum() < 12),
)
def test_detection_is_what_its_definitions_say(scores: np.ndarray, marks: np.ndarray) -> None:
    found = detection(scores, marks, 2.0)
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[marks] for b in scores[~marks]]
    assert found["roc_auc"] == pytest.approx(np.mean(pairs))
    area, before = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        said = scores >= threshold
        recall = (said & marks).sum() / marks.sum()
        area += (recall - before) * (said & marks).sum() / said.sum()
        before = recall
    assert found["average_precision"] == pytest.approx(area)
    said = scores > 2
    assert found["recall"] == (said & marks).sum() / marks.sum()
    assert found["precision"] == (said & marks).sum() / max(1, said.sum())


@pytest.mark.tiny
def test_without_marked_steps_nothing_is_said_about_finding_them() -> None:
    assert detection(np.arange(3.0), np.zeros(3, bool), 1.0) == {"precision": 0.0, "recall": 0.0, "f1": 0.0}


def test_a_series_is_learned_saved_and_its_break_found(tmp_path: Path) -> None:
    settings = {"window": 20, "stride": 5, "hidden_size": 12, "epochs": 60, "learning_rate": 0.02, "threads": 1}
    model = Autoencoder(**settings, quantile=0.99).fit([sines()])
    assert model.figures["mse"] < 0.2
    broken = sines(200, seed=1)
    broken[100:110] = 0.0
    (scores,) = model.predict(broken)
    assert 95 <= scores.argmax() < 115
    assert scores[100:110].max() > model.threshold
    marks = np.zeros(200, bool)
    marks[100:110] = True
    assert model.evaluate(([broken], [marks]))["roc_auc"] > 0.9
    model.save_pretrained(tmp_path / "model")
    again = Autoencoder.from_pretrained(tmp_path / "model")
    assert again.threshold == model.threshold
    np.testing.assert_array_equal(again.predict(broken)[0], scores)


@pytest.mark.tiny
@given(errors=arrays(np.float64, st.integers(0, 9), elements=st.integers(0, 9).map(float)), steps=st.integers(1, 12))
def test_a_score_is_the_mean_over_the_steps_around_it(errors: np.ndarray, steps: int) -> None:
    (found,) = smoothed(Stretches.of(Ragged.of([errors])), steps)
    around = [errors[max(0, t - (steps - 1) // 2) : t + steps // 2 + 1] for t in range(len(errors))]
    np.testing.assert_allclose(found, [some.mean() for some in around], rtol=1e-12)


@pytest.mark.tiny
@pytest.mark.parametrize("steps", [1, 2, 3, 8, 12, 13, 40, 1_000])
@pytest.mark.parametrize("block", [1, 4, 7, 64])
def test_a_mean_over_steps_of_several_blocks_is_bit_for_bit_that_of_one(
    block: int, steps: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    of_each = [rng.exponential(size=length) for length in (0, 30, 1, 65, 2)]
    errors = Stretches.of(Ragged.of([np.full(3, 1e30), *of_each])).some(
        np.arange(1, 6)
    )  # what lies between is left out
    whole = smoothed(errors, steps)
    monkeypatch.setattr("carrousel.models.autoencoder.scores.BLOCK", block)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(kept, "LARGE", 1)
    parts = smoothed(errors, steps)
    assert isinstance(parts.values.base, np.memmap)
    assert parts.values.tobytes() == whole.values.tobytes()
    for one, found in zip(of_each, parts, strict=True):
        around = [one[max(0, t - (steps - 1) // 2) : t + steps // 2 + 1] for t in range(len(one))]
        np.testing.assert_allclose(found, [some.mean() for some in around], rtol=1e-12)


@pytest.mark.tiny
@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize("block", [1, 5, 40])
def test_steps_between_windows_that_lie_far_apart_are_not_left_out(
    block: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("carrousel.models.autoencoder.scores.BLOCK", block)
    lengths = [3, 12, *[1] * 50, 2, 9, 0, 4, 15, 6]
    series = of_objects([np.arange(length, dtype=np.float64)[:, None] + k for k, length in enumerate(lengths)], "test")
    windows = windows_of(series, 7, 3)
    windows = windows[windows[:, 2] == 7]

    def errors(some: np.ndarray) -> np.ndarray:
        return np.stack([series.values[k][start : start + 7, 0] * (start + 1.0) for k, start, _ in some.tolist()], 1)

    found = list(over_windows(series, windows, size, errors))
    total, is_held = [np.zeros(length) for length in lengths], [np.zeros(length, int) for length in lengths]
    for k, start, _ in windows.tolist():
        total[k][start : start + 7] += series.values[k][start : start + 7, 0] * (start + 1.0)
        is_held[k][start : start + 7] += 1
    count = np.concatenate(is_held)
    np.testing.assert_array_equal(np.concatenate([held for _, held in found]), count > 0)
    means = of_steps((mean for mean, _ in found), series.values.lengths)
    np.testing.assert_allclose(means.values, np.concatenate(total) / np.maximum(count, 1), rtol=1e-12)
    assert max(len(mean) for mean, _ in found) <= block + 7 + 6


@pytest.mark.tiny
def test_figures_of_several_blocks_are_those_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    marks = [rng.random(length) < 0.2 for length in (50, 0, 33)]
    series = of_objects(([np.zeros((len(one), 1)) for one in marks], marks), "test")
    errors = Stretches.of(Ragged.of([rng.exponential(size=len(one)) for one in marks]))
    whole = figures_of(errors, series, 5, 1.0), threshold_of(errors, series, 5, 0.9)
    for module in ("carrousel.data.stretches", "carrousel.models.autoencoder.scores"):
        monkeypatch.setattr(f"{module}.BLOCK", 8)
    assert figures_of(errors, series, 5, 1.0) == pytest.approx(whole[0], rel=1e-12)
    assert threshold_of(errors, series, 5, 0.9) == pytest.approx(whole[1], rel=1e-12)
    assert whole[0]["mse"] == pytest.approx(errors.values[~np.concatenate(marks)].mean(), rel=1e-12)


@pytest.mark.tiny
def test_scores_of_a_network_are_its_smoothed_errors() -> None:
    network = new_network().float()
    network.smoothing = 5
    series = of_objects([sines(17), sines(30)], "test")
    for scores, errors in zip(scores_of(network, series), errors_of(network, series), strict=True):
        np.testing.assert_array_equal(scores, smoothed(Stretches.of(Ragged.of([errors])), 5)[0])
    assert AutoencoderNetwork.of_config(network.config()).smoothing == 5


@pytest.mark.tiny
def test_the_error_is_of_steps_that_are_not_marked_and_so_is_the_threshold() -> None:
    marks = np.array([False, True, False, False])
    series = of_objects(([np.zeros((4, 1))], [marks]), "test")
    errors = Stretches.of(Ragged.of([np.array([1.0, 9.0, 2.0, 6.0])]))
    assert figures_of(errors, series, 1, 5.0) == {
        "mse": 3.0, "precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "roc_auc": 1.0, "average_precision": 1.0
    }  # fmt: skip
    assert threshold_of(errors, series, 1, 0.5) == 2.0
    assert threshold_of(errors, of_objects([np.zeros((4, 1))], "test"), 1, 0.5) == 4.0


@pytest.mark.tiny
def test_what_components_leave_is_what_a_decomposition_of_windows_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    network, size = new_network(), 7
    train, test = (of_objects([sines(70, seed), sines(5, seed)], "test") for seed in range(2))
    found = plain_errors(network, train, test, 3)
    assert list(found) == ["mean", "pca"]
    z = [[(series.values[k] - network.means) / network.deviations for k in range(2)] for series in (train, test)]
    np.testing.assert_allclose(found["mean"][1][0], np.square(z[1][0]).mean(1), rtol=1e-12)
    starts = range(0, 64, 3)
    seen = np.stack([z[0][0][start : start + size].ravel() for start in starts])
    _, axes = np.linalg.eigh(np.cov(seen.T))
    centre, basis = seen.mean(0), axes[:, -3:]
    total, count = np.zeros(70), np.zeros(70)
    for start in starts:
        window = z[1][0][start : start + size].ravel() - centre
        left = np.square(window - basis @ (basis.T @ window)).reshape(size, 2).mean(1)
        total[start : start + size] += left
        count[start : start + size] += 1
    np.testing.assert_allclose(found["pca"][1][0], total / count, rtol=1e-8)
    np.testing.assert_allclose(found["pca"][1][1], np.square(z[1][1]).mean(1), rtol=1e-12)  # shorter than a window
    assert found["pca"][2] == "3 principal components of a window, as many numbers as one state of the model"
    for module in (
        "carrousel.data.stretches",
        "carrousel.models.autoencoder.scores",
        "carrousel.models.autoencoder.baselines",
    ):
        monkeypatch.setattr(f"{module}.BLOCK", 9)
    in_blocks = plain_errors(network, train, test, 3)
    for name, (*whole, _) in found.items():
        for errors, expected in zip(in_blocks[name][:2], whole, strict=True):
            np.testing.assert_allclose(errors.values, expected.values, rtol=1e-8)


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\n1\nx\n", "test: {path}, line 3 has 'x' in column 'a', expected a finite number."),
        ("a\n1\nnan\n", "test: {path}, line 3 has 'nan' in column 'a', expected a finite number."),
        ("a\n1\n1e39\n", "test: {path}, line 3 has '1e39' in column 'a', expected a finite number."),
        ("a\n", "test: {path} has no row, expected at least one time step. Check that it is the right file."),
    ],
)
def test_malformed_tables_are_named_by_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "series.csv"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        read_series(path, COLUMNS, "test")
    assert str(caught.value).startswith(message.format(path=path))


@pytest.mark.tiny
def test_bad_rows_can_be_left_out_and_series_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "series.csv"
    path.write_text("who,a,b\nx,1,2\ny,3,4\nx,?,6\ny,7,8\n")
    found = read_series(path, AutoencoderDataSettings(series="who"), "test", skip_bad=True)
    assert (found.names, found.channels) == (["x", "y"], ["a", "b"])
    assert [found.values[k].tolist() for k in range(2)] == [[[1, 2]], [[3, 4], [7, 8]]]
    assert found.report


@pytest.mark.tiny
def test_predicting_gives_a_line_a_step_and_refuses_unknown_options() -> None:
    network = new_network().float()
    network.get_buffer("threshold").fill_(1e9)
    lines = list(KIND.predict(network, [sines(9)]))
    assert len(lines) == 9
    assert lines[3].split("\t")[:2] == ["series 0", "3"]
    assert {line.split("\t")[3] for line in lines} == {"0"}
    assert {line.split("\t")[3] for line in KIND.predict(network, [sines(9)], threshold=-1)} == {"1"}
    with pytest.raises(ConfigError) as caught:
        list(KIND.predict(network, [sines(9)], beam=3))
    assert str(caught.value) == "predict: unknown option 'beam', expected threshold. Leave it out."


@pytest.mark.tiny
def test_steps_that_are_all_marked_leave_nothing_to_fit_a_threshold_on(tmp_path: Path) -> None:
    path = tmp_path / "series.csv"
    path.write_text("a,odd\n" + "".join(f"{k % 7},1\n" for k in range(100)))
    with pytest.raises(DataError) as caught:
        KIND.prepare(KIND.Settings.of({"data": {"train": str(path), "label": "odd", "window": 10}}))
    assert str(caught.value) == (
        f"train: {path}: all 90 steps to learn from are marked as anomalies, expected some that are not: the threshold is "
        "fitted on them. Check the column 'odd', or leave data.label out."
    )
