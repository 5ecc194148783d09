"""The loops of `coordinate_descent` and of the step of `optimizers`."""

from typing import Any

import numpy as np

from nnmf_topics._kernels.compiling import compiled, helper, inlined
from nnmf_topics._kernels.lanes import LANES, add_product, greater, load, store, transpose, zeros
from nnmf_topics._typing import Array

STRIP = 8 * LANES
"""Columns at a time: as many sums as keep the processor busy, and fit its registers."""
_LONG_ROW = 64
"""Entries; shorter rows are worked on several at a time, as a loop over one would hardly begin."""


@compiled
def descend(gram: Array, rhs: Array, start: Array, sweeps: int, S: Array) -> None:
    """Write to S what sweeps make of a start; gram (k, k), rhs, start and S (n, k)."""
    n, k = rhs.shape
    N, inverse = _iteration(gram)
    block, constant = np.zeros((k, STRIP), rhs.dtype), np.zeros((k, STRIP), rhs.dtype)
    # Parts of arrays are counted references, which cost more than what is done with a row.
    N, rows, constants = N.ravel(), block.ravel(), constant.ravel()
    for first in range(0, n, STRIP):
        width = min(STRIP, n - first)
        _to_rows(start, first, width, block)
        _to_rows(rhs, first, width, constant)
        for j in range(k):
            for c in range(STRIP):
                constant[j, c] *= inverse[j]
        if width > STRIP // 2:
            for j in range(sweeps * k):
                _minimise_row(j % k, k, N, constants, rows)
        else:
            for j in range(sweeps * k):
                _minimise_short_row(j % k, k, N, constants, rows, width)
        _from_rows(block, first, width, S)


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


@inlined
def _minimise_row(j: int, k: int, N: Array, constants: Array, rows: Array) -> None:
    """Set row j to constant + sum_i N_ji rows_i, or 0 where that is negative."""
    row, zero = j * STRIP, zeros(rows)
    a, b = load(constants, row), load(constants, row + 8)
    c, d = load(constants, row + 16), load(constants, row + 24)
    e, f = load(constants, row + 32), load(constants, row + 40)
    g, h = load(constants, row + 48), load(constants, row + 56)
    for i in range(k):
        weight, t = N[j * k + i], i * STRIP
        a, b = add_product(a, weight, load(rows, t)), add_product(b, weight, load(rows, t + 8))
        c, d = (
            add_product(c, weight, load(rows, t + 16)),
            add_product(d, weight, load(rows, t + 24)),
        )
        e, f = (
            add_product(e, weight, load(rows, t + 32)),
            add_product(f, weight, load(rows, t + 40)),
        )
        g, h = (
            add_product(g, weight, load(rows, t + 48)),
            add_product(h, weight, load(rows, t + 56)),
        )
    store(greater(a, zero), rows, row)
    store(greater(b, zero), rows, row + 8)
    store(greater(c, zero), rows, row + 16)
    store(greater(d, zero), rows, row + 24)
    store(greater(e, zero), rows, row + 32)
    store(greater(f, zero), rows, row + 40)
    store(greater(g, zero), rows, row + 48)
    store(greater(h, zero), rows, row + 56)


@inlined
def _minimise_short_row(
    j: int, k: int, N: Array, constants: Array, rows: Array, width: int
) -> None:
    """Do so for the first columns only."""
    for t in range(0, width, LANES):
        a = load(constants, j * STRIP + t)
        for i in range(k):
            a = add_product(a, N[j * k + i], load(rows, i * STRIP + t))
        store(greater(a, zeros(rows)), rows, j * STRIP + t)


@inlined
def _to_rows(columns: Array, first: int, width: int, block: Array) -> None:
    """Transpose columns (n, k) from the first on, so many, to a block (k, STRIP)."""
    k, whole = columns.shape[1], _whole(width, columns)
    source, target = columns.ravel(), block.ravel()
    for c in range(0, whole, LANES):
        for i in range(0, k, LANES):
            j = min(i, k - LANES)  # the last may overlap, and write the same again
            transpose(source, (first + c) * k + j, k, target, j * STRIP + c, STRIP)
    for c in range(whole, width):
        for j in range(k):
            block[j, c] = columns[first + c, j]


@inlined
def _from_rows(block: Array, first: int, width: int, columns: Array) -> None:
    """Transpose back."""
    k, whole = columns.shape[1], _whole(width, columns)
    source, target = block.ravel(), columns.ravel()
    for c in range(0, whole, LANES):
        for i in range(0, k, LANES):
            j = min(i, k - LANES)
            transpose(source, j * STRIP + c, STRIP, target, (first + c) * k + j, k)
    for c in range(whole, width):
        for j in range(k):
            columns[first + c, j] = block[j, c]


@helper
def _whole(width: int, columns: Array) -> int:
    """So many columns are transposed by lanes."""
    return width // LANES * LANES if columns.shape[1] >= LANES else 0


@compiled
def column_dots(A: Array, B: Array) -> Array:
    """Scalar products of the columns of A with those of B, both contiguous."""
    return _column_dots(A, B).astype(A.dtype)


@compiled
def inner(A: Array, B: Array) -> Any:
    """Sum of the products of the entries in double precision, both arrays contiguous."""
    return _column_dots(A.reshape(-1, 1), B.reshape(-1, 1)).sum()


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
