"""Words as elements of a Lie algebra, states moved by the group: a reading of an abstract, not a paper's equations.

    a_t = W x_t                                               coordinates in the algebra
    A_t = Σ_k a_t[k] (T_k - T_k^T)                            a skew-symmetric matrix
    S_t = exp(A_t) S_{t-1}                                    a rotation, S_0 = 1

Parameters: W (J, D), T (J, H, H). State: Z (H, H) = S - 1. The output is Z_t as (H H,), row by row.
Source: the class that the abstract of Cantrell, "The emergent algebraic structure of RNNs and embeddings in NLP",
arXiv 1803.02839, 2018, describes.
Differs: the equations are our own.
"""

import numpy as np
from reference.arrays import Array, Arrays


def exponential(a: Array) -> Array:
    """e^a: the power series of a / 2^10 to the 14th power, squared ten times; exact to rounding for |a| up to 100."""
    small = a / 1024
    total = term = np.eye(len(a), dtype=a.dtype)
    for k in range(1, 15):
        term = term @ small / k
        total = total + term
    for _ in range(10):
        total = total @ total
    return total


def step(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    coordinates = p["W"] @ x
    generator = sum(a * (t - t.T) for a, t in zip(coordinates, p["T"], strict=True))
    one = np.eye(len(s["Z"]))
    moved = exponential(np.asarray(generator)) @ (s["Z"] + one) - one
    return moved.reshape(-1), {"Z": moved}
