"""exp, tanh, log, sin and their relatives on whole vectors, from additions and multiplications.

exp(x) = 2^n e^r with n the nearest whole number to x / ln 2 and |r| <= ln 2 / 2, where the series of e^r - 1 ends below the
rounding error. Each result is within 4 units in the last place; NaN stays NaN.
"""

from collections.abc import Callable, Mapping
from math import factorial, inf, log, nan, pi
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
    smallest: float  # normal number
    log_terms: int  # of the series of log
    root_half: int  # the bits of sqrt(1/2)
    quarters: tuple[float, float, float]  # pi / 2 in three parts
    turn_terms: int  # of the series of sine and cosine
    whole: float  # from here on every number is even


_FORMATS = {
    "float": _Format(
        7, 12582912.0, 23, 127, 0.693359375, -2.12194440e-4, 88.7229, -104.0, 87.3, 9.5,
        2.0**-126, 5, 0x3F3504F3, (1.5707963705062866, -4.371138828673793e-08, -1.7151245100058819e-15), 5, 2.0**24,
    ),
    "double": _Format(
        13, 6755399441055744.0, 52, 1023, 0.693145751953125, 1.42860682030941723212e-6, 709.7828, -746.0, 708.3, 20.0,
        2.0**-1022, 11, 0x3FE6A09E667F3BCD, (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591833e-33), 9, 2.0**53,
    ),
}  # fmt: skip


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


def log_(e: Emitter, x: str) -> str:
    """The natural logarithm: x = 2^k m with m about 1, and log m = f - (f^2 / 2 - s (f^2 / 2 + series in s^2)), s = f / (2 + f).

    The split of log m is that of FreeBSD's msun library.
    """
    f = _FORMATS[e.element]
    is_small = e.compare("olt", x, e.number(f.smallest))
    scaled = e.select(is_small, e.binary("fmul", x, e.number(2.0**f.mantissa)), x)
    k, m = _power_and_rest(e, scaled)
    k = e.select(is_small, e.binary("fsub", k, e.number(float(f.mantissa))), k)
    r = e.binary("fsub", m, e.number(1.0))
    s = e.binary("fdiv", r, e.binary("fadd", r, e.number(2.0)))
    z = e.binary("fmul", s, s)
    series = e.number(2 / (2 * f.log_terms + 1))
    for j in range(f.log_terms - 1, 0, -1):
        series = e.fma(series, z, e.number(2 / (2 * j + 1)))
    half_square = e.binary("fmul", e.binary("fmul", r, e.number(0.5)), r)
    inner = e.binary("fmul", s, e.fma(series, z, half_square))
    low = e.fma(k, e.number(f.low), inner)
    result = e.fma(k, e.number(f.high), e.binary("fsub", r, e.binary("fsub", half_square, low)))
    result = e.select(e.compare("oeq", x, e.number(0.0)), e.number(-inf), result)
    result = e.select(e.compare("oeq", x, e.number(inf)), e.number(inf), result)
    return e.select(e.compare("oge", x, e.number(0.0)), result, e.number(nan))


def _power_and_rest(e: Emitter, x: str) -> tuple[str, str]:
    """k and m with x = 2^k m and m from sqrt(1/2) to sqrt(2), for a normal positive number."""
    f = _FORMATS[e.element]
    kind = f"i{e.bits}"
    one = f.bias << f.mantissa
    bits = e.value(f"bitcast {e.vector} {x} to {e.ints}")
    lifted = e.value(f"add {e.ints} {bits}, splat ({kind} {one - f.root_half})")
    power = e.value(f"ashr {e.ints} {lifted}, splat ({kind} {f.mantissa})")
    k = e.value(f"sub {e.ints} {power}, splat ({kind} {f.bias})")
    low = e.value(f"and {e.ints} {lifted}, splat ({kind} {(1 << f.mantissa) - 1})")
    rest = e.value(f"add {e.ints} {low}, splat ({kind} {f.root_half})")
    return e.value(f"sitofp {e.ints} {k} to {e.vector}"), e.value(f"bitcast {e.ints} {rest} to {e.vector}")


def softplus(e: Emitter, x: str) -> str:
    """log(1 + e^x) = max(x, 0) + log(1 + u) with u = e^-|x|; what 1 + u loses of u is added back."""
    u = exp(e, _neg(e, _intrinsic("fabs")(e, x)))
    whole = e.binary("fadd", u, e.number(1.0))
    lost = e.binary("fsub", u, e.binary("fsub", whole, e.number(1.0)))
    return e.binary(
        "fadd", _maximum(e, x, e.number(0.0)), e.binary("fadd", log_(e, whole), e.binary("fdiv", lost, whole))
    )


def _turned(quarter: int) -> Callable[[Emitter, str], str]:
    """Sine (0) or cosine (1): the series about the nearest multiple of pi / 2.

    Where the multiple has no exact whole number in the format any more, neighbouring numbers lie a good part of a turn apart;
    the result there is NaN.
    """

    def emit(e: Emitter, x: str) -> str:
        f = _FORMATS[e.element]
        shifted = e.fma(x, e.number(2 / pi), e.number(f.magic))
        n = e.binary("fsub", shifted, e.number(f.magic))
        r = x
        for part in f.quarters:
            r = e.fma(n, e.number(-part), r)
        sine, cosine = _sine_and_cosine(e, r, f.turn_terms)
        place = e.value(f"bitcast {e.vector} {shifted} to {e.ints}")
        place = e.value(f"add {e.ints} {place}, splat (i{e.bits} {quarter})")
        is_cosine = _has_bit(e, place, 1)
        result = e.select(is_cosine, cosine, sine)
        result = e.select(_has_bit(e, place, 2), _neg(e, result), result)
        is_near = e.compare("olt", _intrinsic("fabs")(e, x), e.number(f.magic / 4))
        return e.select(is_near, result, e.number(nan))

    return emit


def _sine_and_cosine(e: Emitter, r: str, terms: int) -> tuple[str, str]:
    z = e.binary("fmul", r, r)
    sine = e.number((-1) ** terms / factorial(2 * terms + 1))
    cosine = e.number((-1) ** terms / factorial(2 * terms))
    for k in range(terms - 1, 0, -1):
        sine = e.fma(sine, z, e.number((-1) ** k / factorial(2 * k + 1)))
        cosine = e.fma(cosine, z, e.number((-1) ** k / factorial(2 * k)))
    return e.fma(e.binary("fmul", sine, z), r, r), e.fma(cosine, z, e.number(1.0))


def _has_bit(e: Emitter, number: str, bit: int) -> str:
    kept = e.value(f"and {e.ints} {number}, splat (i{e.bits} {bit})")
    return e.value(f"icmp ne {e.ints} {kept}, zeroinitializer")


def power(e: Emitter, a: str, b: str) -> str:
    """a^b = e^(b log |a|), with its sign; its relative error grows with |b log a|, some 4 units in the last place for each."""
    f = _FORMATS[e.element]
    size = exp(e, e.binary("fmul", b, log_(e, _intrinsic("fabs")(e, a))))
    is_whole = e.compare("oeq", _intrinsic("floor")(e, b), b)
    half = e.binary("fmul", b, e.number(0.5))
    is_small = e.compare("olt", _intrinsic("fabs")(e, b), e.number(f.whole))
    is_odd = _logical("and")(
        e, _logical("and")(e, is_whole, is_small), e.compare("one", _intrinsic("floor")(e, half), half)
    )
    below = e.select(is_odd, _neg(e, size), e.select(is_whole, size, e.number(nan)))
    result = e.select(e.compare("olt", a, e.number(0.0)), below, size)
    is_one = _logical("or")(e, e.compare("oeq", b, e.number(0.0)), e.compare("oeq", a, e.number(1.0)))
    return e.select(is_one, e.number(1.0), result)


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
    "log": log_,
    "softplus": softplus,
    "sin": _turned(0),
    "cos": _turned(1),
    "pow": power,
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
