"""What runs where there are no compiled loops: the plan by torch's operations, and torch's own kernels; tried out on the CPU."""

from typing import Any, NamedTuple

import pytest
import torch
from engine.checks import ALL, check_close, problem, results, user_cell
from jaxtyping import Float
from torch import Tensor

from carrousel import engine
from carrousel.cell import Cell
from carrousel.cells import CELLS, find
from carrousel.engine import Program, SlowPathWarning, compile_cell
from carrousel.engine.lower.hoisted import hoist
from carrousel.engine.lower.torch_kernels import Kernel, recognise

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
