"""What the loops leave to `interpret`: derivatives of derivatives, transforms, other number formats."""

import warnings
from typing import Any, cast

import pytest
import torch
from engine.checks import ALL, problem, user_cell
from jaxtyping import Float
from torch import Tensor

import carrousel
import carrousel.engine as engine
from carrousel import Recurrent
from carrousel.cell import Cell
from carrousel.cells import CELLS
from carrousel.engine import SlowPathWarning

LENGTHS = torch.tensor([2, 3, 1])
RESET = torch.tensor([[False, True, False], [True, False, False], [False, False, False]])


@ALL
@pytest.mark.parametrize(("lengths", "reset"), [(None, None), (LENGTHS, RESET)], ids=["whole", "lengths and reset"])
def test_second_derivatives_are_those_of_differences(cell: Cell, lengths: Tensor | None, reset: Tensor | None) -> None:
    given = problem(cell, steps=3, batch=3, input_size=2, hidden_size=2, scale=0.9)

    def values(*tensors: Tensor) -> tuple[Tensor, ...]:
        count = 1 + len(given.state)
        params = dict(zip(given.params, tensors[count:], strict=True))
        y, last, _ = given.program(params, tensors[0], tensors[1:count], lengths, reset)
        return y, *last

    assert torch.autograd.gradgradcheck(values, tuple(given.leaves.values()), fast_mode=True)


@ALL
def test_a_derivative_that_can_be_differentiated_equals_one_that_cannot(cell: Cell) -> None:
    given = problem(cell, steps=3)
    for lengths, reset in ((None, None), (LENGTHS, RESET)):
        y, last, _ = given.program(given.params, given.x, given.state, lengths, reset)
        loss = y.square().sum() + sum(s.sum() for s in last)
        leaves = [leaf for leaf in given.leaves.values() if leaf.numel()]
        plain = torch.autograd.grad(loss, leaves, retain_graph=True)
        again = torch.autograd.grad(loss, leaves, create_graph=True)
        for a, b in zip(plain, again, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def test_one_tensor_in_two_places_is_not_counted_twice() -> None:
    given = problem(CELLS["lstm"])
    tied = {**given.params, "R_f": given.params["R_i"]}
    loss = given.program(tied, given.x, given.state)[0].square().sum()
    (plain,) = torch.autograd.grad(loss, [given.params["R_i"]], retain_graph=True)
    (again,) = torch.autograd.grad(loss, [given.params["R_i"]], create_graph=True)
    torch.testing.assert_close(plain, again, rtol=1e-10, atol=1e-10)


def test_a_gradient_penalty_trains_a_layer() -> None:
    layer = Recurrent("gru_reset_before", 3, 4, dtype=torch.float64)
    x = torch.randn(5, 2, 3, dtype=torch.float64, requires_grad=True)

    def penalty() -> Tensor:
        y, _ = layer(x)
        (slope,) = torch.autograd.grad(y.sum(), [x], create_graph=True)
        return slope.square().sum()

    first = penalty()
    first.backward()
    parameter = layer.R_n_l0
    assert isinstance(parameter, Tensor)
    assert parameter.grad is not None
    step = 1e-6 * parameter.grad
    with torch.no_grad():
        parameter.sub_(step)
    torch.testing.assert_close(
        penalty().item() - first.item(), -(step * parameter.grad).sum().item(), rtol=1e-3, atol=1e-12
    )


class TestTransforms:
    """`torch.func` over a whole layer."""

    def _function(self) -> tuple[Recurrent, dict[str, Tensor], Tensor]:
        layer = Recurrent("lstm", 3, 4, dtype=torch.float64)
        return layer, dict(layer.named_parameters()), torch.randn(5, 2, 3, dtype=torch.float64)

    def test_grad_equals_backward(self) -> None:
        layer, params, x = self._function()

        def loss(p: dict[str, Tensor]) -> Tensor:
            return torch.func.functional_call(layer, p, (x,))[0].square().sum()

        found = torch.func.grad(loss)(params)
        loss(params).backward()
        for name, parameter in layer.named_parameters():
            torch.testing.assert_close(found[name], parameter.grad, rtol=1e-10, atol=1e-10)

    def test_vmap_of_grad_gives_the_gradient_of_each_sequence(self) -> None:
        given = problem(CELLS["lstm"], batch=2)
        params = {name: p.detach() for name, p in given.params.items()}
        state = [s.detach()[:1] for s in given.state]

        def loss(x: Tensor) -> Tensor:
            return given.program(params, x[:, None], state)[0].square().sum()

        x = given.x.detach().transpose(0, 1)
        found = torch.func.vmap(torch.func.grad(loss))(x)
        for row in range(2):
            alone = x[row].clone().requires_grad_()
            loss(alone).backward()
            torch.testing.assert_close(found[row], alone.grad, rtol=1e-10, atol=1e-10)

    def test_jacrev_equals_one_backward_an_output(self) -> None:
        layer, _, x = self._function()

        def last(x: Tensor) -> Tensor:
            return layer(x)[0][-1, 0]

        found = torch.func.jacrev(last)(x)
        leaf = x.clone().requires_grad_()
        y = layer(leaf)[0][-1, 0]
        for k in range(4):
            (row,) = torch.autograd.grad(y[k], [leaf], retain_graph=True)
            torch.testing.assert_close(found[k], row, rtol=1e-10, atol=1e-10)

    @pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # torch's own use
    def test_jvp_equals_a_difference(self) -> None:
        layer, _, x = self._function()
        direction = torch.randn_like(x)

        def total(x: Tensor) -> Tensor:
            return layer(x)[0].sum()

        value, slope = cast("tuple[Tensor, Tensor]", torch.func.jvp(total, (x,), (direction,)))
        moved = layer(x + 1e-6 * direction)[0].sum() - layer(x - 1e-6 * direction)[0].sum()
        torch.testing.assert_close(value, layer(x)[0].sum())
        torch.testing.assert_close(slope, moved / 2e-6, rtol=1e-6, atol=1e-8)


class TestSlowPath:
    """One warning that says why, and the same results."""

    @pytest.fixture(autouse=True)
    def _nothing_announced(self) -> None:
        engine.announce.cache_clear()

    def test_bfloat16_runs_node_by_node_and_is_announced_once(self) -> None:
        layer = Recurrent("lstm", 3, 4, dtype=torch.bfloat16)
        x = torch.randn(5, 2, 3, dtype=torch.bfloat16)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            y, _ = layer(x)
            y.sum().backward()
            layer(x)
        assert [(w.category, str(w.message)) for w in caught] == [
            (SlowPathWarning, "lstm: runs node by node, which is slow: there are no compiled loops for torch.bfloat16.")
        ]
        assert y.dtype == torch.bfloat16
        exact = Recurrent("lstm", 3, 4)
        exact.load_state_dict(layer.state_dict())
        torch.testing.assert_close(y.float(), exact(x.float())[0], rtol=0, atol=0.03)

    def test_an_operation_without_a_derivative_rule_is_named(self) -> None:
        from typing import NamedTuple

        class State(NamedTuple):
            h: Float[Tensor, " H"]

        class Params(NamedTuple):
            R: Float[Tensor, "H H"]

        def step(p: Params, x_t: Tensor, s: State) -> tuple[Tensor, State]:
            h_t = torch.tanh(p.R @ s.h).flip(0) * x_t.sum() if False else (p.R @ s.h).abs().pow(1.5) * x_t.sum()
            return h_t, State(h_t)

        layer = Recurrent(user_cell("unusual", step, Params, State), 3, 4)
        if not layer._program(0).plan.reason:
            pytest.skip("every operation of the table has a rule")
        with pytest.warns(
            SlowPathWarning, match=r"^unusual: runs node by node, which is slow: the operation 'pow' \(value "
        ):
            layer(torch.randn(2, 1, 3))

    def test_float32_and_float64_are_not_announced(self) -> None:
        for dtype in (torch.float32, torch.float64):
            Recurrent("lstm", 3, 4, dtype=dtype)(torch.randn(5, 2, 3, dtype=dtype))


def test_the_public_name_of_the_warning_is_the_engines() -> None:
    exported: Any = carrousel
    assert not hasattr(exported, "SlowPathWarning") or exported.SlowPathWarning is SlowPathWarning
