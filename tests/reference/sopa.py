"""SoPa: H soft patterns of Q states, each scored everywhere in a sequence, over three semirings.

For each pattern, with h^0_0 = one and the other h^0_j = zero joined by ⊕ to what the step before left in the states:

    a_0 = h_0,  a_j = h_j ⊕ (h_{j-1} ⊗ enc(ε_{j-1}))                 at most one step without a token
    m_j = a_{j-1} ⊗ enc(w_{j-1} · x_t + b_{j-1})                     main path, consumes the token, j = 1 ... Q-1
    l_j = a_j ⊗ enc(u_j · x_t + d_j)                                 self-loop, consumes the token
    h_0 = l_0,  h_j = m_j ⊕ l_j
    s_t = s_{t-1} ⊕ h_{Q-1}                                          score so far

probability: ⊕ = +, ⊗ = ×, enc = σ, zero 0, one 1. max-plus: ⊕ = max, ⊗ = +, enc(z) = z, zero -100, one 0.
max-times in log space: as max-plus with enc = log σ, and the output is exp(s_t) in place of s_t.

Parameters: W_m = w (H, Q-1, D), b_m = b (H, Q-1), W_l = u (H, Q, D), b_l = d (H, Q), epsilon (H, Q-1).
State: h (H, Q), s (H,); of the last two semirings each is the value + 100.
Source: Schwartz, Thomson and Smith, "SoPa: Bridging CNNs, RNNs, and Weighted Finite-State Machines", ACL 2018, and the
authors' code.
Differs: zero ⊕ v is v also where v is below -100; the learned scales of self-loops and of steps without a token, which the
code has as an option, are left out.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from reference.arrays import Array, Arrays, sigmoid


@dataclass(frozen=True)
class Semiring:
    plus: Callable[[Array, Array], Array]
    times: Callable[[Array, Array], Array]
    one: float
    enc: Callable[[Array], Array]
    out: Callable[[Array], Array]
    offset: float  # the state is the value plus this


def larger(a: Array, b: Array) -> Array:
    return np.where(np.real(a) >= np.real(b), a, b)


def log_sigmoid(z: Array) -> Array:
    return -np.log1p(np.exp(-z))


def identity(z: Array) -> Array:
    return z


PROBABILITY = Semiring(np.add, np.multiply, 1, sigmoid, identity, 0)
MAX_PLUS = Semiring(larger, np.add, 0, identity, identity, 100)
MAX_TIMES = Semiring(larger, np.add, 0, log_sigmoid, np.exp, 100)


def advance(k: Semiring, p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    h, score = s["h"] - k.offset, s["s"] - k.offset
    main, loop = k.enc(p["W_m"] @ x + p["b_m"]), k.enc(p["W_l"] @ x + p["b_l"])
    start = k.plus(h[:, :1], np.array(k.one))
    h = np.concatenate([start, h[:, 1:]], axis=1)
    a = np.concatenate([start, k.plus(h[:, 1:], k.times(h[:, :-1], k.enc(p["epsilon"])))], axis=1)
    stay = k.times(a, loop)
    h = np.concatenate([stay[:, :1], k.plus(k.times(a[:, :-1], main), stay[:, 1:])], axis=1)
    score = k.plus(score, h[:, -1])
    return k.out(score), {"h": h + k.offset, "s": score + k.offset}


def step(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    return advance(PROBABILITY, p, x, s)


def step_max_plus(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    return advance(MAX_PLUS, p, x, s)


def step_max_times(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    return advance(MAX_TIMES, p, x, s)
