"""The loops of `products`: a sparse matrix in columns, and an array with a column a topic."""

import numpy as np

from nnmf_topics._kernels.compiling import compiled, helper
from nnmf_topics._kernels.lanes import LANES, add_product, load, store, zeros
from nnmf_topics._typing import Array

_WIDE = 4 * LANES


@helper
def _stop(first: int, k: int) -> int:
    """End of the columns that are worked on together: 32, or what is left, but never under 8."""
    stop = min(first + _WIDE, k)
    return stop - LANES if 0 < k - stop < LANES else stop


@compiled
def gather(data: Array, indices: Array, indptr: Array, A: Array, rhs: Array) -> None:
    """Write X^T A to rhs (n, k), k >= 8. Lanes may overlap: they write the same there."""
    n, k = rhs.shape
    a, out = A.ravel(), rhs.ravel()
    for c in range(n):
        entries = range(indptr[c], indptr[c + 1])
        first = 0
        while first < k:
            stop = _stop(first, k)
            last = stop - LANES
            if stop - first > 2 * LANES:
                i, j = first + LANES, min(first + 2 * LANES, last)
                s, t, u, v = zeros(a), zeros(a), zeros(a), zeros(a)
                for p in entries:
                    x, row = data[p], np.intp(indices[p]) * k
                    s = add_product(s, x, load(a, row + first))
                    t = add_product(t, x, load(a, row + i))
                    u = add_product(u, x, load(a, row + j))
                    v = add_product(v, x, load(a, row + last))
                store(s, out, c * k + first)
                store(t, out, c * k + i)
                store(u, out, c * k + j)
                store(v, out, c * k + last)
            else:
                s, t = zeros(a), zeros(a)
                for p in entries:
                    x, row = data[p], np.intp(indices[p]) * k
                    s = add_product(s, x, load(a, row + first))
                    t = add_product(t, x, load(a, row + last))
                store(s, out, c * k + first)
                store(t, out, c * k + last)
            first = stop


@compiled
def scatter(data: Array, indices: Array, indptr: Array, codes: Array, product: Array) -> None:
    """Add X S^T to a product (m, k), k >= 8; the codes are S^T (n, k).

    Lanes may overlap: all are read before one is written, so that they write the same there.
    """
    n, k = codes.shape
    given, out = codes.ravel(), product.ravel()
    for c in range(n):
        entries = range(indptr[c], indptr[c + 1])
        first = 0
        while first < k:
            stop = _stop(first, k)
            last = stop - LANES
            s, v = load(given, c * k + first), load(given, c * k + last)
            if stop - first > 2 * LANES:
                i, j = first + LANES, min(first + 2 * LANES, last)
                t, u = load(given, c * k + i), load(given, c * k + j)
                for p in entries:
                    x, row = data[p], np.intp(indices[p]) * k
                    a = add_product(load(out, row + first), x, s)
                    b = add_product(load(out, row + i), x, t)
                    d = add_product(load(out, row + j), x, u)
                    e = add_product(load(out, row + last), x, v)
                    store(a, out, row + first)
                    store(b, out, row + i)
                    store(d, out, row + j)
                    store(e, out, row + last)
            else:
                for p in entries:
                    x, row = data[p], np.intp(indices[p]) * k
                    a = add_product(load(out, row + first), x, s)
                    e = add_product(load(out, row + last), x, v)
                    store(a, out, row + first)
                    store(e, out, row + last)
            first = stop
