"""A matrix whose products are made in parts, by several threads of the host at a time."""

from collections import deque
from collections.abc import Callable, Iterable
from functools import cached_property, reduce
from itertools import pairwise
from operator import add

import numpy as np
import scipy.sparse as sp

from nnmf_topics._backend import HOST, Result, namespace
from nnmf_topics._threads import width_of_parts
from nnmf_topics._typing import Array, Matrix
from nnmf_topics.products import accumulate, is_compiled, part_of, project, project_to

DOCUMENTS_OF_A_PART = 2000
"""Their codes stay in the cache."""
_NONZEROS_OF_A_PART = 2**17


class Parts:
    """A matrix (m, documents) in parts of its documents and, if it is sparse, of its rows.

    Of the rows a second, transposed copy is made when it is needed first. On a device all is one
    part, which the calling thread works on. What is returned does not depend on the number of
    threads. To be used while the device is active.

    Parameters
    ----------
    X : Matrix (m, documents), of one document or more
    documents : int
        So many in a part at most.
    """

    def __init__(self, X: Matrix, documents: int = DOCUMENTS_OF_A_PART) -> None:
        self._X, n = X.tocsc() if sp.issparse(X) else X, X.shape[1]
        self._on_host = isinstance(X, np.ndarray) or sp.issparse(X)
        width = width_of_parts(n, documents) if self._on_host else n
        bounds = [*range(0, n, width), n]
        self._columns = _Columns(self._X, [slice(*ends) for ends in pairwise(bounds)])

    def of_documents(self, work: Callable[[Matrix, slice], Result]) -> Iterable[Result]:
        """Yield work(part, its documents) of all parts in their order."""
        pairs = zip(self._columns.slices, self._columns.places, strict=True)
        return HOST.map(lambda pair: work(*pair), pairs)

    def project(self, A: Array) -> Array:
        """Return A^T X (k, documents), for A (m, k)."""
        return self._columns.project(A) if self._on_host else project(A, self._X)

    def accumulate(self, S: Array) -> Array:
        """Return X S^T (m, k), for S (k, documents)."""
        if sp.issparse(self._X):
            # Sums over some documents are of the size of the factor: to add them up took half of
            # an alternating step. Rows need none.
            return self._rows.project(S.T).T
        return reduce(add, self.of_documents(lambda part, place: accumulate(part, S[:, place])))

    @cached_property
    def _rows(self) -> "_Columns":
        """The transposed matrix, in parts of about as many non-zeros each."""
        whole = sp.csc_array(self._X.T)
        parts = 1 + whole.nnz // _NONZEROS_OF_A_PART
        inner_bounds = np.searchsorted(whole.indptr, np.linspace(0, whole.nnz, parts + 1)[1:-1])
        bounds = np.unique([0, *inner_bounds, whole.shape[1]]).tolist()
        return _Columns(whole, [slice(*ends) for ends in pairwise(bounds)])


class _Columns:
    """Columns of a matrix in parts. Compiled loops need but their places, all else has slices."""

    def __init__(self, X: Matrix, places: list[slice]) -> None:
        self._X, self.places = X, places

    @cached_property
    def slices(self) -> list[Matrix]:
        """The parts."""
        return [part_of(self._X, place) for place in self.places] if self.places[1:] else [self._X]

    def project(self, A: np.ndarray) -> np.ndarray:
        """Return A^T X (k, n) on the host, each part of it written to where it belongs."""
        X, A = self._X, np.ascontiguousarray(A)  # once, not for each part
        rhs = np.empty((X.shape[1], A.shape[1]), np.result_type(A.dtype, X.dtype))
        if is_compiled(A, X):
            deque(HOST.map(lambda place: project_to(rhs, A, X, place), self.places), maxlen=0)
            return rhs.T

        def write(part: Matrix, place: slice) -> None:
            rhs[place] = part.T @ A

        pairs = zip(self.slices, self.places, strict=True)
        deque(HOST.map(lambda pair: write(*pair), pairs), maxlen=0)
        return rhs.T


def joined(parts: Iterable[Array]) -> Array:
    """Return arrays (k, documents) of the parts as one."""
    found = list(parts)
    return found[0] if len(found) == 1 else namespace(found[0]).concat(found, axis=1)
