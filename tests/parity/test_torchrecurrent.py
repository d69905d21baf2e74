"""torchrecurrent's cells compute what ours do, derivatives included; where they depart from the paper, a test says in what."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from cells.conformance import Problem, assert_same, derivatives_of, problem, results
from torch import Tensor
from torch.func import functional_call

from carrousel import Recurrent
from carrousel.bench.peers.torchrecurrent import CLASSES

torchrecurrent: Any = pytest.importorskip("torchrecurrent")

pytestmark = pytest.mark.usefixtures("annotations_unchecked")
EXACT = 1e-10  # float64: the same mathematics, other order of additions
Weights = Mapping[str, Tensor]


def rows(p: Weights, kind: str, gates: str) -> Tensor:
    """Our matrices or biases of these gates, joined as theirs are."""
    return torch.cat([p[f"{kind}_{gate}"] for gate in gates])


def joined(p: Weights, gates: str, *, recurrent: str | None = None) -> dict[str, Tensor]:
    """Input and recurrent matrices and one of the two biases of these gates; the other bias stays 0."""
    return {
        "weight_ih": rows(p, "W", gates),
        "weight_hh": rows(p, "R", recurrent or gates),
        "bias_ih": rows(p, "b", gates),
    }


def enter_one(s: Weights) -> Any:
    return s["h"]


def leave_one(h: Any) -> dict[str, Tensor]:
    return {"h": h}


def enter_two(s: Weights) -> Any:
    return s["h"], s["c"]


def leave_two(state: Any) -> dict[str, Tensor]:
    return {"h": state[0], "c": state[1]}


@dataclass(frozen=True)
class Pair:
    """One of our cells, one of theirs, and how weights and states go over."""

    ours: str
    theirs: str
    weights: Callable[[Weights], dict[str, Tensor]]
    enter: Callable[[Weights], Any] = enter_one
    leave: Callable[[Any], dict[str, Tensor]] = leave_one
    sizes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    changes: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])


def unrolled(cell: Any, weights: Weights, x: Tensor, state: Any) -> tuple[Tensor, Any]:
    """Their cell over a sequence, from a state, with these weights and 0 for the ones not named."""
    every = {name: torch.zeros_like(value) for name, value in cell.state_dict().items()} | dict(weights)
    base = torchrecurrent.base
    is_decoupled = isinstance(cell, (base.DecoupledSingleStateCellBase, base.DecoupledDoubleStateCellBase))
    outputs: list[Tensor] = []
    for x_t in x:
        result: Any = functional_call(cell, every, (x_t, state))
        state = result[1] if is_decoupled else result
        outputs.append(result if isinstance(result, Tensor) else result[0])
    return torch.stack(outputs), state


def shared(pair: Pair, given: Problem) -> Problem:
    """The same problem with 0 in every state field that theirs does not have, at the start and in the loss."""
    fields = list(given.layer.cell.state_axes)
    theirs = pair.leave(pair.enter({name: s[0] for name, s in zip(fields, given.state, strict=True)}))
    keep = [float(name in theirs) for name in fields]
    return dataclasses.replace(
        given,
        state=tuple(k * s for k, s in zip(keep, given.state, strict=True)),
        w_state=tuple(k * w for k, w in zip(keep, given.w_state, strict=True)),
    )


def their_results(pair: Pair, given: Problem) -> dict[str, Tensor]:
    """Outputs, last state and all derivatives of the loss by our parameters, by name."""
    layer = given.layer
    x = given.x.clone().requires_grad_()
    fields = list(layer.cell.state_axes)
    start = {name: s.clone().requires_grad_() for name, s in zip(fields, given.state, strict=True)}
    p = {name: getattr(layer, f"{name}_l0") for name in layer.cell.param_axes}
    cell = getattr(torchrecurrent, f"{pair.theirs}Cell")(
        layer.input_size, layer.hidden_size, dtype=torch.float64, **pair.settings
    )
    y, state = unrolled(
        cell, {**pair.weights(p), **pair.changes}, x, pair.enter({name: s[0] for name, s in start.items()})
    )
    last = {name: s[None] for name, s in pair.leave(state).items()}
    weights = dict(zip(fields, given.w_state, strict=True))
    loss = (given.w_y * y).sum() + sum((weights[name] * s).sum() for name, s in last.items())
    trained = dict(layer.named_parameters())
    leaves = {"x": x, **{f"state.{name}": start[name] for name in last}, **trained}
    slopes = derivatives_of(loss, list(leaves.values()))
    return {
        "y": y,
        **{f"state.{name}": s for name, s in last.items()},
        **{f"d_{name}": slope for name, slope in zip(leaves, slopes, strict=True)},
    }


def both(pair: Pair) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """What ours and theirs compute, of what both have."""
    given = shared(pair, problem(pair.ours, **pair.sizes))
    theirs = their_results(pair, given)
    ours = results(given)
    return {name: ours[name] for name in theirs}, theirs


def weight(cell: str, name: str) -> Tensor:
    """One of the weights that `both` gives the cell."""
    return getattr(problem(cell).layer, f"{name}_l0").detach()


def departs(pair: Pair, settings: Mapping[str, Any] | None = None, **changes: Tensor) -> bool:
    """Whether outputs differ by more than a hundredth once their cell is changed so."""
    changed = dataclasses.replace(pair, settings=pair.settings if settings is None else settings, changes=changes)
    ours, theirs = both(changed)
    return (ours["y"] - theirs["y"]).abs().max().item() > 1e-2


D, H = 3, 6  # the sizes of `problem`
IDENTITY, ZERO = torch.eye(H, dtype=torch.float64), torch.zeros(H, dtype=torch.float64)


def indrnn(p: Weights) -> dict[str, Tensor]:
    return {"weight_ih": p["W"], "vector_u": p["u"], "bias_ih": p["b"]}


def intersection(p: Weights) -> dict[str, Tensor]:
    names = {"weight_ih": "W", "weight_hh": "R", "bias_ih": "b"}
    return {name: torch.cat([p[f"{kind}_{g}"] for g in ("y", "h", "gy", "gh")]) for name, kind in names.items()}


def janet(p: Weights) -> dict[str, Tensor]:
    return joined(p, "fg") | {"beta": p["beta"]}


def peephole(p: Weights) -> dict[str, Tensor]:
    return joined(p, "ifgo") | {"weight_ph": rows(p, "p", "ifo")}


def two_inputs(p: Weights) -> dict[str, Tensor]:
    return {"weight_ih": rows(p, "W", "zfo"), "weight_hh": rows(p, "V", "zfo"), "bias_ih": rows(p, "b", "zfo")}


def no_input_before(state: Tensor) -> Any:
    return state, torch.zeros(state.shape[0], D, dtype=state.dtype)


def t_rnn(p: Weights) -> dict[str, Tensor]:
    return {"weight_ih": rows(p, "W", "zf"), "bias_ih": torch.cat([ZERO, p["b_f"]])}


def multiplicative(p: Weights) -> dict[str, Tensor]:
    return {
        "weight_ih": rows(p, "W", "mifgo"),
        "weight_hh": p["R_m"],
        "weight_mh": rows(p, "R", "ifgo"),
        "bias_ih": torch.cat([ZERO, rows(p, "b", "ifgo")]),
    }


def mut1(p: Weights) -> dict[str, Tensor]:
    return {
        "weight_ih": torch.cat([p["W_z"], p["W_r"], IDENTITY]),
        "weight_hh": rows(p, "R", "rn"),
        "bias_ih": torch.cat([p["b_z"], p["b_r"], ZERO]),
        "bias_hh": torch.cat([ZERO, p["b_n"]]),
    }


def mut2(p: Weights) -> dict[str, Tensor]:
    return {
        "weight_ih": torch.cat([p["W_z"], IDENTITY, p["W_n"]]),
        "weight_hh": rows(p, "R", "zrn"),
        "bias_ih": rows(p, "b", "zrn"),
    }


def original(p: Weights) -> dict[str, Tensor]:
    """Cell inputs halved: g(z) = 4σ(z) - 2 = 2 tanh(z/2), so that their cell state is half of ours."""
    halves = {"i": 1.0, "g": 0.5, "o": 1.0}
    names = {"weight_ih": "W", "weight_hh": "R", "bias_ih": "b"}
    return {
        name: torch.cat([half * p[f"{kind}_{gate}"].flatten(0, p[f"{kind}_{gate}"].ndim - p[f"{kind}_i"].ndim)
                         for gate, half in halves.items()])
        for name, kind in names.items()
    }  # fmt: skip


MULTIPLICATIVE = Pair("multiplicative_lstm", "MultiplicativeLSTM", multiplicative, enter_two, leave_two)
MUT1, MUT2 = Pair("mut1", "MUT1", mut1), Pair("mut2", "MUT2", mut2)
T_RNN = Pair("t_rnn", "TRNN", t_rnn)
INDRNN = Pair("indrnn", "IndRNN", indrnn, settings={"nonlinearity": "relu"})
JANET = Pair("janet", "JANET", janet, lambda s: (s["h"], s["h"]), lambda s: {"h": s[1]})
PAIRS = (
    INDRNN,
    Pair("intersection_rnn", "IntersectionRNN", intersection, sizes={"input_size": H}),
    JANET,
    Pair("mgu", "MGU", lambda p: joined(p, "fn")),
    MULTIPLICATIVE,
    MUT1,
    MUT2,
    Pair("mut3", "MUT3", lambda p: joined(p, "zrn")),
    Pair("peephole_lstm", "PeepholeLSTM", peephole, enter_two, leave_two),
    T_RNN,
    Pair("t_gru", "TGRU", two_inputs, lambda s: no_input_before(s["h"]), lambda s: {"h": s[0]}),
    Pair("t_lstm", "TLSTM", two_inputs, lambda s: no_input_before(s["c"]), lambda s: {"c": s[0]}),
    Pair("ugrnn", "UGRNN", lambda p: joined(p, "cg")),
)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.ours)
def test_outputs_states_and_all_derivatives_agree(pair: Pair) -> None:
    ours, theirs = both(pair)
    assert_same(ours, theirs, EXACT)


def test_their_indrnn_squashes_with_tanh_unless_told_where_the_paper_rectifies() -> None:
    assert departs(INDRNN, settings={})
    assert not departs(INDRNN)


def test_their_multiplicative_lstm_adds_biases_to_both_factors_of_the_multiplicative_state() -> None:
    assert not departs(MULTIPLICATIVE, bias_hh=ZERO)
    assert departs(MULTIPLICATIVE, bias_hh=ZERO + 1)


def test_their_mut1_multiplies_the_input_of_the_candidate_by_a_matrix_where_the_paper_takes_it_as_it_is() -> None:
    others = [weight("mut1", name) for name in ("W_z", "W_r")]
    assert not departs(MUT1, weight_ih=torch.cat([*others, IDENTITY]))
    assert departs(MUT1, weight_ih=torch.cat([*others, 2 * IDENTITY]))


def test_their_mut2_multiplies_the_input_of_the_reset_gate_by_a_matrix_where_the_paper_takes_it_as_it_is() -> None:
    first, last = (weight("mut2", name) for name in ("W_z", "W_n"))
    assert not departs(MUT2, weight_ih=torch.cat([first, IDENTITY, last]))
    assert departs(MUT2, weight_ih=torch.cat([first, 2 * IDENTITY, last]))


def test_their_t_rnn_has_a_bias_in_the_candidate_where_the_paper_has_none() -> None:
    b_f = weight("t_rnn", "b_f")
    assert not departs(T_RNN, bias_ih=torch.cat([ZERO, b_f]))
    assert departs(T_RNN, bias_ih=torch.cat([ZERO + 1, b_f]))


def test_their_janet_reads_h_and_averages_c_which_are_one_state_in_the_paper() -> None:
    def apart(s: Weights) -> Any:
        return s["h"], s["h"] + 1

    assert departs(dataclasses.replace(JANET, enter=apart))
    assert not departs(JANET)


def test_their_janet_trains_the_constant_that_the_paper_sets() -> None:
    assert "beta" in dict(torchrecurrent.JANETCell(D, H).named_parameters())
    assert "beta_l0" in dict(problem("janet").layer.named_buffers())


ORIGINAL = Pair(
    "lstm_1997",
    "OriginalLSTM",
    original,
    lambda s: (s["y"].squeeze(-1), s["s"].squeeze(-1) / 2),
    lambda s: {"y": s[0][..., None], "s": 2 * s[1][..., None]},
)


def test_their_original_lstm_is_the_lstm_of_1997_with_half_the_cell_state_and_gates_that_do_not_feed_back() -> None:
    given = problem("lstm_1997")
    with torch.no_grad():
        for name in ("Q_ii", "Q_io", "Q_oi", "Q_oo", "Q_gi", "Q_go"):
            getattr(given.layer, f"{name}_l0").zero_()
    given = shared(ORIGINAL, given)
    theirs = {name: value for name, value in their_results(ORIGINAL, given).items() if not name.startswith("d_Q")}
    ours = results(given)
    assert_same({name: ours[name] for name in theirs}, theirs, EXACT)


def test_their_original_lstm_departs_because_it_drops_the_connections_between_gates() -> None:
    assert departs(ORIGINAL)  # none of the Q is zero


def their_scrn(given: Problem, is_fed_hidden: bool) -> Tensor:
    """Their SCRN with its readout tanh(U h + V s) undone (U = 1, V = 0), fed back as it is or with h as in the paper."""
    p = {name: getattr(given.layer, f"{name}_l0").detach() for name in given.layer.cell.param_axes}
    cell = torchrecurrent.SCRNCell(D, H, dtype=torch.float64)
    weights = {
        "weight_ih": torch.cat([p["B"], p["A"]]),
        "weight_hh": torch.cat([p["R"], IDENTITY]),
        "weight_ch": torch.cat([p["P"], torch.zeros_like(p["P"])]),
        "alpha": p["alpha"],
    }
    s, h = (field[0] for field in given.state)
    hidden: list[Tensor] = []
    for x_t in given.x:
        y, (squashed, s) = unrolled(cell, weights, x_t[None], (h, s))
        hidden.append(torch.cat([y[0].atanh(), s], dim=-1))
        h = y[0].atanh() if is_fed_hidden else squashed
    return torch.stack(hidden)


def test_their_scrn_feeds_back_its_squashed_readout_where_the_paper_feeds_back_the_hidden_units() -> None:
    given = problem("scrn", context_size=H)
    ours = results(given)["y"]
    torch.testing.assert_close(ours, their_scrn(given, is_fed_hidden=True), rtol=EXACT, atol=EXACT)
    departed = (ours - their_scrn(given, is_fed_hidden=False)).abs().amax((1, 2))
    assert departed[0] < EXACT
    assert departed[1:].min() > 1e-2


def test_their_scrn_trains_the_decay_from_a_half_where_the_paper_sets_it_to_19_20ths() -> None:
    assert dict(torchrecurrent.SCRNCell(D, H).named_parameters())["alpha"].item() == 0.5
    assert dict(Recurrent("scrn", D, H).named_buffers())["alpha_l0"].item() == pytest.approx(0.95)


def test_every_cell_that_the_bench_runs_beside_theirs_is_held_here() -> None:
    held = {pair.ours: pair.theirs for pair in (*PAIRS, ORIGINAL)} | {"scrn": "SCRN"}
    assert held == dict(CLASSES)
