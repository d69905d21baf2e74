"""Loops side by side, and units shared by several threads: the same numbers whoever makes them, and nobody waits for ever."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
from engine.checks import ALL, COMPILED, RUN, bits, check, derivatives_of, problem, results, weighted_sum
from torch import Tensor

from carrousel import Recurrent
from carrousel.cell import Cell
from carrousel.cells import CELLS
from carrousel.engine import Call, Program, compile_cell, run_together, threads
from carrousel.engine.compiled import LoopCall
from carrousel.engine.lower import barrier, team
from carrousel.engine.lower.loop import Cuts
from carrousel.engine.plan import Kind
from carrousel.engine.threads import Deal, Load, Patience, deal

LENGTHS = torch.tensor([2, 5, 1])
RESET = torch.zeros(5, 3, dtype=torch.bool)
RESET[0, 0] = RESET[2, 1] = RESET[3, 1] = RESET[4, 0] = True


def shared(monkeypatch: pytest.MonkeyPatch, parts: int) -> list[bool]:
    """Units are shared by so many threads wherever they can be; whether they were, for each loop that ran."""
    used: list[bool] = []

    def always(loads: Sequence[Load], *_arguments: Any, **_settings: Any) -> Deal:
        used.append(all(load.cuts is not None for load in loads))
        return Deal(1, parts if used[-1] else 1)

    monkeypatch.setattr(COMPILED, "deal", always)
    return used


class TestSharedUnits:
    """Several threads make the units of the same rows."""

    @ALL
    def test_no_bit_depends_on_who_makes_a_unit(self, cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
        given = problem(cell, steps=5, batch=3, hidden_size=36, dtype=torch.float32)
        alone = [bits(results(given, given.program, *more)) for more in ((), (LENGTHS, RESET))]
        shared(monkeypatch, 2)
        assert [bits(results(given, given.program, *more)) for more in ((), (LENGTHS, RESET))] == alone

    @pytest.mark.parametrize("parts", [1, 3])
    @pytest.mark.parametrize("name", ["lstm", "gru_reset_before", "mlstm_matrix"])
    def test_any_number_of_parts_equals_interpret(self, name: str, parts: int, monkeypatch: pytest.MonkeyPatch) -> None:
        used = shared(monkeypatch, parts)
        check(problem(CELLS[name], steps=5, batch=3, hidden_size=20), LENGTHS, RESET)
        assert used == [True, True]

    def test_without_a_tape_it_is_the_same(self, monkeypatch: pytest.MonkeyPatch) -> None:
        given = problem(CELLS["lstm"], hidden_size=36, batch=1, dtype=torch.float32)
        with torch.no_grad():
            alone, _, _ = given.program(given.params, given.x, given.state)
            used = shared(monkeypatch, 2)
            both, _, _ = given.program(given.params, given.x, given.state)
        assert torch.equal(alone, both)
        assert used == [True]

    def test_every_unit_is_made_by_one_thread(self) -> None:
        plan = compile_cell(CELLS["lstm"], CELLS["lstm"].sizes(40, 40)).plan
        cuts = plan.cuts("train")
        assert cuts is not None
        assert [(cut.count, cut.in_vectors) for cut in cuts.phases if cut] == [(40, True)]
        assert [cuts.phases[0].share(parts, 16) for parts in (1, 2, 3, 4) if cuts.phases[0]] == [1, 2 / 3, 1 / 3, 1 / 3]

    @pytest.mark.parametrize(
        ("name", "kind", "barriers", "crossing"),
        [
            ("lstm", "train", (0,), 64),  # h
            ("lstm", "backward", (1,), 256),  # the derivatives of four gates
            ("gru_reset_before", "train", (0, 1), 128),  # h, then the reset h
            ("sru", "train", (), 0),
            ("sru", "backward", (), 0),
        ],
    )
    def test_threads_meet_where_one_reads_what_another_made(
        self, name: str, kind: Kind, barriers: tuple[int, ...], crossing: int
    ) -> None:
        cuts = compile_cell(CELLS[name], CELLS[name].sizes(64, 64)).plan.cuts(kind)
        assert cuts is not None
        assert (cuts.barriers, cuts.crossing) == (barriers, crossing)


class TestWaiting:
    """Threads that wait for each other where they are kept off their cores, or do not come at all."""

    def test_a_part_that_is_kept_waiting_goes_on_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(barrier, "_SPINS", 0)
        monkeypatch.setattr(barrier, "_PATIENCE_NS", -1)  # any time is too long
        left: list[bool] = []
        has_waited = barrier.has_waited

        def noted(memory: Any) -> bool:
            left.append(has_waited(memory))
            return left[-1]

        monkeypatch.setattr(COMPILED, "has_waited", noted)
        monkeypatch.setattr(COMPILED, "PATIENCE", Patience())
        given = problem(Program(problem(CELLS["lstm"], hidden_size=36).program.graph), steps=9, dtype=torch.float32)
        alone = bits(results(given, given.program))
        shared(monkeypatch, 2)
        assert bits(results(given, given.program)) == alone
        assert left == [True, True]

    def test_a_team_that_is_too_small_leaves_all_units_to_the_first_part(self, monkeypatch: pytest.MonkeyPatch) -> None:
        openmp: Any = team._openmp()
        if openmp is None:
            pytest.skip("torch came without GNU's OpenMP library")
        parallel, number, size = openmp

        def smaller(function: int, block: int, _threads: int, flags: int) -> None:
            parallel(function, block, 1, flags)

        given = problem(CELLS["lstm"], hidden_size=36, dtype=torch.float32)
        alone = bits(results(given, given.program))
        shared(monkeypatch, 2)
        monkeypatch.setattr(team, "_openmp", lambda: (smaller, number, size))
        assert bits(results(given, given.program)) == alone

    def test_any_part_that_lost_time_is_noticed(self) -> None:
        memory = barrier.barrier_memory(2)
        assert not barrier.has_waited(memory)
        memory[2 * 16 + 1] = barrier._PATIENCE_NS + 1  # beside the counter of the second part
        assert barrier.has_waited(memory)
        assert memory.ctypes.data % 128 == 0

    def test_after_a_call_that_waited_units_stay_together_for_a_while(self, monkeypatch: pytest.MonkeyPatch) -> None:
        now = [100.0]
        monkeypatch.setattr(threads, "monotonic", lambda: now[0])
        patience = Patience()
        pauses: list[float] = []
        for _ in range(9):
            assert patience.is_there()
            patience.learn(had_to_wait=True)
            start = now[0]
            while not patience.is_there():
                now[0] += 0.05
            pauses.append(round(now[0] - start, 1))
        assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]
        patience.learn(had_to_wait=False)
        patience.learn(had_to_wait=True)
        now[0] += 0.11
        assert patience.is_there()

    @pytest.mark.slow
    def test_four_processes_at_once_all_come_to_an_end(self) -> None:
        command = [sys.executable, "-c", _MANY_CALLS]
        running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
        found = {json.dumps(json.loads(process.communicate(timeout=120)[0])) for process in running}
        assert len(found) == 1
        assert all(process.returncode == 0 for process in running)

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
    @pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
    def test_a_fork_on_one_thread_computes_the_same(self) -> None:
        given = problem(CELLS["lstm"], hidden_size=36, batch=1, dtype=torch.float32)
        with pytest.MonkeyPatch.context() as patch:
            used = shared(patch, 2)
            expected = bits(results(given, given.program))  # the parent's team of threads exists now
        assert used == [True, True]
        child = os.fork()
        if child == 0:
            torch.set_num_threads(1)  # torch's own threads do not survive a fork
            os._exit(0 if bits(results(given, given.program)) == expected else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


_MANY_CALLS = """
import hashlib, json, torch
from carrousel import Recurrent
from carrousel.engine import compiled
from carrousel.engine.threads import Deal
compiled.deal = lambda *_, **__: Deal(1, 2)
torch.manual_seed(0)
torch.set_num_threads(2)
layer, x = Recurrent("lstm", 64, 64), torch.randn(200, 1, 64)
for _ in range(20):
    y, _ = layer(x)
    y.sum().backward()
print(json.dumps(hashlib.sha256(y.detach().numpy().tobytes()).hexdigest()))
"""


def load(work: int, barriers: int | None = 1, crossing: int = 64) -> Load:
    """A loop of one phase whose units can be dealt out one by one."""
    from carrousel.engine.lower.loop import Cut

    cut = Cut(("H",), 64, 64, in_vectors=False)
    cuts = None if barriers is None else Cuts((cut,), {}, tuple(range(barriers)), crossing)
    return Load((work,), cuts, 16)


class TestTheChoice:
    """Which thread runs what, by what it should take."""

    @pytest.mark.parametrize(
        ("loops", "batch", "num_threads", "expected"),
        [
            (1, 1, 1, Deal(1, 1)),
            (1, 32, 2, Deal(2, 1)),
            (1, 3, 2, Deal(2, 1)),
            (1, 1, 2, Deal(1, 2)),
            (1, 2, 8, Deal(2, 4)),
            (2, 1, 2, Deal(1, 1)),  # a direction each
            (2, 32, 2, Deal(1, 1)),
            (2, 32, 4, Deal(2, 1)),
            (2, 32, 3, Deal(3, 1)),  # two rounds of a third each
            (2, 1, 4, Deal(1, 2)),
            (2, 1, 3, Deal(1, 1)),
            (2, 32, 1, Deal(1, 1)),
        ],
    )
    def test_rows_and_directions_come_before_units(
        self, loops: int, batch: int, num_threads: int, expected: Deal
    ) -> None:
        loads = tuple(load(400_000) for _ in range(loops))
        assert deal(loads, ((batch, batch * 100),) * loops, num_threads, can_meet=True) == expected

    def test_units_stay_together_where_a_barrier_costs_more_than_it_saves(self) -> None:
        for work, barriers, expected in [(10_000, 1, 1), (10_000, 0, 2), (100_000, 1, 2), (100_000, 4, 1)]:
            assert deal((load(work, barriers),), ((1, 1000),), 2, can_meet=True) == Deal(1, expected)

    @pytest.mark.parametrize(
        ("size", "kind", "parts"),
        [(64, "infer", 1), (64, "backward", 1), (128, "train", 2), (128, "backward", 1), (256, "backward", 2)],
    )
    def test_an_lstm_shares_its_units_where_that_was_measured_to_be_faster(
        self, size: int, kind: Kind, parts: int
    ) -> None:
        compiled = compile_cell(CELLS["lstm"], CELLS["lstm"].sizes(size, size)).compiled(torch.float32)
        assert deal((compiled.load(kind),), ((1, 500),), 2, can_meet=True) == Deal(1, parts)

    def test_units_stay_together_where_they_must(self) -> None:
        assert deal((load(10**6, None),), ((1, 100),), 2, can_meet=True) == Deal(1, 1)
        assert deal((load(10**6),), ((1, 100),), 2, can_meet=False) == Deal(1, 1)

    def test_little_work_is_left_to_one_thread(self) -> None:
        assert deal((load(1000),), ((100, 100),), 2, can_meet=True) == Deal(1, 1)


@pytest.mark.usefixtures("every_thread")
class TestSideBySide:
    """Several recurrences in one region, forward and backward."""

    @pytest.mark.parametrize("name", ["lstm", "sru", "jordan", "lstm_projected"])
    @pytest.mark.parametrize("more", [(None, None), (LENGTHS, RESET)], ids=["whole", "lengths and reset"])
    def test_two_at_once_give_the_bits_of_one_after_the_other(
        self, name: str, more: tuple[Tensor | None, Tensor | None]
    ) -> None:
        torch.set_num_threads(2)
        given = [problem(CELLS[name], steps=5, batch=3, dtype=torch.float32).to(torch.float32) for _ in range(2)]
        given[1].x.data.neg_()
        expected = [bits(results(p, p.program, *more)) for p in given]
        outcomes = run_together([Call(p.program, p.params, p.x, p.state, *more) for p in given])
        outputs = [{"y": y, **{f"last.{k}": f for k, f in enumerate(last)}} for y, last, _ in outcomes]
        loss = torch.stack([weighted_sum(each) for each in outputs]).sum()
        leaves = [p.leaves for p in given]
        found = iter(derivatives_of(loss, [leaf for each in leaves for leaf in each.values()]))
        derivatives = [{f"d_{name}": next(found) for name in each} for each in leaves]
        for each, values, gradients in zip(expected, outputs, derivatives, strict=True):
            assert bits({k: v.detach() for k, v in values.items()} | gradients) == each

    def test_loops_of_both_run_in_one_region_each_way(self, monkeypatch: pytest.MonkeyPatch) -> None:
        regions = regions_of(monkeypatch)
        layer = Recurrent("lstm", 3, 5, bidirectional=True, num_layers=2)
        layer(torch.randn(4, 2, 3))[0].sum().backward()
        with torch.no_grad():
            layer(torch.randn(4, 2, 3))
        backward = [["backward+x"] * 2, ["backward"] * 2]  # nobody asks for the derivative of the input
        assert regions == [["train+x"] * 2] * 2 + backward + [["infer+x"] * 2] * 2

    def test_a_frozen_one_keeps_no_tape(self, monkeypatch: pytest.MonkeyPatch) -> None:
        regions = regions_of(monkeypatch)
        layer = Recurrent("lstm", 3, 5, bidirectional=True)
        for name, parameter in layer.named_parameters():
            parameter.requires_grad_(not name.endswith("_reverse"))
        layer(torch.randn(4, 2, 3))[0].sum().backward()
        assert regions == [["train+x"], ["infer+x"], ["backward"]]

    def test_what_nobody_used_is_not_differentiated(self, monkeypatch: pytest.MonkeyPatch) -> None:
        regions = regions_of(monkeypatch)
        first, second = problem(CELLS["lstm"]), problem(CELLS["elman"])
        (y, _, _), _ = run_together([Call(p.program, p.params, p.x, p.state, None, None) for p in (first, second)])
        y.sum().backward()
        assert regions == [["train+x", "train+x"], ["backward+x"]]
        assert first.x.grad is not None
        assert second.x.grad is None

    def test_second_derivatives_of_both_are_those_of_each(self) -> None:
        given = [problem(CELLS["elman"]), problem(CELLS["lstm"])]

        def second(outcomes: Sequence[tuple[Tensor, Any, Any]]) -> tuple[Tensor, ...]:
            loss = torch.stack([y.square().sum() for y, _, _ in outcomes]).sum()
            found = torch.autograd.grad(loss, [p.x for p in given], create_graph=True)
            return torch.autograd.grad(torch.stack([d.square().sum() for d in found]).sum(), [p.x for p in given])

        together = second(run_together([Call(p.program, p.params, p.x, p.state, None, None) for p in given]))
        apart = second([p.program(p.params, p.x, p.state) for p in given])
        for a, b in zip(together, apart, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)

    def test_two_directions_equal_two_layers(self) -> None:
        both = Recurrent("lstm", 3, 5, bidirectional=True)
        alone = Recurrent("lstm", 3, 5)
        x = torch.randn(6, 2, 3)
        y, _ = both(x)
        weights: Mapping[str, Tensor] = both.state_dict()
        for part, given, suffix in ((y[..., :5], x, ""), (y[..., 5:].flip(0), x.flip(0), "_reverse")):
            alone.load_state_dict({name: weights[name + suffix] for name in alone.state_dict()})
            assert torch.equal(alone(given)[0], part)


def regions_of(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The kinds of loops that run together, region by region."""
    regions: list[list[str]] = []
    execute = RUN.execute

    def noted(calls: Sequence[LoopCall]) -> None:
        regions.append([call.kind for call in calls])
        execute(calls)

    monkeypatch.setattr(RUN, "execute", noted)
    return regions


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("lstm", "where there are fewer rows, threads share units: forward with 1 barrier a step, backward with 1 barrier a step"),
        ("sru", "where there are fewer rows, threads share units: forward without a barrier, backward without a barrier"),
        ("array_lstm", "where there are fewer rows, threads share units: backward with 2 barriers a step"),
        ("nested_lstm", "the units of a sequence stay together"),
    ],
)  # fmt: skip
def test_explain_says_which_thread_makes_what(name: str, words: str) -> None:
    begin = (
        "threads: the rows of a batch and the directions of a layer are dealt out to torch's threads where that pays; "
    )
    assert Recurrent(name, 8, 8).explain().splitlines()[-2] == begin + words
