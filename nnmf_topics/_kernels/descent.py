"""The loops of `coordinate_descent` and of the step of `optimizers`."""

from typing import Any

import numpy as np

from nnmf_topics._kernels.compiling import compiled, helper, inlined
from nnmf_topics._kernels.lanes import LANES, add_product, greater, load, store, transpose, zeros
from nnmf_topics._typing import Array

STRIP = 8 * LANES
"""Columns at a time: as many sums as keep the processor busy, and fit its registers."""


@compiled
def descend(gram: Array, rhs: Array, start: Array, sweeps: int, S: Array) -> None:
    """Write to S what sweeps make of a start; gram (k, k), rhs, start and S (n, k)."""
    N, inverse = _iteration(gram)
    _descend(N, inverse, rhs, np.empty(0, gram.dtype), start, sweeps, S)


@compiled
def descend_rows(H: Array, mix: Array, data: Array, A: Array, sweeps: int, moved: Array) -> None:
    """Write what sweeps make of the rows of A with the right-hand side A (H - mix) - data."""
    N, inverse = _iteration(H)
    mixed = np.ascontiguousarray(((H - mix) * inverse).T)
    _descend(N, -inverse, data, mixed.ravel(), A, sweeps, moved)


@helper
def _iteration(gram: Array) -> tuple[Array, Array]:
    """Return N, and the inverse of the diagonal, 0 where it is not positive."""
    N, inverse = np.zeros_like(gram), np.zeros(len(gram), gram.dtype)
    for j in range(len(gram)):
        N[j, j] = 1
        if gram[j, j] > 0:
            inverse[j] = 1 / gram[j, j]
            for i in range(len(gram)):
                N[j, i] -= gram[j, i] / gram[j, j]
    return N, inverse


@helper
def _descend(
    N: Array, scale: Array, given: Array, mixed: Array, start: Array, sweeps: int, S: Array
) -> None:
    """Sweep from a start (n, k), with constants that are scaled and, if wanted, start mixed."""
    n, k = start.shape
    block, constant = np.zeros((k, STRIP), start.dtype), np.zeros((k, STRIP), start.dtype)
    # Parts of arrays are counted references, which cost more than what is done with a row.
    N, rows, constants = N.ravel(), block.ravel(), constant.ravel()
    zero, unbounded = zeros(rows), load(np.full(LANES, -np.inf, start.dtype), 0)
    for first in range(0, n, STRIP):
        width = min(STRIP, n - first)
        _to_rows(start, first, width, block)
        _to_rows(given, first, width, constant)
        for j in range(k):
            for c in range(STRIP):
                constant[j, c] *= scale[j]
        for j in range(k if len(mixed) else 0):
            _combine(j, k, mixed, rows, constants, constants, unbounded)
        if width > STRIP // 2:
            for j in range(sweeps * k):
                _combine(j % k, k, N, rows, constants, rows, zero)
        else:
            for j in range(sweeps * k):
                _combine_few(j % k, k, N, rows, constants, rows, zero, width)
        _from_rows(block, first, width, S)


@inlined
def _combine(
    j: int, k: int, weights: Array, rows: Array, base: Array, target: Array, lowest: Any
) -> None:
    """Set row j of the target to that of the base + sum_i weights_ji rows_i, if not lower."""
    row = j * STRIP
    a, b, c, d = load(base, row), load(base, row + 8), load(base, row + 16), load(base, row + 24)
    row += 32
    e, f, g, h = load(base, row), load(base, row + 8), load(base, row + 16), load(base, row + 24)
    for i in range(k):
        weight, t, u = weights[j * k + i], i * STRIP, i * STRIP + 32
        a, b = add_product(a, weight, load(rows, t)), add_product(b, weight, load(rows, t + 8))
        e, f = add_product(e, weight, load(rows, u)), add_product(f, weight, load(rows, u + 8))
        t, u = t + 16, u + 16
        c, d = add_product(c, weight, load(rows, t)), add_product(d, weight, load(rows, t + 8))
        g, h = add_product(g, weight, load(rows, u)), add_product(h, weight, load(rows, u + 8))
    row = j * STRIP
    store(greater(a, lowest), target, row)
    store(greater(b, lowest), target, row + 8)
    store(greater(c, lowest), target, row + 16)
    store(greater(d, lowest), target, row + 24)
    store(greater(e, lowest), target, row + 32)
    store(greater(f, lowest), target, row + 40)
    store(greater(g, lowest), target, row + 48)
    store(greater(h, lowest), target, row + 56)


@inlined
def _combine_few(
    j: int, k: int, weights: Array, rows: Array, base: Array, target: Array, lowest: Any, width: int
) -> None:
    """Do so for the first columns only."""
    for t in range(0, width, LANES):
        a = load(base, j * STRIP + t)
        for i in range(k):
            a = add_product(a, weights[j * k + i], load(rows, i * STRIP + t))
        store(greater(a, lowest), target, j * STRIP + t)


@helper
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


@helper
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
    """Scalar products of columns of contiguous arrays, in double precision but for 64 rows each."""
    k, a, b = A.shape[1], A.ravel(), B.ravel()
    width = LANES * k  # eight rows at a time, as a loop over one of few topics would hardly begin
    total, part = np.zeros(width, np.float64), np.zeros(width, A.dtype)
    whole = len(a) // width
    for rows in range(whole):
        for t in range(0, width, LANES):
            at = rows * width + t
            store(add_product(load(part, t), load(a, at), load(b, at)), part, t)
        if rows % LANES == LANES - 1 or rows == whole - 1:
            for t in range(width):
                total[t] += part[t]
            part[:] = 0
    for t in range(whole * width, len(a)):
        total[t - whole * width] += a[t] * b[t]
    for t in range(k, width):
        total[t % k] += total[t]
    return total[:k]


@compiled
def to_unit_columns(A: Array, scaled: Array) -> bool:
    """Write the columns of a contiguous array, scaled to unit length, to another or to itself.

    Returns False, with nothing written, where squares might over- or underflow or are zero.
    """
    squares = _column_dots(A, A)
    for square in squares:
        if not 1e-18 < square < 1e18:
            return False
    k, a, b = A.shape[1], A.ravel(), scaled.ravel()
    width, factors, nothing = LANES * k, np.empty(LANES * k, A.dtype), zeros(a)
    for t in range(width):
        factors[t] = 1 / np.sqrt(squares[t % k])
    whole = len(a) // width * width
    for first in range(0, whole, width):
        for t in range(0, width, LANES):
            product = add_product(nothing, load(factors, t), load(a, first + t))
            store(product, b, first + t)
    for t in range(whole, len(a)):
        b[t] = a[t] * factors[t - whole]
    return True


@compiled
def accelerated_descent(D: Array, G: Array, L: Array, H: Array, lowest: Array, steps: int) -> Array:
    """Take the inner steps of an upper factor; see `optimizers`."""
    lipschitz = np.linalg.eigvalsh(L)[-1] * np.linalg.eigvalsh(H)[-1]
    if lipschitz > 0:
        G, L = G / lipschitz, L / lipschitz
    ahead, momentum = D, 1.0
    for _ in range(steps):
        moved = np.maximum(ahead - G - L @ ahead @ H, lowest)
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = moved + D.dtype.type((momentum - 1) / following) * (moved - D)
        D, momentum = moved, following
    return D
