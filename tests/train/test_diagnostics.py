"""What is seen inside training, on layers in which it is known."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from carrousel.layers import Recurrent
from carrousel.train.diagnostics import Call, Diagnosis, gradient_by_lag, saturation
from carrousel.train.loop import Loss, Plan, Step, Training, train


def integrator(factor: float, **layout: Any) -> Recurrent:
    """h_t = factor h_{t-1} + x_t, as long as nothing is negative."""
    layer = Recurrent("indrnn", 3, 3, **layout)
    with torch.no_grad():
        layer.get_parameter("W_l0").copy_(torch.eye(3))
        layer.get_parameter("u_l0").fill_(factor)
    return layer


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.25])
def test_the_gradient_of_an_integrator_falls_by_its_factor(factor: float) -> None:
    found = gradient_by_lag(Call(integrator(factor), (torch.ones(6, 4, 3),), {}))
    assert len(found) == 6
    assert [value / found[0] for value in found] == pytest.approx([factor**lag for lag in range(6)], rel=1e-5)
    assert 0.5 < found[0] < 3  # the norm of three standard normal numbers


def test_lags_are_counted_from_the_end_of_each_row() -> None:
    layer = integrator(0.5, batch_first=True)
    x = torch.ones(2, 6, 3)
    found = gradient_by_lag(Call(layer, (x,), {"lengths": [6, 2]}))
    assert len(found) == 6
    assert found[1] / found[0] == pytest.approx(0.5)
    assert found[5] / found[4] == pytest.approx(0.5)  # the long row alone


def test_gates_are_counted_where_they_are_stuck_and_where_a_row_is_read() -> None:
    layer = Recurrent("lstm", 2, 4, num_layers=2, bidirectional=True)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        layer.get_parameter("b_f_l0").fill_(9.0)
        layer.get_parameter("b_i_l0").copy_(torch.tensor([9.0, -9.0, -9.0, 0.0]))
        layer.get_parameter("W_o_l1_reverse").fill_(-9.0)
    x = torch.zeros(5, 3, 2)
    x[2:, 1] = 100.0  # never read
    found = saturation(Call(layer, (x,), {"lengths": torch.tensor([5, 2, 5])}))
    assert found["0/f_t"] == (0.0, 1.0)
    assert found["0/i_t"] == (0.5, 0.25)
    assert found["0 backwards/f_t"] == (0.0, 0.0)
    assert {name.partition("/")[0] for name in found} == {"0", "0 backwards", "1", "1 backwards"}
    assert {name.partition("/")[2] for name in found} == {"i_t", "f_t", "o_t"}


class Reader(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.below = Recurrent("lstm", 2, 3)
        self.dropout = nn.Dropout(0.5)
        self.read = nn.Linear(3, 1)
        self.unused = nn.Parameter(torch.zeros(2))

    def forward(self, x: Tensor) -> Tensor:
        return self.read(self.dropout(self.below(x)[0]))


class Once:
    def __len__(self) -> int:
        return 1

    def next(self) -> Tensor:
        return torch.ones(4, 2, 2)

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        pass

    def shard(self, rank: int, world: int) -> "Once":
        return self


def events(diagnose_every: int | None) -> list[Any]:
    torch.manual_seed(1)
    model = Reader()
    training = Training(model, torch.optim.SGD(model.parameters()), Once())
    plan = Plan(updates=4, learning_rate=lambda update: 0.25, evaluate_every=9, diagnose_every=diagnose_every)
    found = list(train(training, lambda m, x, carried: Loss(m(x).square().mean()), lambda m: {}, plan))
    return [*found, model.read.weight.tolist()]


def test_a_diagnosis_follows_its_update_and_changes_nothing() -> None:
    without, with_it = events(None), events(2)
    names = [type(event).__name__ for event in with_it[:-1]]
    assert names == ["Step", "Step", "Diagnosis", "Step", "Step", "Diagnosis", "Evaluation", "Checkpoint"]
    assert [event for event in with_it if not isinstance(event, Diagnosis)] == without


def test_updates_are_measured_against_their_weights() -> None:
    for step, diagnosis in ((1, 2), (4, 5)):
        found = events(2)
        assert isinstance(found[step], Step)
        seen = found[diagnosis]
        assert isinstance(seen, Diagnosis)
        assert seen.update == found[step].update
        weight = seen.parameters["read.weight"]
        assert weight.update_ratio == pytest.approx(0.25 * weight.gradient_norm / weight.norm, rel=1e-4)
        norms = [figures.gradient_norm for figures in seen.parameters.values()]
        assert sum(norm**2 for norm in norms) ** 0.5 == pytest.approx(found[step].gradient_norm, rel=1e-5)
        assert seen.parameters["unused"].gradient_norm == seen.parameters["unused"].update_ratio == 0
        assert list(seen.layers) == ["below"]
        assert len(seen.layers["below"].gradient_by_lag) == 4
