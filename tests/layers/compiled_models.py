"""Models that hold our layers under torch.compile and torch.export; run by test_compile.py, in a process of its own.

Torch's compiler cannot look through the checks that `conftest.py` wraps around every function of the package.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.export import Dim

import carrousel
from carrousel import Recurrent
from carrousel.engine import SlowPathWarning

pytestmark = pytest.mark.filterwarnings("default::DeprecationWarning:torch", "default::FutureWarning:torch")


class Tagger(nn.Module):
    """A layer with something before and behind it, for the compiler to join."""

    def __init__(self, layer: Any, size: int) -> None:
        super().__init__()
        self.layer, self.out = layer, nn.Linear(size, 3)
        self.double()

    def forward(self, x: Tensor, lengths: Tensor | None = None, reset: Tensor | None = None) -> tuple[Tensor, Any]:
        chosen = {name: value for name, value in (("lengths", lengths), ("reset", reset)) if value is not None}
        y, state = self.layer(2 * x, **chosen)
        return self.out(y.relu()), state


@pytest.fixture(autouse=True)
def _fresh_compiler() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    torch.manual_seed(0)
    torch.set_num_threads(1)
    yield
    torch._dynamo.reset()


def compiled(model: nn.Module, backend: str = "aot_eager") -> Any:
    return torch.compile(model, fullgraph=True, backend=backend, dynamic=True)


def outcome(run: Any, model: nn.Module, *given: Tensor) -> dict[str, Tensor]:
    """Outputs, states and all derivatives of a loss of all of them."""
    x = given[0].clone().requires_grad_()
    model.zero_grad()
    y, state = run(x, *given[1:])
    fields: tuple[Tensor, ...] = (state,) if isinstance(state, Tensor) else tuple(state)
    (y.square().sum() + sum((k + 2) * field.sum() for k, field in enumerate(fields))).backward()
    assert x.grad is not None
    values = {"y": y, "d_x": x.grad, **{f"state {k}": f for k, f in enumerate(fields)}}
    return {name: value.detach() for name, value in values.items()} | {
        f"d_{name}": p.grad.clone() for name, p in model.named_parameters() if p.grad is not None
    }


def check(run: Any, model: nn.Module, *given: Tensor) -> None:
    expected = outcome(model, model, *given)
    got = outcome(run, model, *given)
    assert got.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(got[name], value, rtol=0, atol=1e-12, msg=lambda m, n=name: f"{n}: {m}")


LAYERS: dict[str, Any] = {
    "lstm, two layers": lambda: Recurrent("lstm", 4, 6, num_layers=2),
    "gru, both directions, batch first": lambda: Recurrent("gru", 4, 6, bidirectional=True, batch_first=True),
    "gru_reset_before": lambda: Recurrent("gru_reset_before", 4, 6),
}


def sized(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_a_compiled_model_has_the_values_and_derivatives_of_the_plain_one_at_every_size(make: Any) -> None:
    layer = make()
    model = Tagger(layer, layer.output_size)
    run = compiled(model)
    for steps, batch in ((5, 3), (7, 2), (6, 5)):
        check(run, model, sized(steps, batch, 4))
    with torch.no_grad():
        x = sized(3, 4, 4)
        assert torch.equal(run(x)[0], model(x)[0])


def test_lengths_and_resets_go_through_the_compiler() -> None:
    model = Tagger(Recurrent("lstm", 4, 6, num_layers=2), 6)
    reset = torch.zeros(7, 3, dtype=torch.bool)
    reset[2, 1] = reset[4, 0] = True
    check(compiled(model), model, sized(7, 3, 4), torch.tensor([7, 2, 5]), reset)


def test_frozen_weights_and_inputs_go_through_the_compiler() -> None:
    model = Tagger(Recurrent("lstm", 4, 6), 6)
    model.layer.R_f_l0.requires_grad_(False)
    check(compiled(model), model, sized(5, 3, 4))


@pytest.mark.parametrize("name", ["LSTM", "GRU", "RNN"])
def test_the_drop_in_layers_compile_where_torch_lets_its_compiler_see_them(name: str) -> None:
    layer = getattr(carrousel, name)(4, 6, num_layers=2)
    model = Tagger(layer, 6)
    with torch._dynamo.config.patch(allow_rnn=True):
        check(compiled(model), model, sized(5, 3, 4))


@pytest.mark.skipif(shutil.which("c++") is None, reason="torch's inductor needs a C++ compiler")
def test_a_model_compiled_by_inductor_has_the_same_values_and_derivatives() -> None:
    model = Tagger(Recurrent("lstm", 4, 6), 6)
    run = compiled(model, "inductor")
    for steps, batch in ((5, 3), (7, 2)):
        check(run, model, sized(steps, batch, 4))


def test_other_number_formats_are_compiled_around_and_announced() -> None:
    carrousel.engine.announce.cache_clear()
    model = Recurrent("elman", 4, 6, dtype=torch.bfloat16)
    x = torch.randn(5, 3, 4).bfloat16()
    with torch.no_grad(), pytest.warns(SlowPathWarning, match="no compiled loops for torch.bfloat16"):
        y = compiled(model)(x)[0]
    assert torch.equal(y, model(x)[0])


EXPORTED: dict[str, Any] = {
    **LAYERS,
    "LSTM": lambda: carrousel.LSTM(4, 6, num_layers=2),
}


@pytest.mark.parametrize("make", EXPORTED.values(), ids=EXPORTED)
@pytest.mark.parametrize("strict", [False, True])
def test_an_exported_model_runs_at_every_batch_and_length(make: Any, strict: bool) -> None:
    layer = make()
    model = Tagger(layer, getattr(layer, "output_size", 6))
    shapes = {"x": {0: Dim("first"), 1: Dim("second")}}
    program = torch.export.export(model, (sized(5, 3, 4),), dynamic_shapes=shapes, strict=strict)
    targets = [str(node.target) for node in program.graph.nodes]
    assert targets.count("carrousel.run.default") == layer.num_layers * (2 if layer.bidirectional else 1)
    for steps, batch in ((5, 3), (9, 1)):
        check(program.module(), model, sized(steps, batch, 4))


def test_an_exported_model_is_saved_and_runs_in_another_process(tmp_path: Path) -> None:
    model = Recurrent("peephole_lstm", 4, 6).eval()
    x = torch.randn(5, 3, 4)
    program = torch.export.export(model, (x,), dynamic_shapes={"x": {0: Dim("steps"), 1: Dim("batch")}})
    torch.export.save(program, tmp_path / "model.pt2")
    x = torch.randn(8, 2, 4)
    torch.save(x, tmp_path / "x.pt")
    code = (
        "import torch, sys, carrousel.layers\n"
        "program = torch.export.load(sys.argv[1]).module()\n"
        "y, state = program(torch.load(sys.argv[2]))\n"
        "torch.save([y, type(state).__name__, *state], sys.argv[3])\n"
    )
    files = [str(tmp_path / name) for name in ("model.pt2", "x.pt", "y.pt")]
    subprocess.run([sys.executable, "-c", code, *files], check=True)
    y, name, *state = torch.load(tmp_path / "y.pt", weights_only=False)
    assert name == "State"
    expected, last = model(x)
    for a, b in zip([y, *state], [expected, *last], strict=True):
        assert torch.equal(a, b.detach())


class Dropped(nn.Module):
    """A layer with masks of every kind; the seed is an input of the model."""

    def __init__(self) -> None:
        super().__init__()
        every = [
            carrousel.masks.zoneout(c=0.5, h=0.1),
            carrousel.masks.recurrent_dropout(0.2),
            carrousel.masks.variational_dropout(inputs=0.2, between=0.1, recurrent=0.2, outputs=0.1),
            carrousel.masks.weight_drop(0.5),
        ]
        self.layer = Recurrent("lstm", 4, 6, num_layers=2, masks=every, gradient="truncated", dtype=torch.float64)

    def forward(self, x: Tensor, seed: Tensor) -> tuple[Tensor, Any]:
        return self.layer(2 * x, draw=carrousel.Draw(seed))


def test_masks_are_compiled_with_the_model_and_draw_the_same_numbers() -> None:
    model = Dropped()
    run = compiled(model)
    check(run, model, torch.randn(7, 3, 4, dtype=torch.float64), torch.tensor(3))
    check(run, model, torch.randn(5, 2, 4, dtype=torch.float64), torch.tensor(4))
