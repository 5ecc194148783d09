"""A matrix in parts, on which several threads of the host work at a time."""

from collections import deque
from collections.abc import Callable, Iterable
from functools import cached_property, reduce
from itertools import pairwise
from operator import add

import numpy as np
import scipy.sparse as sp

from nnmf_topics._backend import HOST, Result, namespace
from nnmf_topics._typing import Array, Matrix
from nnmf_topics.products import accumulate, in_parts, project, project_to

DOCUMENTS_OF_A_PART = 2000
_NONZEROS_OF_A_PART = 2**17


class Parts:
    """A matrix (m, documents) in parts of its documents and, if it is sparse, of its rows.

    What is returned does not depend on the number of threads. To be used while the device is
    active.

    Parameters
    ----------
    X : Matrix (m, documents)
    documents : int, optional
        So many in a part; all of them by default, as a GPU has them.

    Attributes
    ----------
    places : list of slice
        The documents of each part.
    """

    def __init__(self, X: Matrix, documents: int | None = None) -> None:
        n = X.shape[1]
        size = documents or n
        self._X, self._documents = X, in_parts(X, size)
        self.places = [slice(first, min(first + size, n)) for first in range(0, n, size)]

    def of_documents(self, work: Callable[[Matrix, slice], Result]) -> Iterable[Result]:
        """Yield work(part, place) of all parts in their order."""
        return HOST.map(lambda pair: work(*pair), zip(self._documents, self.places, strict=True))

    def project(self, A: Array) -> Array:
        """Return A^T X (k, documents), for A (m, k)."""
        if not isinstance(A, np.ndarray):
            return joined(self.of_documents(lambda part, _: project(A, part)))
        return _written(A, zip(self.places, self._documents, strict=True)).T

    def accumulate(self, S: Array) -> Array:
        """Return X S^T (m, k), for S (k, documents)."""
        if sp.issparse(self._X):
            return self._by_rows(S)
        return reduce(add, self.of_documents(lambda part, place: accumulate(part, S[:, place])))

    def _by_rows(self, S: np.ndarray) -> np.ndarray:
        """X S^T on the host, a part of its rows at a time.

        Sums over a part of the documents are of the size of the factor: adding them up took half of
        an alternating step.
        """
        return _written(S.T, self._rows)

    @cached_property
    def _rows(self) -> list[tuple[slice, sp.csc_array]]:
        """The transposed matrix in parts, of about as many non-zeros each, and their places."""
        whole = sp.csc_array(self._X.T)
        parts = 1 + whole.nnz // _NONZEROS_OF_A_PART
        inner_bounds = np.searchsorted(whole.indptr, np.linspace(0, whole.nnz, parts + 1)[1:-1])
        bounds = np.unique([0, *inner_bounds, whole.shape[1]])
        return [(slice(*ends), whole[:, slice(*ends)]) for ends in pairwise(bounds)]


def _written(A: np.ndarray, parts: Iterable[tuple[slice, Matrix]]) -> np.ndarray:
    """Return the products X^T A (n, k) of parts of X (m, n), written to where they belong."""
    A = np.ascontiguousarray(A)  # once, not for each part
    parts = list(parts)
    product = np.empty((parts[-1][0].stop, A.shape[1]), A.dtype)
    deque(HOST.map(lambda part: project_to(product[part[0]], A, part[1]), parts), maxlen=0)
    return product


def joined(parts: Iterable[Array]) -> Array:
    """Return arrays (k, documents) of the parts as one."""
    found = list(parts)
    return found[0] if len(found) == 1 else namespace(found[0]).concat(found, axis=1)
