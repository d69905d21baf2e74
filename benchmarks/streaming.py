"""What does one time step cost, one Python call a step, beside torch.nn.LSTMCell and onnxruntime?

Every round times a run of single steps of ours and then of the peer, in one process; the figures are medians and quartiles over the
rounds. A step takes x_t and leaves its state where the next one finds it; no gradients. Before anything is timed, the outputs of
both over a sequence are compared.

    python benchmarks/streaming.py [--rounds 501] [--json FILE]

The rows beside onnxruntime appear where `onnx` and `onnxruntime` are installed.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import carrousel

SIZES = (16, 64, 128, 256)
STEPS = 20
"""Time steps between two looks at the clock: so few that other work on the machine seldom falls in between."""

Step = Callable[[Tensor], Any]


@dataclass(frozen=True)
class Row:
    """One line of the table; times in microseconds a step, ratio = peer / ours."""

    cell: str
    H: int
    peer: str
    ours_us: float
    peer_us: float
    ratio: float
    ours_quartiles_us: tuple[float, ...]
    peer_quartiles_us: tuple[float, ...]


def measure(cell: str, peer: str, ours: Step, theirs: Step, x: Tensor, rounds: int) -> Row:
    """Ours and the peer in turn, over the same inputs."""
    torch.testing.assert_close(run(ours, x), run(theirs, x), rtol=1e-4, atol=1e-5)
    inputs = [x[k % len(x)] for k in range(STEPS)]
    pairs = [(timed(ours, inputs), timed(theirs, inputs)) for _ in range(rounds)]
    (a, ours_us, b), (c, peer_us, d) = (statistics.quantiles(times, n=4) for times in zip(*pairs, strict=True))
    return Row(cell, x.shape[-1], peer, ours_us, peer_us, peer_us / ours_us, (a, b), (c, d))


def run(step: Step, x: Tensor) -> Tensor:
    return torch.stack([torch.as_tensor(step(x_t)).reshape(1, -1) for x_t in x])


def timed(step: Step, inputs: list[Tensor]) -> float:
    """Microseconds a step."""
    start = time.perf_counter()
    for x_t in inputs:
        step(x_t)
    return (time.perf_counter() - start) * 1e6 / len(inputs)


def torch_cell(module: nn.RNNBase, kind: type[Any]) -> Step:
    """The peer of torch.nn with the same weights."""
    cell = kind(module.input_size, module.hidden_size)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in module.state_dict().items()})
    state: Any = None

    def step(x_t: Tensor) -> Tensor:
        nonlocal state
        with torch.no_grad():
            state = cell(x_t, state)
        return state[0] if isinstance(state, tuple) else state

    return step


def onnx_session(module: nn.LSTM) -> Step:
    """onnxruntime's LSTM on one thread, its state handed back and forth as arrays."""
    import numpy as np
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    size = module.hidden_size

    def weight(name: str) -> Any:
        i, f, g, o = getattr(module, name).detach().chunk(4)  # onnx: input, output, forget, cell
        return torch.cat([i, o, f, g]).numpy()

    bias = np.concatenate([weight("bias_ih_l0"), weight("bias_hh_l0")])
    given = {"W": weight("weight_ih_l0"), "R": weight("weight_hh_l0"), "b": bias}
    shapes = {"x": [1, 1, module.input_size], "h": [1, 1, size], "c": [1, 1, size]}
    node = helper.make_node("LSTM", ["x", "W", "R", "b", "", "h", "c"], ["y", "h_n", "c_n"], hidden_size=size)
    graph = helper.make_graph(
        [node],
        "step",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, size]) for name in ("h_n", "c_n")],
        [numpy_helper.from_array(value[None], name) for name, value in given.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    state = [np.zeros((1, 1, size), dtype=np.float32)] * 2

    def step(x_t: Tensor) -> Any:
        nonlocal state
        state = session.run(["h_n", "c_n"], {"x": x_t.numpy()[None], "h": state[0], "c": state[1]})
        return state[0]

    return step


def rows(rounds: int) -> Iterator[Row]:
    has_onnx = find_spec("onnx") is not None and find_spec("onnxruntime") is not None
    for size in SIZES:
        x = torch.randn(20, 1, size)
        module = carrousel.LSTM(size, size)
        yield measure("lstm", "torch.nn.LSTMCell", module.stream().step, torch_cell(module, nn.LSTMCell), x, rounds)
        if has_onnx:
            yield measure("lstm", "onnxruntime LSTM", module.stream().step, onnx_session(module), x, rounds)
        gated = carrousel.GRU(size, size)
        yield measure("gru", "torch.nn.GRUCell", gated.stream().step, torch_cell(gated, nn.GRUCell), x, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=501)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    found: list[Row] = []
    print(f"{'cell':6} {'H':>4}  {'ours us':>8} {'peer us':>8} {'ratio':>6}  peer")
    for row in rows(given.rounds):
        found.append(row)
        print(f"{row.cell:6} {row.H:4}  {row.ours_us:8.2f} {row.peer_us:8.2f} {row.ratio:6.2f}  {row.peer}", flush=True)
    if given.json:
        given.json.write_text(json.dumps([asdict(row) for row in found], indent=1))


if __name__ == "__main__":
    main()
