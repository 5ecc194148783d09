"""The inner loops of the solver, compiled by Numba: columns in tiles that the first cache holds.

They do what `coordinate_descent` and `BatchedSystems` do in calls of NumPy, which are their
specification. Arrays of columns are transposed here, (columns, k): that is how sparse products
leave them. Within a tile the columns come last, so that one instruction serves several. They never
meet: no result depends on the others of a tile.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from nnmf_topics._typing import Array

TILE, STRIP = 64, 128  # columns at a time: of systems, which are large, and of rows


def _compiled(function: Callable[..., Any]) -> Any:
    """Compile when first called, for good if there is a place where the result can be kept."""
    options = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # neither beside the source nor in the home directory
        return numba.njit(**options)(function)


@_compiled
def descend(N: Array, diagonal: Array, rhs: Array, start: Array, sweeps: int, S: Array) -> None:
    """Write to S what sweeps make of a start; N (k, k), diagonal (k,), rhs, start and S (n, k)."""
    n, k = rhs.shape
    zero = rhs.dtype.type(0)
    block, constant = np.zeros((k, STRIP), rhs.dtype), np.zeros((k, STRIP), rhs.dtype)
    row = np.empty(STRIP, rhs.dtype)
    for first in range(0, n, STRIP):
        width = min(STRIP, n - first)
        given, old, new = rhs[first:], start[first:], S[first:]
        for c in range(width):
            for j in range(k):
                block[j, c] = old[c, j]
                constant[j, c] = given[c, j]
        for j in range(k):
            for c in range(STRIP):
                constant[j, c] /= diagonal[j]
        for _ in range(sweeps):
            for j in range(k):
                row[:] = constant[j]
                _add_combination(N[j], block, k, row)
                for c in range(STRIP):
                    block[j, c] = max(row[c], zero)
        for c in range(width):
            for j in range(k):
                new[c, j] = block[j, c]


@_compiled
def _add_combination(weights: Array, rows: Array, count: int, total: Array) -> None:
    """Add the sum of weights[i] * rows[i], four at a time: `total` then is written less often."""
    i = 0
    while i + 4 <= count:
        a, b, c, d = weights[i], weights[i + 1], weights[i + 2], weights[i + 3]
        for t in range(STRIP):
            total[t] = (total[t] + a * rows[i, t]) + b * rows[i + 1, t]
            total[t] = (total[t] + c * rows[i + 2, t]) + d * rows[i + 3, t]
        i += 4
    while i < count:
        for t in range(STRIP):
            total[t] += weights[i] * rows[i, t]
        i += 1


@_compiled
def by_size(support: Array) -> tuple[Array, Array, Array]:
    """Plan the tiles: columns by the size of their support (n, k), and where each tile begins.

    Returns the order, and the offsets of the tiles among rows (size, TILE) and among systems
    (size, size, TILE).
    """
    n, k = support.shape
    sizes, count = np.zeros(n, np.int64), np.zeros(k + 2, np.int64)
    for c in range(n):
        for j in range(k):
            sizes[c] += support[c, j]
        count[sizes[c] + 1] += 1
    count = np.cumsum(count)
    order = np.empty(n, np.int64)
    for c in range(n):
        order[count[sizes[c]]] = c
        count[sizes[c]] += 1
    tiles = (n + TILE - 1) // TILE
    rows, systems = np.zeros(tiles + 1, np.int64), np.zeros(tiles + 1, np.int64)
    for t in range(tiles):
        size = sizes[order[min(n, (t + 1) * TILE) - 1]]
        rows[t + 1] = rows[t] + size
        systems[t + 1] = systems[t] + size * size * TILE
    return order, rows, systems


@_compiled
def factorise(
    table: Array, support: Array, order: Array, rows: Array, systems: Array
) -> tuple[Array, Array]:
    """Return the topics of every column's support (size, TILE), and D L^T (size, size, TILE).

    A column with a smaller support than the largest of its tile gets topics k, k + 1, ... of the
    table (2 k, 2 k), which are tied to none.
    """
    n, k = support.shape
    P = np.empty((rows[-1], TILE), np.uint32)
    factors = np.empty(systems[-1], table.dtype)
    share, row = np.empty((k, TILE), table.dtype), np.empty(TILE, table.dtype)
    for tile in range(len(rows) - 1):
        first, size = tile * TILE, rows[tile + 1] - rows[tile]
        topics = P[rows[tile] : rows[tile + 1]]
        DL = factors[systems[tile] : systems[tile + 1]].reshape((size, size, TILE))
        _fill(topics, support, order[first : min(n, first + TILE)], k)
        for j in range(size):
            for i in range(j):
                for c in range(TILE):
                    share[i, c] = DL[i, j, c] / DL[i, i, c]
            for m in range(j, size):
                for c in range(TILE):
                    row[c] = table[topics[j, c], topics[m, c]]
                _subtract_products(share, DL[:, m], j, row)
                DL[j, m] = row
    return P, factors


@_compiled
def _fill(topics: Array, support: Array, columns: Array, k: int) -> None:
    """Write the topics of the supports of a tile's columns, then those that are tied to none."""
    size = len(topics)
    for c in range(TILE):
        j = 0
        if c < len(columns):
            for i in range(k):
                if support[columns[c], i]:
                    topics[j, c] = i
                    j += 1
        while j < size:
            topics[j, c] = k + j
            j += 1


@_compiled
def _subtract_products(a: Array, b: Array, count: int, total: Array) -> None:
    """Subtract the sum of a[i] * b[i] by entries, four at a time."""
    i = 0
    while i + 4 <= count:
        for t in range(TILE):
            total[t] = (total[t] - a[i, t] * b[i, t]) - a[i + 1, t] * b[i + 1, t]
            total[t] = (total[t] - a[i + 2, t] * b[i + 2, t]) - a[i + 3, t] * b[i + 3, t]
        i += 4
    while i < count:
        for t in range(TILE):
            total[t] -= a[i, t] * b[i, t]
        i += 1


@_compiled
def substitute(
    rhs: Array, order: Array, rows: Array, systems: Array, P: Array, factors: Array
) -> Array:
    """Solve L D L^T u = rhs on every column's support; rhs and u (n, k), zero elsewhere."""
    n, k = rhs.shape
    solution = np.zeros_like(rhs)
    row = np.empty(TILE, rhs.dtype)
    for tile in range(len(rows) - 1):
        first, size = tile * TILE, rows[tile + 1] - rows[tile]
        columns = order[first : min(n, first + TILE)]
        topics = P[rows[tile] : rows[tile + 1]]
        DL = factors[systems[tile] : systems[tile + 1]].reshape((size, size, TILE))
        u = np.zeros((size, TILE), rhs.dtype)
        for c in range(len(columns)):
            for j in range(size):
                if topics[j, c] < k:
                    u[j, c] = rhs[columns[c], topics[j, c]]
        for j in range(size):
            row[:] = u[j]
            _subtract_products(u, DL[:, j], j, row)
            for c in range(TILE):
                u[j, c] = row[c] / DL[j, j, c]
        for j in range(size - 2, -1, -1):
            row[:] = 0
            _subtract_products(u[j + 1 :], DL[j, j + 1 :], size - j - 1, row)
            for c in range(TILE):
                u[j, c] += row[c] / DL[j, j, c]
        for c in range(len(columns)):
            for j in range(size):
                if topics[j, c] < k:
                    solution[columns[c], topics[j, c]] = u[j, c]
    return solution


@_compiled
def pivot(
    gram: Array,
    rhs: Array,
    codes: Array,
    support: Array,
    epsilon: float,
    most_rounds: int,
    most_patience: int,
) -> tuple[Array, Array]:
    """Exchange what is wrong until nothing is, as `pivoting.solve` does, column by column.

    `codes` (n, k) solve the systems of `support` (n, k); both are brought to those of the solution.
    Returns the numbers of the columns whose support changed, and of those that are still wrong.
    """
    n, k = rhs.shape
    lengths, zero = np.sqrt(np.diag(gram)), rhs.dtype.type(0)
    slope, wrong = np.empty(k, rhs.dtype), np.empty(k, np.bool_)
    DL, topics = np.empty((k, k), rhs.dtype), np.empty(k, np.uint32)
    changed, open_ = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    for c in range(n):
        largest = zero
        for j in range(k):
            largest = max(largest, abs(rhs[c, j]) / lengths[j])
        tolerance = epsilon * largest
        fewest, patience = k + 1, most_patience
        for _ in range(most_rounds):
            for j in range(k):
                slope[j] = -rhs[c, j]
            for i in range(k):
                if codes[c, i] != 0:
                    for j in range(k):
                        slope[j] += codes[c, i] * gram[i, j]
            count, last = 0, 0
            for j in range(k):
                if support[c, j]:
                    wrong[j] = 2 * lengths[j] * codes[c, j] <= tolerance
                else:
                    wrong[j] = slope[j] < -tolerance * lengths[j]
                if wrong[j]:
                    count += 1
                    last = j
            open_[c] = count > 0
            if count == 0:
                break
            single = count >= fewest and patience == 0
            patience = most_patience if count < fewest else max(patience - 1, 0)
            fewest = min(fewest, count)
            for j in range(k):
                if wrong[j] and (not single or j == last):
                    support[c, j] = not support[c, j]
            changed[c] = True
            _solve_column(gram, rhs[c], support[c], DL, topics, codes[c])
        for j in range(k):
            codes[c, j] = max(codes[c, j], zero)
    return np.nonzero(changed)[0], np.nonzero(open_)[0]


@_compiled
def _solve_column(
    gram: Array, rhs: Array, support: Array, DL: Array, topics: Array, u: Array
) -> None:
    """Solve gram[P, P] u[P] = rhs[P] for one column; the rest of u is 0."""
    size = 0
    for j in range(len(u)):
        u[j] = 0
        if support[j]:
            topics[size] = j
            size += 1
    for j in range(size):
        for m in range(j, size):
            DL[j, m] = gram[topics[j], topics[m]]
    for j in range(size):
        u[topics[j]] += rhs[topics[j]]
        for i in range(j + 1, size):
            share = DL[j, i] / DL[j, j]
            u[topics[i]] -= share * u[topics[j]]
            for m in range(i, size):
                DL[i, m] -= share * DL[j, m]
    for j in range(size - 1, -1, -1):
        total = u[topics[j]]
        for i in range(j + 1, size):
            total -= DL[j, i] * u[topics[i]]
        u[topics[j]] = total / DL[j, j]


@_compiled
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


@_compiled
def accelerated_descent(D: Array, G: Array, L: Array, H: Array, lowest: Array, steps: int) -> Array:
    """Take the inner steps of an upper factor; see `optimizers`."""
    ahead, momentum = D, 1.0
    for _ in range(steps):
        moved = np.maximum(ahead - G - L @ ahead @ H, lowest)
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = moved + D.dtype.type((momentum - 1) / following) * (moved - D)
        D, momentum = moved, following
    return D
