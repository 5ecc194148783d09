"""The loops of `coordinate_descent`, `reductions`, `alternation`, and the step of `optimizers`."""

from typing import Any

import numpy as np

from nnmf_topics._kernels.compiling import compiled, helper, inlined
from nnmf_topics._kernels.lanes import LANES, add_product, greater, load, store, transpose, zeros
from nnmf_topics._typing import Array

STRIP = 4 * LANES
"""Columns at a time, four lanes in the loops below: two rows of them keep the processor busy."""
BLOCK = 4 * STRIP
"""Columns that are transposed at a time."""


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
    """Return N, and the inverse of the diagonal, 0 where that is not finite or positive."""
    N, inverse = np.zeros_like(gram), np.zeros(len(gram), gram.dtype)
    for j in range(len(gram)):
        N[j, j] = 1
        if gram[j, j] > 0:
            inverse[j] = 1 / gram[j, j]
        if not np.isfinite(inverse[j]):
            inverse[j] = 0
        if inverse[j] > 0:
            for i in range(len(gram)):
                N[j, i] -= gram[j, i] / gram[j, j]
    return N, inverse


@helper
def _descend(
    N: Array, scale: Array, given: Array, mixed: Array, start: Array, sweeps: int, S: Array
) -> None:
    """Sweep from a start (n, k), with constants that are scaled and, if wanted, start mixed."""
    n, k = S.shape
    block, constant = np.zeros(k * BLOCK, start.dtype), np.zeros(k * BLOCK, start.dtype)
    between = _taken_out(N)
    N = N.ravel()  # parts of arrays are counted references, dearer than what is done with a row
    zero, unbounded = zeros(block), load(np.full(LANES, -np.inf, start.dtype), 0)
    for first in range(0, n, BLOCK):
        width = min(BLOCK, n - first)
        _to_rows(start, first, width, block)
        _to_rows(given, first, width, constant)
        for at in range(0, width, STRIP):
            place = at * k
            for j in range(k):
                for t in range(place + j * STRIP, place + (j + 1) * STRIP, LANES):
                    store(add_product(zero, scale[j], load(constant, t)), constant, t)
            if len(mixed):
                for j in range(0, k - 1, 2):
                    _combine_two(
                        j, k, mixed, block, constant, constant, place, unbounded, between, False
                    )
                if k % 2:
                    _combine(k - 1, k, mixed, block, constant, constant, place, unbounded)
            for _ in range(sweeps):
                for j in range(0, k - 1, 2):
                    _combine_two(j, k, N, block, constant, block, place, zero, between, True)
                if k % 2:
                    _combine(k - 1, k, N, block, constant, block, place, zero)
        _from_rows(block, first, width, S)


@helper
def _taken_out(N: Array) -> Array:
    """Set N[j + 1, j] to zero for every other j, and return what it was."""
    between = np.zeros(len(N), N.dtype)
    for j in range(0, len(N) - 1, 2):
        between[j] = N[j + 1, j]
        N[j + 1, j] = 0
    return between


@inlined
def _combine(
    j: int,
    k: int,
    weights: Array,
    rows: Array,
    base: Array,
    target: Array,
    place: int,
    lowest: Any,
) -> None:
    """Set row j of a strip of the target to base + sum_i weights_ji rows_i, if not lower."""
    t = place + j * STRIP
    a, b, c, d = load(base, t), load(base, t + 8), load(base, t + 16), load(base, t + 24)
    for i in range(k):
        v, at = weights[j * k + i], place + i * STRIP
        a, b = add_product(a, v, load(rows, at)), add_product(b, v, load(rows, at + 8))
        c, d = add_product(c, v, load(rows, at + 16)), add_product(d, v, load(rows, at + 24))
    store(greater(a, lowest), target, t)
    store(greater(b, lowest), target, t + 8)
    store(greater(c, lowest), target, t + 16)
    store(greater(d, lowest), target, t + 24)


@inlined
def _combine_two(
    j: int,
    k: int,
    weights: Array,
    rows: Array,
    base: Array,
    target: Array,
    place: int,
    lowest: Any,
    between: Array,
    own: bool,
) -> None:
    """Do so with rows j and j + 1: every row that is read serves both.

    Where the target is the rows' own, row j + 1 gets the new row j, with its weight in `between`.
    """
    t, u = place + j * STRIP, place + (j + 1) * STRIP
    a, b, c, d = load(base, t), load(base, t + 8), load(base, t + 16), load(base, t + 24)
    e, f, g, h = load(base, u), load(base, u + 8), load(base, u + 16), load(base, u + 24)
    for i in range(k):
        v, w, at = weights[j * k + i], weights[(j + 1) * k + i], place + i * STRIP
        p, q, r, s = load(rows, at), load(rows, at + 8), load(rows, at + 16), load(rows, at + 24)
        a, e = add_product(a, v, p), add_product(e, w, p)
        b, f = add_product(b, v, q), add_product(f, w, q)
        c, g = add_product(c, v, r), add_product(g, w, r)
        d, h = add_product(d, v, s), add_product(h, w, s)
    a, b, c, d = greater(a, lowest), greater(b, lowest), greater(c, lowest), greater(d, lowest)
    if own:
        w = between[j]
        e, f = add_product(e, w, a), add_product(f, w, b)
        g, h = add_product(g, w, c), add_product(h, w, d)
    store(a, target, t)
    store(b, target, t + 8)
    store(c, target, t + 16)
    store(d, target, t + 24)
    store(greater(e, lowest), target, u)
    store(greater(f, lowest), target, u + 8)
    store(greater(g, lowest), target, u + 16)
    store(greater(h, lowest), target, u + 24)


@helper
def _to_rows(columns: Array, first: int, width: int, block: Array) -> None:
    """Transpose columns (n, k) from the first on, so many, to a block (strips, k, STRIP)."""
    k, whole, source = columns.shape[1], _whole(width, columns), columns.ravel()
    for c in range(0, whole, LANES):
        place = _place(c, k)
        for i in range(0, k, LANES):
            j = min(i, k - LANES)  # the last may overlap, and write the same again
            transpose(source, (first + c) * k + j, k, block, place + j * STRIP, STRIP)
    for c in range(whole, width):
        place = _place(c, k)
        for j in range(k):
            block[place + j * STRIP] = columns[first + c, j]


@helper
def _from_rows(block: Array, first: int, width: int, columns: Array) -> None:
    """Transpose back."""
    k, whole, target = columns.shape[1], _whole(width, columns), columns.ravel()
    for c in range(0, whole, LANES):
        place = _place(c, k)
        for i in range(0, k, LANES):
            j = min(i, k - LANES)
            transpose(block, place + j * STRIP, STRIP, target, (first + c) * k + j, k)
    for c in range(whole, width):
        place = _place(c, k)
        for j in range(k):
            columns[first + c, j] = block[place + j * STRIP]


@helper
def _place(column: int, k: int) -> int:
    """Where a column of a block begins."""
    return column // STRIP * k * STRIP + column % STRIP


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
    """Sum of the products of the entries, as `_column_dots`, both arrays contiguous."""
    return _column_dots(A.reshape(-1, 1), B.reshape(-1, 1)).sum()


@helper
def _column_dots(A: Array, B: Array) -> Array:
    """Scalar products of columns of contiguous arrays.

    In double precision but for eight products at a time, which are added up in the arrays' own.
    """
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
def extrapolated(moved: Array, A: Array, share: float) -> Array:
    """Return max(0, moved + share (moved - A)), all arrays contiguous."""
    ahead, to, since = np.empty_like(moved), moved.ravel(), A.ravel()
    target, further = ahead.ravel(), moved.dtype.type(share)
    for t in range(len(target)):
        target[t] = max(to[t] + further * (to[t] - since[t]), moved.dtype.type(0))
    return ahead


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
