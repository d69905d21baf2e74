"""Parameter and state shapes of every reference, and a random problem for each.

Axes: T time, D input size, H hidden size, O output, P projection, N blocks, S cells in a block.
"""

import numpy as np
from reference import (
    elman,
    gru_reset_after,
    gru_reset_before,
    jordan,
    lstm,
    lstm_1997,
    lstm_projected,
    peephole_lstm,
)
from reference.arrays import Array, Arrays
from reference.run import Step

SIZES = {"T": 5, "D": 3, "H": 6, "O": 2, "P": 4, "N": 3, "S": 2}

LSTM_SHAPES = {f"{kind}_{gate}": axes for gate in "ifgo" for kind, axes in (("W", "HD"), ("R", "HH"), ("b", "H"))}
GRU_SHAPES = {f"{kind}_{gate}": axes for gate in "rzn" for kind, axes in (("W", "HD"), ("R", "HH"), ("b", "H"))}
ELMAN_SHAPES = {"W": "HD", "R": "HH", "b": "H"}
CELLS_1997 = {"W_g": "NSD", "R_g": "NSH", "Q_gi": "NSN", "Q_go": "NSN", "b_g": "NS"}
GATES_1997 = {
    kind: axes
    for a in "io"
    for kind, axes in ((f"W_{a}", "ND"), (f"R_{a}", "NH"), (f"Q_{a}i", "NN"), (f"Q_{a}o", "NN"), (f"b_{a}", "N"))
}

PARAMS = {
    "elman": ELMAN_SHAPES,
    "elman_relu": ELMAN_SHAPES,
    "jordan": {"W": "HD", "U": "HO", "b": "H", "V": "OH", "d": "O", "mu": ""},
    "lstm_1997": CELLS_1997 | GATES_1997,
    "lstm": LSTM_SHAPES,
    "lstm_projected": LSTM_SHAPES | {f"R_{gate}": "HP" for gate in "ifgo"} | {"W_hr": "PH"},
    "peephole_lstm": LSTM_SHAPES | {f"p_{gate}": "H" for gate in "ifo"},
    "gru_reset_before": GRU_SHAPES,
    "gru_reset_after": GRU_SHAPES | {"b_hn": "H"},
}
STATE = {
    "elman": {"h": "H"},
    "elman_relu": {"h": "H"},
    "jordan": {"s": "O", "y": "O"},
    "lstm_1997": {"s": "NS", "y": "NS", "i": "N", "o": "N"},
    "lstm": {"h": "H", "c": "H"},
    "lstm_projected": {"h": "P", "c": "H"},
    "peephole_lstm": {"h": "H", "c": "H"},
    "gru_reset_before": {"h": "H"},
    "gru_reset_after": {"h": "H"},
}
OUTPUT = dict.fromkeys(PARAMS, "H") | {"jordan": "O", "lstm_projected": "P"}
STEPS: dict[str, Step] = {
    "elman": elman.step,
    "elman_relu": elman.step_relu,
    "jordan": jordan.step,
    "lstm_1997": lstm_1997.step,
    "lstm": lstm.step,
    "lstm_projected": lstm_projected.step,
    "peephole_lstm": peephole_lstm.step,
    "gru_reset_before": gru_reset_before.step,
    "gru_reset_after": gru_reset_after.step,
}


def draw(shapes: dict[str, str], rng: np.random.Generator) -> Arrays:
    return {name: rng.normal(0, 0.7, tuple(SIZES[axis] for axis in axes)) for name, axes in shapes.items()}


def problem(name: str, seed: int = 0) -> tuple[Step, Arrays, Array, Arrays, Array, Arrays]:
    """Everything `gradients` takes: a cell, its parameters, inputs, a non-zero state, and weights of the outputs."""
    rng = np.random.default_rng(seed)
    p, s0 = draw(PARAMS[name], rng), draw(STATE[name], rng)
    xs, w_y = rng.normal(size=(SIZES["T"], SIZES["D"])), rng.normal(size=(SIZES["T"], SIZES[OUTPUT[name]]))
    return STEPS[name], p, xs, s0, w_y, draw(STATE[name], rng)
