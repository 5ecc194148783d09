"""Nonnegative quadratic programs of many columns, lowered row by row.

The same sweep guesses the codes of documents, moves the rows of a factor, and does both in turn
where a start is made. (Cichocki and Phan, "Fast local algorithms for large scale nonnegative matrix
and tensor factorizations", 2009.)
"""

import math
from collections import deque
from functools import partial
from typing import Any

import numpy as np

from nnmf_topics._backend import device_of, namespace, on_gpu
from nnmf_topics._compiled import cuda_kernels_for, kernels_for
from nnmf_topics._threads import HOST_THREADS, width_of_parts
from nnmf_topics._typing import Array

_ENTRIES_OF_A_THREAD = 2**19
"""Fewer would wait longer for each other than they compute; more would not stay in the cache."""


def coordinate_descent(
    gram: Array, rhs: Array, start: Array, sweeps: int, overwrite_rhs: bool = False
) -> Array:
    """Lower <S, gram S> / 2 - <rhs, S> over S >= 0, for one problem or for each of a stack.

    A sweep minimises over one row after the other, exactly, the other rows held:
    S_j = max(0, c_j + sum_i N_ji S_i), N = I - gram / diag(gram) by rows and c = rhs / diag(gram).

    Parameters
    ----------
    gram : Array of shape (k, k), positive semidefinite, or a stack (r, k, k)
    rhs : Array of shape (k, n), or (r, k, n)
    start : Array of the shape of `rhs`
    sweeps : int
    overwrite_rhs : bool
        Whether `rhs` is not needed any more, so that its memory may be used.

    Returns
    -------
    Array of the shape of `rhs`, nonnegative. A row without curvature stays as it is.
    """
    kernels = kernels_for(gram, rhs)
    if kernels is not None:
        gram = np.ascontiguousarray(gram)
        if gram.ndim > 2:
            return _one_by_one(kernels.descend, gram, rhs.mT, start.mT, sweeps).mT
        descend = partial(kernels.descend, gram)
        return _on_threads(descend, rhs.T, start.T, sweeps, overwrite_rhs).T
    cuda = cuda_kernels_for(gram, rhs, start, topics=gram.shape[-1])
    if cuda is not None and gram.ndim == 2:
        return cuda.descend(gram, rhs.T, start.T, sweeps).T
    xp = namespace(gram, rhs)
    diagonal = xp.linalg.diagonal(gram)
    curved = diagonal > 1 / xp.finfo(gram.dtype).max  # its inverse has to be finite too
    diagonal = xp.where(curved, diagonal, xp.full_like(diagonal, xp.inf))[..., None]
    N = xp.eye(gram.shape[-1], dtype=gram.dtype, device=device_of(gram)) - gram / diagonal
    zero = xp.zeros(1, dtype=rhs.dtype, device=device_of(rhs))
    S = xp.empty(rhs.shape, dtype=rhs.dtype, device=device_of(rhs))
    *stack, k, n = rhs.shape
    # Columns do not interact.
    at_once = n if on_gpu(rhs) else _ENTRIES_OF_A_THREAD // max(math.prod((*stack, k)), 1)
    width = width_of_parts(n, at_once)

    def lower(first: int) -> None:
        columns = slice(first, min(first + width, n))
        block, least = S[..., columns], xp.empty_like(S[..., columns])
        # Rows have to be contiguous, whatever the order of what is given.
        least[...], block[...] = rhs[..., columns] / diagonal, start[..., columns]
        for _ in range(sweeps):
            for j in range(k):
                others = (N[..., j : j + 1, :] @ block)[..., 0, :]
                block[..., j, :] = xp.maximum(least[..., j, :] + others, zero)

    places = range(0, n, width)
    deque(map(lower, places) if on_gpu(rhs) else HOST_THREADS.map(lower, places), maxlen=0)
    return S


def descend_columns(A: Array, data: Array, mix: Array, H: Array, sweeps: int) -> Array:
    """Lower <G, D> + <D H, D> / 2 over A + D >= 0, by sweeps over the columns; G = data + A mix.

    Parameters
    ----------
    A, data : Arrays of shape (m, k)
    mix, H : Arrays of shape (k, k); H positive semidefinite
    sweeps : int

    Returns
    -------
    Array of shape (m, k), A + D. A column without curvature stays as it is.
    """
    kernels = kernels_for(A, data, mix, H)
    if kernels is None:
        rhs = A @ (H - mix)
        rhs -= data
        return coordinate_descent(H, rhs.T, A.T, sweeps).T
    H, mix = np.ascontiguousarray(H), np.ascontiguousarray(mix)
    return _on_threads(partial(kernels.descend_rows, H, mix), data, A, sweeps)


def _on_threads(
    descend: Any, given: Array, start: Array, sweeps: int, overwrite: bool = False
) -> Array:
    """Descend by compiled loops on rows (n, k), many of them on several threads."""
    given, near = _alike(given, start)
    S = given if overwrite else np.empty_like(given)  # rows are read before they are written
    width = width_of_parts(len(S), _ENTRIES_OF_A_THREAD // max(S.shape[1], 1))

    def work(first: int) -> None:
        mine = slice(first, first + width)
        descend(given[mine], near[mine], sweeps, S[mine])

    deque(HOST_THREADS.map(work, range(0, len(S), width)), maxlen=0)
    return S


def _one_by_one(descend: Any, grams: Array, given: Array, start: Array, sweeps: int) -> Array:
    """Descend by compiled loops on a stack (r, n, k), each part too small for several threads."""
    given, near = _alike(given, start)
    S = np.empty_like(given)
    for gram, constants, begun, moved in zip(grams, given, near, S, strict=True):
        descend(gram, constants, begun, sweeps, moved)
    return S


def _alike(given: Array, start: Array) -> tuple[Array, Array]:
    """Return both as the loops need them, which read where they are told and look at nothing."""
    if given.shape != start.shape:
        raise ValueError(f"a start of shape {start.shape} for constants of shape {given.shape}")
    return np.ascontiguousarray(given), np.ascontiguousarray(start, given.dtype)
