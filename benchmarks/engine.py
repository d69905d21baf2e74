"""How long do the compiled loops take beside torch.nn and beside a plain loop over the same step?

Every case runs ours and the peer in turn, in one process; the figures are medians and quartiles over the rounds. Training is
forward and backward, the input projection and all derivatives included. Before anything is timed, the outputs of both are
compared.

    python benchmarks/engine.py [--rounds 15] [--threads 2] [--only lstm] [--json FILE]
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

import carrousel
from carrousel.engine.lower.interpret import interpret

SIZES = ((1, 64, 500), (16, 64, 200), (32, 128, 100), (32, 256, 100), (64, 512, 50))
ZOO = (32, 128, 100)


@dataclass(frozen=True)
class Row:
    """One line of the table; times in milliseconds, ratio = peer / ours."""

    case: str
    cell: str
    mode: str
    B: int
    D: int
    H: int
    T: int
    peer: str
    ours_ms: float
    peer_ms: float
    ratio: float
    ours_quartiles_ms: tuple[float, float]
    peer_quartiles_ms: tuple[float, float]
    first_call_s: float


Call = Callable[[], Any]


def timed(call: Call) -> float:
    """Milliseconds."""
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1e3


def measure(
    case: str, cell: str, mode: str, size: tuple[int, int, int], peer: str, ours: Call, theirs: Call, rounds: int
) -> Row:
    """Ours and the peer in turn."""
    first = timed(ours) / 1e3
    theirs()
    pairs = [(timed(ours), timed(theirs)) for _ in range(rounds)]
    a, b = [p[0] for p in pairs], [p[1] for p in pairs]
    batch, hidden, steps = size
    ours_ms, peer_ms = statistics.median(a), statistics.median(b)
    return Row(
        case,
        cell,
        mode,
        batch,
        hidden,
        hidden,
        steps,
        peer,
        ours_ms,
        peer_ms,
        peer_ms / ours_ms,
        quartiles(a),
        quartiles(b),
        first,
    )


def quartiles(values: list[float]) -> tuple[float, float]:
    low, _, high = statistics.quantiles(values, n=4)
    return low, high


def training(run: Callable[[Tensor], Tensor], x: Tensor, module: nn.Module) -> Call:
    """Forward and backward with all derivatives."""
    x = x.clone().requires_grad_()
    weights = torch.randn_like(run(x).detach())

    def call() -> None:
        for p in [x, *module.parameters()]:
            p.grad = None
        run(x).backward(weights)

    return call


def inference(run: Callable[[Tensor], Tensor], x: Tensor) -> Call:
    def call() -> None:
        with torch.no_grad():
            run(x)

    return call


def check(ours: Callable[[Tensor], Tensor], theirs: Callable[[Tensor], Tensor], x: Tensor) -> None:
    """Both agree with each other as float32 allows."""
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-3, atol=1e-4)


def against_torch(name: str, size: tuple[int, int, int], rounds: int, **settings: Any) -> list[Row]:
    """The drop-in module beside torch.nn's, training and inference."""
    batch, hidden, steps = size
    theirs = getattr(nn, name)(hidden, hidden, **settings)
    ours = getattr(carrousel, name)(hidden, hidden, **settings)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(steps, batch, hidden)
    run, peer = (lambda x: ours(x)[0]), (lambda x: theirs(x)[0])
    check(run, peer, x)
    case = "".join(f" {k}={v}" for k, v in settings.items())
    return [
        measure(
            f"{name}{case}", name.lower(), mode, size, f"torch.nn.{name}", make(run, ours), make(peer, theirs), rounds
        )
        for mode, make in (
            ("train", lambda r, m: training(r, x, m)),
            ("infer", lambda r, m: inference(r, x)),
        )
    ]


def ragged(rounds: int) -> list[Row]:
    """Lengths 10 to 500, beside packed and padded input."""
    batch, hidden, steps = size = (32, 128, 500)
    lengths = torch.randint(10, 501, (batch,))
    theirs, ours = nn.LSTM(hidden, hidden), carrousel.Recurrent("lstm", hidden, hidden)
    x = torch.randn(steps, batch, hidden)

    def packed(x: Tensor) -> Tensor:
        return theirs(pack_padded_sequence(x, lengths, enforce_sorted=False))[0].data

    def mine(x: Tensor) -> Tensor:
        return ours(x, lengths=lengths)[0]

    return [
        measure(
            "lengths 10..500", "lstm", "train", size, peer, training(mine, x, ours), training(run, x, theirs), rounds
        )
        for peer, run in (("torch.nn.LSTM packed", packed), ("torch.nn.LSTM padded", lambda x: theirs(x)[0]))
    ]


def against_a_loop(name: str, size: tuple[int, int, int], rounds: int) -> Row:
    """Any cell beside the same step, one torch operation after the other."""
    batch, hidden, steps = size
    layer = carrousel.Recurrent(name, hidden, hidden)
    x = torch.randn(steps, batch, hidden)
    start = [x.new_zeros(batch, *shape) for shape in layer.cell.state_shapes(layer.layer_sizes[0]).values()]

    def looped(x: Tensor) -> Tensor:
        params = {n: getattr(layer, f"{n}_l0") for n in layer.cell.param_axes}
        return interpret(layer.graph(), params, x, start)[0]

    def ours(x: Tensor) -> Tensor:
        return layer(x)[0]

    check(ours, looped, x)
    return measure(
        name,
        name,
        "train",
        size,
        "loop of torch operations",
        training(ours, x, layer),
        training(looped, x, layer),
        rounds,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    jobs: list[tuple[str, Callable[[], list[Row]]]] = [
        *((f"lstm {size}", lambda size=size: against_torch("LSTM", size, given.rounds)) for size in SIZES),
        ("gru", lambda: against_torch("GRU", ZOO, given.rounds)),
        ("rnn", lambda: against_torch("RNN", ZOO, given.rounds)),
        ("stack", lambda: against_torch("LSTM", ZOO, given.rounds, num_layers=3, bidirectional=True)),
        ("ragged", lambda: ragged(given.rounds)),
        *((f"zoo {name}", lambda name=name: [against_a_loop(name, ZOO, given.rounds)]) for name in carrousel.CELLS),
    ]
    rows: list[Row] = []
    print(
        f"{'case':44} {'mode':5} {'B':>3} {'H':>4} {'T':>4}  {'ours ms':>8} {'peer ms':>8} {'ratio':>6}  {'first s':>7}  peer"
    )
    for name, job in jobs:
        if given.only in name:
            for row in job():
                rows.append(row)
                print(
                    f"{row.case:44} {row.mode:5} {row.B:3} {row.H:4} {row.T:4}  {row.ours_ms:8.2f} {row.peer_ms:8.2f} "
                    f"{row.ratio:6.2f}  {row.first_call_s:7.2f}  {row.peer}",
                    flush=True,
                )
    if given.json:
        given.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))


if __name__ == "__main__":
    main()
