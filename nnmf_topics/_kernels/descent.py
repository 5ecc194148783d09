"""The loops of `coordinate_descent` and of the step of `optimizers`."""

import numpy as np

from nnmf_topics._kernels.compiling import compiled, helper
from nnmf_topics._typing import Array

STRIP, LANES = 128, 8
"""Columns at a time, or fewer: as many as there are, rounded up to what one instruction serves."""
_LONG_ROW = 64
"""Entries; shorter rows are worked on several at a time, as a loop over one would hardly begin."""


@compiled
def descend(gram: Array, rhs: Array, start: Array, sweeps: int, S: Array) -> None:
    """Write to S what sweeps make of a start; gram (k, k), rhs, start and S (n, k)."""
    n, k = rhs.shape
    zero = rhs.dtype.type(0)
    N, inverse = _iteration(gram)
    lanes = min(STRIP, (n + LANES - 1) // LANES * LANES)
    block, constant = np.zeros((k, lanes), rhs.dtype), np.zeros((k, lanes), rhs.dtype)
    row = np.empty(lanes, rhs.dtype)
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
def _iteration(gram: Array) -> tuple[Array, Array]:
    """Return N, and the inverse of the diagonal, 0 where it is not positive."""
    N, inverse = np.eye(len(gram), dtype=gram.dtype), np.zeros(len(gram), gram.dtype)
    for j in range(len(gram)):
        if gram[j, j] > 0:
            inverse[j] = 1 / gram[j, j]
            for i in range(len(gram)):
                N[j, i] -= gram[j, i] / gram[j, j]
    return N, inverse


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
    """Scalar products of the columns of A with those of B, both contiguous."""
    return _column_dots(A, B).astype(A.dtype)


@helper
def _column_dots(A: Array, B: Array) -> Array:
    """Scalar products of columns in double precision, both arrays contiguous."""
    k = A.shape[1]
    rows = _rows_at_a_time(k)
    width = rows * k
    total = np.zeros(width, np.float64)
    a, b = A.ravel(), B.ravel()
    whole = len(a) // width * width
    for first in range(0, whole, width):
        x, y = a[first : first + width], b[first : first + width]
        for t in range(width):
            total[t] += x[t] * y[t]
    for t in range(len(a) - whole):
        total[t] += a[whole + t] * b[whole + t]
    return total.reshape((rows, k)).sum(axis=0)


@helper
def _rows_at_a_time(k: int) -> int:
    return LANES if k < _LONG_ROW else 1


@compiled
def to_unit_columns(A: Array) -> Array | None:
    """Scale the columns of a contiguous array to unit length, if their squares are in range.

    Returns None where squares might over- or underflow, and for empty columns.
    """
    squares = _column_dots(A, A)
    for square in squares:
        if not 1e-18 < square < 1e18:
            return None
    rows = _rows_at_a_time(A.shape[1])
    scale = np.empty((rows, A.shape[1]), A.dtype)
    scale[:] = 1 / np.sqrt(squares)
    factors = scale.ravel()
    scaled = np.empty(A.shape, A.dtype)
    a, b = A.ravel(), scaled.ravel()
    for first in range(0, len(a), len(factors)):
        x, y = a[first : first + len(factors)], b[first : first + len(factors)]
        for t in range(len(x)):
            y[t] = x[t] * factors[t]
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
