"""Optimisers by name."""

from typing import Any

import pytest
import torch
from torch import nn

from carrousel.layers import Recurrent
from carrousel.train.optimisers import optimiser_of, weight_groups
from carrousel.train.train_settings import TrainSettings

pytestmark = pytest.mark.tiny


def optimiser(model: nn.Module, **settings: Any) -> torch.optim.Optimizer:
    return optimiser_of(TrainSettings(**settings), model)


@pytest.mark.parametrize(
    ("settings", "kind", "values"),
    [
        ({"beta1": 0.0, "beta2": 0.99}, torch.optim.Adam, {"betas": (0.0, 0.99), "lr": 0.1}),
        ({"optimiser": "adamw", "epsilon": 1e-5}, torch.optim.AdamW, {"eps": 1e-5, "betas": (0.9, 0.999)}),
        ({"optimiser": "sgd", "momentum": 0.5, "nesterov": True}, torch.optim.SGD, {"momentum": 0.5, "nesterov": True}),
        ({"optimiser": "nt-asgd"}, torch.optim.SGD, {"momentum": 0.0, "nesterov": False}),
        ({"optimiser": "rmsprop", "beta2": 0.9, "momentum": 0.1}, torch.optim.RMSprop, {"alpha": 0.9, "momentum": 0.1}),
    ],
    ids=["adam", "adamw", "sgd", "nt-asgd", "rmsprop"],
)
def test_a_name_gives_torchs_own(settings: dict[str, Any], kind: type[Any], values: dict[str, Any]) -> None:
    found = optimiser(nn.Linear(2, 2), learning_rate=0.1, **settings)
    assert type(found) is kind
    group = found.param_groups[0]
    assert {name: group[name] for name in values} == values
    assert group["weight_decay"] == 0.0


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "nt-asgd", "rmsprop"])
def test_matrices_decay_and_biases_do_not(name: str) -> None:
    model = nn.Sequential(nn.Embedding(3, 2), nn.LayerNorm(2), nn.Linear(2, 2))
    found = optimiser(model, optimiser=name, weight_decay=0.5, learning_rate=1e-3)
    assert [(group["weight_decay"], len(group["params"])) for group in found.param_groups] == [(0.5, 2), (0.0, 3)]
    before = [parameter.detach().clone() for parameter in model.parameters()]
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    found.step()
    for old, parameter in zip(before, model.parameters(), strict=True):
        is_smaller = parameter.square().sum().item() < old.square().sum().item()
        assert is_smaller == (parameter.dim() == 2)


def test_a_recurrent_layers_biases_do_not_decay() -> None:
    layer = Recurrent("peephole_lstm", 3, 4)
    decaying, still = weight_groups(layer, 0.1)
    names = {id(parameter): name for name, parameter in layer.named_parameters()}
    assert {names[id(p)][:2] for p in decaying["params"]} == {"W_", "R_"}
    assert {names[id(p)][:2] for p in still["params"]} == {"b_", "p_"}


def test_frozen_parameters_stay_out() -> None:
    model = nn.Linear(2, 2)
    model.weight.requires_grad_(False)
    assert weight_groups(model, 0.0) == [{"params": [model.bias]}]
    assert [group["weight_decay"] for group in weight_groups(model, 0.1)] == [0.0]
