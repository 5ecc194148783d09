"""The two products in which the data are touched, A^T X and X S^T, with as many columns as topics.

Where the data are sparse and lie in columns, as chunks of documents do, compiled loops take the
place of SciPy's: half the time and less, as these keep sums in memory and not in registers.
"""

from typing import Any

import numpy as np
import scipy.sparse as sp

from nnmf_topics._compiled import kernels_for
from nnmf_topics._typing import Array, Matrix

_FEWEST_TOPICS = 8  # that compiled loops are for


def in_parts(X: Matrix, documents: int) -> list[Matrix]:
    """So many documents at a time, as a pass has them: solving for all at once takes memory."""
    n = X.shape[1]
    return [X[:, first : min(first + documents, n)] for first in range(0, n, documents)]


def project(A: Array, X: Matrix) -> Array:
    """Return A^T X (k, n), for A (m, k) and X (m, n). In memory documents follow each other."""
    kernels = _kernels(X, A, X.shape[0])
    if kernels is None:
        return (X.T @ A).T
    rhs = np.empty((X.shape[1], A.shape[1]), A.dtype)
    kernels.gather(X.data, X.indices, X.indptr, np.ascontiguousarray(A), rhs)
    return rhs.T


def accumulate(X: Matrix, S: Array, spare: list[Array] | None = None) -> Array:
    """Return X S^T (m, k), for X (m, n) and S (k, n).

    An array of a list of spare ones is overwritten if there is any: the system takes a large one
    back when it is freed, and has to clear the next, page by page, for one thread at a time.
    """
    kernels = _kernels(X, S.T, X.shape[1])
    if kernels is None:
        return X @ S.T
    product = _spare(spare or [], (X.shape[0], S.shape[0]), S.dtype)
    kernels.scatter(X.data, X.indices, X.indptr, np.ascontiguousarray(S.T), product)
    return product


def _spare(spare: list[Array], shape: tuple[int, int], dtype: Any) -> Array:
    try:
        product = spare.pop()  # by one thread only, whichever else does so now
    except IndexError:
        return np.zeros(shape, dtype)
    product[:, :] = 0
    return product


def _kernels(X: Any, dense: Array, rows: int) -> Any:
    """Return the compiled loops if they are for a matrix and an array of so many rows."""
    if not (sp.issparse(X) and X.format == "csc" and dense.shape[0] == rows):
        return None
    return kernels_for(X.data, dense) if dense.shape[1] >= _FEWEST_TOPICS else None
