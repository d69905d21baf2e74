"""LSTM, GRU and RNN are torch.nn's, argument for argument and number for number."""

import copy
import inspect
import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence, pad_packed_sequence

import carrousel
from carrousel.errors import ShapeError
from carrousel.layers import drop_in

EXACT = 1e-12  # the same mathematics in float64, in another order of additions
CLASSES = ("LSTM", "GRU", "RNN")


def pair(name: str, *args: Any, **settings: Any) -> tuple[Any, Any]:
    """Torch's module and ours with the same weights, in float64."""
    torch.manual_seed(0)
    theirs = getattr(nn, name)(*args, **settings, dtype=torch.float64)
    ours = getattr(carrousel, name)(*args, **settings, dtype=torch.float64)
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


def flat(state: Any) -> list[Tensor]:
    return [state] if isinstance(state, Tensor) else list(state)


def everything(module: Any, x: Any, hx: Any, seed: int = 1) -> list[Tensor]:
    """Outputs, states and every derivative of a number in which all of them count."""
    torch.manual_seed(seed)  # dropout draws the same masks
    leaves: list[Tensor] = list(module.parameters())
    if isinstance(x, Tensor):
        x = x.clone().requires_grad_()
        leaves.append(x)
    if hx is not None:
        hx = tuple(h.clone().requires_grad_() for h in hx)
        leaves += list(hx)
    y, state = module(x, None if hx is None else hx if isinstance(module, nn.LSTM) else hx[0])
    values = [y.data if isinstance(y, PackedSequence) else y, *flat(state)]
    generator = torch.Generator().manual_seed(2)
    weights = [torch.randn(v.shape, generator=generator, dtype=v.dtype) for v in values]
    loss = sum(((w * v).sum() for w, v in zip(weights, values, strict=True)), torch.zeros(()))
    return [*values, *torch.autograd.grad(loss, leaves)]


def assert_same(name: str, x: Any, hx: Any = None, **settings: Any) -> None:
    theirs, ours = pair(name, 4, 5, **settings)
    for a, b in zip(everything(ours, x, hx), everything(theirs, x, hx), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=EXACT)


def states(name: str, layers: int, batch: int | None, hidden: int = 5, projected: int = 0) -> tuple[Tensor, ...]:
    middle = () if batch is None else (batch,)
    h = torch.randn(layers, *middle, projected or hidden, dtype=torch.float64)
    return (h, torch.randn(layers, *middle, hidden, dtype=torch.float64)) if name == "LSTM" else (h,)


VARIANTS: list[dict[str, Any]] = [
    {},
    {"num_layers": 3},
    {"bias": False},
    {"bidirectional": True},
    {"num_layers": 2, "bidirectional": True, "bias": False},
    {"num_layers": 2, "dropout": 0.5},
    {"num_layers": 3, "dropout": 0.3, "bidirectional": True},
    {"batch_first": True},
    {"batch_first": True, "num_layers": 2, "bidirectional": True},
]
ALL: list[tuple[str, dict[str, Any]]] = [
    *((name, settings) for name in CLASSES for settings in VARIANTS),
    ("LSTM", {"proj_size": 3}),
    ("LSTM", {"proj_size": 2, "num_layers": 2, "bidirectional": True, "batch_first": True}),
    ("RNN", {"nonlinearity": "relu"}),
    ("RNN", {"nonlinearity": "relu", "num_layers": 2, "bidirectional": True}),
]


@pytest.mark.parametrize(("name", "settings"), ALL)
def test_outputs_states_and_all_derivatives_agree(name: str, settings: dict[str, Any]) -> None:
    torch.manual_seed(5)
    x = torch.randn(6, 3, 4, dtype=torch.float64)
    batch = 6 if settings.get("batch_first") else 3
    layers = settings.get("num_layers", 1) * (2 if settings.get("bidirectional") else 1)
    assert_same(name, x, **settings)
    assert_same(name, x, states(name, layers, batch, projected=settings.get("proj_size", 0)), **settings)


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("settings", [{}, {"num_layers": 2, "bidirectional": True}, {"batch_first": True}])
def test_one_sequence_without_a_batch_axis_agrees(name: str, settings: dict[str, Any]) -> None:
    layers = settings.get("num_layers", 1) * (2 if settings.get("bidirectional") else 1)
    x = torch.randn(6, 4, dtype=torch.float64)
    assert_same(name, x, **settings)
    assert_same(name, x, states(name, layers, None), **settings)


def packed(is_sorted: bool) -> PackedSequence:
    torch.manual_seed(3)
    lengths = (6, 4, 4, 1) if is_sorted else (2, 6, 1, 4)
    return pack_sequence([torch.randn(n, 4, dtype=torch.float64) for n in lengths], enforce_sorted=is_sorted)


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("is_sorted", [True, False])
@pytest.mark.parametrize("settings", [{}, {"num_layers": 2, "bidirectional": True}])
def test_packed_sequences_agree(name: str, is_sorted: bool, settings: dict[str, Any]) -> None:
    layers = settings.get("num_layers", 1) * (2 if settings.get("bidirectional") else 1)
    assert_same(name, packed(is_sorted), **settings)
    assert_same(name, packed(is_sorted), states(name, layers, 4), **settings)


def test_packed_output_unpacks_to_the_rows_that_went_in() -> None:
    _, ours = pair("LSTM", 4, 5)
    x = torch.randn(6, 3, 4, dtype=torch.float64)
    y, _ = ours(pack_padded_sequence(x, torch.tensor([2, 6, 3]), enforce_sorted=False))
    padded, lengths = pad_packed_sequence(y)
    assert lengths.tolist() == [2, 6, 3]
    torch.testing.assert_close(padded[:2, 0], ours(x[:2, :1])[0][:, 0], rtol=0, atol=EXACT)
    assert torch.all(padded[2:, 0] == 0)


@pytest.mark.tiny
@pytest.mark.parametrize(("name", "settings"), ALL)
def test_weights_load_in_both_directions(name: str, settings: dict[str, Any]) -> None:
    theirs, ours = pair(name, 4, 5, **settings)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert theirs.load_state_dict(ours.state_dict()) == ours.load_state_dict(theirs.state_dict())


@pytest.mark.tiny
@pytest.mark.parametrize("name", CLASSES)
def test_the_signature_is_torch_s(name: str) -> None:
    ours, theirs = getattr(carrousel, name), getattr(nn, name)
    assert inspect.signature(ours) == inspect.signature(theirs)
    assert list(inspect.signature(ours.forward).parameters) == list(inspect.signature(theirs.forward).parameters)


@pytest.mark.parametrize("name", CLASSES)
def test_single_precision_agrees(name: str) -> None:
    theirs, ours = getattr(nn, name)(4, 5), getattr(carrousel, name)(4, 5)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(6, 3, 4)
    torch.testing.assert_close(ours(x)[0], theirs(x)[0], rtol=1e-5, atol=1e-6)  # float32 rounding over six steps


def test_a_copy_computes_the_same() -> None:
    _, ours = pair("LSTM", 4, 5)
    x = torch.randn(3, 2, 4, dtype=torch.float64)
    assert torch.equal(copy.deepcopy(ours)(x)[0], ours(x)[0])


ERRORS: list[tuple[str, dict[str, Any], Any, Any, str]] = [
    (
        "LSTM", {}, torch.zeros(7, 2, 3), None,
        "LSTM: input has shape (7, 2, 3), expected (T, B, D), or (T, D) for one sequence, with D=4 because input_size=4. "
        "Reshape the input, or build the layer with the size of your features.",
    ),
    (
        "GRU", {"batch_first": True}, torch.zeros(4), None,
        "GRU: input has shape (4,), expected (B, T, D), or (T, D) for one sequence, with D=4 because input_size=4. "
        "Reshape the input, or build the layer with the size of your features.",
    ),
    (
        "LSTM", {}, torch.zeros(7, 2, 4), torch.zeros(1, 2, 5),
        "LSTM: hx is a tensor of shape (1, 2, 5), expected the pair (h_0, c_0), each (layers·directions, B, H). "
        "Pass both: layer(x, (h_0, c_0)).",
    ),
    (
        "LSTM", {}, torch.zeros(7, 2, 4), (torch.zeros(1, 2, 5), torch.zeros(2, 1, 5)),
        "LSTM: c_0 has shape (2, 1, 5), expected (layers·directions, B, H) = (1, 2, 5); states are never batch-first. "
        "Pass the state that the layer returned.",
    ),
    (
        "RNN", {"batch_first": True}, torch.zeros(2, 7, 4), torch.zeros(2, 1, 5),
        "RNN: hx has shape (2, 1, 5), expected (layers·directions, B, H) = (1, 2, 5); states are never batch-first. "
        "Pass the state that the layer returned.",
    ),
    (
        "GRU", {}, torch.zeros(7, 4), torch.zeros(1, 1, 5),
        "GRU: hx has shape (1, 1, 5), expected (layers·directions, H) = (1, 5); states are never batch-first. "
        "Pass the state that the layer returned.",
    ),
    (
        "LSTM", {}, torch.zeros(7, 2, 4, dtype=torch.float64), None,
        "LSTM: input is torch.float64, expected torch.float32 like the weights. Convert one of them.",
    ),
]  # fmt: skip


@pytest.mark.tiny
@pytest.mark.parametrize(("name", "settings", "x", "hx", "message"), ERRORS)
def test_what_does_not_fit_is_named(name: str, settings: dict[str, Any], x: Tensor, hx: Any, message: str) -> None:
    layer = getattr(carrousel, name)(4, 5, **settings)
    with pytest.raises(ShapeError, match=f"^{re.escape(message)}$"):
        layer(x, hx)


@pytest.mark.parametrize("name", CLASSES)
def test_on_cuda_the_work_is_torch_s(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = getattr(carrousel, name)(3, 5, num_layers=2, bidirectional=True)
    theirs = getattr(nn, name)(3, 5, num_layers=2, bidirectional=True)
    theirs.load_state_dict(layer.state_dict())
    x = torch.randn(7, 2, 3)

    def yes(_: nn.RNNBase) -> bool:
        return True

    monkeypatch.setattr(drop_in, "by_torch", yes)
    monkeypatch.setattr(drop_in, "run_stack", None)
    assert torch.equal(layer(x)[0], theirs(x)[0])
