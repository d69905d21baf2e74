"""exp, tanh, sigmoid and the rest on whole vectors, called as the loops call them, against exact values."""

import ctypes
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from carrousel.engine.lower.emitter import Emitter
from carrousel.engine.lower.jit import compile_text, vector_bytes
from carrousel.engine.lower.vector_math import VECTOR

mpmath: Any = import_module("mpmath")  # without types
Array = NDArray[Any]

CURVES: dict[str, Callable[[Any], Any]] = {
    "exp": mpmath.exp,
    "tanh": mpmath.tanh,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "sqrt": lambda x: mpmath.sqrt(x) if x >= 0 else mpmath.nan,
    "log": lambda x: mpmath.log(x) if x > 0 else mpmath.ninf if x == 0 else mpmath.nan,
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
}
FORMATS = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
RANGE = {"float32": 104.0, "float64": 746.0}
"""Beyond these exp is 0 or infinite; sigmoid and tanh have long since reached their limits."""

EARLY = {"float32": 88.02, "float64": 709.4}
"""From here exp is infinite, a little before it has to be."""


@cache
def vector_function(op: str, dtype: type[Any], arity: int) -> Callable[..., Array]:
    """One row of VECTOR as a function of arrays, compiled into a loop over them."""
    element = "float" if dtype is np.float32 else "double"
    e = Emitter(element, vector_bytes() // np.dtype(dtype).itemsize)
    pointers = [e.load("ptr", e.at("%pointers", str(k), "ptr")) for k in range(arity + 1)]
    with e.loop(0, "%steps", e.width) as k:
        arguments = [e.value(f"load {e.vector}, ptr {e.at(p, k)}, align {e.bytes}") for p in pointers[1:]]
        e.do(f"store {e.vector} {VECTOR[op](e, *arguments)}, ptr {e.at(pointers[0], k)}, align {e.bytes}")
    signature = "ptr %pointers, ptr %a, ptr %b, ptr %c, i64 %steps, i64 %d, i64 %f, i64 %g, ptr %h"
    body = "\n".join(["entry:", *e.entry, *e.lines, "  ret void"])
    text = f"define void @curve({signature}) {{\n{body}\n}}\n" + "\n".join([*e.declared.values(), "!0 = !{}"]) + "\n"
    entry = compile_text(text, "curve")

    def apply(*arrays: Array) -> Array:
        size = -(-arrays[0].size // e.width) * e.width
        padded = [np.resize(array.astype(dtype), size) for array in arrays]
        result = np.empty(size, dtype)
        addresses = (ctypes.c_void_p * (arity + 1))(*(a.ctypes.data for a in (result, *padded)))
        entry(ctypes.addressof(addresses), None, None, None, size, 0, 0, 0, None)
        return result[: arrays[0].size]

    return apply


def samples(dtype: type[Any], count: int) -> Array:
    """Numbers of every magnitude and sign, dense where the curves bend."""
    info, limit = np.finfo(dtype), RANGE[np.dtype(dtype).name]
    rng = np.random.default_rng(0)
    exponents = rng.uniform(np.log2(float(info.smallest_normal)), np.log2(float(info.max)) - 1, count // 4)
    near_ties = (np.arange(-120, 120) + 0.5) * np.log(2)  # where the nearest whole number of x / ln 2 changes
    parts = [
        rng.uniform(-limit, limit, count // 4),
        rng.normal(0, 4, count // 4),
        np.exp2(exponents) * rng.choice([-1, 1], count // 4),
        rng.normal(0, 1e-3, count // 4),
        near_ties,
        near_ties / 2,
        np.array(
            [0.0, -0.0, info.smallest_subnormal, -info.smallest_subnormal, info.tiny, -info.tiny, info.max, info.min]
        ),
        np.array(
            [1.0, -1.0, 88.02, 88.5, 88.72, -87.33, -87.34, -103.9, 9.0, 9.5, 9.6, 19.0, 20.0, 20.1, 709.4, -708.3]
        ),
    ]
    return np.concatenate(parts).astype(dtype)


def exact(op: str, x: Array) -> list[Any]:
    with mpmath.workprec(140):
        return [CURVES[op](mpmath.mpf(float(value))) for value in x]


def units_in_the_last_place(got: Array, expected: list[Any]) -> Array:
    """The error of each result in units of its own format; results under the smallest normal number count as 0."""
    info = np.finfo(got.dtype)
    errors = np.zeros(got.size)
    with mpmath.workprec(140):
        for k, (value, right) in enumerate(zip(got.tolist(), expected, strict=True)):
            if mpmath.isnan(right):
                errors[k] = 0 if np.isnan(value) else np.inf
            elif abs(right) >= mpmath.mpf(float(info.max)):
                errors[k] = 0 if abs(value) >= float(info.max) * (1 - 1e-6) else np.inf
            elif abs(right) < 2 * float(info.smallest_normal):
                errors[k] = 0 if abs(value) <= 2 * float(info.smallest_normal) else np.inf
            else:
                unit = mpmath.mpf(2) ** (mpmath.floor(mpmath.log(abs(right), 2)) - info.nmant)
                errors[k] = float(abs(mpmath.mpf(value) - right) / unit) if np.isfinite(value) else np.inf
    return errors


@FORMATS
@pytest.mark.parametrize("op", sorted(VECTOR.keys() & CURVES.keys()))
def test_every_curve_is_within_four_units_in_the_last_place(op: str, dtype: type[Any]) -> None:
    x = samples(dtype, 2000)
    if op in ("sin", "cos"):
        x = x[np.abs(x) < 1e4]
    if op == "exp":
        x = x[(x < EARLY[np.dtype(dtype).name]) | (x > 1.01 * EARLY[np.dtype(dtype).name])]
    errors = units_in_the_last_place(vector_function(op, dtype, 1)(x), exact(op, x))
    worst = int(errors.argmax())
    assert errors[worst] <= 4, f"{op}({x[worst]!r}) is {errors[worst]:.2f} units in the last place off"


@FORMATS
def test_exp_is_finite_wherever_it_can_be(dtype: type[Any]) -> None:
    x = np.array([np.nextafter(np.log(np.finfo(dtype).max), dtype(0))], dtype)
    assert np.isfinite(vector_function("exp", dtype, 1)(x)).all()


@FORMATS
@pytest.mark.parametrize(
    ("op", "at_minus_infinity", "at_infinity"), [("exp", 0, np.inf), ("tanh", -1, 1), ("sigmoid", 0, 1)]
)
def test_curves_reach_their_limits_at_infinity(
    op: str, at_minus_infinity: float, at_infinity: float, dtype: type[Any]
) -> None:
    got = vector_function(op, dtype, 1)(np.array([-np.inf, np.inf, np.nan], dtype))
    assert got[:2].tolist() == [at_minus_infinity, at_infinity]
    assert np.isnan(got[2])


@FORMATS
@pytest.mark.parametrize("op", ["exp", "tanh", "sigmoid"])
def test_curves_rise_everywhere(op: str, dtype: type[Any]) -> None:
    x = np.sort(samples(dtype, 40_000))
    values = vector_function(op, dtype, 1)(x).astype(np.float64)
    values[np.isinf(values)] = np.finfo(np.float64).max
    assert (values[1:] >= values[:-1] * (1 - np.sign(values[:-1]) * 8 * np.finfo(dtype).eps)).all()


@FORMATS
def test_tanh_keeps_tiny_numbers(dtype: type[Any]) -> None:
    x = samples(dtype, 4000)
    tanh = vector_function("tanh", dtype, 1)
    tiny = x[np.abs(x) < np.finfo(dtype).eps / 4]
    assert tiny.size > 100
    np.testing.assert_array_equal(tanh(tiny), tiny)


UNARY: dict[str, Callable[[Array], Array]] = {
    "neg": np.negative, "abs": np.abs, "sign": np.sign, "relu": lambda x: np.where(x <= 0, 0, x).astype(x.dtype),
}  # fmt: skip
BINARY: dict[str, Any] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "maximum": np.maximum, "minimum": np.minimum,
}  # fmt: skip


@FORMATS
@pytest.mark.parametrize("op", UNARY)
def test_simple_operations_of_one_vector_equal_numpy(op: str, dtype: type[Any]) -> None:
    x = np.concatenate([samples(dtype, 400), np.array([np.inf, -np.inf], dtype)])
    np.testing.assert_array_equal(vector_function(op, dtype, 1)(x), UNARY[op](x))


@FORMATS
@pytest.mark.parametrize("op", BINARY)
def test_simple_operations_of_two_vectors_equal_numpy(op: str, dtype: type[Any]) -> None:
    special = np.array([0.0, -0.0, 1.0, -2.5, np.inf, -np.inf, np.nan], dtype)
    a, b = (part.ravel() for part in np.meshgrid(np.concatenate([special, samples(dtype, 40)]), special))
    with np.errstate(all="ignore"):
        expected = BINARY[op](a, b)
    np.testing.assert_array_equal(vector_function(op, dtype, 2)(a, b), expected)


@FORMATS
def test_an_error_of_six_units_is_found(dtype: type[Any]) -> None:
    x = np.linspace(-5, 5, 50).astype(dtype)
    got = np.exp(x.astype(np.longdouble)).astype(dtype)
    assert units_in_the_last_place(got, exact("exp", x)).max() < 1
    for _ in range(6):
        got[17] = np.nextafter(got[17], dtype(np.inf))
    errors = units_in_the_last_place(got, exact("exp", x))
    assert errors.argmax() == 17
    assert 5 < errors[17] < 7
