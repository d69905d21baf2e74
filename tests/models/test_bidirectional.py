"""Forecasters and autoencoders that read in both directions, against loops in NumPy; what they must not see, and what they must."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from reference import lstm
from reference.arrays import Array, Arrays
from torch import Tensor, nn

from carrousel import Cell, Recurrent
from carrousel.cells import find
from carrousel.data.readers.series import SeriesColumns, read_series
from carrousel.data.readers.static import Static
from carrousel.data.windows import Windows
from carrousel.errors import ConfigError
from carrousel.layers.draw import Draw
from carrousel.models import AutoencoderNetwork
from carrousel.models.autoencoder.series import batch_of, of_objects, windows_of
from carrousel.models.bridge import Bridge
from carrousel.models.forecaster import KIND, Forecaster, ForecasterNetwork, ForecasterSettings
from carrousel.models.forecaster.forecasts import forecast
from carrousel.models.forecaster.material import Material
from carrousel.models.forecaster.panel import Batch, Panel

SMALL: dict[str, Any] = {
    "horizon": 3,
    "context": 6,
    "min_context": 3,
    "hidden_size": 4,
    "season": 4,
    "bidirectional": True,
    "past": ("wind",),
    "future": ("plan",),
    "updates": 2,
    "batch_size": 4,
    "threads": 1,
}
STATIC = Static(cast(Any, {"height": (3.0, 5.0), "kind": ("lake", "river")}))


def weather(steps: int = 60, seed: int = 0) -> dict[str, list[Any]]:
    """Two series, with a covariate that is known ahead and one that is not, hour by hour."""
    rng, count = np.random.default_rng(seed), 2 * steps
    hours = [f"2024-01-{1 + h // 24:02d} {h % 24:02d}:00" for h in range(steps)]
    numbers: dict[str, list[Any]] = {name: rng.normal(size=count).tolist() for name in ("y", "plan", "wind")}
    return {"unique_id": ["a"] * steps + ["b"] * steps, "ds": hours * 2, **numbers}


def forecaster(**settings: Any) -> tuple[ForecasterNetwork, Material]:
    """A network whose head is not zero, as it is at first, and what it was made for."""
    torch.manual_seed(0)
    given = Forecaster(**SMALL | {"valid": 0.2, "test": 0.0} | settings).settings
    assert isinstance(given, ForecasterSettings)
    columns = SeriesColumns(past=given.data.past, future=given.data.future)
    found = Material.of(given, (read_series(weather(), columns), STATIC), "test")
    network = ForecasterNetwork(found.recipe, given.model)
    nn.init.normal_(network.head.linear.weight)
    if network.bridge is not None:
        for weight in network.bridge.parameters():  # which is the mean at first
            nn.init.normal_(weight)
    return network.eval().double(), found


def widened(batch: Batch) -> Batch:
    return Batch(*(part.double() if part.is_floating_point() else part for part in batch))


@dataclass
class Loop:
    """Layers of LSTM cells, one step at a time in NumPy."""

    layers: Recurrent

    def params(self, layer: int, suffix: str) -> Arrays:
        names = self.layers.cell.param_axes
        return {name: getattr(self.layers, f"{name}_l{layer}{suffix}").detach().numpy() for name in names}

    def steps(self, p: Arrays, x: Array, state: Arrays) -> tuple[Array, Arrays]:
        found: list[Array] = []
        for x_t in x:
            y_t, state = lstm.step(p, x_t, state)
            found.append(y_t)
        return np.stack(found), state

    def both(self, x: Array) -> tuple[Array, list[list[Arrays]]]:
        """Outputs of the last layer, and the last state of each layer and direction."""
        states: list[list[Arrays]] = []
        for layer in range(self.layers.num_layers):
            zero = {name: np.zeros(self.layers.hidden_size) for name in ("h", "c")}
            forwards, last = self.steps(self.params(layer, ""), x, zero)
            backwards, first = self.steps(self.params(layer, "_reverse"), x[::-1], zero)
            y = np.concatenate([forwards, backwards[::-1]], 1)
            x = y + x if self.layers.residual and y.shape == x.shape else y
            states.append([last, first])
        return x, states

    def onwards(self, x: Array, states: list[Arrays]) -> tuple[Array, list[Arrays]]:
        """The same in one direction, from a state of each layer."""
        after: list[Arrays] = []
        for layer, state in enumerate(states):
            y, state = self.steps(self.params(layer, ""), x, state)
            x = y + x if self.layers.residual and y.shape == x.shape else y
            after.append(state)
        return x, after


def bridged(bridge: Bridge, states: list[list[Arrays]]) -> list[Arrays]:
    found: list[Arrays] = []
    for last, first in states:
        maps = {name: cast(nn.Linear, bridge.maps[name]) for name in ("h", "c")}
        weights = {name: (each.weight.detach().numpy(), each.bias.detach().numpy()) for name, each in maps.items()}
        found.append({name: W @ np.concatenate([last[name], first[name]]) + b for name, (W, b) in weights.items()})
    return found


def head_of(network: ForecasterNetwork, y: Array) -> Array:
    linear = network.head.linear
    return y @ linear.weight.detach().numpy()[0] + linear.bias.detach().numpy()[0]


def by_hand(network: ForecasterNetwork, batch: Batch, row: int) -> Array:
    """The forecast of one window by a network with the head `median`, which begins at the last value."""
    end = int(batch.lengths[row])
    y, seen, past, known = (part[:end, row].numpy() for part in (batch.y, batch.seen, batch.past, batch.known))
    ahead, naive, static = batch.ahead[:, row].numpy(), batch.naive[:, row].numpy(), batch.static[row].numpy()
    always = np.tile(static, (end, 1))
    out, states = Loop(network.encoder).both(np.concatenate([y[:, None], seen[:, None], past, known, always], 1))
    layers = network.decoder
    assert layers is not None
    if network.bridge is None:
        half = network.model.hidden_size
        summary = np.concatenate([out[-1, :half], out[0, half:]])
        x = np.stack([np.concatenate([summary, a, static, [n]]) for a, n in zip(ahead, naive, strict=True)])
        zero = {name: np.zeros(network.model.hidden_size) for name in ("h", "c")}
        written, _ = Loop(layers).onwards(x, [zero] * layers.num_layers)
        return y[-1] + head_of(network, written)
    state, path, is_seen = bridged(network.bridge, states), [y[-1]], seen[-1]
    for a in ahead:
        written, state = Loop(layers).onwards(np.concatenate([[path[-1], is_seen], a, static])[None], state)
        path.append(path[-1] + head_of(network, written)[0])
        is_seen = 1.0
    return np.array(path[1:])


@pytest.mark.parametrize("decoder", ["direct", "recursive"])
@pytest.mark.parametrize("layers", [{}, {"num_layers": 3, "residual": True}])
def test_a_forecast_is_what_a_loop_over_both_directions_says(decoder: str, layers: dict[str, Any]) -> None:
    network, found = forecaster(decoder=decoder, head="median", start_from="last", **layers)
    assert network.recipe.calendar == ("time of day", "day of week")
    windows = Windows(found.panel.offsets, 6, 3, min_context=3)
    rows = np.array([0, 1, 2, 9, len(windows) - 1])  # the first ones are shorter
    batch = widened(found.panel.batch(windows, rows))
    assert batch.lengths.unique().numel() > 2
    with torch.no_grad():
        made = network.draw(batch, 1)[0] if decoder == "recursive" else network(batch)[..., 0]
    for b in range(len(rows)):
        np.testing.assert_allclose(made[:, b].numpy(), by_hand(network, batch, b), rtol=0, atol=1e-12)


@pytest.mark.parametrize("decoder", ["direct", "recursive"])
@pytest.mark.parametrize("head", ["quantile", "student-t", "mean"])
def test_all_of_the_context_counts_and_nothing_else(decoder: str, head: str) -> None:
    network, found = forecaster(decoder=decoder, head=head, num_samples=4)

    def made(**changed: list[tuple[int, float]]) -> np.ndarray:
        """The forecast of step 30 to 32 of the first series, from steps 24 to 29, after some numbers were changed."""
        columns = weather()
        for name, cells in changed.items():
            for step, value in cells:
                columns[name][step] = value
        table = read_series(columns, SeriesColumns(past=("wind",), future=("plan",)))
        panel = Panel(table, STATIC, found.recipe)
        one = Windows(panel.offsets, 6, 3, begins=np.array([30, 60]), ends=np.array([33, 60]))
        result = forecast(network.float(), panel, one, np.arange(1))
        return np.concatenate([result.point[..., None], result.quantiles], -1)

    usual = made()
    later = [(step, 9.0) for step in range(30, 60)]
    assert np.array_equal(made(y=later, wind=later, plan=later[3:]), usual)
    earlier = [(step, 9.0) for step in range(24)]
    assert np.array_equal(made(y=earlier, wind=earlier, plan=earlier), usual)
    for step in (24, 29):
        for name in ("y", "wind", "plan"):
            assert (made(**{name: [(step, 0.5)]}) != usual).all(), (name, step)
    assert (made(plan=[(32, 9.0)])[-1] != usual[-1]).all()


@pytest.mark.parametrize("decoder", ["direct", "recursive"])
def test_the_truth_that_training_feeds_a_step_lies_before_it(decoder: str) -> None:
    network, found = forecaster(decoder=decoder, head="quantile")
    batch = widened(found.panel.batch(found.learned, np.arange(5)))
    moved = batch._replace(target=torch.cat([batch.target[:1], batch.target[1:] + 7]))
    first, second = network(batch), network(moved)
    assert torch.equal(first[:2], second[:2])
    assert torch.equal(first[2], second[2]) == (decoder == "direct")


def test_a_back_test_is_the_same_whatever_comes_after_it() -> None:
    columns, later = weather(), weather(seed=1)
    for name in ("y", "wind"):
        for start in (0, 60):
            columns[name][start + 57 : start + 60] = later[name][start : start + 3]
    settings = SMALL | {"decoder": "recursive", "head": "gaussian", "num_samples": 5, "valid": 0.2, "test": 0.0}
    static = {"unique_id": ["a", "b"], "height": [3, 5]}
    found = [Forecaster(**settings).cross_validation(given, static=static) for given in (weather(), columns)]
    assert np.array_equal(found[0]["forecast"], found[1]["forecast"])
    assert not np.array_equal(found[0]["y"], found[1]["y"])


def test_a_recursive_decoder_needs_something_to_read() -> None:
    given: dict[str, Any] = {"decoder": "recursive", "reads_target": False, "start_from": "zero", "calendar": False}
    columns = weather()
    with pytest.raises(ConfigError) as caught:
        Forecaster(**SMALL | given | {"future": ()}).fit(columns, verbose=False)
    assert str(caught.value) == (
        "forecaster: the recursive decoder has nothing to read in the horizon, expected values of y, covariates known ahead or the "
        "calendar. Use model.decoder=direct, or set model.reads_target=true, or name covariates in data.future."
    )
    model = Forecaster(**SMALL | given | {"num_samples": 3}).fit(columns, verbose=False)
    assert np.isfinite(model.evaluate(columns)["crps"])


def autoencoder(horizon: int = 2, **settings: Any) -> AutoencoderNetwork:
    torch.manual_seed(0)
    network = AutoencoderNetwork([0.0, 0.0], [1.0, 1.0], 6, horizon, hidden_size=4, bidirectional=True, **settings)
    assert network.bridge is not None
    for weight in network.bridge.parameters():
        nn.init.normal_(weight)
    return network.eval().double()


@pytest.mark.parametrize("layers", [{}, {"num_layers": 3, "residual": True}])
def test_a_series_is_written_again_from_the_states_of_both_directions(layers: dict[str, Any]) -> None:
    network, ends = autoencoder(**layers), [6, 4, 2]
    z = torch.randn(6, 3, 2, dtype=torch.float64)
    with torch.no_grad():
        written, after = network(z, torch.tensor(ends))
    assert network.bridge is not None
    assert network.predictor is not None
    assert network.predicted is not None
    for b, end in enumerate(ends):
        _, states = Loop(network.encoder).both(z[:end, b].numpy())
        state = bridged(network.bridge, states)
        for layers_of, output, made, steps in (
            (network.decoder, network.output, written[:end, b].flip(0), end),
            (network.predictor, network.predicted, after[:, b], 2),
        ):
            y, _ = Loop(layers_of).onwards(np.zeros((steps, 1)), state)
            expected = y @ output.weight.detach().numpy().T + output.bias.detach().numpy()
            np.testing.assert_allclose(made.numpy(), expected, rtol=0, atol=1e-12)


def test_what_an_autoencoder_predicts_depends_on_its_window_alone() -> None:
    network = autoencoder()
    rng = np.random.default_rng(0)
    values = rng.normal(size=(20, 2)).astype(np.float32)

    @torch.no_grad()
    def predicted(changed: list[int]) -> Tensor:
        """The two steps after the window of steps 6 to 11."""
        moved = values.copy()
        moved[changed] += 1
        series = of_objects([moved], "test")
        x, lengths = batch_of(series, windows_of(series, 6, 6)[1:2])
        return network(torch.from_numpy(x).double(), torch.from_numpy(lengths))[1]

    usual = predicted([])
    assert torch.equal(predicted([*range(6), *range(12, 20)]), usual)
    for step in (6, 11):
        assert (predicted([step]) != usual).all()


def test_networks_saved_before_there_was_the_setting_read_as_they_did(tmp_path: Path) -> None:
    made = AutoencoderNetwork([0.0, 0.0], [1.0, 1.0], 6, hidden_size=4).eval()
    made.save_pretrained(tmp_path / "autoencoder")
    assert not made.encoder.bidirectional
    forgotten(tmp_path / "autoencoder", [])
    x, lengths = torch.randn(6, 2, 2), torch.tensor([6, 3])
    again = AutoencoderNetwork.from_pretrained(tmp_path / "autoencoder")
    assert torch.equal(again.errors(x, lengths), made.errors(x, lengths))

    network, found = forecaster(decoder="recursive", past=(), bidirectional=False)
    network.float().save_pretrained(tmp_path / "forecaster")
    forgotten(tmp_path / "forecaster", ["model"])
    batch = found.panel.batch(found.learned, np.arange(4))
    assert torch.equal(KIND.load(tmp_path / "forecaster")(batch), network(batch))


def forgotten(folder: Path, section: list[str]) -> None:
    """Take the setting out of a saved description."""
    config = json.loads((folder / "config.json").read_text())
    inner = config
    for name in section:
        inner = inner[name]
    assert inner.pop("bidirectional") is False
    (folder / "config.json").write_text(json.dumps(config))


def test_a_bridge_refuses_states_of_other_shapes() -> None:
    encoder, decoder = Recurrent("lstm", 3, 4, bidirectional=True), Recurrent("lstm", 3, 5)
    with pytest.raises(ConfigError) as caught:
        Bridge(encoder, decoder, True, "forecaster", "Set model.bidirectional=false.")
    assert str(caught.value) == (
        "forecaster: state h of lstm has shape (4,) in the encoder and (5,) in the decoder, expected one shape to hand it over. "
        "Set model.bidirectional=false."
    )


@pytest.mark.parametrize("cell", ["array_lstm", "mlstm_matrix"])
def test_matrices_of_a_state_are_handed_over_as_the_mean(cell: str) -> None:
    found: Cell = find(cell)
    encoder, decoder = Recurrent(found, 3, 4, 2, bidirectional=True), Recurrent(found, 3, 4, 2)
    _, state = encoder(torch.randn(5, 2, 3), draw=Draw(0))
    given = Bridge(encoder, decoder, True, "test", "")(state)
    for before, after in zip(state, given, strict=True):
        expected = torch.stack([(before[0] + before[1]) / 2, (before[2] + before[3]) / 2])
        torch.testing.assert_close(after, expected, rtol=1e-6, atol=1e-6)
