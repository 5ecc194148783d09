"""Sums over long arrays, by the fastest loop there is for them."""

from collections.abc import Callable
from functools import reduce
from operator import add

import numpy as np

from nnmf_topics._backend import namespace, on_gpu
from nnmf_topics._compiled import kernels_for
from nnmf_topics._threads import HOST_THREADS, width_of_parts
from nnmf_topics._typing import Array

_ENTRIES_ON_HOST, _ENTRIES_ON_GPU = 2**15, 2**24
"""Of some rows of a tall array: what is made of them shall stay in the cache, or fill a GPU."""


def column_sums(A: Array) -> Array:
    """Sum the columns of a tall array, or of each of a stack of them."""
    if isinstance(A, np.ndarray):  # several times as fast as `sum` where rows are contiguous
        return np.einsum("...ij->...j", A)
    xp = namespace(A)
    if on_gpu(A):  # CuPy's sum has a block for a column, however tall
        return xp.ones(A.shape[-2], dtype=A.dtype) @ A
    return xp.sum(A, axis=-2)


def column_dots(A: Array, B: Array) -> Array:
    """Scalar products of the columns of A with those of B, tall arrays both."""
    kernels = kernels_for(A, B)
    if kernels is None or A.shape != B.shape:
        return column_sums(A * B)
    return kernels.column_dots(np.ascontiguousarray(A), np.ascontiguousarray(B))


def inner(A: Array, B: Array) -> Array:
    """Sum of the products of the entries, in double precision but for a few at a time."""
    kernels = kernels_for(A, B)
    if kernels is None or A.shape != B.shape:
        xp = namespace(A, B)
        return xp.sum(A * B, dtype=xp.float64)
    if not (A.flags.c_contiguous and B.flags.c_contiguous):
        A, B = A.T, B.T  # arrays of documents are contiguous so, others are copied
    return np.asarray(kernels.inner(np.ascontiguousarray(A), np.ascontiguousarray(B)))


def sum_of_rows(function: Callable[..., Array], *arrays: Array) -> Array:
    """Return function(rows of each of some tall arrays), added up over all rows.

    Some rows at a time: what it makes of all would be of the size of the terms. To be called while
    the device is active.
    """
    m, k = arrays[0].shape
    gpu = on_gpu(arrays[0])
    width = width_of_parts(m, (_ENTRIES_ON_GPU if gpu else _ENTRIES_ON_HOST) // max(k, 1))
    places = (slice(first, min(first + width, m)) for first in range(0, max(m, 1), width))

    def of_rows(rows: slice) -> Array:
        return function(*(A[rows, :] for A in arrays))

    return reduce(add, map(of_rows, places) if gpu else HOST_THREADS.map(of_rows, places))
