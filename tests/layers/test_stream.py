"""`layer.stream()`: what a layer gives for a whole sequence, one time step a call."""

from collections.abc import Sequence
from typing import Any, cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import carrousel
from carrousel import Recurrent
from carrousel.cells import CELLS
from carrousel.engine import Program, SlowPathWarning
from carrousel.engine import stream as engine_stream
from carrousel.errors import ConfigError, ShapeError
from carrousel.layers.stream import Stream

X = torch.randn(9, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def lstm(**chosen: Any) -> Recurrent:
    return Recurrent("lstm", 4, 6, dtype=torch.float64, **chosen)


@pytest.mark.parametrize("cell", ["lstm", "gru_reset_before", "jordan"])
@pytest.mark.parametrize("num_layers", [1, 3])
def test_single_steps_equal_the_whole_sequence(cell: str, num_layers: int) -> None:
    layer = Recurrent(cell, 4, 6, num_layers=num_layers, dtype=torch.float64)
    stream = layer.stream(batch_size=3)
    y, last = layer(X)
    torch.testing.assert_close(torch.stack([stream.step(x_t) for x_t in X]), y.detach(), rtol=0, atol=1e-12)
    assert type(stream.state()) is layer.cell.State
    for got, expected in zip(stream.state(), last, strict=True):
        torch.testing.assert_close(got, expected.detach(), rtol=0, atol=1e-12)


@pytest.mark.tiny
@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.integers(0, 4), max_size=5), batch_first=st.booleans())
def test_any_chunks_equal_the_whole_sequence(sizes: list[int], batch_first: bool) -> None:
    torch.manual_seed(1)
    layer = lstm(num_layers=2, batch_first=batch_first)
    x = torch.randn(sum(sizes), 3, 4, dtype=torch.float64)
    if batch_first:
        x = x.transpose(0, 1)
    stream, time = layer.stream(batch_size=3), int(batch_first)
    parts = [stream.push(chunk) for chunk in cast("Sequence[Tensor]", x.split(sizes or [0], dim=time))]
    y, last = layer(x)
    torch.testing.assert_close(torch.cat(parts, dim=time), y.detach(), rtol=0, atol=1e-12)
    for got, expected in zip(stream.state(), last, strict=True):
        torch.testing.assert_close(got, expected.detach(), rtol=0, atol=1e-12)


def test_a_stream_goes_on_from_a_given_state() -> None:
    layer = lstm(num_layers=2)
    y, _ = layer(X)
    _, middle = layer(X[:4])
    torch.testing.assert_close(layer.stream(3, state=middle).push(X[4:]), y[4:].detach(), rtol=0, atol=1e-12)


@pytest.mark.tiny
def test_results_are_new_memory_that_later_steps_leave_alone() -> None:
    stream = lstm().stream(3)
    first = stream.step(X[0])
    kept, state = first.clone(), stream.state()
    before = state.h.clone()
    second = stream.step(X[1])
    assert torch.equal(first, kept)
    assert torch.equal(state.h, before)
    first.zero_()
    second.zero_()
    torch.testing.assert_close(stream.push(X[2:]), lstm_from(stream, X)[2:], rtol=0, atol=1e-12)


def lstm_from(stream: Stream, x: Tensor) -> Tensor:
    """What the weights of the stream give for the whole sequence."""
    stream.reset()
    return stream.push(x)


def test_reset_begins_new_sequences_in_the_chosen_rows() -> None:
    layer = lstm(num_layers=2)
    for rows in (1, [1], torch.tensor([False, True, False])):
        stream = layer.stream(3)
        stream.push(X[:5])
        stream.reset(rows)
        y = stream.push(X[5:])
        torch.testing.assert_close(y[:, 1], layer(X[5:])[0][:, 1].detach(), rtol=0, atol=1e-12)
        torch.testing.assert_close(y[:, ::2], layer(X)[0][5:, ::2].detach(), rtol=0, atol=1e-12)


def test_reset_without_rows_begins_everything_anew() -> None:
    layer = lstm()
    stream = layer.stream(3)
    first = stream.push(X)
    stream.reset()
    assert torch.equal(stream.push(X), first)
    stream.reset([])
    assert not torch.equal(stream.push(X), first)


def test_a_stream_keeps_its_weights_until_it_is_refreshed_and_its_state_through_it() -> None:
    layer, twin = lstm(num_layers=2), lstm(num_layers=2)
    twin.load_state_dict(layer.state_dict())
    stream = layer.stream(3)
    with torch.no_grad():
        for param in layer.parameters():
            param.add_(0.1)
    y, middle = twin(X[:4])
    torch.testing.assert_close(stream.push(X[:4]), y.detach(), rtol=0, atol=1e-12)
    stream.refresh()
    torch.testing.assert_close(stream.push(X[4:]), layer(X[4:], middle)[0].detach(), rtol=0, atol=1e-12)


def test_refresh_follows_a_layer_whose_parameters_were_replaced() -> None:
    layer = lstm()
    stream = layer.stream(3)
    layer.W_i_l0 = nn.Parameter(torch.ones(6, 4, dtype=torch.float64))
    stream.refresh()
    torch.testing.assert_close(stream.push(X), layer(X)[0].detach(), rtol=0, atol=1e-12)


def test_there_is_no_dropout_and_no_gradient_in_a_stream() -> None:
    layer = lstm(num_layers=2, dropout=0.5)
    y = layer.stream(3).push(X.clone().requires_grad_())
    assert not y.requires_grad
    torch.testing.assert_close(y, layer.eval()(X)[0].detach(), rtol=0, atol=1e-12)


def test_inputs_of_any_strides_are_taken() -> None:
    layer = lstm()
    wide = torch.zeros(9, 3, 8, dtype=torch.float64)
    wide[..., ::2] = X
    stream = layer.stream(3)
    got = torch.cat([stream.step(wide[0, :, ::2])[None], stream.push(wide[1:, :, ::2])])
    torch.testing.assert_close(got, layer(X)[0].detach(), rtol=0, atol=1e-12)


def test_a_stream_made_in_inference_mode_goes_on_outside_of_it() -> None:
    layer = lstm()
    with torch.inference_mode():
        stream = layer.stream(3)
        stream.push(X[:4])
    stream.reset([1])
    stream.refresh()
    torch.testing.assert_close(stream.push(X[4:])[:, 1], layer(X[4:])[0][:, 1].detach(), rtol=0, atol=1e-12)


DROP_IN: list[tuple[type[Any], dict[str, Any]]] = [
    (carrousel.LSTM, {}),
    (carrousel.LSTM, {"proj_size": 2}),
    (carrousel.GRU, {"bias": False}),
    (carrousel.RNN, {"nonlinearity": "relu"}),
]


@pytest.mark.parametrize(("kind", "chosen"), DROP_IN, ids=["LSTM", "LSTM, projected", "GRU, no bias", "RNN, relu"])
def test_the_drop_in_layers_stream_and_give_their_own_states(kind: type[Any], chosen: dict[str, Any]) -> None:
    layer: Any = kind(4, 6, num_layers=2, batch_first=True, dtype=torch.float64, **chosen)
    y, last = layer(X.transpose(0, 1))
    stream = layer.stream(3)
    torch.testing.assert_close(stream.push(X.transpose(0, 1)), y.detach(), rtol=0, atol=1e-12)
    got = stream.state()
    for a, b in zip(
        (got,) if isinstance(last, Tensor) else got, (last,) if isinstance(last, Tensor) else last, strict=True
    ):
        torch.testing.assert_close(a, b.detach(), rtol=0, atol=1e-12)
    torch.testing.assert_close(
        layer.stream(3, last).step(X[0]), layer(X[:1].transpose(0, 1), last)[0][:, 0].detach(), rtol=0, atol=1e-12
    )


RESIDUAL = ["lstm", "gru_reset_before", "sru", "lstm_1997", "lie_group", "scrn"]
"""One state and several, matrices among them, a step that adds its input itself, outputs longer than the units."""


@pytest.mark.parametrize("cell", RESIDUAL)
@pytest.mark.parametrize("input_size", [4, 6])
def test_a_stream_has_the_shortcuts_of_its_layer(cell: str, input_size: int) -> None:
    streams_as_it_runs(cell, input_size, 3)


@pytest.mark.exhaustive
@pytest.mark.parametrize("cell", sorted(set(CELLS) - set(RESIDUAL)))
def test_any_cell_streams_with_shortcuts(cell: str) -> None:
    for num_layers in (1, 3):
        streams_as_it_runs(cell, 6, num_layers)


@pytest.mark.usefixtures("annotations_unchecked")
@pytest.mark.parametrize("cell", sorted(CELLS))
def test_any_cell_streams_with_shortcuts_where_there_is_no_loop(cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_loops(*_: Any, **__: Any) -> tuple[str, str]:
        return "interpret", ""

    def unsuitable(_: Tensor) -> str:
        return "a test wants it so"

    def say_nothing(*_: str) -> None:
        return

    monkeypatch.setattr(engine_stream, "_unsuitable", unsuitable)
    monkeypatch.setattr(engine_stream, "announce", say_nothing)
    monkeypatch.setattr(Program, "way", no_loops)
    streams_as_it_runs(cell, 6, 3)


def streams_as_it_runs(cell: str, input_size: int, num_layers: int) -> None:
    """Steps of layers with shortcuts are what the layers give for the whole sequence, from a state that is not zero."""
    torch.manual_seed(5)
    if CELLS[cell].noise_axes:
        with pytest.raises(ConfigError, match=rf"^Recurrent: stream\(\) of {cell}, whose step draws random numbers "):
            Recurrent(cell, input_size, 6, num_layers, residual=True).stream()
        return
    if "H" in CELLS[cell].derived:
        input_size = 6
    x = torch.randn(9, 3, input_size, dtype=torch.float64)
    layer = Recurrent(cell, input_size, 6, num_layers, dtype=torch.float64, residual=True, dropout=0.4).eval()
    _, state = layer(x)
    y, last = layer(x, state)
    plain = Recurrent(cell, input_size, 6, num_layers, dtype=torch.float64).eval()
    plain.load_state_dict(layer.state_dict())
    has_shortcut = num_layers > 1 or layer.output_size == input_size
    assert torch.equal(y, plain(x, state)[0]) != has_shortcut
    stream = layer.stream(3, state)
    parts = [stream.step(x[0])[None], stream.push(x[1:8]), stream.step(x[8])[None]]
    torch.testing.assert_close(torch.cat(parts), y.detach(), rtol=1e-10, atol=1e-10)
    for got, expected in zip(stream.state(), last, strict=True):
        torch.testing.assert_close(got, expected.detach(), rtol=1e-10, atol=1e-10)


def test_a_stream_in_bfloat16_is_slow_and_says_so() -> None:
    carrousel.engine.announce.cache_clear()
    layer = Recurrent("elman", 4, 6, dtype=torch.bfloat16)
    with pytest.warns(
        SlowPathWarning,
        match=r"^elman: runs node by node, which is slow: there are no compiled loops for torch\.bfloat16\.$",
    ):
        stream = layer.stream(3)
    y = layer(X.bfloat16())[0]
    assert torch.equal(stream.push(X.bfloat16()), y.detach())


BAD: list[tuple[Any, str]] = [
    (
        lambda: lstm(bidirectional=True).stream(),
        "Recurrent: stream() of a bidirectional layer, expected one direction: the other one reads the end of a sequence first. "
        "Use bidirectional=False, or run whole sequences.",
    ),
    (
        lambda: carrousel.GRU(4, 6, bidirectional=True).stream(),
        "GRU: stream() of a bidirectional layer, expected one direction: the other one reads the end of a sequence first. "
        "Use bidirectional=False, or run whole sequences.",
    ),
    (lambda: lstm().stream(0), "stream: batch_size is 0, expected at least 1. Use batch_size=1 or more."),
    (
        lambda: lstm().stream(3).step(X),
        "stream: x_t is torch.float64 of shape (9, 3, 4) on cpu, expected torch.float64 (B, D) = (3, 4) on cpu. "
        "Convert it, or make the stream for your batch: layer.stream(batch_size=...).",
    ),
    (
        lambda: lstm().stream(3).step(X[0].float()),
        "stream: x_t is torch.float32 of shape (3, 4) on cpu, expected torch.float64 (B, D) = (3, 4) on cpu. "
        "Convert it, or make the stream for your batch: layer.stream(batch_size=...).",
    ),
    (
        lambda: lstm().stream(2).push(X),
        "stream: chunk is torch.float64 of shape (9, 3, 4) on cpu, expected torch.float64 (T, B, D) = (9, 2, 4) on cpu. "
        "Convert it, or make the stream for your batch: layer.stream(batch_size=...).",
    ),
    (
        lambda: lstm(batch_first=True).stream(2).push(X[0]),
        "stream: chunk is torch.float64 of shape (3, 4) on cpu, expected torch.float64 (B, T, D) = (2, T, 4) on cpu. "
        "Convert it, or make the stream for your batch: layer.stream(batch_size=...).",
    ),
    (
        lambda: lstm().stream(3).push(torch.where(X[4, 1, 2] == X, torch.inf, X)),
        "stream: chunk has 1 values that are NaN or infinite, the first inf at (4, 1, 2), expected finite numbers. "
        "Clean the signal; no step was taken.",
    ),
    (
        lambda: lstm().stream(3).reset([3]),
        "stream: reset rows are [3], expected row numbers from 0 to 2, or 3 truth values. Leave them out to reset all.",
    ),
    (
        lambda: lstm().stream(3).reset([True]),
        "stream: reset rows are [True], expected row numbers from 0 to 2, or 3 truth values. Leave them out to reset all.",
    ),
    (
        lambda: lstm().stream(3).reset(0.5),
        "stream: reset rows are 0.5, expected row numbers from 0 to 2, or 3 truth values. Leave them out to reset all.",
    ),
]  # fmt: skip


@pytest.mark.tiny
@pytest.mark.parametrize(("wrong", "message"), BAD)
def test_mistakes_are_refused_with_the_remedy(wrong: Any, message: str) -> None:
    with pytest.raises((ConfigError, ShapeError)) as caught:
        wrong()
    assert str(caught.value) == message
