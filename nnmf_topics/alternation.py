"""A single NMF by alternating steps: codes, then the factor, each improved and not solved."""

from collections import deque
from collections.abc import Callable, Iterable
from functools import cached_property, reduce
from itertools import pairwise
from operator import add

import numpy as np
import scipy.sparse as sp

from nnmf_topics._backend import HOST, device_of, namespace, on_gpu
from nnmf_topics._compiled import kernels_for
from nnmf_topics._typing import Array, Matrix
from nnmf_topics.coordinate_descent import coordinate_descent
from nnmf_topics.optimizers import column_lengths, kept_alive, unit_columns
from nnmf_topics.products import accumulate, in_parts, project

_SWEEPS, _LAST_SWEEPS = 2, 8
_DOCUMENTS_OF_A_PART = 2000
_NONZEROS_OF_A_PART = 2**17


def alternate(
    X: Matrix, A: Array, steps: int, part: int = _DOCUMENTS_OF_A_PART
) -> tuple[Array, Array]:
    """Improve the factor of a single NMF by coordinate descent on the codes and on it, in turn.

    Far cheaper than exact codes, and as good where they are only a start. The factor is
    extrapolated from one step to the next (Ang and Gillis, "Accelerating nonnegative matrix
    factorization algorithms using extrapolation", 2019; some tens of steps do not need their
    restarts). To be called while the device is active.

    Parameters
    ----------
    X : Matrix (m, documents)
    A : Array (m, k) in normal form, or a stack (r, m, k) of starts for a dense X: small ones take
        less time together than one after the other
    steps : int
    part : int
        So many documents at a time; all of them on a GPU, and for a stack.

    Returns
    -------
    The factor (m, k) in normal form, and its codes (k, documents); or stacks of either.
    """
    data: _Parts | _Whole
    data = _Whole(X) if A.ndim > 2 else _Parts(X, X.shape[1] if on_gpu(A) else part)
    codes: Array | None = None
    ahead, momentum = A, 1.0
    for _ in range(steps):
        gram = _transposed(ahead) @ ahead
        codes = data.codes(ahead, gram, codes, _SWEEPS)
        XS, SS = data.sums(codes)
        momentum = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        moved = coordinate_descent(SS, _transposed(XS), _transposed(ahead), _SWEEPS)
        moved = kept_alive(_transposed(moved), ahead)
        ahead = kept_alive(_extrapolated(moved, A, (momentum - 1) / (momentum + 1)), moved)
        A = moved
    lengths = column_lengths(A)
    A = unit_columns(A)
    codes = None if codes is None else codes * lengths[..., None]
    return A, data.codes(A, _transposed(A) @ A, codes, _LAST_SWEEPS)


def _extrapolated(moved: Array, A: Array, share: float) -> Array:
    """Return max(0, moved + share (moved - A))."""
    kernels = kernels_for(moved, A)
    if kernels is not None and A.ndim == 2:
        arrays = map(np.ascontiguousarray, (moved, A))
        return kernels.extrapolated(*arrays, share)
    xp = namespace(A)
    ahead = moved + share * (moved - A)
    return xp.maximum(ahead, xp.zeros(1, dtype=A.dtype, device=device_of(A)))


def _transposed(A: Array) -> Array:
    return namespace(A).matrix_transpose(A)


class _Whole:
    """A dense matrix, for a stack of factors."""

    def __init__(self, X: Array) -> None:
        self._X = X

    def codes(self, A: Array, gram: Array, near: Array | None, sweeps: int) -> Array:
        """Codes (r, k, documents), improved from those near, or from zero."""
        # In memory documents follow each other, as they do with one factor.
        rhs = _transposed(_transposed(self._X) @ A)
        start = namespace(A).zeros_like(rhs) if near is None else near
        return coordinate_descent(gram, rhs, start, sweeps)

    def sums(self, S: Array) -> tuple[Array, Array]:
        """X S^T (r, m, k) and S S^T (r, k, k)."""
        return self._X @ _transposed(S), S @ _transposed(S)


class _Parts:
    """A matrix in parts of its documents, which are worked on several at a time."""

    def __init__(self, X: Matrix, part: int) -> None:
        n = X.shape[1]
        self._X, self._documents = X, in_parts(X, part)
        self._places = [slice(first, min(first + part, n)) for first in range(0, n, part)]

    def codes(self, A: Array, gram: Array, near: Array | None, sweeps: int) -> Array:
        """Codes (k, documents), improved from those near, or from zero."""

        def improved(number: int) -> Array:
            rhs = project(A, self._documents[number])
            start = namespace(A).zeros_like(rhs) if near is None else near[:, self._places[number]]
            return coordinate_descent(gram, rhs, start, sweeps)

        parts = list(self._of_documents(improved))
        return parts[0] if len(parts) == 1 else namespace(A).concat(parts, axis=1)

    def sums(self, S: Array) -> tuple[Array, Array]:
        """X S^T (m, k) and S S^T (k, k)."""

        def of_codes(number: int) -> Array:
            codes = S[:, self._places[number]]
            return codes @ codes.T

        def of_data(number: int) -> Array:
            return accumulate(self._documents[number], S[:, self._places[number]])

        square = reduce(add, self._of_documents(of_codes))
        if sp.issparse(self._X):
            return self._by_rows(S), square
        return reduce(add, self._of_documents(of_data)), square

    def _by_rows(self, S: np.ndarray) -> np.ndarray:
        """X S^T on the host, a part of its rows at a time.

        Sums over a part of the documents are of the size of the factor: adding them up took half of
        a step.
        """
        codes = np.ascontiguousarray(S.T)
        product = np.empty((self._X.shape[0], S.shape[0]), S.dtype)

        def write(part: tuple[slice, sp.csc_array]) -> None:
            place, rows = part
            product[place] = project(codes, rows).T

        deque(HOST.map(write, self._rows), maxlen=0)
        return product

    @cached_property
    def _rows(self) -> list[tuple[slice, sp.csc_array]]:
        """The transposed matrix in parts, of about as many non-zeros each, and their places."""
        whole = sp.csc_array(self._X.T)
        parts = 1 + whole.nnz // _NONZEROS_OF_A_PART
        inner_bounds = np.searchsorted(whole.indptr, np.linspace(0, whole.nnz, parts + 1)[1:-1])
        bounds = np.unique([0, *inner_bounds, whole.shape[1]])
        return [(slice(*ends), whole[:, slice(*ends)]) for ends in pairwise(bounds)]

    def _of_documents(self, work: Callable[[int], Array]) -> Iterable[Array]:
        return HOST.map(work, range(len(self._documents)))
