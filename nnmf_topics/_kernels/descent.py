"""The loops of `coordinate_descent` and of the step of `optimizers`."""

import numpy as np

from nnmf_topics._kernels.compiling import compiled, helper
from nnmf_topics._typing import Array

STRIP, LANES = 128, 8
"""Columns at a time, or fewer: as many as there are, rounded up to what one instruction serves."""


@compiled
def descend(N: Array, diagonal: Array, rhs: Array, start: Array, sweeps: int, S: Array) -> None:
    """Write to S what sweeps make of a start; N (k, k), diagonal (k,), rhs, start and S (n, k)."""
    n, k = rhs.shape
    zero = rhs.dtype.type(0)
    lanes = min(STRIP, (n + LANES - 1) // LANES * LANES)
    block, constant = np.zeros((k, lanes), rhs.dtype), np.zeros((k, lanes), rhs.dtype)
    row, inverse = np.empty(lanes, rhs.dtype), np.ones(k, rhs.dtype) / diagonal
    for first in range(0, n, STRIP):
        width = min(STRIP, n - first)
        given, old, new = rhs[first:], start[first:], S[first:]
        # Row after row: rows begin in the same lines of the cache, which holds few such.
        for j in range(k):
            for c in range(width):
                block[j, c] = old[c, j]
                constant[j, c] = given[c, j] * inverse[j]
        for _ in range(sweeps):
            for j in range(k):
                row[:] = constant[j]
                _add_combination(N[j], block, k, row)
                for c in range(lanes):
                    block[j, c] = max(row[c], zero)
        for j in range(k):
            for c in range(width):
                new[c, j] = block[j, c]


@helper
def _add_combination(weights: Array, rows: Array, count: int, total: Array) -> None:
    """Add the sum of weights[i] * rows[i], four at a time: `total` then is written less often."""
    i = 0
    while i + 4 <= count:
        a, b, c, d = weights[i], weights[i + 1], weights[i + 2], weights[i + 3]
        for t in range(len(total)):
            total[t] = (total[t] + a * rows[i, t]) + b * rows[i + 1, t]
            total[t] = (total[t] + c * rows[i + 2, t]) + d * rows[i + 3, t]
        i += 4
    while i < count:
        for t in range(len(total)):
            total[t] += weights[i] * rows[i, t]
        i += 1


@compiled
def column_dots(A: Array, B: Array) -> Array:
    """Scalar products of the columns of A with those of B."""
    dots = np.zeros(A.shape[1], np.float64)
    for i in range(A.shape[0]):
        for j in range(A.shape[1]):
            dots[j] += A[i, j] * B[i, j]
    return dots.astype(A.dtype)


@compiled
def to_unit_columns(A: Array) -> Array | None:
    """Scale to unit columns; None where squares might over- or underflow, and for empty columns."""
    squares = np.zeros(A.shape[1], np.float64)
    for i in range(A.shape[0]):
        for j in range(A.shape[1]):
            squares[j] += A[i, j] * A[i, j]
    for square in squares:
        if not 1e-18 < square < 1e18:
            return None
    scale = (1 / np.sqrt(squares)).astype(A.dtype)
    scaled = np.empty_like(A)
    for i in range(A.shape[0]):
        for j in range(A.shape[1]):
            scaled[i, j] = A[i, j] * scale[j]
    return scaled


@compiled
def accelerated_descent(D: Array, G: Array, L: Array, H: Array, lowest: Array, steps: int) -> Array:
    """Take the inner steps of an upper factor; see `optimizers`."""
    ahead, momentum = D, 1.0
    for _ in range(steps):
        moved = np.maximum(ahead - G - L @ ahead @ H, lowest)
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = moved + D.dtype.type((momentum - 1) / following) * (moved - D)
        D, momentum = moved, following
    return D
