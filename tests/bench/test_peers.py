"""Every peer computes what the definition computes in float64, so that its time is that of the same work."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from carrousel.bench.cases import CASES, Case, zoo
from carrousel.bench.peers import PEERS, Peer, chosen_peers
from carrousel.bench.peers.own import has_state_products, lstm_by_work
from carrousel.bench.workload import Workload
from carrousel.errors import ConfigError

SIZES: dict[str, Any] = {"batch": 2, "size": 5, "steps": 12}
SMALL = (
    Case("LSTM", "lstm", "train", **SIZES),
    Case("LSTM", "lstm", "infer", **SIZES),
    Case("GRU", "gru_reset_after", "train", **SIZES),
    Case("GRU", "gru_reset_after", "infer", **SIZES),
    Case("RNN", "elman", "train", **SIZES),
    Case("RNN", "elman", "infer", **SIZES),
    Case("stack", "lstm", "train", **SIZES, num_layers=3, bidirectional=True),
    Case("ragged", "lstm", "train", **SIZES, is_ragged=True),
    Case("stream", "lstm", "stream", **SIZES),
    Case("peephole_lstm", "peephole_lstm", "train", **SIZES),
    Case("noise", "array_lstm_stochastic", "train", **SIZES),
)
PAIRS = [
    (case, peer) for case in SMALL for peer in PEERS if peer.serves(case) and peer.name not in ("own lstm", "bytes")
]


@pytest.fixture(autouse=True)
def _torch_compile_hands_back_what_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    """It takes a minute for the smallest loop."""

    def same(function: Callable[..., object]) -> Callable[..., object]:
        return function

    monkeypatch.setattr(torch, "compile", same)


@pytest.mark.parametrize(("case", "peer"), PAIRS, ids=[f"{case.name}-{case.mode}-{peer.name}" for case, peer in PAIRS])
def test_a_peer_computes_the_same(case: Case, peer: Peer) -> None:
    if peer.missing:
        pytest.skip(f"{peer.name} needs {', '.join(peer.missing)}")
    workload = Workload(case)
    prepared = peer.prepare(workload)
    prepared.call()
    assert prepared.outcome is not None
    assert workload.error(prepared.outcome()) < 2e-6  # some 20 units in the last place of float32


@pytest.mark.parametrize("case", SMALL, ids=str)
def test_ours_computes_the_same(case: Case) -> None:
    workload = Workload(case)
    workload.ours.call()
    assert workload.ours.outcome is not None
    assert workload.error(workload.ours.outcome()) < 2e-6


@pytest.mark.parametrize("name", ["y", "d_x"])
def test_a_result_wrong_by_a_thousandth_is_seen(name: str) -> None:
    workload = Workload(SMALL[0])
    outcome = dict(workload.exact)
    outcome[name] = outcome[name] * 1.001
    assert workload.error(outcome) == pytest.approx(1e-3)


def test_training_calls_leave_the_derivative_of_every_parameter() -> None:
    workload = Workload(Case("mut1", "mut1", "train", **SIZES))
    workload.ours.call()
    assert all(parameter.grad is not None for parameter in workload.layer.parameters())


def test_the_time_by_work_counts_floating_point_operations() -> None:
    lstm, peephole = (lstm_by_work(Workload(Case(name, name, "train", **SIZES))) for name in ("lstm", "peephole_lstm"))
    # D=H=5: 4·2·2·5·5 for the products and the elementwise rest; three peepholes add 3 products and 3 sums for 5 units
    assert lstm.scale == 1
    assert 1 < peephole.scale < 1.2


@pytest.mark.tiny
def test_a_matrix_on_the_state_is_told_from_none() -> None:
    assert [has_state_products(case) for case in zoo(["lstm", "indrnn", "sru"])] == [True, False, False]


@pytest.mark.tiny
def test_a_cell_is_beside_its_own_kind_of_floor_and_the_loop() -> None:
    own = [[peer.name for peer in PEERS if peer.serves(case)] for case in zoo(["janet", "indrnn"])]
    assert own == [["loop", "compile", "torchrecurrent", "own lstm"], ["loop", "compile", "torchrecurrent", "bytes"]]


@pytest.mark.tiny
def test_every_bar_names_a_peer_that_can_run_the_case() -> None:
    peers = {peer.name: peer for peer in PEERS}
    assert [(str(case), name) for case in CASES for name in case.bars if not peers[name].serves(case)] == []


@pytest.mark.tiny
def test_a_package_that_is_missing_is_named_with_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(_name: str) -> None: ...

    monkeypatch.setattr("carrousel.bench.peers.find_spec", nothing)
    present, messages = chosen_peers("all")
    assert [peer.name for peer in present] == ["torch", "torch packed", "loop", "own lstm", "bytes"]
    jax = "bench: jax needs the package jax, which is not installed. Install it: pip install 'carrousel[bench]'"
    assert messages == [
        jax,
        "bench: onnxruntime needs the packages onnxruntime, onnx, which are not installed. Install them: pip install "
        "'carrousel[bench]'",
        jax.replace("jax", "torchrecurrent"),
    ]
    with pytest.raises(ConfigError) as caught:
        chosen_peers("torch,jax")
    assert str(caught.value) == jax


@pytest.mark.tiny
def test_an_unknown_peer_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        chosen_peers("torch,jaxx")
    assert str(caught.value) == (
        "bench: unknown peer 'jaxx', expected all, or some of torch, torch packed, loop, compile, jax, onnxruntime, "
        "torchrecurrent, own lstm, bytes. Did you mean 'jax'?"
    )
