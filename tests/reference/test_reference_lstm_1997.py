"""The NumPy reference of the LSTM of 1997, against the paper."""

import math

import numpy as np
import pytest
from reference import lstm_1997
from reference.problems import CELLS_1997, GATES_1997, SIZES, problem
from reference.run import run

pytestmark = pytest.mark.tiny


def test_1997_cell_with_its_input_gate_shut_keeps_the_internal_state_exactly() -> None:
    step, p, xs, s0, _, _ = problem("lstm_1997")
    shut = p | {"b_i": np.full_like(p["b_i"], -60.0)}
    _, last = run(step, shut, np.concatenate([xs] * 20), s0)
    np.testing.assert_array_equal(last["s"], s0["s"])
    _, moved = run(step, p, xs, s0)
    assert np.abs(moved["s"] - s0["s"]).min() > 1e-3


def test_1997_squashing_functions_have_the_ranges_and_slopes_of_the_paper() -> None:
    """g in [-2, 2] with slope 1 at zero, h in [-1, 1] with slope 1/2."""
    ends = np.array([-60.0, 0.0, 60.0])
    np.testing.assert_array_equal(lstm_1997.g(ends), [-2, 0, 2])
    np.testing.assert_array_equal(lstm_1997.h(ends), [-1, 0, 1])
    tiny = np.array([1e-30j])
    assert np.imag(lstm_1997.g(tiny)) / 1e-30 == pytest.approx(1.0, abs=1e-15)
    assert np.imag(lstm_1997.h(tiny)) / 1e-30 == pytest.approx(0.5, abs=1e-15)


def test_1997_step_equals_the_paper_unit_by_unit_on_one_source_vector() -> None:
    """Every hidden unit reads [x; cell outputs; input gates; output gates; 1], cell v of block j at place jS + v."""
    step, p, xs, s0, _, _ = problem("lstm_1997")
    x, blocks, size = xs[0], SIZES["N"], SIZES["S"]
    cells = [s0["y"][j, v] for j in range(blocks) for v in range(size)]
    sources: list[float] = [*x, *cells, *s0["i"], *s0["o"], 1.0]

    def net(kind: str, *at: int) -> float:
        names = (f"W_{kind}", f"R_{kind}", f"Q_{kind}i", f"Q_{kind}o")
        weights = [*(float(weight) for name in names for weight in p[name][at]), float(p[f"b_{kind}"][at])]
        return math.fsum(weight * u for weight, u in zip(weights, sources, strict=True))

    y, s = step(p, x, s0)
    for j in range(blocks):
        gate_in, gate_out = (1 / (1 + math.exp(-net(kind, j))) for kind in "io")
        assert s["i"][j] == pytest.approx(gate_in, abs=1e-14)
        assert s["o"][j] == pytest.approx(gate_out, abs=1e-14)
        for v in range(size):
            internal = s0["s"][j, v] + gate_in * 2 * math.tanh(net("g", j, v) / 2)
            assert s["s"][j, v] == pytest.approx(internal, abs=1e-14)
            assert s["y"][j, v] == pytest.approx(gate_out * math.tanh(internal / 2), abs=1e-14)
            assert y[j * size + v] == s["y"][j, v]


@pytest.mark.parametrize(
    ("inputs", "outputs", "blocks", "size", "biases", "weights"),
    [
        pytest.param(7, 7, 4, 1, "gates", 264, id="experiment 1, 4 blocks of 1"),
        pytest.param(7, 7, 3, 2, "gates", 276, id="experiment 1, 3 blocks of 2"),
        pytest.param(54, 2, 2, 1, "", 364, id="experiment 2c, p = 50"),
        pytest.param(1004, 2, 2, 1, "", 6064, id="experiment 2c, p = 1000"),
        pytest.param(1, 1, 3, 1, "cells gates", 102, id="experiment 3"),
        pytest.param(2, 1, 2, 2, "cells gates outputs", 93, id="experiments 4 and 5"),
        pytest.param(8, 4, 2, 2, "cells gates outputs", 156, id="experiment 6a"),
        pytest.param(8, 8, 3, 2, "cells gates outputs", 308, id="experiment 6b"),
    ],
)
def test_1997_shapes_sum_to_the_weight_counts_of_the_paper(
    inputs: int, outputs: int, blocks: int, size: int, biases: str, weights: int
) -> None:
    """Counts: Hochreiter and Schmidhuber 1997, tables of experiments 1 to 6; output units read the cells alone."""
    sizes = {"D": inputs, "N": blocks, "S": size, "H": blocks * size, "O": outputs}
    shapes = CELLS_1997 | GATES_1997 | {"V": "OH", "d": "O"}
    left_out = {
        *(() if "cells" in biases else ("b_g",)),
        *(() if "gates" in biases else ("b_i", "b_o")),
        *(() if "outputs" in biases else ("d",)),
    }
    assert weights == sum(math.prod(sizes[a] for a in axes) for name, axes in shapes.items() if name not in left_out)
