"""The loops of `pivoting`: which columns are wrong, and these one by one."""

from typing import Any

import numpy as np

from nnmf_topics._kernels.compiling import compiled, helper
from nnmf_topics._typing import Array


@compiled
def wrong_columns(
    products: Array, rhs: Array, codes: Array, support: Array, lengths: Array, epsilon: float
) -> Array:
    """Return the numbers of the columns that `pivoting.solve` would exchange something of.

    `products` are the codes times the Gram matrix; all arrays are (n, k).
    """
    n, k = rhs.shape
    found = np.empty(n, np.bool_)
    for c in range(n):
        tolerance, wrong = _tolerance(rhs, c, lengths, epsilon), 0
        for j in range(k):
            leaves = 2 * lengths[j] * codes[c, j] <= tolerance
            enters = products[c, j] - rhs[c, j] < -tolerance * lengths[j]
            wrong += (support[c, j] & leaves) | (~support[c, j] & enters)
        found[c] = wrong > 0
    return np.nonzero(found)[0]


@helper
def _tolerance(rhs: Array, c: int, lengths: Array, epsilon: float) -> Any:
    """Which part of a column is within rounding, in the metric of unit columns."""
    largest = rhs.dtype.type(0)
    for j in range(len(lengths)):
        largest = max(largest, abs(rhs[c, j]) / lengths[j])
    return epsilon * largest


@compiled
def pivot(
    gram: Array,
    rhs: Array,
    codes: Array,
    support: Array,
    epsilon: float,
    most_rounds: int,
    most_patience: int,
) -> Array:
    """Exchange what is wrong until nothing is, as `pivoting.solve` does, column by column.

    `codes` (n, k) solve the systems of `support` (n, k); both are brought to those of the solution.
    Returns the numbers of the columns that are still wrong.
    """
    n, k = rhs.shape
    lengths, zero = np.sqrt(np.diag(gram)), rhs.dtype.type(0)
    slope, wrong = np.empty(k, rhs.dtype), np.empty(k, np.bool_)
    DL, topics = np.empty((k, k), rhs.dtype), np.empty(k, np.uint32)
    open_ = np.zeros(n, np.bool_)
    for c in range(n):
        tolerance = _tolerance(rhs, c, lengths, epsilon)
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
            _solve_column(gram, rhs[c], support[c], DL, topics, codes[c])
        for j in range(k):
            codes[c, j] = max(codes[c, j], zero)
    return np.nonzero(open_)[0]


@helper
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
