"""The loops of `batched_systems`: columns of a support in tiles, each factorised for good."""

import numpy as np

from nnmf_topics._kernels.compiling import compiled
from nnmf_topics._typing import Array

TILE = 64  # columns at a time


@compiled
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


@compiled
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


@compiled
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


@compiled
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


@compiled
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
