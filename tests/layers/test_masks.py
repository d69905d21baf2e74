"""`Recurrent(masks=...)`: each kind against a plain loop with the same masks, its probabilities, and its rows cut apart."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from cells.conformance import Problem, assert_same, derivatives_of, problem, results
from torch import Tensor, sigmoid, tanh

from carrousel import Draw, Recurrent, masks
from carrousel.errors import ConfigError
from carrousel.layers.masks import Mask

Params = dict[str, Tensor]
State = tuple[Tensor, ...]
Step = Callable[[Params, Tensor, State, int], State]
"""(parameters, x_t, state before, t) -> state after, the output first."""

DRAW = Draw(5, rows=[3, 8, 4])
LIKE = torch.empty(0, dtype=torch.float64)


def by_loop(
    given: Problem, step: Step, input_mask: float | Tensor = 1.0, output_mask: float | Tensor = 1.0
) -> dict[str, Tensor]:
    """What `results` gives, from a loop over time in torch."""
    layer = given.layer
    x = given.x.clone().requires_grad_()
    start = tuple(s.clone().requires_grad_() for s in given.state)
    p = {n: getattr(layer, f"{n}_l0") for n in layer.cell.param_axes}
    state, ys = tuple(s[0] for s in start), list[Tensor]()
    for t, x_t in enumerate(x * input_mask):
        state = step(p, x_t, state, t)
        ys.append(state[0])
    y, last = torch.stack(ys) * output_mask, tuple(s[None] for s in state)
    fields = list(layer.cell.state_axes)
    names = ["d_x", *(f"d_state.{f}" for f in fields), *(f"d_{n}_l0" for n in p)]
    found = derivatives_of(given.loss(y, last), [x, *start, *p.values()])
    outputs = {"y": y, **{f"state.{f}": s for f, s in zip(fields, last, strict=True)}}
    return outputs | dict(zip(names, found, strict=True))


def lstm(p: Params, x_t: Tensor, h_read: Tensor, c: Tensor, m_g: float | Tensor = 1.0) -> tuple[Tensor, Tensor, Tensor]:
    """h_t, c_t and the output gate; the gates read `h_read`, and `m_g` masks the candidate."""
    i, f, o = (sigmoid(x_t @ p[f"W_{a}"].t() + h_read @ p[f"R_{a}"].t() + p[f"b_{a}"]) for a in "ifo")
    g = tanh(x_t @ p["W_g"].t() + h_read @ p["R_g"].t() + p["b_g"])
    c_t = f * c + i * (m_g * g)
    return o * tanh(c_t), c_t, o


def gru(p: Params, x_t: Tensor, h_read: Tensor, h: Tensor, m_n: float | Tensor = 1.0) -> Tensor:
    """h_t of the GRU that resets before the product; the gates read `h_read`."""
    r, z = (sigmoid(x_t @ p[f"W_{a}"].t() + h_read @ p[f"R_{a}"].t() + p[f"b_{a}"]) for a in "rz")
    n = tanh(x_t @ p["W_n"].t() + (r * h_read) @ p["R_n"].t() + p["b_n"])
    return (1 - z) * (m_n * n) + z * h


def drawn(label: str, *, steps: int = 5, batch: int = 3, size: int = 6) -> Tensor:
    """The uniform numbers of one mask of layer 0, forwards."""
    return DRAW.per_step(f"0.0.{label}~u", steps, batch, size, LIKE)


def drawn_once(label: str, batch: int = 3, size: int = 6) -> Tensor:
    return DRAW.per_sequence(label, batch, size, LIKE)


def scaled(u: Tensor, probability: float) -> Tensor:
    return (u >= probability).double() / (1 - probability)


def test_zoneout_equals_the_paper() -> None:
    given = problem("lstm", masks=[masks.zoneout(c=0.5, h=0.3)])
    d_c, d_h = (drawn("c~zone") < 0.5).double(), (drawn("h~zone") < 0.3).double()

    def step(p: Params, x_t: Tensor, s: State, t: int) -> State:
        h_hat, c_hat, o = lstm(p, x_t, s[0], s[1])
        c_t = d_c[t] * s[1] + (1 - d_c[t]) * c_hat
        h_t = d_h[t] * s[0] + (1 - d_h[t]) * (o * tanh(c_hat))  # from ĉ, not from c_t
        assert torch.equal(h_hat, o * tanh(c_hat))
        return h_t, c_t

    assert_same(results(given, draw=DRAW), by_loop(given, step), 1e-12)


def test_zoneout_in_evaluation_takes_the_expectation() -> None:
    given = problem("lstm", masks=[masks.zoneout(c=0.5, h=0.3)])
    given.layer.eval()

    def step(p: Params, x_t: Tensor, s: State, t: int) -> State:
        h_hat, c_hat, _ = lstm(p, x_t, s[0], s[1])
        return 0.3 * s[0] + 0.7 * h_hat, 0.5 * s[1] + 0.5 * c_hat

    assert_same(results(given), by_loop(given, step), 1e-12)


def test_zoneout_of_a_gru_equals_a_loop() -> None:
    given = problem("gru_reset_before", masks=[masks.zoneout(h=0.4)])
    d = drawn("h~zone") < 0.4

    def step(p: Params, x_t: Tensor, s: State, t: int) -> State:
        return (torch.where(d[t], s[0], gru(p, x_t, s[0], s[0])),)

    assert_same(results(given, draw=DRAW), by_loop(given, step), 1e-12)


def test_zoneout_reaches_an_output_that_is_another_view_of_the_state() -> None:
    layer = Recurrent("lstm_1997", 3, 6, block_size=2, masks=[masks.zoneout(y=1.0)])
    y, _ = layer(torch.randn(4, 2, 3), layer.cell.State(*(torch.ones(1, 2, *s) for s in ((3, 2), (3, 2), (3,), (3,)))))
    assert torch.equal(y, torch.ones(4, 2, 6))


@pytest.mark.parametrize("per_sequence", [False, True])
def test_recurrent_dropout_masks_the_candidate_of_an_lstm(per_sequence: bool) -> None:
    given = problem("lstm", masks=[masks.recurrent_dropout(0.4, per_sequence=per_sequence)])
    u = drawn_once("0.0.c~candidate0~mask~0~u").expand(5, 3, 6) if per_sequence else drawn("c~candidate0~mask~0")

    def step(p: Params, x_t: Tensor, s: State, t: int) -> State:
        return lstm(p, x_t, s[0], s[1], scaled(u[t], 0.4))[:2]

    assert_same(results(given, draw=DRAW), by_loop(given, step), 1e-12)


def test_recurrent_dropout_masks_the_candidate_of_a_gru() -> None:
    given = problem("gru_reset_before", masks=[masks.recurrent_dropout(0.4)])
    u = drawn("h~candidate0~mask~0")

    def step(p: Params, x_t: Tensor, s: State, t: int) -> State:
        return (gru(p, x_t, s[0], s[0], scaled(u[t], 0.4)),)

    assert_same(results(given, draw=DRAW), by_loop(given, step), 1e-12)


def test_recurrent_dropout_masks_a_value_by_name() -> None:
    given = problem("elman", masks=[masks.recurrent_dropout(0.4, value="h_t")])
    u = drawn("h_t~mask~0")

    def step(p: Params, x_t: Tensor, s: State, t: int) -> State:
        return (tanh(x_t @ p["W"].t() + s[0] @ p["R"].t() + p["b"]) * scaled(u[t], 0.4),)

    assert_same(results(given, draw=DRAW), by_loop(given, step), 1e-12)


def test_rnn_drop_masks_the_cell_state_once_a_sequence() -> None:
    given = problem("lstm", masks=[masks.rnn_drop(c=0.4)])
    m = drawn_once("0.0.c~drop~0~u") >= 0.4

    def step(p: Params, x_t: Tensor, s: State, t: int) -> State:
        _, c_t, o = lstm(p, x_t, s[0], s[1])
        return o * tanh(m * c_t), m * c_t

    assert_same(results(given, draw=DRAW), by_loop(given, step), 1e-12)


def test_rnn_drop_in_evaluation_takes_the_mean_of_its_mask() -> None:
    given = problem("lstm", masks=[masks.rnn_drop(c=0.4)])
    given.layer.eval()

    def step(p: Params, x_t: Tensor, s: State, t: int) -> State:
        _, c_t, o = lstm(p, x_t, s[0], s[1])
        return o * tanh(0.6 * c_t), 0.6 * c_t

    assert_same(results(given), by_loop(given, step), 1e-12)


def test_variational_dropout_of_an_lstm_equals_a_loop_with_one_mask_for_all_steps() -> None:
    given = problem("lstm", masks=[masks.variational_dropout(inputs=0.2, recurrent=0.4, outputs=0.3)])
    m_x, m_y = scaled(drawn_once("0.x", size=3), 0.2), scaled(drawn_once("y"), 0.3)
    m_h = scaled(drawn_once("0.0.h~mask(H)~0~u"), 0.4)

    def step(p: Params, x_t: Tensor, s: State, t: int) -> State:
        return lstm(p, x_t, m_h * s[0], s[1])[:2]

    assert_same(results(given, draw=DRAW), by_loop(given, step, m_x, m_y), 1e-12)


def test_variational_dropout_of_a_gru_leaves_what_the_carrousel_keeps() -> None:
    given = problem("gru_reset_before", masks=[masks.variational_dropout(recurrent=0.4)])
    m_h = scaled(drawn_once("0.0.h~mask(H)~0~u"), 0.4)

    def step(p: Params, x_t: Tensor, s: State, t: int) -> State:
        return (gru(p, x_t, m_h * s[0], s[0]),)

    assert_same(results(given, draw=DRAW), by_loop(given, step), 1e-12)


def test_variational_dropout_does_not_reach_peepholes() -> None:
    layer = Recurrent("peephole_lstm", 3, 6, masks=[masks.variational_dropout(recurrent=0.4)])
    graph = layer.graph()
    assert [graph[node.args[0]].name for node in graph.computed if node.name.endswith("~masked")] == ["h_tm1"]


def test_dropout_between_layers_is_the_same_for_all_steps() -> None:
    layer = Recurrent("elman", 3, 6, num_layers=2, masks=[masks.variational_dropout(between=0.5)], dtype=torch.float64)
    x = torch.randn(5, 3, 3, dtype=torch.float64)
    one, two = (Recurrent("elman", size, 6, dtype=torch.float64) for size in (3, 6))
    one.load_state_dict({k: v for k, v in layer.state_dict().items() if k.endswith("_l0")})
    two.load_state_dict({k.replace("_l1", "_l0"): v for k, v in layer.state_dict().items() if k.endswith("_l1")})
    expected, _ = two(one(x)[0] * scaled(drawn_once("1.x"), 0.5))
    torch.testing.assert_close(layer(x, draw=DRAW)[0], expected, rtol=0, atol=1e-12)


def test_weight_drop_zeroes_recurrent_weights_for_a_whole_call() -> None:
    given = problem("lstm", masks=[masks.weight_drop(0.5)])
    kept = {f"R_{a}": scaled(DRAW.shared(f"0.0.R_{a}.0", torch.empty(6, 6).double()), 0.5) for a in "ifgo"}

    def step(p: Params, x_t: Tensor, s: State, t: int) -> State:
        return lstm(p | {name: p[name] * m for name, m in kept.items()}, x_t, s[0], s[1])[:2]

    found = results(given, draw=DRAW)
    assert_same(found, by_loop(given, step), 1e-12)
    for name, m in kept.items():
        assert not found[f"d_{name}_l0"][m == 0].any()


def test_weight_drop_on_one_matrix_leaves_the_others() -> None:
    given = problem("lstm", masks=[masks.weight_drop(0.5, "R_f")])
    m = scaled(DRAW.shared("0.0.R_f.0", torch.empty(6, 6).double()), 0.5)

    def step(p: Params, x_t: Tensor, s: State, t: int) -> State:
        return lstm(p | {"R_f": p["R_f"] * m}, x_t, s[0], s[1])[:2]

    assert_same(results(given, draw=DRAW), by_loop(given, step), 1e-12)


KINDS: dict[str, tuple[str, Mask]] = {
    "zoneout": ("lstm", masks.zoneout(c=0.5, h=0.05)),
    "zoneout of blocks": ("lstm_1997", masks.zoneout(s=0.5, y=0.1)),
    "recurrent dropout": ("lstm", masks.recurrent_dropout(0.25)),
    "recurrent dropout of a sequence": ("peephole_lstm", masks.recurrent_dropout(0.25, per_sequence=True)),
    "recurrent dropout of another cell": ("gru_reset_after", masks.recurrent_dropout(0.25)),
    "rnn_drop": ("lstm", masks.rnn_drop(c=0.2)),
    "variational dropout": ("lstm", masks.variational_dropout(inputs=0.2, between=0.2, recurrent=0.2, outputs=0.2)),
    "variational dropout of a network": ("elman", masks.variational_dropout(recurrent=0.2)),
    "variational dropout of blocks": ("lstm_1997", masks.variational_dropout(recurrent=0.2)),
    "weight_drop": ("gru_reset_before", masks.weight_drop(0.5)),
}
WITHOUT_EXPECTATION = {kind: pair for kind, pair in KINDS.items() if not pair[1].testing}
all_kinds = pytest.mark.parametrize(("cell", "mask"), KINDS.values(), ids=KINDS)
ROWS = [7, 0, 3, 4, 11]
LENGTHS = torch.tensor([6, 2, 5, 6, 1])


def masked(cell: str, mask: Mask, **settings: Any) -> Recurrent:
    return Recurrent(cell, 3, 6, masks=[mask], dtype=torch.float64, **settings)


@all_kinds
def test_a_batch_cut_in_two_has_the_same_masks(cell: str, mask: Mask) -> None:
    layer = masked(cell, mask, num_layers=2, bidirectional=True, dropout=0.1)
    x = torch.randn(6, 5, 3, dtype=torch.float64)
    whole, last = layer(x, lengths=LENGTHS, draw=Draw(9, rows=ROWS))
    for part in (slice(0, 2), slice(2, 5)):
        y, end = layer(x[:, part], lengths=LENGTHS[part], draw=Draw(9, rows=ROWS[part]))
        torch.testing.assert_close(y, whole[:, part], rtol=0, atol=1e-12)
        for a, b in zip(end, last, strict=True):
            torch.testing.assert_close(a, b[:, part], rtol=0, atol=1e-12)


@all_kinds
def test_a_sequence_cut_in_two_has_the_same_masks(cell: str, mask: Mask) -> None:
    layer = masked(cell, mask)
    x = torch.randn(7, 5, 3, dtype=torch.float64)
    whole, _ = layer(x, draw=Draw(9))
    first, state = layer(x[:3], draw=Draw(9))
    second, _ = layer(x[3:], state, draw=Draw(9, first_step=3))
    torch.testing.assert_close(torch.cat([first, second]), whole, rtol=0, atol=1e-12)


def test_the_number_of_threads_changes_no_mask() -> None:
    layer, x = masked("lstm", masks.zoneout(c=0.5, h=0.05)), torch.randn(60, 50, 3, dtype=torch.float64)
    y, _ = layer(x, draw=Draw(9))
    torch.set_num_threads(1)
    torch.testing.assert_close(layer(x, draw=Draw(9))[0], y, rtol=0, atol=1e-12)


@all_kinds
def test_training_draws_anew_at_every_call_from_torchs_seed(cell: str, mask: Mask) -> None:
    layer, x = masked(cell, mask), torch.randn(6, 5, 3, dtype=torch.float64)
    torch.manual_seed(1)
    first, second = layer(x)[0], layer(x)[0]
    torch.manual_seed(1)
    assert torch.equal(layer(x)[0], first)
    assert not torch.equal(first, second)


@pytest.mark.parametrize(("cell", "mask"), WITHOUT_EXPECTATION.values(), ids=WITHOUT_EXPECTATION)
def test_evaluation_is_the_cell_itself(cell: str, mask: Mask) -> None:
    layer, plain = masked(cell, mask, num_layers=2).eval(), Recurrent(cell, 3, 6, num_layers=2, dtype=torch.float64)
    plain.load_state_dict(layer.state_dict())
    x = torch.randn(6, 5, 3, dtype=torch.float64)
    assert torch.equal(layer(x)[0], plain(x)[0])


@all_kinds
def test_masked_cells_run_in_compiled_loops(cell: str, mask: Mask) -> None:
    layer = masked(cell, mask)
    assert "compiled loops" in layer.explain()
    assert "compiled loops" in layer.eval().explain()


def test_masks_are_drawn_with_their_probabilities() -> None:
    layer = Recurrent("lstm", 3, 50, masks=[masks.zoneout(c=0.3, h=0.1)])
    state = layer.cell.State(torch.ones(1, 40, 50), torch.ones(1, 40, 50))
    _, _, trace = layer.trace(torch.randn(1, 40, 3), state)
    for name, probability in (("c_t.zoned", 0.3), ("h_t.zoned", 0.1)):
        share = (trace[name] == 1).double().mean()
        # 2,000 units: four standard deviations
        assert abs(share - probability) < 4 * (probability * (1 - probability) / 2000) ** 0.5


def test_the_mean_of_inverted_dropout_is_what_it_masks() -> None:
    layer = masked("lstm", masks.variational_dropout(inputs=0.3))
    seen: list[Tensor] = []
    for seed in range(4):
        u = Draw(seed).per_sequence("0.x", 500, 3, LIKE)
        seen.append(scaled(u, 0.3))
    mean = torch.cat(seen).mean()
    assert layer.changes.sequence_dropout == pytest.approx((0.3, 0, 0))
    assert abs(mean - 1) < 4 * (0.3 / 0.7 / 6000) ** 0.5


def test_masks_go_together_with_each_other_and_with_the_truncated_gradient() -> None:
    every = [
        masks.zoneout(c=0.5),
        masks.recurrent_dropout(0.2),
        masks.variational_dropout(recurrent=0.3),
        masks.weight_drop(0.5),
    ]
    given = problem("lstm", masks=every, gradient="truncated")
    d, m_g = drawn("c~zone") < 0.5, scaled(drawn("c~candidate0~mask~0"), 0.2)
    m_h = scaled(drawn_once("0.0.h~mask(H)~0~u"), 0.3)
    kept = {f"R_{a}": scaled(DRAW.shared(f"0.0.R_{a}.3", torch.empty(6, 6).double()), 0.5) for a in "ifgo"}

    def step(p: Params, x_t: Tensor, s: State, t: int) -> State:
        p = p | {name: p[name] * m for name, m in kept.items()}
        h_t, c_hat, _ = lstm(p, x_t, m_h * s[0].detach(), s[1], m_g[t])
        return h_t, torch.where(d[t], s[1], c_hat)

    assert_same(results(given, draw=DRAW), by_loop(given, step), 1e-12)


def test_a_probability_of_0_changes_nothing() -> None:
    none = [masks.zoneout(c=0.0), masks.recurrent_dropout(0.0), masks.variational_dropout(), masks.weight_drop(0.0)]
    layer, plain = Recurrent("lstm", 3, 6, masks=none), Recurrent("lstm", 3, 6)
    plain.load_state_dict(layer.state_dict())
    x = torch.randn(6, 5, 3)
    assert torch.equal(layer(x)[0], plain(x)[0])


def test_a_copy_of_a_layer_draws_the_same_numbers() -> None:
    layer, x = masked("lstm", masks.zoneout(c=0.5), gradient="truncated"), torch.randn(6, 5, 3, dtype=torch.float64)
    y, _ = layer(x, draw=Draw(9))
    assert torch.equal(copy.deepcopy(layer)(x, draw=Draw(9))[0], y)


@pytest.mark.tiny
def test_settings_are_printed() -> None:
    layer = Recurrent(
        "lstm", 3, 6, masks=[masks.zoneout(c=0.5, h=0.05), masks.weight_drop(0.5, "R_f")], gradient="truncated"
    )
    assert repr(layer) == (
        "Recurrent('lstm', 3, 6, masks=[zoneout(c=0.5, h=0.05), weight_drop(0.5, 'R_f')], gradient='truncated')"
    )


@pytest.mark.tiny
def test_explain_counts_the_random_numbers() -> None:
    lines = Recurrent("lstm", 3, 6, masks=[masks.zoneout(c=0.5, h=0.05)]).explain().splitlines()
    assert "random numbers: 12 a step and sequence, drawn by the layer" in lines


REFUSED: list[tuple[str, Callable[[], Mask], str]] = [
    (
        "lstm", lambda: masks.zoneout(s=0.1),
        "Recurrent: zoneout(s=0.1) names 's', expected state fields of lstm: h, c. Use these names.",
    ),
    (
        "lstm", lambda: masks.zoneout(c=1.5),
        "zoneout: c is 1.5, expected a probability, 0 to 1. Choose one in range.",
    ),
    (
        "lstm", masks.zoneout,
        "zoneout: no state field is given, expected one such as zoneout(c=0.5). Name the cell's fields.",
    ),
    (
        "lstm", lambda: masks.weight_drop(1.0),
        "weight_drop: probability is 1.0, expected a probability, 0 to 1, but not 1, which would leave nothing. "
        "Choose one in range.",
    ),
    (
        "lstm", lambda: masks.weight_drop(0.5, "W_i"),
        "Recurrent: weight_drop(0.5, 'W_i') masks recurrent matrices, and lstm has no 'W_i', it has R_i, R_f, R_g, R_o. "
        "Use these names.",
    ),
    (
        "qrnn_f", lambda: masks.weight_drop(0.5),
        "Recurrent: weight_drop(0.5) masks recurrent matrices, and qrnn_f has none. Leave the mask out.",
    ),
    (
        "elman", lambda: masks.recurrent_dropout(0.5),
        "elman: recurrent dropout masks what is added to a cell state, and this cell carries no state from step to step by "
        "products and sums. Name a value of its step (value='h_t'), or choose another mask.",
    ),
    (
        "elman", lambda: masks.recurrent_dropout(0.5, value="g_t"),
        "elman: recurrent dropout on 'g_t', expected a value that the step computes: h_t. Choose one of these, or leave "
        "`value` out.",
    ),
    (
        "t_lstm", lambda: masks.variational_dropout(recurrent=0.5),
        "t_lstm: variational dropout with recurrent=0.5 masks the state where matrices read it, and no matrix of this cell "
        "does. Leave `recurrent` out.",
    ),
]  # fmt: skip


@pytest.mark.tiny
def test_the_same_mask_of_a_state_twice_is_refused() -> None:
    with pytest.raises(ConfigError) as error:
        Recurrent("lstm", 3, 6, masks=[masks.zoneout(c=0.1, h=0.1), masks.zoneout(c=0.2)])
    assert str(error.value) == "Recurrent: zoneout of 'c' is given twice, expected once. Join the two."


@pytest.mark.tiny
@pytest.mark.parametrize(("cell", "mask", "message"), REFUSED)
def test_what_a_cell_cannot_have_is_refused(cell: str, mask: Callable[[], Mask], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        Recurrent(cell, 3, 6, masks=[mask()])
    assert str(error.value) == message
