"""Compiled loops against `interpret`: every cell, outputs, last state and all derivatives, in every shape of input."""

import copy
import gc
import os
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from engine.checks import (
    ALL,
    EACH,
    FORWARD,
    RUN,
    Problem,
    bits,
    check,
    check_close,
    derivatives_of,
    problem,
    results,
    weighted_sum,
)
from torch import Tensor

import carrousel
from carrousel.cell import Cell
from carrousel.cells import CELLS
from carrousel.engine import Program, memory
from carrousel.engine.compiled import LoopCall
from carrousel.engine.lower import team
from carrousel.engine.rows import Rows, lay_out

DTYPES = (torch.float64, torch.float32)
EVERY = pytest.mark.parametrize("dtype", DTYPES, ids=["float64", "float32"])
SHAPES = {
    "one step": {"steps": 1},
    "one sequence": {"batch": 1},
    "odd sizes": {"batch": 5, "hidden_size": 7, "input_size": 5},
    "one hidden unit": {"hidden_size": 1},
    "one input": {"input_size": 1},
    "one of everything": {"steps": 1, "batch": 1, "input_size": 1, "hidden_size": 1},
    "several vectors and a rest": {"hidden_size": 37, "batch": 7},
    "saturated": {"scale": 40.0},
    "tiny": {"scale": 1e-6},
}
IN_FLOAT32 = {
    "one step": {"steps": 1},
    "one sequence": {"batch": 1},
    "whole vectors": {"hidden_size": 64, "batch": 7},
    "tiny": {"scale": 1e-6},
}
LENGTHS = torch.tensor([2, 5, 1, 5, 3])
RESET = torch.zeros(5, 5, dtype=torch.bool)
RESET[0, 0] = RESET[2, 1] = RESET[3, 1] = RESET[4, 3] = RESET[4, 0] = True  # the last one lies in padding


def test_the_loops_are_used_and_not_interpret(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = loops_used(monkeypatch)
    check(problem(CELLS["elman"]))
    assert kinds == ["train+x", "backward+x"]


@ALL
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_values_and_derivatives_equal_interpret(cell: Cell, shape: dict[str, Any]) -> None:
    check(problem(cell, **with_blocks(cell, shape)))


@ALL
@pytest.mark.parametrize("shape", IN_FLOAT32.values(), ids=IN_FLOAT32)
def test_values_and_derivatives_in_float32_are_close_to_float64(cell: Cell, shape: dict[str, Any]) -> None:
    check(problem(cell, dtype=torch.float32, **shape))


@EACH
@EVERY
@pytest.mark.parametrize(("lengths", "reset"), [(None, None), (LENGTHS, RESET)], ids=["whole", "lengths and reset"])
def test_every_cell_equals_interpret_whole_and_cut(
    cell: Cell, dtype: torch.dtype, lengths: Tensor | None, reset: Tensor | None
) -> None:
    check(problem(cell, steps=5, batch=5, dtype=dtype), lengths, reset)


@ALL
@EVERY
@pytest.mark.parametrize(("lengths", "reset"), [(LENGTHS, None), (None, RESET)], ids=["lengths", "reset"])
def test_ragged_and_reset_batches_equal_interpret(
    cell: Cell, dtype: torch.dtype, lengths: Tensor | None, reset: Tensor | None
) -> None:
    check(problem(cell, steps=5, batch=5, dtype=dtype), lengths, reset)


@ALL
def test_every_number_of_rows_equals_interpret(cell: Cell) -> None:
    for batch in range(1, 15):  # rows go in groups of 6, 4, 2 and 1
        check(problem(cell, steps=2, batch=batch, hidden_size=5 if cell.name != "lstm_1997" else 4))


@ALL
def test_chunks_equal_the_whole(cell: Cell) -> None:
    given = problem(cell, steps=6, batch=4)

    def chunked(params: Any, x: Tensor, state: Any) -> tuple[Tensor, list[Tensor], object]:
        parts: list[Tensor] = []
        for first, last in ((0, 1), (1, 4), (4, 6)):
            y, state, _ = given.program(params, x[first:last], state)
            parts.append(y)
        return torch.cat(parts), list(state), {}

    check_close(results(given, chunked), results(given, given.program), torch.float64)


@ALL
@pytest.mark.usefixtures("every_thread")
@pytest.mark.parametrize("lengths", [None, torch.tensor([9, 1, 4, 9, 2, 6, 7])], ids=["whole", "lengths"])
def test_results_are_bit_equal_for_one_thread_and_for_two_of_either_kind(
    cell: Cell, lengths: Tensor | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = problem(cell, steps=9, batch=7, dtype=torch.float32)
    torch.set_num_threads(1)
    alone = bits(results(given, given.program, lengths))
    torch.set_num_threads(2)
    shares: list[int] = []
    cut = Rows.shares

    def counted(rows: Rows, count: int) -> list[tuple[int, int]]:
        found = cut(rows, count)
        shares.append(len(found))
        return found

    monkeypatch.setattr(Rows, "shares", counted)
    assert bits(results(given, given.program, lengths)) == alone
    monkeypatch.setattr(team, "_openmp", lambda: None)
    assert bits(results(given, given.program, lengths)) == alone
    assert shares == [2, 2, 2, 2]


@pytest.mark.usefixtures("every_thread")
def test_results_are_bit_equal_from_run_to_run() -> None:
    torch.set_num_threads(2)
    given = problem(CELLS["peephole_lstm"], steps=20, batch=9, hidden_size=33, dtype=torch.float32)
    first = bits(results(given, given.program))
    assert all(bits(results(given, given.program)) == first for _ in range(5))


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_the_shares_of_threads_cover_all_sequences_once(count: int) -> None:
    for lengths in (None, torch.tensor([100, 1, 1, 1, 1]), torch.tensor([3, 3, 3, 3, 3])):
        shares = lay_out(100, 5, lengths, None).shares(count)
        assert [place for first, last in shares for place in range(first, last)] == list(range(5))
        assert len(shares) <= count


@ALL
def test_derivatives_agree_with_differences_in_random_directions(cell: Cell) -> None:
    given = problem(cell, steps=3, batch=2)
    found = results(given, given.program)
    generator = torch.Generator().manual_seed(5)
    for name, leaf in given.leaves.items():
        direction = torch.randn(leaf.shape, generator=generator, dtype=torch.float64)
        moved: list[Tensor] = []
        for step in (1e-5, -1e-5):
            with torch.no_grad():
                leaf.add_(step * direction)
                y, last, _ = given.program(given.params, given.x, given.state)
                moved.append(weighted_sum({"y": y, **{f"last.{k}": s for k, s in enumerate(last)}}))
                leaf.sub_(step * direction)
        difference = (moved[0] - moved[1]) / 2e-5
        torch.testing.assert_close((found[f"d_{name}"] * direction).sum(), difference, rtol=1e-6, atol=1e-7)


LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "transposed": lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
    "every second": lambda x: torch.stack([x, x], dim=-1)[..., 1],
    "every second row": lambda x: torch.cat([x, x])[::2][: x.shape[0]],
    "huge strides": lambda x: (
        torch.arange(3e6).view(3, -1)[:, ::300_000].t()[: x.shape[0], None].expand(x.shape).double() / 3e6
    ),
    "expanded": lambda x: x[:1].expand(x.shape),
    "flipped": lambda x: x.flip(0),
}


class TestInputsInMemory:
    """Tensors that are laid out in unusual ways."""

    @pytest.mark.parametrize("laid_out", LAYOUTS.values(), ids=LAYOUTS)
    def test_any_strides_give_the_same(self, laid_out: Callable[[Tensor], Tensor]) -> None:
        given = problem(CELLS["lstm"])
        x = laid_out(given.x.detach()).requires_grad_()
        check(Problem(given.program, given.params, x, given.state))

    def test_parameters_and_states_with_any_strides_give_the_same(self) -> None:
        given = problem(CELLS["peephole_lstm"])
        params = {
            name: torch.stack([p.detach(), p.detach()], dim=-1)[..., 0].requires_grad_()
            for name, p in given.params.items()
        }
        state = tuple(s.detach()[:1].expand(s.shape).requires_grad_() for s in given.state)
        check(Problem(given.program, params, given.x, state))

    @pytest.mark.parametrize(("steps", "batch"), [(0, 3), (4, 0), (0, 0)])
    def test_no_steps_or_no_rows_give_empty_results_and_zero_derivatives(self, steps: int, batch: int) -> None:
        given = problem(CELLS["lstm"], steps=steps, batch=batch)
        found = results(given, given.program)
        assert found["y"].shape == (steps, batch, 6)
        assert found["last.0"].shape == (batch, 6)
        assert all(not found[f"d_{name}"].any() for name in given.params)

    def test_the_given_state_is_left_as_it_is(self) -> None:
        given = problem(CELLS["lstm"], batch=5, steps=5)
        before = [s.clone() for s in given.state]
        results(given, given.program, None, RESET)
        assert all(torch.equal(s, b) for s, b in zip(given.state, before, strict=True))


class TestWhatIsDifferentiated:
    """Frozen parameters, inputs without gradient, outputs that nobody uses."""

    @ALL
    def test_frozen_parameters_get_no_gradient_and_change_none(self, cell: Cell) -> None:
        given = problem(cell)
        whole = results(given, given.program)
        for frozen in ([name] for name in given.params):
            self._compare_with_frozen(given, whole, frozen)
        self._compare_with_frozen(given, whole, list(given.params))

    def _compare_with_frozen(self, given: Problem, whole: dict[str, Tensor], frozen: list[str]) -> None:
        params = {n: p.detach().requires_grad_(n not in frozen) for n, p in given.params.items()}
        part = results(Problem(given.program, params, given.x, given.state), given.program)
        assert part.keys() == whole.keys() - {f"d_{name}" for name in frozen}
        check_close(part, {name: whole[name] for name in part}, torch.float64)

    @pytest.mark.parametrize("name", ["lstm", "gru_reset_before", "jordan"])
    def test_x_and_state_without_gradient_change_no_other(self, name: str) -> None:
        given = problem(CELLS[name])
        whole = results(given, given.program)
        bare = Problem(given.program, given.params, given.x.detach(), tuple(s.detach() for s in given.state))
        part = results(bare, given.program)
        assert part.keys() == {k for k in whole if not k.startswith(("d_x", "d_state"))}
        check_close(part, {name: whole[name] for name in part}, torch.float64)

    @ALL
    @pytest.mark.parametrize("part", ["output", "first state", "last state"])
    def test_a_loss_of_one_result_alone_has_the_right_derivatives(self, cell: Cell, part: str) -> None:
        given = problem(cell)

        def derivatives(forward: Callable[..., Any]) -> list[Tensor]:
            y, last, _ = forward(given.params, given.x, given.state)
            loss = {"output": y, "first state": last[0], "last state": last[-1]}[part].square().sum()
            return derivatives_of(loss, list(given.leaves.values()))

        for got, expected in zip(derivatives(given.program), derivatives(given.interpreted), strict=True):
            torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-10)

    def test_nothing_that_wants_a_gradient_means_no_tape(self, monkeypatch: pytest.MonkeyPatch) -> None:
        kinds, leases = loops_used(monkeypatch), leases_taken(monkeypatch)
        given = problem(CELLS["lstm"])
        given.program(given.params, given.x, given.state)
        with_tape = len(leases)
        for mode in (torch.no_grad, torch.inference_mode):
            leases.clear()
            with mode():
                y, _, _ = given.program(given.params, given.x, given.state)
            assert not y.requires_grad
            assert len(leases) == 0 < with_tape
        leases.clear()
        detached = {name: p.detach() for name, p in given.params.items()}
        given.program(detached, given.x.detach(), [s.detach() for s in given.state])
        assert len(leases) == 0
        assert kinds == ["train+x", "infer+x", "infer+x", "infer+x"]

    def test_backward_twice_with_the_graph_kept_gives_the_same_twice(self) -> None:
        given = problem(CELLS["gru_reset_before"])
        loss = given.program(given.params, given.x, given.state)[0].square().sum()
        leaves = list(given.leaves.values())
        first = torch.autograd.grad(loss, leaves, retain_graph=True)
        second = torch.autograd.grad(loss, leaves)
        assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))

    def test_backward_twice_without_keeping_the_graph_is_refused(self) -> None:
        given = problem(CELLS["elman"])
        loss = given.program(given.params, given.x, given.state)[0].square().sum()
        loss.backward()
        with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
            loss.backward()

    @ALL
    def test_an_output_changed_in_place_is_refused_by_backward(self, cell: Cell) -> None:
        given = problem(cell)
        y, _, _ = given.program(given.params, given.x, given.state)
        loss = y.sum()
        with torch.no_grad():
            y.mul_(3)
        with pytest.raises(RuntimeError, match="has been modified by an inplace operation"):
            loss.backward()

    def test_a_parameter_changed_before_backward_is_refused(self) -> None:
        given = problem(CELLS["lstm"])
        y, _, _ = given.program(given.params, given.x, given.state)
        with torch.no_grad():
            given.params["R_i"].mul_(2)
        with pytest.raises(RuntimeError, match="has been modified by an inplace operation"):
            y.sum().backward()

    def test_one_tensor_in_two_places_gets_both_derivatives(self) -> None:
        given = problem(CELLS["lstm"])
        tied = {**given.params, "R_f": given.params["R_i"], "b_o": given.params["b_i"]}
        expected = given.params["R_i"], given.params["b_i"]
        got = torch.autograd.grad(given.program(tied, given.x, given.state)[0].square().sum(), expected)
        right = torch.autograd.grad(given.interpreted(tied, given.x, given.state)[0].square().sum(), expected)
        for a, b in zip(got, right, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


class TestSharedMemory:
    """Memory that is used again must never be two things at once."""

    def test_two_forward_calls_before_either_backward_do_not_meet(self) -> None:
        given = problem(CELLS["lstm"])
        other = Problem(given.program, given.params, -given.x.detach().requires_grad_(), given.state)
        alone = [bits(results(p, p.program)) for p in (given, other)]
        ys = [p.program(p.params, p.x, p.state)[0] for p in (given, other)]
        both = [
            torch.autograd.grad(y.square().sum(), p.params["R_i"])[0] for y, p in zip(ys, (given, other), strict=True)
        ]
        again = [
            torch.autograd.grad(p.program(p.params, p.x, p.state)[0].square().sum(), p.params["R_i"])[0]
            for p in (given, other)
        ]
        assert all(torch.equal(a, b) for a, b in zip(both, again, strict=True))
        assert [bits(results(p, p.program)) for p in (given, other)] == alone

    def test_a_program_used_twice_in_one_graph_gets_both_derivatives(self) -> None:
        given = problem(CELLS["gru_reset_after"], input_size=6)

        def twice(
            params: Any, x: Tensor, state: Any, forward: Any = given.program
        ) -> tuple[Tensor, list[Tensor], object]:
            y, last, _ = forward(params, x, state)
            return forward(params, y, last)

        expected = results(given, lambda *a: twice(*a, forward=given.interpreted))
        check_close(results(given, twice), expected, torch.float64)

    def test_results_outlive_the_memory_of_later_calls(self) -> None:
        given = problem(CELLS["jordan"])
        first = results(given, given.program)
        before = {name: value.clone() for name, value in first.items()}
        for sign in (2.0, -3.0):
            results(
                Problem(given.program, given.params, (sign * given.x.detach()).requires_grad_(), given.state),
                given.program,
            )
        assert bits(first) == bits(before)

    def test_a_dropped_result_gives_its_memory_back_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        given = problem(CELLS["lstm"])
        leases = leases_taken(monkeypatch)
        gc.disable()
        try:
            y, last, _ = given.program(given.params, given.x, given.state)
            assert any(alive() for alive in leases)
            del y, last
            assert not any(alive() for alive in leases)
        finally:
            gc.enable()

    def test_backward_gives_the_memory_back_while_the_output_lives(self, monkeypatch: pytest.MonkeyPatch) -> None:
        given = problem(CELLS["lstm"])
        leases = leases_taken(monkeypatch)
        y, _, _ = given.program(given.params, given.x, given.state)
        y.sum().backward(retain_graph=True)
        assert any(alive() for alive in leases)
        y.sum().backward()
        assert not any(alive() for alive in leases)

    def test_training_after_inference_mode_works(self) -> None:
        layer = carrousel.Recurrent("lstm", 3, 5)
        x = torch.randn(33, 9, 3)
        with torch.inference_mode():
            layer(x)
        layer(x)[0].sum().backward()
        assert layer.R_i_l0.grad is not None  # pyright: ignore[reportUnknownMemberType]


class TestModes:
    """Autocast, copies, threads, forks, numbers that are not finite."""

    def test_under_autocast_values_and_derivatives_stay_in_float32(self) -> None:
        given = problem(CELLS["lstm"], input_size=32, hidden_size=32, dtype=torch.float32)
        expected = bits(results(given, given.program))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert bits(results(given, given.program)) == expected

    def test_a_deep_copy_computes_the_same_and_trains_apart(self) -> None:
        layer = carrousel.Recurrent("gru_reset_before", 3, 5)
        twin = copy.deepcopy(layer)
        x = torch.randn(4, 2, 3)
        assert torch.equal(layer(x)[0], twin(x)[0])
        twin(x)[0].sum().backward()
        assert all(p.grad is None for p in layer.parameters())
        assert all(p.grad is not None for p in twin.parameters())

    @pytest.mark.usefixtures("every_thread")
    def test_several_python_threads_at_once_get_their_own_results(self) -> None:
        torch.set_num_threads(2)
        problems = [problem(CELLS[name], batch=7, steps=9) for name in ("lstm", "gru_reset_before", "elman")]
        expected = [bits(results(p, p.program)) for p in problems]
        wrong: list[str] = []

        def work(k: int) -> None:
            for _ in range(10):
                if bits(results(problems[k], problems[k].program)) != expected[k]:
                    wrong.append(problems[k].program.graph.name)

        threads = [threading.Thread(target=work, args=(k % 3,)) for k in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []

    def test_the_first_call_from_several_threads_at_once_compiles_correctly(self) -> None:
        given = problem(Program(problem(CELLS["elman"]).program.graph))
        found: list[dict[str, bytes]] = []
        threads = [threading.Thread(target=lambda: found.append(bits(results(given, given.program)))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [bits(results(given, given.program))] * 4

    @pytest.mark.usefixtures("every_thread")
    @pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
    @pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
    def test_a_forked_process_computes_the_same(self) -> None:
        given = problem(CELLS["lstm"], batch=7, steps=9)
        torch.set_num_threads(2)
        expected = bits(results(given, given.program))  # the parent's team of threads exists now
        child = os.fork()
        if child == 0:
            torch.set_num_threads(1)  # torch's own threads do not survive a fork
            first = bits(results(given, given.program)) == expected
            os._exit(0 if first else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    @EVERY
    @ALL
    @pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
    def test_numbers_that_are_not_finite_spread_as_in_interpret(
        self, cell: Cell, dtype: torch.dtype, value: float
    ) -> None:
        given = problem(cell, dtype=dtype)
        state = [s.detach().clone() for s in given.state]
        state[0].view(3, -1)[1, 0] = value
        for x in (given.x.detach().clone(), given.x.detach().clone().index_fill(0, torch.tensor(2), value)):
            got = given.program(given.params, x, state)
            exact = given.to(torch.float64)
            expected = exact.interpreted(exact.params, x.double(), [s.double() for s in state])
            for a, b in zip((got[0], *got[1]), (expected[0], *expected[1]), strict=True):
                for is_such in (torch.isnan, torch.isposinf, torch.isneginf):
                    assert torch.equal(is_such(a), is_such(b)), is_such.__name__


def with_blocks(cell: Cell, shape: dict[str, Any]) -> dict[str, Any]:
    """The shape; a cell of blocks gets a block size that divides its hidden size."""
    if cell.name != "lstm_1997" or shape.get("hidden_size", 6) % 2 == 0:
        return shape
    return shape | {"block_size": 1}


def loops_used(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kinds of loops in the order in which they run."""
    kinds: list[str] = []
    execute = RUN.execute

    def noted(calls: Sequence[LoopCall]) -> None:
        kinds.extend(call.kind for call in calls)
        execute(calls)

    monkeypatch.setattr(RUN, "execute", noted)
    return kinds


def leases_taken(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A weak reference to every lease that is taken."""
    from weakref import ref

    taken: list[Any] = []

    def noted(size: int, dtype: torch.dtype) -> memory.Lease:
        lease = memory.lease(size, dtype)
        taken.append(ref(lease))
        return lease

    monkeypatch.setattr(FORWARD, "lease", noted)
    return taken
