"""Many small systems at once, in the array-API standard: gram[P, P] u[P] = rhs[P].

The systems are small and many, so that a call of LAPACK for each would cost more than its
arithmetic. Instead all columns of a batch are factorised at once, L D L^T row by row, in arrays of
shape (topic, topic, column): every operation runs over contiguous columns. The factors serve for
any number of right-hand sides, so that the backward pass costs a substitution only.
"""

from typing import NamedTuple

import numpy as np

from nnmf_topics._backend import device_of, namespace, on_gpu, to_host
from nnmf_topics._typing import Array

# Columns of a batch: enough to hide the cost of a call, few enough for the processor's cache, which
# also wants few entries (size of the support squared, times columns) and no power of two for a
# stride. A GPU wants to be filled.
_COLUMNS, _ENTRIES, _GPU_ENTRIES = 1000, 2**19, 2**26


class _Batch(NamedTuple):
    """Factorised systems of some columns, padded to the largest support, of s topics.

    `slot` (s, columns) are places among the right-hand sides; DL (s, s, columns) the rows of D L^T,
    whose diagonal is D. Below the diagonal it is undefined.
    """

    slot: Array
    DL: Array


class BatchedSystems:
    """The systems of all columns of a support, factorised.

    Parameters
    ----------
    gram : Array of shape (k, k), positive definite
    support : boolean Array of shape (k, n)
    """

    def __init__(self, gram: Array, support: Array) -> None:
        xp = namespace(gram, support)
        k, n = support.shape
        device, table = device_of(gram), _with_identity(gram)
        sizes = xp.sum(xp.astype(support, xp.int64), axis=0)
        order = xp.argsort(sizes)
        sizes = xp.take(sizes, order)
        first = xp.cumulative_sum(sizes) - sizes
        mask = xp.reshape(xp.take(support.T, order, axis=0), (-1,))
        (members,) = xp.nonzero(mask)  # column * k + topic, ascending
        rank = xp.reshape(xp.cumulative_sum(xp.astype(mask, xp.int64)) - 1, (n, k))
        position = xp.empty_like(rank)
        self._batches: list[_Batch] = []
        filled = 0
        for start, stop, size in _batch_bounds(to_host(sizes).tolist(), on_gpu(table)):
            j = xp.arange(size, device=device)[:, None]
            columns = xp.arange(stop - start, device=device)
            inside = j < sizes[start:stop]
            place = xp.where(inside, first[start:stop] + j, xp.zeros_like(j))
            found = xp.reshape(xp.take(members, xp.reshape(place, (-1,))), place.shape)
            # In a smaller support the j-th topic is one of its own, k + j, tied to no other.
            P = xp.where(inside, found - k * (columns + start), k + j)
            slot = xp.where(inside, order[start:stop] * k + P, xp.full_like(j, n * k))
            if stop - start == 1:
                # One alone would be summed in another order: no document should notice its batch.
                P, slot = xp.concat([P, P], axis=1), xp.concat([slot, slot], axis=1)
            self._batches.append(_Batch(slot, _factorise(table, P)))
            behind = rank[start:stop, :] - first[start:stop, None]
            position[start:stop, :] = filled + behind * P.shape[1] + columns[:, None]
            filled += size * P.shape[1]
        nowhere = xp.full(1, filled, dtype=position.dtype, device=device)
        position = xp.where(xp.reshape(mask, (n, k)), position, nowhere)
        self._position = xp.reshape(xp.take(position, xp.argsort(order), axis=0), (-1,))

    def solve(self, rhs: Array) -> Array:
        """Solve for right-hand sides of shape (k, n); the result is 0 off the support."""
        xp = namespace(rhs)
        zero = xp.zeros(1, dtype=rhs.dtype, device=device_of(rhs))
        padded = xp.concat([xp.reshape(rhs.T, (-1,)), zero])
        found = [xp.reshape(_substitute(batch, padded), (-1,)) for batch in self._batches]
        u = xp.take(xp.concat([*found, zero]), self._position)
        return xp.reshape(u, (rhs.shape[1], rhs.shape[0])).T


def _with_identity(gram: Array) -> Array:
    """Return the Gram matrix with as many topics again, orthonormal and orthogonal to all."""
    xp = namespace(gram)
    k = gram.shape[0]
    table = xp.eye(2 * k, dtype=gram.dtype, device=device_of(gram))
    table[:k, :k] = gram
    return table


def _batch_bounds(sizes: list[int], gpu: bool) -> list[tuple[int, int, int]]:
    """(start, stop, largest size) of batches of ascending sizes; columns of size 0 are left out."""
    bounds = []
    stop = len(sizes)
    while stop > 0 and sizes[stop - 1] > 0:
        size = sizes[stop - 1]
        columns = _GPU_ENTRIES // size**2 if gpu else min(_COLUMNS, _ENTRIES // size**2)
        start = max(stop - max(columns, 1), 0)
        bounds.append((start, stop, size))
        stop = start
    return bounds


def _factorise(table: Array, P: Array) -> Array:
    """D L^T of table[P, P] for every column of P (s, columns), row by row."""
    xp = namespace(table)
    size, columns = P.shape
    flat, row_of = xp.reshape(table, (-1,)), P * table.shape[0]
    DL = xp.empty((size, size, columns), dtype=table.dtype, device=device_of(table))
    diagonal = xp.empty((size, columns), dtype=table.dtype, device=device_of(table))
    for j in range(size):
        entries = xp.reshape(row_of[j, :] + P[j:, :], (-1,))
        row = xp.reshape(xp.take(flat, entries), (size - j, columns))
        if j:
            row -= _combined(DL[:j, j, :] / diagonal[:j, :], DL[:j, j:, :])
        DL[j, j:, :], diagonal[j, :] = row, row[0, :]
    return DL


def _substitute(batch: _Batch, padded: Array) -> Array:
    """Solve L D L^T u = rhs for the columns of a batch."""
    xp = namespace(padded)
    slot, DL = batch
    u = xp.reshape(xp.take(padded, xp.reshape(slot, (-1,))), slot.shape)
    for j in range(slot.shape[0]):
        if j:
            u[j, :] -= _combined(u[:j, :], DL[:j, j, :])
        u[j, :] /= DL[j, j, :]
    for j in reversed(range(slot.shape[0] - 1)):
        u[j, :] -= _combined(u[j + 1 :, :], DL[j, j + 1 :, :]) / DL[j, j, :]
    return u


def _combined(weights: Array, rows: Array) -> Array:
    """Sum over i of weights (i, columns) times rows (i, columns) or (i, j, columns)."""
    if isinstance(weights, np.ndarray):  # the same without a temporary, in less than half the time
        return np.einsum("ic,i...c->...c", weights, rows)
    xp = namespace(weights)
    weights = weights if rows.ndim == 2 else weights[:, None, :]
    return xp.sum(weights * rows, axis=0)
