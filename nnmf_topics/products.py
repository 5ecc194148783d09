"""Documents in parts, and the two products in which they are touched, A^T X and X S^T.

Where the data are sparse and lie in columns, as chunks of documents do, compiled loops take the
place of SciPy's, which keep sums in memory and not in registers: A^T X takes half of the time and
less, X S^T half to three quarters. On a GPU kernels in CUDA take the place of cuSPARSE.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from nnmf_topics._compiled import cuda_kernels_for, kernels_for
from nnmf_topics._typing import Array, Matrix

_FEWEST_TOPICS = 8  # that compiled loops are for
_MUCH_LARGER = 4  # than its factors is a product that is not made


def in_parts(X: Matrix, documents: int) -> list[Matrix]:
    """So many documents at a time, as a pass has them: solving for all at once takes memory."""
    n = X.shape[1]
    if n <= documents:
        return [X]
    places = (slice(first, min(first + documents, n)) for first in range(0, n, documents))
    return [part_of(X, place) for place in places]


def part_of(X: Matrix, place: slice) -> Matrix:
    """Return some of the columns; of a sparse matrix on the host no copy, if it is in columns."""
    if not (sp.issparse(X) and X.format == "csc"):
        return X[:, place]
    starts = X.indptr[place.start : place.stop + 1]
    entries = slice(starts[0], starts[-1])
    part = sp.csc_array((X.shape[0], len(starts) - 1), dtype=X.dtype)
    # The constructor would copy them.
    part.data, part.indices, part.indptr = X.data[entries], X.indices[entries], starts - starts[0]
    return part


def project(A: Array, X: Matrix) -> Array:
    """Return A^T X (k, n), for A (m, k) and X (m, n). In memory documents follow each other."""
    if is_compiled(A, X):
        rhs = np.empty((X.shape[1], A.shape[1]), A.dtype)
        project_to(rhs, np.ascontiguousarray(A), X, slice(0, X.shape[1]))
        return rhs.T
    if (cuda := _cuda_kernels(X, A, X.shape[0])) is not None:
        return cuda.project(A, X).T
    return (X.T @ A).T


def project_to(rhs: np.ndarray, A: np.ndarray, X: Matrix, place: slice) -> None:
    """Write X^T A of the columns at a place to its rows of the host (n, k), by compiled loops.

    A and rhs are contiguous, and `is_compiled(A, X)` holds.
    """
    kernels, bounds = _kernels(X, A, X.shape[0]), X.indptr[place.start : place.stop + 1]
    kernels.gather(X.data, X.indices, bounds, A, rhs[place])


def is_compiled(A: Array, X: Matrix) -> bool:
    """Whether A^T X is made by compiled loops on the host."""
    return _kernels(X, A, X.shape[0]) is not None


def accumulate(X: Matrix, S: Array) -> Array:
    """Return X S^T (m, k), for X (m, n) and S (k, n)."""
    if _kernels(X, S.T, X.shape[1]) is not None:
        return _scattered(X, S, np.zeros((X.shape[0], S.shape[0]), S.dtype))
    if (cuda := _cuda_kernels(X, S.T, X.shape[1])) is not None:
        return cuda.accumulate(X, S.T)
    return X @ S.T


@dataclass(frozen=True)
class Unmade:
    """X S^T as a summand that is not made: only what it is made of, which is far smaller."""

    X: Matrix
    S: Array


def summand(X: Matrix, S: Array) -> Array | Unmade:
    """Return X S^T for `add_to`: made, unless it is much larger than X and S.

    With many words the products of a few chunks would be most of the memory of a training. They
    are made in their sum then, where loops are compiled that do.
    """
    if _kernels(X, S.T, X.shape[1]) is None:
        return accumulate(X, S)
    of_factors = 2 * X.nnz + S.size  # values, indices and codes
    much_larger = X.shape[0] * S.shape[0] > _MUCH_LARGER * of_factors
    return Unmade(X, S) if much_larger else accumulate(X, S)


def whole(product: Array | Unmade) -> Array:
    """Return a summand as an array."""
    return accumulate(product.X, product.S) if isinstance(product, Unmade) else product


def add_to(total: Array, product: Array | Unmade) -> Array:
    """Add a summand to a sum, in place."""
    if isinstance(product, Unmade):
        X, S = product.X, product.S
        fits = total.shape == (X.shape[0], S.shape[0]) and total.dtype == S.dtype
        if fits and total.flags.c_contiguous and _kernels(X, S.T, X.shape[1]) is not None:
            return _scattered(X, S, total)
    total += whole(product)
    return total


def _scattered(X: Matrix, S: Array, total: np.ndarray) -> np.ndarray:
    """Add X S^T to a sum that is in rows, by compiled loops."""
    codes = np.ascontiguousarray(S.T)
    _kernels(X, codes, X.shape[1]).scatter(X.data, X.indices, X.indptr, codes, total)
    return total


def _kernels(X: Any, dense: Array, rows: int) -> Any:
    """Return the compiled loops if they are for a matrix and an array of so many rows."""
    if not (sp.issparse(X) and X.format == "csc" and dense.shape[0] == rows):
        return None
    return kernels_for(X.data, dense) if dense.shape[1] >= _FEWEST_TOPICS else None


def _cuda_kernels(X: Any, dense: Array, rows: int) -> Any:
    """Return the kernels of a GPU if they are for a matrix and an array of so many rows."""
    if getattr(X, "format", None) != "csc" or dense.shape[0] != rows:
        return None
    return cuda_kernels_for(X.data, dense) if X.indices.dtype.itemsize == 4 else None
