"""The truncated gradient of the LSTM in its own form: real-time recurrent formulas, forwards in time, without backpropagation.

Every weight w of a cell input or an input or forget gate has a partial ∂s/∂w for each cell that it reaches directly, carried
forward with the cell; all other paths are cut. With b_t, the derivative of the loss by the cell outputs of step t, and u_t, the
sources that a unit reads at step t ([x_t; recurrent sources; 1]):

    ∂s_jv/∂w_g  (t) = f_j ∂s_jv/∂w_g  (t-1) + i_j g'(net_g) u_t
    ∂s_jv/∂w_i  (t) = f_j ∂s_jv/∂w_i  (t-1) + g(net_g) σ'(net_i) u_t
    ∂s_jv/∂w_f  (t) = f_j ∂s_jv/∂w_f  (t-1) + s_jv(t-1) σ'(net_f) u_t
    e_s,jv = o_j h'(s_jv) b_jv
    dL/dw_g += e_s,jv ∂s_jv/∂w_g      dL/dw_i += Σ_v e_s,jv ∂s_jv/∂w_i      dL/dw_f likewise
    dL/dw_o += σ'(net_o) (Σ_v h(s_jv) b_jv) u_t

The LSTM of 1997 has no forget gate: f = 1. Derivatives by what enters at the last step's state are added to e_s there.

Source: Hochreiter and Schmidhuber, "Long Short-Term Memory", Neural Computation 9(8), 1997, appendix A.1; the forget gate: Gers,
Schmidhuber and Cummins, "Learning to Forget", Neural Computation 12(10), 2000, section 3.2.
"""

import numpy as np
from reference import lstm, lstm_1997
from reference.arrays import Array, Arrays, sigmoid


def lstm_1997_gradients(p: Arrays, xs: Array, s0: Arrays, b: Array) -> Arrays:
    """dL/dw of every parameter for L = Σ_t b_t · y_t, by name; s0 is the state before the first step."""
    return _gradients(_Units1997(p), p, xs, s0, b)


def lstm_gradients(p: Arrays, xs: Array, s0: Arrays, b: Array) -> Arrays:
    """The same for the LSTM with forget gate, whose blocks have one cell."""
    return _gradients(_UnitsOf2000(p), p, xs, s0, b)


class _Units1997:
    """Sources and net inputs of the LSTM of 1997; a block's cells lie side by side."""

    recurrent = ("R_{a}", "Q_{a}i", "Q_{a}o")
    gates = ("i", "o")

    def __init__(self, p: Arrays) -> None:
        self.cells = p["b_g"].shape[1]

    def sources(self, s: Arrays) -> list[Array]:
        return [s["y"].reshape(-1), s["i"], s["o"]]

    def cell_state(self, s: Arrays) -> Array:
        return s["s"]

    g, h = staticmethod(lstm_1997.g), staticmethod(lstm_1997.h)
    step = staticmethod(lstm_1997.step)

    def g_slope(self, net: Array) -> Array:
        return 4 * sigmoid(net) * (1 - sigmoid(net))

    def h_slope(self, s: Array) -> Array:
        return 2 * sigmoid(s) * (1 - sigmoid(s))


class _UnitsOf2000:
    """Sources and net inputs of the LSTM with forget gate, as blocks of one cell."""

    recurrent = ("R_{a}",)
    gates = ("i", "f", "o")
    cells = 1

    def __init__(self, p: Arrays) -> None:
        pass

    def sources(self, s: Arrays) -> list[Array]:
        return [s["h"]]

    def cell_state(self, s: Arrays) -> Array:
        return s["c"][:, None]

    step = staticmethod(lstm.step)

    def g(self, z: Array) -> Array:
        return np.tanh(z)

    def g_slope(self, z: Array) -> Array:
        return 1 - np.tanh(z) ** 2

    h, h_slope = g, g_slope


def _gradients(units: _Units1997 | _UnitsOf2000, p: Arrays, xs: Array, s0: Arrays, b: Array) -> Arrays:
    blocks, cells = p["b_i"].shape[0], units.cells
    weights = {a: _joined(units, p, a) for a in ("g", *units.gates)}
    total = {a: np.zeros_like(w) for a, w in weights.items()}
    partial = {a: np.zeros((blocks, cells, w.shape[-1])) for a, w in weights.items() if a != "o"}
    s = s0
    for x_t, b_t in zip(xs, b, strict=True):
        u_t = np.concatenate([x_t, *units.sources(s), [1.0]])
        net = {a: w @ u_t for a, w in weights.items()}
        net["g"] = net["g"].reshape(blocks, cells)
        i_t, o_t = sigmoid(net["i"])[:, None], sigmoid(net["o"])[:, None]
        f_t = sigmoid(net["f"])[:, None] if "f" in net else np.ones((blocks, 1))
        before = units.cell_state(s)
        _, s = units.step(p, x_t, s)
        now, b_t = units.cell_state(s), b_t.reshape(blocks, cells)
        drive = {
            "g": i_t * units.g_slope(net["g"]),
            "i": units.g(net["g"]) * i_t * (1 - i_t),
            "f": before * f_t * (1 - f_t),
        }
        for a in partial:
            partial[a] = f_t[..., None] * partial[a] + drive[a][..., None] * u_t
        e_s = o_t * units.h_slope(now) * b_t
        for a in partial:
            reached = e_s[..., None] * partial[a]
            total[a] += reached.reshape(total[a].shape) if a == "g" else reached.sum(1)
        total["o"] += (o_t * (1 - o_t) * (units.h(now) * b_t).sum(1, keepdims=True)) * u_t
    return {name: value for a in weights for name, value in _apart(units, p, a, total[a]).items()}


def _names(units: _Units1997 | _UnitsOf2000, a: str) -> list[str]:
    return [f"W_{a}", *(name.format(a=a) for name in units.recurrent), f"b_{a}"]


def _joined(units: _Units1997 | _UnitsOf2000, p: Arrays, a: str) -> Array:
    """All weights of one kind of unit: a row a unit, a column a source."""
    rows = p[f"b_{a}"].size
    return np.concatenate([p[name].reshape(rows, -1) for name in _names(units, a)], axis=1)


def _apart(units: _Units1997 | _UnitsOf2000, p: Arrays, a: str, joined: Array) -> Arrays:
    names = _names(units, a)
    ends = np.cumsum([p[name].size // p[f"b_{a}"].size for name in names])[:-1]
    return {name: part.reshape(p[name].shape) for name, part in zip(names, np.split(joined, ends, axis=1), strict=True)}
