"""The loops of `batched_systems`: columns of a support in tiles, each factorised for good."""

import numpy as np

from nnmf_topics._kernels.compiling import compiled, helper
from nnmf_topics._typing import Array

TILE, LANES = 64, 8
"""Columns at a time, or fewer: as many as there are, rounded up to what one instruction serves."""


@compiled
def by_size(support: Array) -> tuple[Array, Array, Array]:
    """Plan the tiles: columns by the size of their support (n, k), and where each tile begins.

    Returns the order, and the offsets of the tiles among rows (size, lanes) and among systems
    (size, size, lanes).
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
        last = min(n, (t + 1) * TILE)
        size = sizes[order[last - 1]]
        lanes = _lanes(last - t * TILE)
        rows[t + 1] = rows[t] + size * lanes
        systems[t + 1] = systems[t] + size * size * lanes
    return order, rows, systems


@helper
def _lanes(columns: int) -> int:
    return (columns + LANES - 1) // LANES * LANES


@helper
def _tile(
    number: int, order: Array, rows: Array, systems: Array, P: Array, factors: Array
) -> tuple[Array, Array, Array]:
    """Return the columns of a tile, their topics (size, lanes), and D L^T (size, size, lanes)."""
    columns = order[number * TILE : min(len(order), (number + 1) * TILE)]
    lanes = _lanes(len(columns))
    size = (rows[number + 1] - rows[number]) // lanes
    topics = P[rows[number] : rows[number + 1]].reshape((size, lanes))
    DL = factors[systems[number] : systems[number + 1]].reshape((size, size, lanes))
    return columns, topics, DL


@compiled
def factorise(
    table: Array, support: Array, order: Array, rows: Array, systems: Array
) -> tuple[Array, Array]:
    """Return the topics of every column's support (size, lanes), and D L^T (size, size, lanes).

    A column with a smaller support than the largest of its tile gets topics k, k + 1, ... of the
    table (2 k, 2 k), which are tied to none.
    """
    k = support.shape[1]
    P = np.empty(rows[-1], np.uint32)
    factors = np.empty(systems[-1], table.dtype)
    for tile in range(len(rows) - 1):
        columns, topics, DL = _tile(tile, order, rows, systems, P, factors)
        size, lanes = topics.shape
        share, row = np.empty((size, lanes), table.dtype), np.empty(lanes, table.dtype)
        _fill(topics, support, columns, k)
        for j in range(size):
            for i in range(j):
                for c in range(lanes):
                    share[i, c] = DL[i, j, c] / DL[i, i, c]
            for m in range(j, size):
                for c in range(lanes):
                    row[c] = table[topics[j, c], topics[m, c]]
                _subtract_products(share, DL[:, m], j, row)
                DL[j, m] = row
    return P, factors


@helper
def _fill(topics: Array, support: Array, columns: Array, k: int) -> None:
    """Write the topics of the supports of a tile's columns, then those that are tied to none."""
    size, lanes = topics.shape
    for c in range(lanes):
        j = 0
        if c < len(columns):
            for i in range(k):
                if support[columns[c], i]:
                    topics[j, c] = i
                    j += 1
        while j < size:
            topics[j, c] = k + j
            j += 1


@compiled
def substitute(
    rhs: Array, order: Array, rows: Array, systems: Array, P: Array, factors: Array
) -> Array:
    """Solve L D L^T u = rhs on every column's support; rhs and u (n, k), zero elsewhere."""
    k = rhs.shape[1]
    solution = np.zeros_like(rhs)
    for tile in range(len(rows) - 1):
        columns, topics, DL = _tile(tile, order, rows, systems, P, factors)
        size, lanes = topics.shape
        u, row = np.zeros((size, lanes), rhs.dtype), np.empty(lanes, rhs.dtype)
        for j in range(size):
            for c in range(len(columns)):
                if topics[j, c] < k:
                    u[j, c] = rhs[columns[c], topics[j, c]]
        for j in range(size):
            row[:] = u[j]
            _subtract_products(u, DL[:, j], j, row)
            for c in range(lanes):
                u[j, c] = row[c] / DL[j, j, c]
        for j in range(size - 2, -1, -1):
            row[:] = 0
            _subtract_products(u[j + 1 :], DL[j, j + 1 :], size - j - 1, row)
            for c in range(lanes):
                u[j, c] += row[c] / DL[j, j, c]
        for j in range(size):
            for c in range(len(columns)):
                if topics[j, c] < k:
                    solution[columns[c], topics[j, c]] = u[j, c]
    return solution


@helper
def _subtract_products(a: Array, b: Array, count: int, total: Array) -> None:
    """Subtract the sum of a[i] * b[i] by entries: four at a time, in the order of one at a time."""
    i = 0
    while i + 4 <= count:
        for t in range(len(total)):
            total[t] = (total[t] - a[i, t] * b[i, t]) - a[i + 1, t] * b[i + 1, t]
            total[t] = (total[t] - a[i + 2, t] * b[i + 2, t]) - a[i + 3, t] * b[i + 3, t]
        i += 4
    while i < count:
        for t in range(len(total)):
            total[t] -= a[i, t] * b[i, t]
        i += 1
