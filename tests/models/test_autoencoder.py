"""Series through a bottleneck and back: windows, scores, the threshold, files, and what another kind can take over."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from carrousel.errors import ConfigError, DataError
from carrousel.models.autoencoder import KIND, Autoencoder, AutoencoderNetwork
from carrousel.models.autoencoder.reading import read_series
from carrousel.models.autoencoder.scores import detection, scores_of
from carrousel.models.autoencoder.series import of_objects, windows_of
from carrousel.models.autoencoder.settings import AutoencoderDataSettings
from carrousel.models.kinds import write_starter

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


def test_the_starter_trains(tmp_path: Path) -> None:
    paths = write_starter("autoencoder", tmp_path)
    assert [path.name for path in paths] == ["autoencoder.yaml", "SOURCE.md", "ecg.csv"]
    series = read_series(paths[2], AutoencoderDataSettings(columns=["millivolts"], label="irregular"), "test")
    assert (series.num_steps, series.channels) == (7_500, ["millivolts"])
    assert series.labels is not None
    assert series.labels.values.sum() == 352


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
