"""exp, tanh, sigmoid and their relatives on whole vectors, from additions and multiplications.

exp(x) = 2^n e^r with n the nearest whole number to x / ln 2 and |r| <= ln 2 / 2, where the series of e^r - 1 ends below the
rounding error. Each result is within 4 units in the last place; NaN stays NaN.
"""

from collections.abc import Callable, Mapping
from math import factorial, log
from typing import NamedTuple

from carrousel.engine.lower.emitter import Emitter


class _Format(NamedTuple):
    """Constants of a floating-point format."""

    terms: int  # of the series of e^r - 1
    magic: float  # adding it leaves the nearest whole number in the low bits
    mantissa: int
    bias: int
    high: float  # ln 2 with trailing zero bits, so that n * high is exact
    low: float
    infinite: float  # exp from here on is infinite
    vanishing: float  # exp up to here is 0
    largest: float  # 2^n of it is a normal number, and so is 2^-n
    saturated: float  # tanh of it rounds to 1


_FORMATS = {
    "float": _Format(7, 12582912.0, 23, 127, 0.693359375, -2.12194440e-4, 88.7229, -104.0, 87.3, 9.5),
    "double": _Format(
        13, 6755399441055744.0, 52, 1023, 0.693145751953125, 1.42860682030941723212e-6, 709.7828, -746.0, 708.3, 20.0
    ),
}


def _clamped(e: Emitter, x: str, low: float, high: float) -> str:
    x = e.select(e.compare("ogt", x, e.number(high)), e.number(high), x)
    return e.select(e.compare("olt", x, e.number(low)), e.number(low), x)


def _reduced(e: Emitter, x: str) -> tuple[str, str]:
    """n, in the low bits of a number, and e^r - 1."""
    f = _FORMATS[e.element]
    shifted = e.fma(x, e.number(1 / log(2)), e.number(f.magic))
    n = e.binary("fsub", shifted, e.number(f.magic))
    r = e.fma(n, e.number(-f.high), x)
    r = e.fma(n, e.number(-f.low), r)
    series = e.number(1 / factorial(f.terms))
    for k in range(f.terms - 1, 1, -1):
        series = e.fma(series, r, e.number(1 / factorial(k)))
    series = e.fma(e.binary("fmul", series, r), r, r)
    return e.value(f"bitcast {e.vector} {shifted} to {e.ints}"), series


def _power(e: Emitter, n: str) -> str:
    """2^n, for n in the low bits of a whole number and within the exponents of normal numbers."""
    f = _FORMATS[e.element]
    biased = e.value(f"add {e.ints} {n}, splat (i{e.bits} {f.bias})")
    power = e.value(f"shl {e.ints} {biased}, splat (i{e.bits} {f.mantissa})")
    return e.value(f"bitcast {e.ints} {power} to {e.vector}")


def exp(e: Emitter, x: str) -> str:
    """e^x, over the whole range of the format: 2^n is multiplied on in two halves."""
    f = _FORMATS[e.element]
    bits, series = _reduced(e, _clamped(e, x, f.vanishing, f.infinite))
    magic = e.value(f"bitcast {e.vector} {e.number(f.magic)} to {e.ints}")
    n = e.value(f"sub {e.ints} {bits}, {magic}")
    half = e.value(f"ashr {e.ints} {n}, splat (i{e.bits} 1)")
    rest = e.value(f"sub {e.ints} {n}, {half}")
    first = _power(e, half)
    result = e.binary("fmul", e.fma(first, series, first), _power(e, rest))
    return e.select(e.compare("oge", x, e.number(f.infinite)), e.number(float("inf")), result)


def sigmoid(e: Emitter, x: str) -> str:
    """1 / (1 + e^-x); 0 where that is below half the smallest number."""
    f = _FORMATS[e.element]
    negative = e.value(f"fneg {e.vector} {x}")
    bits, series = _reduced(e, _clamped(e, negative, -f.largest, f.largest))
    power = _power(e, bits)
    result = e.binary("fdiv", e.number(1.0), e.binary("fadd", e.fma(power, series, power), e.number(1.0)))
    return e.select(e.compare("olt", x, e.number(f.vanishing)), e.number(0.0), result)


def tanh(e: Emitter, x: str) -> str:
    """(e^2x - 1) / (e^2x + 1), from e^2x - 1, which keeps small x exact."""
    f = _FORMATS[e.element]
    limited = _clamped(e, x, -f.saturated, f.saturated)
    bits, series = _reduced(e, e.binary("fadd", limited, limited))
    power = _power(e, bits)
    minus_one = e.fma(power, series, e.binary("fsub", power, e.number(1.0)))
    return e.binary("fdiv", minus_one, e.binary("fadd", minus_one, e.number(2.0)))


def _minimum(e: Emitter, a: str, b: str) -> str:
    return e.intrinsic(f"llvm.minimum.{e.suffix}", e.vector, [(e.vector, a), (e.vector, b)])


def _maximum(e: Emitter, a: str, b: str) -> str:
    return e.intrinsic(f"llvm.maximum.{e.suffix}", e.vector, [(e.vector, a), (e.vector, b)])


def _relu(e: Emitter, x: str) -> str:
    return e.select(e.compare("ole", x, e.number(0.0)), e.number(0.0), x)


def _sign(e: Emitter, x: str) -> str:
    below = e.select(e.compare("olt", x, e.number(0.0)), e.number(-1.0), e.number(0.0))
    return e.select(e.compare("ogt", x, e.number(0.0)), e.number(1.0), below)


def _binary(operation: str) -> Callable[..., str]:
    def emit(e: Emitter, a: str, b: str) -> str:
        return e.binary(operation, a, b)

    return emit


def _compared(condition: str) -> Callable[..., str]:
    def emit(e: Emitter, a: str, b: str) -> str:
        return e.compare(condition, a, b)

    return emit


def _logical(operation: str) -> Callable[..., str]:
    def emit(e: Emitter, a: str, b: str) -> str:
        return e.value(f"{operation} {e.mask} {a}, {b}")

    return emit


def _intrinsic(name: str) -> Callable[..., str]:
    def emit(e: Emitter, x: str) -> str:
        return e.intrinsic(f"llvm.{name}.{e.suffix}", e.vector, [(e.vector, x)])

    return emit


def _neg(e: Emitter, x: str) -> str:
    return e.value(f"fneg {e.vector} {x}")


def _not(e: Emitter, a: str) -> str:
    return e.value(f"xor {e.mask} {a}, splat (i1 true)")


VECTOR: Mapping[str, Callable[..., str]] = {
    "add": _binary("fadd"),
    "sub": _binary("fsub"),
    "mul": _binary("fmul"),
    "div": _binary("fdiv"),
    "maximum": _maximum,
    "minimum": _minimum,
    "neg": _neg,
    "abs": _intrinsic("fabs"),
    "sqrt": _intrinsic("sqrt"),
    "sign": _sign,
    "exp": exp,
    "tanh": tanh,
    "sigmoid": sigmoid,
    "relu": _relu,
    "less": _compared("olt"),
    "less_equal": _compared("ole"),
    "equal": _compared("oeq"),
    "not": _not,
    "and": _logical("and"),
    "or": _logical("or"),
    "where": Emitter.select,
}
"""Elementwise operation -> (emitter, argument vectors) -> result vector."""
