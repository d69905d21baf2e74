"""`Recurrent`: what a user may do wrong, and what they may bring of their own."""

import copy
import dataclasses
import pickle
import re
from typing import Any, NamedTuple

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from carrousel import Cell, Recurrent, Source, find, init, masks
from carrousel.cell import uniform_hidden
from carrousel.errors import ConfigError, ShapeError

pytestmark = pytest.mark.tiny


def lstm(**settings: Any) -> Recurrent:
    return Recurrent("lstm", 3, 5, **settings)


X = torch.zeros(7, 2, 3)
INFINITE = torch.zeros(7, 2, 3)
INFINITE[4, 1, 2] = -torch.inf
CALLS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (
        {}, {"x": torch.zeros(7, 2, 4)},
        "Recurrent: x has shape (7, 2, 4), expected (T, B, D) with D=3 because input_size=3. "
        "Reshape x, or build the layer with the size of your features.",
    ),
    (
        {"batch_first": True}, {"x": torch.zeros(7, 3)},
        "Recurrent: x has shape (7, 3), expected (B, T, D) with D=3 because input_size=3. "
        "Reshape x, or build the layer with the size of your features.",
    ),
    (
        {}, {"x": torch.zeros(7, 2, 3, dtype=torch.int64)},
        "Recurrent: x is torch.int64, expected floating-point numbers. Embed or convert x first.",
    ),
    (
        {}, {"x": X, "state": torch.zeros(1, 2, 5)},
        "Recurrent: state is a Tensor, expected lstm's State(h, c). "
        "Pass the state that the layer returned, or State(h, c) with one tensor a field.",
    ),
    (
        {}, {"x": X, "state": (torch.zeros(1, 2, 5),)},
        "Recurrent: state has 1 fields, expected 2: lstm's State(h, c). Pass the state that the layer returned.",
    ),
    (
        {"batch_first": True}, {"x": torch.zeros(2, 7, 3), "state": (torch.zeros(2, 1, 5), torch.zeros(1, 2, 5))},
        "Recurrent: state.h has shape (2, 1, 5), expected (layers·directions, B, H) = (1, 2, 5); states are never "
        "batch-first. Pass the state that the layer returned.",
    ),
    (
        {}, {"x": X, "lengths": [7, 8]},
        "Recurrent: lengths[1] is 8, expected 1 to T=7. Drop empty rows and cut lengths to the input.",
    ),
    (
        {}, {"x": X, "lengths": [0, 3]},
        "Recurrent: lengths[0] is 0, expected 1 to T=7. Drop empty rows and cut lengths to the input.",
    ),
    (
        {}, {"x": X, "lengths": [3]},
        "Recurrent: lengths is torch.int64 of shape (1,), expected whole numbers of shape (B,) = (2,). "
        "Pass the number of valid steps in each row.",
    ),
    (
        {}, {"x": X, "reset": torch.zeros(2, 7, dtype=torch.bool)},
        "Recurrent: reset is torch.bool of shape (2, 7), expected torch.bool (T, B) = (7, 2). "
        "Pass True where a new sequence begins.",
    ),
    (
        {}, {"x": torch.full((7, 2, 3), torch.nan)},
        "Recurrent: x has 42 values that are NaN or infinite, the first nan at t=0, b=0, d=0, expected finite numbers. "
        "Clean or mask the data.",
    ),
    (
        {}, {"x": INFINITE},
        "Recurrent: x has 1 values that are NaN or infinite, the first -inf at t=4, b=1, d=2, expected finite numbers. "
        "Clean or mask the data.",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "arguments", "message"), CALLS)
def test_a_wrong_call_is_named(settings: dict[str, Any], arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ShapeError, match=f"^{re.escape(message)}$"):
        lstm(**settings)(**arguments)


BUILDS: list[tuple[tuple[Any, ...], dict[str, Any], str]] = [
    (("lsmt", 3, 5), {}, "unknown cell 'lsmt'. Did you mean 'lstm'? All cells: carrousel cells"),
    (("lstm", 3, 0), {}, "lstm: hidden_size is 0, expected at least 1. Choose a larger size."),
    (("lstm", 0, 5), {}, "lstm: input_size is 0, expected at least 1. Choose a larger size."),
    (("lstm", 3, 5), {"num_layers": 0}, "Recurrent: num_layers is 0, expected at least 1. Use num_layers=1 or more."),
    (("lstm", 3, 5), {"dropout": 1.5}, "Recurrent: dropout is 1.5, expected a probability, 0 to 1. Choose one in range."),
    (
        ("lstm_1997", 3, 5), {"block_size": 2},
        "H=5 cannot be divided into parts of S=2, expected a multiple. Choose sizes that divide.",
    ),
    (
        ("lstm_1997", 3, 6), {"blok_size": 2},
        "lstm_1997: blok_size=2 is not a size of this cell, expected one of ['block_size']. Did you mean 'block_size'?",
    ),
    (
        ("lstm", 3, 5), {"block_size": 2},
        "lstm: block_size=2 is not a size of this cell, expected no further sizes. Leave it out.",
    ),
    (
        ("elman", 3, 5), {"init": init.forget_bias(1.0)},
        "forget_bias: the cell has no parameter b_f, it has W, R, b. "
        "Use a cell with these gates, or another initialisation.",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "settings", "message"), BUILDS)
def test_a_wrong_setting_is_named(arguments: tuple[Any, ...], settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        Recurrent(*arguments, **settings)


def test_chrono_asks_for_a_longest_lag() -> None:
    with pytest.raises(
        ConfigError, match=r"^chrono: max_steps is 2, expected at least 3\. Give the longest lag in time steps\.$"
    ):
        init.chrono(2)


class State(NamedTuple):
    h: Float[Tensor, " H"]


class Params(NamedTuple):
    W: Float[Tensor, "H D"]
    b: Float[Tensor, " H"]


def step(p: Params, x_t: Tensor, s: State) -> tuple[Tensor, State]:
    f_t = torch.sigmoid(p.b * s.h)
    h_t = f_t * s.h + p.W @ x_t
    return h_t, State(h_t)


mine = Cell(
    "my own",
    step,
    Params,
    State,
    {"W": uniform_hidden(), "b": uniform_hidden()},
    Source("Mine", ("Me",), 2026, "here"),
    differs="nothing",
)


def test_a_cell_of_the_user_s_own_runs_and_is_compiled() -> None:
    layer = Recurrent(mine, 3, 5, num_layers=2, bidirectional=True)
    y, state = layer(torch.randn(7, 2, 3))
    y.sum().backward()
    assert y.shape == (7, 2, 10)
    assert isinstance(state, State)
    assert "runs in compiled loops" in layer.explain()
    assert all(p.grad is not None for p in layer.parameters())


def test_the_state_goes_in_as_it_came_out() -> None:
    layer = lstm(num_layers=2, bidirectional=True, batch_first=True)
    y, state = layer(torch.randn(2, 7, 3))
    again, _ = layer(torch.randn(2, 7, 3), state)
    assert state.h.shape == (4, 2, 5)
    assert again.shape == y.shape == (2, 7, 10)


def test_weights_survive_saving(tmp_path: Any) -> None:
    layer, other = Recurrent("jordan", 3, 5), Recurrent("jordan", 3, 5)
    torch.save(layer.state_dict(), tmp_path / "weights.pt")
    other.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    x = torch.randn(7, 2, 3)
    assert torch.equal(layer(x)[0], other(x)[0])
    assert "mu_l0" in layer.state_dict()
    assert "mu_l0" not in dict(layer.named_parameters())


@pytest.mark.parametrize("cell", ["lstm", "sopa", "slstm"])
def test_a_pickled_layer_comes_back_the_same(cell: str) -> None:
    start = init.in_order(init.uniform_weights(0.5), init.glorot())
    layer = Recurrent(cell, 3, 4, num_layers=1, init=start, masks=[masks.variational_dropout(inputs=0.5)]).eval()
    again = pickle.loads(pickle.dumps(layer))
    x = torch.randn(5, 2, 3)
    torch.testing.assert_close(again(x)[0], layer(x)[0], rtol=0, atol=0)
    assert again.cell is layer.cell
    torch.manual_seed(1)
    again.reset_parameters()
    torch.manual_seed(1)
    layer.reset_parameters()
    torch.testing.assert_close(again(x)[0], layer(x)[0], rtol=0, atol=0)


def test_a_cell_that_no_file_holds_cannot_be_pickled() -> None:
    cell = dataclasses.replace(find("elman"), name="mine")
    with pytest.raises(pickle.PicklingError) as caught:
        pickle.dumps(Recurrent(cell, 3, 4))
    assert str(caught.value) == (
        "mine: the cell is no variable of carrousel.cells.elman, where its step is, expected one to find it by when it is read "
        "back. Write mine = Cell(...) at the top level of that file."
    )


def test_a_copy_is_independent() -> None:
    layer = lstm()
    twin = copy.deepcopy(layer)
    with torch.no_grad():
        twin.get_parameter("W_i_l0").zero_()
    assert layer.get_parameter("W_i_l0").abs().sum() > 0


def test_initialisations_go_over_every_layer_and_direction() -> None:
    start = init.in_order(init.uniform_weights(1.5), init.forget_bias(5.0), init.input_bias(-2.0))
    layer = lstm(num_layers=2, bidirectional=True, init=start)
    for suffix in ("_l0", "_l0_reverse", "_l1", "_l1_reverse"):
        assert torch.all(layer.get_parameter("b_f" + suffix) == 5)
        assert torch.all(layer.get_parameter("b_i" + suffix) == -2)
        assert 1 < layer.get_parameter("R_o" + suffix).abs().max() <= 1.5
        assert layer.get_parameter("b_o" + suffix).abs().max() <= 5**-0.5


def test_chrono_draws_opposite_biases_within_its_range() -> None:
    layer = Recurrent("lstm", 3, 1000, init=init.chrono(20))
    b_f, b_i = layer.get_parameter("b_f_l0").detach(), layer.get_parameter("b_i_l0").detach()
    assert torch.equal(b_i, -b_f)
    assert 0 <= float(b_f.min()) < 0.2  # log 1 to log 19
    assert 2.7 < float(b_f.max()) <= torch.tensor(19.0).log()


def test_dropout_acts_between_layers_and_only_while_training() -> None:
    layer = lstm(num_layers=2, dropout=0.5)
    x = torch.randn(7, 2, 3)
    assert not torch.equal(layer(x)[0], layer(x)[0])
    layer.eval()
    assert torch.equal(layer(x)[0], layer(x)[0])


def test_a_trace_of_a_value_that_is_not_there_is_named() -> None:
    _, _, trace = lstm().trace(torch.randn(7, 2, 3))
    with pytest.raises(
        ConfigError,
        match=r"^trace: no value 'r_t', expected one of i_t, f_t, g_t, o_t, c_t, h_t\. Choose one of these\.$",
    ):
        trace["r_t"]


def test_a_trace_has_every_place() -> None:
    layer = lstm(num_layers=2, bidirectional=True)
    x = torch.randn(7, 2, 3)
    y, _, trace = layer.trace(x)
    assert torch.allclose(torch.cat([trace.of(1)["h_t"], trace.of(1, reverse=True)["h_t"]], -1), y)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_with_residual_a_layer_adds_what_it_reads_where_it_fits(bidirectional: bool) -> None:
    torch.manual_seed(0)
    size, lengths = (10 if bidirectional else 5), torch.tensor([7, 4])
    deep = Recurrent("gru", 3, 5, 3, bidirectional=bidirectional, residual=True)
    layers = [Recurrent("gru", d, 5, bidirectional=bidirectional) for d in (3, size, size)]
    for k, layer in enumerate(layers):
        layer.load_state_dict(
            {n.replace(f"_l{k}", "_l0"): v for n, v in deep.state_dict().items() if re.search(rf"_l{k}(_|$)", n)}
        )
    x = torch.randn(7, 2, 3)
    x[4:, 1] = torch.nan  # which is past the row's length
    y, state = deep(x, lengths=lengths)
    first, s0 = layers[0](x, lengths=lengths)
    second, s1 = layers[1](first, lengths=lengths)
    third, s2 = layers[2](second + first, lengths=lengths)
    torch.testing.assert_close(y, third + (second + first), rtol=0, atol=0)
    torch.testing.assert_close(state.h, torch.cat([s0.h, s1.h, s2.h]), rtol=0, atol=0)
    assert "residual=True" in repr(deep)
