"""Recorded calls, tried out on the CPU with recorders that stand in for CUDA's graphs."""

import copy
import gc
import re
import threading
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast
from weakref import ref

import pytest
import torch
from engine.checks import ALL, check_close, problem, results
from engine.recorders import Frozen, Idle, Raising, StandIn, TooLarge, TooLargeBackward
from torch import Tensor
from torch.utils.checkpoint import checkpoint  # pyright: ignore[reportUnknownVariableType]

from carrousel import Recurrent, engine
from carrousel.cell import Cell
from carrousel.engine import Program, SlowPathWarning, verdicts
from carrousel.engine.lower import captured
from carrousel.engine.torch_ops import run_as_operation

RECORDED_IN_TRAINING = ["warm up", "record", "record", "replay", "replay"]
"""The third call: both halves are recorded, and compared; then come the replays that serve it."""

ALWAYS_SAID = r".*: a test wants it so\.$"


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """Programs run by torch's operations, as on CUDA, and are recorded by a stand-in."""
    yield from installed(StandIn(), monkeypatch)


def installed(chosen: StandIn, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    def hoisted(*_: Any, **__: Any) -> tuple[str, str]:
        return "hoisted", "a test wants it so"

    monkeypatch.setattr(Program, "way", hoisted)
    monkeypatch.setattr(captured, "RECORDERS", {"cpu": chosen})
    verdicts.forget_what_was_read()
    engine.announce.cache_clear()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=ALWAYS_SAID, category=SlowPathWarning)
        yield chosen
    verdicts.forget_what_was_read()
    engine.announce.cache_clear()


@contextmanager
def announced() -> Generator[list[str]]:
    """What is said besides that a test wants it so, when the context is left."""
    messages: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.filterwarnings("always", category=SlowPathWarning)
        warnings.filterwarnings("ignore", message=ALWAYS_SAID, category=SlowPathWarning)
        yield messages
    messages += [str(w.message) for w in caught]


def directly(layer: Recurrent, *given: Any, **more: Any) -> Any:
    """The layer without recordings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(captured, "RECORDERS", {})
        return layer(*given, **more)


def layer_of(name: str = "gru_reset_before", **settings: Any) -> Recurrent:
    return Recurrent(name, 3, 4, dtype=torch.float64, **settings)


def last_of_three(layer: Recurrent) -> Tensor:
    """The outputs of the call that is recorded."""
    for x in inputs(2):
        layer(x)
    return layer(inputs(1)[0])[0]


def inputs(count: int, *shape: int) -> list[Tensor]:
    return [torch.randn(shape or (5, 2, 3), dtype=torch.float64) for _ in range(count)]


def gradients(layer: Recurrent, y: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad((y * y).sum(), list(layer.parameters())))


@ALL
def test_replays_equal_the_same_calls_unrecorded(cell: Cell, recorder: StandIn) -> None:
    drawn = problem(cell)
    for turn in range(5):
        with torch.no_grad():
            for leaf in drawn.leaves.values():
                leaf.mul_(0.9 + 0.1 * turn)
        expected = results(drawn, lambda *given: (*drawn.program.hoisted.run(*given), {}))
        check_close(results(drawn, drawn.program), expected, torch.float64)
    assert recorder.events == [*RECORDED_IN_TRAINING, *["replay"] * 6]


@pytest.mark.parametrize("name", ["gru_reset_before", "slstm"])
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode], ids=["no_grad", "inference_mode"])
def test_without_gradients_the_forward_half_alone_is_recorded(name: str, mode: Any, recorder: StandIn) -> None:
    layer = layer_of(name)
    with mode():
        for x in inputs(4):
            y, state = layer(x)
            expected, last = directly(layer, x)
            assert torch.equal(y, expected)
            assert all(torch.equal(a, b) for a, b in zip(state, last, strict=True))
    assert recorder.events == ["warm up", "record", "replay", *["replay"] * 2]


def test_every_layer_and_direction_has_recordings_of_its_own(recorder: StandIn) -> None:
    layer = layer_of(num_layers=2, bidirectional=True)
    for x in inputs(3):
        y, _ = layer(x)
        expected = directly(layer, x)[0]
        assert torch.equal(y, expected)
        for a, b in zip(gradients(layer, y), gradients(layer, expected), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)
    assert recorder.events.count("record") == 8


def test_what_was_returned_is_never_written_again(recorder: StandIn) -> None:
    layer = layer_of()
    held: list[tuple[Tensor, Tensor]] = []
    for x in inputs(6):
        y, state = layer(x)
        values = [y, *state, *gradients(layer, y)]
        held += [(value, value.detach().clone()) for value in values]
    assert all(torch.equal(value, copied) for value, copied in held)


def test_gradients_add_up_over_calls(recorder: StandIn) -> None:
    layer, other = layer_of(), layer_of()
    other.load_state_dict(layer.state_dict())
    for x in inputs(6):
        layer(x)[0].square().sum().backward()
        directly(other, x)[0].square().sum().backward()
    for a, b in zip(layer.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-12, atol=1e-14)


def test_calls_that_wait_for_their_backward_half_keep_their_own_values(recorder: StandIn) -> None:
    layer = layer_of()
    for x in inputs(3):
        layer(x)
    xs = inputs(3)
    del recorder.events[:]
    ys = [layer(x)[0] for x in xs]
    assert recorder.events == ["replay"] * 3
    for x, y in zip(xs, ys, strict=True):
        expected = gradients(layer, directly(layer, x)[0])
        for a, b in zip(gradients(layer, y), expected, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)
    assert recorder.events == ["replay"] * 9  # the forward half again before each backward half


def test_the_newest_call_goes_back_without_its_forward_half_again(recorder: StandIn) -> None:
    layer = layer_of()
    y = last_of_three(layer)
    del recorder.events[:]
    gradients(layer, y)
    assert recorder.events == ["replay"]


def test_a_call_goes_back_twice_where_its_graph_is_kept(recorder: StandIn) -> None:
    layer = layer_of()
    y = last_of_three(layer)
    first = torch.autograd.grad(y.sum(), list(layer.parameters()), retain_graph=True)
    second = torch.autograd.grad(y.sum(), list(layer.parameters()))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        y.sum().backward()


def test_a_parameter_changed_before_the_backward_half_is_refused_as_by_torch(recorder: StandIn) -> None:
    layer = layer_of()
    y = last_of_three(layer)
    with torch.no_grad():
        next(layer.parameters()).add_(1)
    with pytest.raises(RuntimeError, match="has been modified by an inplace operation"):
        y.sum().backward()


def test_an_unused_output_and_an_unused_input_have_no_derivative(recorder: StandIn) -> None:
    layer = layer_of("lstm")
    for x in inputs(4):
        _, state = layer(x)
        expected = directly(layer, x)[1]
        got, wanted = (torch.autograd.grad(s.c.sum(), list(layer.parameters())) for s in (state, expected))
        for a, b in zip(got, wanted, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)


def test_derivatives_of_derivatives_run_step_by_step(recorder: StandIn) -> None:
    layer = layer_of()
    x = inputs(1)[0].requires_grad_()

    def second(y: Tensor) -> Tensor:
        (slope,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
        return torch.autograd.grad(slope.square().sum(), x)[0]

    expected = second(directly(layer, x)[0])
    for _ in range(4):
        torch.testing.assert_close(second(layer(x)[0]), expected, rtol=1e-12, atol=1e-14)
    forward_and_first_derivative_inside_the_second = ["replay"] * 2
    assert recorder.events == [*RECORDED_IN_TRAINING, *forward_and_first_derivative_inside_the_second * 2]


def anomalous(layer: Recurrent, x: Tensor) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Anomaly Detection has been enabled")
        with torch.autograd.detect_anomaly():
            layer(x)[0].sum().backward()


def checkpointed(layer: Recurrent, x: Tensor) -> None:
    y, _ = cast("tuple[Tensor, object]", checkpoint(layer, x, use_reentrant=False))
    y.sum().backward()


def outputs(layer: Recurrent, x: Tensor) -> Tensor:
    program, params = layer._program(0), layer._params("_l0")._asdict()
    return program(params, x, [torch.zeros(2, 4, dtype=torch.float64)])[0]


def forward_derivatives(layer: Recurrent, x: Tensor) -> None:
    torch.func.jvp(partial(outputs, layer), (x,), (x,))


def gradients_of_each(layer: Recurrent, x: Tensor) -> None:
    def loss(x: Tensor) -> Tensor:
        return outputs(layer, x).sum()

    torch.func.vmap(torch.func.grad(loss))(x[None])


def as_operation(layer: Recurrent, x: Tensor) -> None:
    program, params = layer._program(0), layer._params("_l0")._asdict()
    state = [torch.zeros(2, 4, dtype=torch.float64)]
    run_as_operation(program.text, params, x, state, None, None)[0].sum().backward()


def ragged(layer: Recurrent, x: Tensor) -> None:
    layer(x, lengths=[5, 3])


def with_resets(layer: Recurrent, x: Tensor) -> None:
    layer(x, reset=torch.ones(5, 2, dtype=torch.bool))


OTHERWISE = (ragged, with_resets, anomalous, checkpointed, forward_derivatives, gradients_of_each, as_operation)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # torch's own use
@pytest.mark.parametrize("call", OTHERWISE)
@pytest.mark.parametrize("calls_before", [0, 3], ids=["never recorded", "recorded before"])
def test_calls_that_someone_looks_into_are_not_recorded(
    call: Callable[[Recurrent, Tensor], None], calls_before: int, recorder: StandIn
) -> None:
    layer = layer_of()
    for x in inputs(calls_before):
        layer(x)
    before = list(recorder.events)
    for x in inputs(4):
        call(layer, x)
    assert recorder.events == before


def test_calls_inside_a_recording_of_the_users_own_are_not_recorded(recorder: StandIn) -> None:
    recorder.is_idle = False
    layer = layer_of()
    for x in inputs(4):
        layer(x)
    assert recorder.events == []


def test_calls_of_different_kinds_are_counted_apart(recorder: StandIn) -> None:
    layer = layer_of()
    (x,) = inputs(1)
    for given in (x, x[:4], x[:, :1], x.clone().requires_grad_()):
        layer(given)
        layer(given)
    with torch.no_grad():
        layer(x)
        layer(x)
    recorder.stream = 1
    layer(x)
    layer(x)
    layer.requires_grad_(False)
    layer(x)  # with nothing to differentiate: as without gradients, on the other stream
    layer(x)
    assert recorder.events == []
    layer(x)
    assert recorder.events == ["warm up", "record", "replay", "replay"]


def test_a_layer_keeps_four_recordings_and_makes_sixteen(recorder: StandIn) -> None:
    layer = layer_of()
    with torch.no_grad():
        for steps in range(1, 20):
            for x in inputs(3, steps, 2, 3):
                layer(x)
        assert recorder.events.count("record") == 16
        del recorder.events[:]
        layer(inputs(1, 16, 2, 3)[0])
        layer(inputs(1, 13, 2, 3)[0])
        assert recorder.events == ["replay"] * 2
        layer(inputs(1, 12, 2, 3)[0])
        assert recorder.events == ["replay"] * 2


def test_recordings_go_with_the_layer_and_a_copy_has_its_own(recorder: StandIn) -> None:
    layer = layer_of()
    for x in inputs(3):
        layer(x)
    shelves = layer._program(0).captured._shelves
    (shelf,) = cast("list[captured._Shelf]", [*shelves.values()])  # pyright: ignore[reportUnknownArgumentType]
    twin, (watched,) = copy.deepcopy(layer), map(ref, shelf.recordings.values())
    del recorder.events[:], shelf
    twin(inputs(1)[0])
    assert recorder.events == []
    y = layer(inputs(1)[0])[0]
    del layer
    gc.collect()
    y.sum().backward()  # a call that is not through keeps what it needs
    del y
    gc.collect()
    assert watched() is None
    assert len(shelves) == 1


def test_where_memory_is_short_nothing_is_recorded_and_that_is_said(recorder: StandIn) -> None:
    recorder.is_roomy = False
    layer = layer_of()
    message = (
        "gru_reset_before: runs node by node, which is slow: a test wants it so, and this call is not replayed: the memory of cpu "
        "has no room for a recording."
    )
    for x in inputs(2):
        layer(x)
    with announced() as messages:
        for x in inputs(3):
            layer(x)
    assert messages == [message]
    assert recorder.events == []


UNSOUND: dict[str, tuple[type[StandIn], str]] = {
    "wrong forwards": (TooLarge, "output 1 is wrong by a part of 0.02, 1e-09 is allowed"),
    "wrong backwards": (TooLargeBackward, "derivative 8 is wrong by a part of 0.02, 1e-09 is allowed"),
    "does nothing": (Idle, "output 0 is not finite where it should be, or the other way round"),
    "does not look at the input": (Frozen, r"output 0 is wrong by a part of 0\.\d+, 1e-09 is allowed"),
    "raises": (Raising, "raised RuntimeError: operation not permitted when stream is capturing"),
}


@pytest.mark.parametrize(("kind", "reason"), UNSOUND.values(), ids=UNSOUND)
def test_an_unsound_recorder_is_found_out_and_used_no_more(
    kind: type[StandIn], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for recorder in installed(kind(), monkeypatch):
        layer = layer_of()
        with announced() as messages:
            for x in inputs(4):
                y, _ = layer(x)
                expected = directly(layer, x)[0]
                assert torch.equal(y, expected)
                assert all(
                    torch.equal(a, b) for a, b in zip(gradients(layer, y), gradients(layer, expected), strict=True)
                )
            events = list(recorder.events)
            for x in inputs(4):
                layer_of("slstm")(x)
        assert recorder.events == events
        (message,) = messages
        start = (
            "gru_reset_before: runs node by node, which is slow: a test wants it so, and this call is not replayed: "
        )
        expected = rf"{start}cuda_graph failed at its first use in this process: {reason}\."
        assert re.fullmatch(expected, message), message


def test_several_threads_get_their_own_results(recorder: StandIn) -> None:
    layer = layer_of()
    for x in inputs(3):
        layer(x)
    xs = inputs(4)
    expected = [gradients(layer, directly(layer, x)[0]) for x in xs]
    wrong: list[int] = []

    def work(k: int) -> None:
        for _ in range(20):
            found = gradients(layer, layer(xs[k])[0])
            if not all(torch.allclose(a, b, rtol=1e-12, atol=1e-14) for a, b in zip(found, expected[k], strict=True)):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert recorder.events.count("record") == 2


def test_under_autocast_the_recurrence_keeps_the_format_of_its_weights(recorder: StandIn) -> None:
    layer = Recurrent("slstm", 3, 4)
    for _ in range(4):
        x = torch.randn(5, 2, 3).bfloat16()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y, _ = layer(x)
        assert y.dtype == torch.float32
        torch.testing.assert_close(y, directly(layer, x.float())[0])
    assert recorder.events.count("record") == 2


def test_no_random_numbers_are_used_up(recorder: StandIn) -> None:
    layer, before = layer_of(), torch.get_rng_state()
    xs = inputs(3)
    before = torch.get_rng_state()
    for x in xs:
        layer(x)
    assert "record" in recorder.events
    assert torch.equal(torch.get_rng_state(), before)
