"""A linear-chain conditional random field, one sequence at a time, in sums of logarithms.

    S(y) = start[y_1] + Σ_t P[t, y_t] + Σ_{t>1} A_t[y_{t-1}, y_t] + stop[y_T]
    α_1[j] = start[j] + P[1, j],    α_t[j] = P[t, j] + log Σ_i exp(α_{t-1}[i] + A_t[i, j]),    log Z = log Σ_j exp(α_T[j] + stop[j])
    β_T[i] = stop[i],    β_t[i] = log Σ_j exp(A_{t+1}[i, j] + P[t+1, j] + β_{t+1}[j])
    p(y_t = j) = exp(α_t[j] + β_t[j] - log Z)
    δ is α with max in place of log Σ exp; the best path follows its argmax back from the end.

A is (T, C, C), [step, from, to], of which step 0 is not read.
Source: Rabiner, Proceedings of the IEEE 77(2), 1989; Lample et al., NAACL 2016, equations 1-3.
"""

from itertools import pairwise, product

import numpy as np
from reference.arrays import Array


def score(start: Array, P: Array, A: Array, stop: Array, y: tuple[int, ...]) -> float:
    total = start[y[0]] + stop[y[-1]] + sum(P[t, tag] for t, tag in enumerate(y))
    return float(total + sum(A[t, before, after] for t, (before, after) in enumerate(pairwise(y), 1)))


def enumerate_paths(start: Array, P: Array, A: Array, stop: Array) -> list[tuple[float, tuple[int, ...]]]:
    """All sequences with their scores, the best first."""
    paths = product(range(P.shape[1]), repeat=len(P))
    return sorted(((score(start, P, A, stop, y), y) for y in paths), reverse=True)


def log_partition(start: Array, P: Array, A: Array, stop: Array) -> float:
    return float(np.logaddexp.reduce(_forward(start, P, A)[-1] + stop))


def marginals(start: Array, P: Array, A: Array, stop: Array) -> Array:
    beta = np.empty_like(P)
    beta[-1] = stop
    for t in range(len(P) - 2, -1, -1):
        beta[t] = np.logaddexp.reduce(A[t + 1] + P[t + 1] + beta[t + 1], axis=1)
    return np.exp(_forward(start, P, A) + beta - log_partition(start, P, A, stop))


def viterbi(start: Array, P: Array, A: Array, stop: Array) -> tuple[float, tuple[int, ...]]:
    delta, back = start + P[0], list[Array]()
    for t in range(1, len(P)):
        back.append((delta[:, None] + A[t]).argmax(0))
        delta = (delta[:, None] + A[t]).max(0) + P[t]
    path = [int((delta + stop).argmax())]
    for pointers in reversed(back):
        path.append(int(pointers[path[-1]]))
    return float((delta + stop).max()), tuple(reversed(path))


def _forward(start: Array, P: Array, A: Array) -> Array:
    alpha = np.empty_like(P)
    alpha[0] = start + P[0]
    for t in range(1, len(P)):
        alpha[t] = np.logaddexp.reduce(alpha[t - 1][:, None] + A[t], axis=0) + P[t]
    return alpha
