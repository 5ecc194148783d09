"""A single NMF by alternating steps: codes, then the factor, each improved and not solved."""

from collections.abc import Callable, Iterable
from functools import reduce
from operator import add

import scipy.sparse as sp

from nnmf_topics._backend import HOST, device_of, namespace, on_gpu
from nnmf_topics._typing import Array, Matrix
from nnmf_topics.coordinate_descent import coordinate_descent
from nnmf_topics.optimizers import column_lengths, kept_alive, unit_columns
from nnmf_topics.products import accumulate, in_parts, project
from nnmf_topics.reductions import inner

_SWEEPS, _LAST_SWEEPS = 2, 8
_PART, _PARTS_OF_ROWS = 2000, 4


def alternate(X: Matrix, A: Array, steps: int, part: int = _PART) -> tuple[Array, Array]:
    """Improve the factor of a single NMF by coordinate descent on the codes and on it, in turn.

    Far cheaper than exact codes, and as good where they are only a start. The factor is
    extrapolated from one step to the next (Ang and Gillis, "Accelerating nonnegative matrix
    factorization algorithms using extrapolation", 2019), from anew whenever the error rose.

    Parameters
    ----------
    X : Matrix (m, documents)
    A : Array (m, k) in normal form
    steps : int
    part : int
        So many documents at a time; all of them on a GPU.

    Returns
    -------
    The factor (m, k) in normal form, and its codes (k, documents).
    """
    xp = namespace(A)
    zero = xp.zeros(1, dtype=A.dtype, device=device_of(A))
    data = _Parts(X, X.shape[1] if on_gpu(A) else part)
    codes: Array | None = None
    ahead, lowest, momentum = A, float("inf"), 1.0
    for _ in range(steps):
        gram = ahead.T @ ahead
        codes = data.codes(ahead, gram, codes, _SWEEPS)
        XS, SS = data.sums(codes)
        error = inner(gram, SS) - 2 * inner(ahead.T, XS.T)
        momentum = 1.0 if error > lowest else (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        lowest = float(error)
        moved = kept_alive(coordinate_descent(SS, XS.T, ahead.T, _SWEEPS).T, ahead)
        beyond = moved - A
        beyond *= (momentum - 1) / (momentum + 1)
        beyond += moved
        ahead = kept_alive(xp.maximum(beyond, zero), moved)
        lengths = column_lengths(ahead)
        A, ahead = moved / lengths, unit_columns(ahead)
        codes = (codes.T * lengths).T
    A = unit_columns(A)
    return A, data.codes(A, A.T @ A, codes, _LAST_SWEEPS)


class _Parts:
    """A matrix in parts, which are worked on several at a time.

    A sparse one is kept a second time, in parts of its rows: sums over the documents of a part
    alone would be of the size of the factor, and adding them up took half of a step.
    """

    def __init__(self, X: Matrix, part: int) -> None:
        starts = range(0, X.shape[1], part)
        self._places = [slice(first, min(first + part, X.shape[1])) for first in starts]
        self._documents = in_parts(X, part)
        rows = max(X.shape[0] // _PARTS_OF_ROWS, _PART)
        self._rows = in_parts(sp.csc_array(X.T), rows) if sp.issparse(X) else []

    def codes(self, A: Array, gram: Array, near: Array | None, sweeps: int) -> Array:
        """Codes (k, documents), improved from those near, or from zero."""

        def improved(number: int) -> Array:
            rhs = project(A, self._documents[number])
            start = namespace(A).zeros_like(rhs) if near is None else near[:, self._places[number]]
            return coordinate_descent(gram, rhs, start, sweeps)

        return _joined(self._of_documents(improved))

    def sums(self, S: Array) -> tuple[Array, Array]:
        """X S^T (m, k) and S S^T (k, k)."""

        def of_codes(number: int) -> Array:
            codes = S[:, self._places[number]]
            return codes @ codes.T

        def of_data(number: int) -> Array:
            return accumulate(self._documents[number], S[:, self._places[number]])

        square = reduce(add, self._of_documents(of_codes))
        if self._rows:
            return _joined(HOST.map(lambda rows: project(S.T, rows), self._rows)).T, square
        return reduce(add, self._of_documents(of_data)), square

    def _of_documents(self, work: Callable[[int], Array]) -> Iterable[Array]:
        numbers = range(len(self._documents))
        return map(work, numbers) if len(numbers) == 1 else HOST.map(work, numbers)


def _joined(parts: Iterable[Array]) -> Array:
    """Join columns; in memory they follow each other."""
    columns = [part.T for part in parts]
    return columns[0].T if len(columns) == 1 else namespace(columns[0]).concat(columns).T
