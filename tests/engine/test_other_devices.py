"""What runs where there are no compiled loops: the plan by torch's operations, and torch's own kernels; tried out on the CPU."""

from typing import Any, NamedTuple

import pytest
import torch
from engine.checks import ALL, EACH, check_close, problem, results, user_cell
from jaxtyping import Float
from torch import Tensor

from carrousel import Draw, Recurrent, engine, masks
from carrousel.cell import Cell
from carrousel.cells import CELLS, find
from carrousel.engine import Program, SlowPathWarning, compile_cell, stream
from carrousel.engine.lower.hoisted import hoist
from carrousel.engine.lower.torch_kernels import Kernel, recognise
from carrousel.layers import inputs

LENGTHS = torch.tensor([2, 4, 3])
RESET = torch.zeros(4, 3, dtype=torch.bool)
RESET[1, 1] = RESET[3, 2] = True
KERNELS = {
    "lstm": "lstm",
    "lstm_projected": "lstm_projected",
    "gru_reset_after": "gru",
    "elman": "rnn_tanh",
    "elman_relu": "rnn_relu",
    "odyssey_np": "lstm",
}


@ALL
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["whole", "lengths"])
@pytest.mark.parametrize("reset", [None, RESET], ids=["through", "reset"])
def test_the_hoisted_step_equals_interpret(cell: Cell, lengths: Tensor | None, reset: Tensor | None) -> None:
    drawn = problem(cell)
    hoisted = hoist(drawn.program.plan)
    expected = results(drawn, drawn.interpreted, lengths, reset)
    check_close(results(drawn, lambda *given: (*hoisted.run(*given), {}), lengths, reset), expected, torch.float64)


def test_the_hoisted_step_has_one_product_a_vector() -> None:
    loop = hoist(problem(CELLS["lstm"]).program.plan).loop
    assert [str(node) for node in loop.nodes if node.op in ("matvec", "products")] == [
        "h_tm1.all: 24 = matvec h_tm1.weights h_tm1"
    ]


@pytest.mark.parametrize(("name", "kernel"), KERNELS.items(), ids=KERNELS)
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["whole", "lengths"])
def test_torchs_kernel_equals_interpret(name: str, kernel: str, lengths: Tensor | None) -> None:
    drawn = problem(CELLS[name])
    found = recognise(drawn.program.graph)
    assert found is not None
    assert found.name == kernel
    expected = results(drawn, drawn.interpreted, lengths)
    check_close(results(drawn, lambda *given: (*found.run(*given), {}), lengths), expected, torch.float64)


@pytest.mark.parametrize("cell", [c for name, c in CELLS.items() if name not in KERNELS], ids=lambda cell: cell.name)
def test_no_other_cell_is_taken_for_one_of_torchs(cell: Cell) -> None:
    assert recognise(compiled(cell).graph) is None


class State(NamedTuple):
    y: Float[Tensor, " H"]


class Params(NamedTuple):
    inward: Float[Tensor, "H D"]
    around: Float[Tensor, "H H"]
    offset: Float[Tensor, " H"]


def test_a_users_cell_with_the_same_equations_is_recognised_whatever_its_names() -> None:
    def step(p: Params, x_t: Tensor, s: State) -> tuple[Tensor, State]:
        y = torch.tanh(p.inward @ x_t + p.around @ s.y + p.offset)
        return y, State(y)

    found = recognise(compiled(user_cell("mine", step, Params, State)).graph)
    assert found == Kernel("rnn_tanh", {"W_h": "inward", "R_h": "around", "b_h": "offset"})


def test_a_cell_that_differs_in_a_sign_is_not_recognised() -> None:
    def step(p: Params, x_t: Tensor, s: State) -> tuple[Tensor, State]:
        y = torch.tanh(p.inward @ x_t - p.around @ s.y + p.offset)
        return y, State(y)

    assert recognise(compiled(user_cell("minus", step, Params, State)).graph) is None


ON_CUDA = (
    "there are no compiled loops for cuda yet (calls without lengths and resets are recorded and replayed when their shapes come "
    "again)"
)
WAYS: list[tuple[str, str, torch.dtype, bool, tuple[str, str]]] = [
    ("lstm", "cpu", torch.float32, False, ("loops", "")),
    ("lstm", "cpu", torch.float64, True, ("loops", "")),
    ("lstm", "cpu", torch.bfloat16, False, ("interpret", "there are no compiled loops for torch.bfloat16")),
    ("lstm", "cuda", torch.float32, False, ("kernel", "")),
    ("gru", "cuda", torch.float16, False, ("kernel", "")),
    ("lstm", "cuda", torch.float32, True, ("hoisted", ON_CUDA)),
    ("gru_reset_before", "cuda", torch.float32, False, ("hoisted", ON_CUDA)),
    ("lstm", "mps", torch.float32, False, ("hoisted", "there are no compiled loops for mps yet")),
]


@pytest.mark.tiny
@pytest.mark.parametrize(("name", "device", "dtype", "has_resets", "expected"), WAYS)
def test_each_device_is_served_by_the_fastest_there_is(
    name: str, device: str, dtype: torch.dtype, has_resets: bool, expected: tuple[str, str]
) -> None:
    assert problem(find(name)).program.way(device, dtype, has_resets=has_resets) == expected


@pytest.mark.parametrize("way", ["kernel", "hoisted"])
def test_a_program_goes_the_way_that_is_chosen(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = problem(CELLS["lstm"])
    expected = results(drawn, drawn.program)

    def chosen(*_: Any, **__: Any) -> tuple[str, str]:
        return way, f"{way} of a test"

    monkeypatch.setattr(Program, "way", chosen)
    monkeypatch.setattr(engine, "run", None)
    with pytest.warns(SlowPathWarning, match=f"^lstm: runs node by node, which is slow: {way} of a test\\.$"):
        check_close(results(drawn, drawn.program), expected, torch.float64)


def compiled(cell: Cell) -> Program:
    return problem(cell).program if cell in CELLS.values() else compile_cell(cell, cell.sizes(3, 6))


@EACH
def test_every_value_is_made_on_the_device_and_in_the_format_of_the_input(cell: Cell) -> None:
    """Tensors without data stand in for another device: to meet a tensor of the CPU, or to wait for a value, is an error."""
    drawn = problem(cell).to(torch.float16)
    params = {name: p.detach().to("meta") for name, p in drawn.params.items()}
    x, state = drawn.x.detach().to("meta"), [s.detach().to("meta") for s in drawn.state]
    for arguments in ((), (LENGTHS.to("meta"), RESET.to("meta"))):
        y, last = drawn.program.hoisted.run(params, x, state, *arguments)
        assert {(value.device.type, value.dtype) for value in (y, *last)} == {("meta", torch.float16)}


LAYERS: dict[str, dict[str, Any]] = {
    "plain": {},
    "both ways": {"num_layers": 2, "bidirectional": True, "batch_first": True, "dropout": 0.5},
    "masks": {"masks": [masks.zoneout(h=0.5), masks.weight_drop(0.5), masks.variational_dropout(inputs=0.2)]},
}


@pytest.mark.parametrize("settings", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize(
    "lengths", [[2, 4, 3], LENGTHS, LENGTHS.to("meta")], ids=["a list", "on the CPU", "on the device"]
)
def test_a_layer_keeps_to_its_device_and_waits_for_no_value_where_it_must_not(
    settings: dict[str, Any], lengths: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As inside a CUDA graph that the caller records."""
    monkeypatch.setattr(inputs, "_are_values_unknown", yes)
    layer = Recurrent("lstm", 3, 4, **settings).to("meta")
    x, reset = torch.randn(4, 3, 3, device="meta"), RESET
    if layer.batch_first:
        x, reset = x.transpose(0, 1), reset.t()
    y, state = layer(x, lengths=lengths, reset=reset)
    y, state = layer(x, state, draw=Draw(seed=1, rows=[4, 5, 6]))
    assert {value.device.type for value in (y, *state)} == {"meta"}


def yes(*_: object) -> bool:
    return True


def test_a_stream_on_another_device_goes_the_way_of_its_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = Recurrent("lstm", 3, 4, num_layers=2, dtype=torch.float64)
    x = torch.randn(6, 2, 3, dtype=torch.float64, requires_grad=True)
    expected, last = layer(x)
    ways: list[str] = []

    def chosen(*_: Any, **__: Any) -> tuple[str, str]:
        ways.append("kernel")
        return "kernel", ""

    def unsuitable(_: Tensor) -> str:
        return "a test wants it so"

    monkeypatch.setattr(stream, "_unsuitable", unsuitable)
    monkeypatch.setattr(Program, "way", chosen)
    with pytest.warns(SlowPathWarning, match=r"^lstm: runs node by node, which is slow: a test wants it so\.$"):
        steps = layer.stream(batch_size=2)
    monkeypatch.setattr(steps._steps, "_is_cpu", False)
    y = torch.stack([steps.step(x_t) for x_t in x])
    assert ways == ["kernel"] * 12
    assert not y.requires_grad
    torch.testing.assert_close(y, expected.detach(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(steps.state().c, last.c.detach(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["whole", "lengths"])
def test_torchs_kernel_computes_in_the_format_of_autocast(lengths: Tensor | None) -> None:
    drawn = problem(CELLS["lstm"], dtype=torch.float32)
    found = recognise(drawn.program.graph)
    assert found is not None
    expected, _ = found.run(drawn.params, drawn.x, drawn.state, lengths)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y, last = found.run(drawn.params, drawn.x.bfloat16(), drawn.state, lengths)
    assert {value.dtype for value in (y, *last)} == {torch.bfloat16}
    torch.testing.assert_close(y.float(), expected, rtol=0, atol=0.05)


@pytest.mark.parametrize("way", ["loops", "kernel", "hoisted"])
def test_under_autocast_a_narrowed_input_goes_the_same_way(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = problem(CELLS["lstm"], dtype=torch.float32)
    expected, _, _ = drawn.program(drawn.params, drawn.x, drawn.state)

    def chosen(*_: Any, **__: Any) -> tuple[str, str]:
        return way, ""

    monkeypatch.setattr(Program, "way", chosen)
    monkeypatch.setattr(engine, "interpret", None)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y, _, _ = drawn.program(drawn.params, drawn.x.bfloat16(), drawn.state)
    assert y.dtype == (torch.bfloat16 if way == "kernel" else torch.float32)
    torch.testing.assert_close(y.float(), expected, rtol=0, atol=0.05)
