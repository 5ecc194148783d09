"""The loops of `batched_systems`: columns of a support in tiles of eight, factorised for good."""

import numpy as np

from nnmf_topics._kernels.compiling import compiled, helper
from nnmf_topics._kernels.lanes import LANES, add_product, inverse, load, store, subtract_product
from nnmf_topics._kernels.lanes import zeros as no_lanes
from nnmf_topics._typing import Array


@compiled
def by_size(support: Array) -> tuple[Array, Array, Array]:
    """Plan the tiles: columns by the size of their support (n, k), and where each tile begins.

    Returns the order, and the offsets of the tiles among rows (size, lanes) and among systems
    (size (size + 1) / 2, lanes).
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
    tiles = (n + LANES - 1) // LANES
    rows, systems = np.zeros(tiles + 1, np.int64), np.zeros(tiles + 1, np.int64)
    for t in range(tiles):
        size = sizes[order[min(n, (t + 1) * LANES) - 1]]
        rows[t + 1] = rows[t] + size * LANES
        systems[t + 1] = systems[t] + size * (size + 1) // 2 * LANES
    return order, rows, systems


@helper
def _row(first: int, j: int, size: int) -> int:
    """Place of what would be the entry (j, 0) of a system: (j, m) is m lanes behind, m >= j."""
    return first + (j * (2 * size - j - 1) // 2) * LANES


@compiled
def factorise(
    gram: Array, support: Array, order: Array, rows: Array, systems: Array
) -> tuple[Array, Array]:
    """Return the topics of every column's support (size, lanes), and D L^T, its upper triangle.

    On the diagonal are the inverses of D. A column with a smaller support than the largest of its
    tile gets topics k, k + 1, ..., which are tied to none; so does a lane without a column.
    """
    k = support.shape[1]
    table = _with_identity(gram)
    P, DL = np.empty(rows[-1], np.uint32), np.empty(systems[-1], gram.dtype)
    members, shares = np.empty(k + 1, np.uint32), np.empty(k * LANES, gram.dtype)
    for tile in range(len(rows) - 1):
        size, first = (rows[tile + 1] - rows[tile]) // LANES, systems[tile]
        topics = P[rows[tile] : rows[tile + 1]]
        _fill(topics, support, order, tile * LANES, members)
        place = first
        for j in range(size):
            for m in range(j, size):
                for c in range(LANES):
                    DL[place + c] = table[topics[j * LANES + c], topics[m * LANES + c]]
                place += LANES
        for j in range(size):
            _eliminate(j, size, first, DL, shares)
    return P, DL


@helper
def _with_identity(gram: Array) -> Array:
    """Return the Gram matrix with as many topics again, orthonormal and orthogonal to all."""
    k = len(gram)
    table = np.zeros((2 * k, 2 * k), gram.dtype)
    for i in range(k):
        table[k + i, k + i] = 1
        for j in range(k):
            table[i, j] = gram[i, j]
    return table


@helper
def _eliminate(j: int, size: int, first: int, DL: Array, shares: Array) -> None:
    """Subtract from row j of a system what the rows above have of it."""
    for i in range(j):
        row = _row(first, i, size)
        share = add_product(no_lanes(DL), load(DL, row + i * LANES), load(DL, row + j * LANES))
        store(share, shares, i * LANES)
    row, m = _row(first, j, size), j
    while m + 4 <= size:
        at = row + m * LANES
        a, b = load(DL, at), load(DL, at + LANES)
        c, d = load(DL, at + 2 * LANES), load(DL, at + 3 * LANES)
        for i in range(j):
            share, above = load(shares, i * LANES), _row(first, i, size) + m * LANES
            a = subtract_product(a, share, load(DL, above))
            b = subtract_product(b, share, load(DL, above + LANES))
            c = subtract_product(c, share, load(DL, above + 2 * LANES))
            d = subtract_product(d, share, load(DL, above + 3 * LANES))
        store(a, DL, at)
        store(b, DL, at + LANES)
        store(c, DL, at + 2 * LANES)
        store(d, DL, at + 3 * LANES)
        m += 4
    while m < size:
        a = load(DL, row + m * LANES)
        for i in range(j):
            above = load(DL, _row(first, i, size) + m * LANES)
            a = subtract_product(a, load(shares, i * LANES), above)
        store(a, DL, row + m * LANES)
        m += 1
    diagonal = row + j * LANES
    store(inverse(load(DL, diagonal)), DL, diagonal)


@helper
def _fill(topics: Array, support: Array, order: Array, first: int, members: Array) -> None:
    """Write the topics of the supports of a tile's columns, then those that are tied to none."""
    size, k = len(topics) // LANES, support.shape[1]
    for c in range(LANES):
        count = 0
        if first + c < len(order):
            column = order[first + c]
            for i in range(k):
                members[count] = i  # which the next overwrites if this is none: no branch
                count += support[column, i]
        for j in range(count):
            topics[j * LANES + c] = members[j]
        for j in range(count, size):
            topics[j * LANES + c] = k + j


@compiled
def substitute(rhs: Array, order: Array, rows: Array, systems: Array, P: Array, DL: Array) -> Array:
    """Solve L D L^T u = rhs on every column's support; rhs and u (n, k), zero elsewhere."""
    k = rhs.shape[1]
    solution, u = np.zeros_like(rhs), np.empty(k * LANES, rhs.dtype)
    for tile in range(len(rows) - 1):
        size, topics = (rows[tile + 1] - rows[tile]) // LANES, P[rows[tile] : rows[tile + 1]]
        columns = order[tile * LANES : (tile + 1) * LANES]
        u[:] = 0
        for j in range(size):
            for c in range(len(columns)):
                if topics[j * LANES + c] < k:
                    u[j * LANES + c] = rhs[columns[c], topics[j * LANES + c]]
        _substitute_tile(size, systems[tile], DL, u)
        for j in range(size):
            for c in range(len(columns)):
                if topics[j * LANES + c] < k:
                    solution[columns[c], topics[j * LANES + c]] = u[j * LANES + c]
    return solution


@helper
def _substitute_tile(size: int, first: int, DL: Array, u: Array) -> None:
    """Solve the eight systems of a tile; u (size, lanes) holds the right-hand sides."""
    for j in range(size):
        row = _row(first, j, size)
        scaled = add_product(no_lanes(u), load(DL, row + j * LANES), load(u, j * LANES))
        for m in range(j + 1, size):
            rest = subtract_product(load(u, m * LANES), scaled, load(DL, row + m * LANES))
            store(rest, u, m * LANES)
        store(scaled, u, j * LANES)
    for j in range(size - 2, -1, -1):
        row = _row(first, j, size)
        a, b, m = no_lanes(u), no_lanes(u), j + 1
        while m + 2 <= size:
            a = add_product(a, load(DL, row + m * LANES), load(u, m * LANES))
            b = add_product(b, load(DL, row + (m + 1) * LANES), load(u, (m + 1) * LANES))
            m += 2
        if m < size:
            a = add_product(a, load(DL, row + m * LANES), load(u, m * LANES))
        solved = subtract_product(load(u, j * LANES), load(DL, row + j * LANES), a)
        store(subtract_product(solved, load(DL, row + j * LANES), b), u, j * LANES)
