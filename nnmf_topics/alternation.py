"""A single NMF by alternating steps: codes, then the factor, each improved and not solved."""

from functools import reduce
from operator import add

import numpy as np

from nnmf_topics._backend import device_of, namespace
from nnmf_topics._compiled import kernels_for
from nnmf_topics._typing import Array, Matrix
from nnmf_topics.coordinate_descent import coordinate_descent
from nnmf_topics.optimizers import column_lengths, kept_alive, unit_columns
from nnmf_topics.parts import DOCUMENTS_OF_A_PART, Parts, joined
from nnmf_topics.products import project

_SWEEPS, _LAST_SWEEPS = 2, 8
_DOCUMENTS_WITHOUT_LOOPS = 6000
"""In a part: threads wait for Python's lock between calls, so that these have to be few."""


def alternate(X: Matrix, A: Array, steps: int, part: int | None = None) -> tuple[Array, Array]:
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
    part : int, optional
        So many documents at a time at most, by default more where loops are not compiled; all of
        them on a device, and for a stack.

    Returns
    -------
    The factor (m, k) in normal form, and its codes (k, documents); or stacks of either.
    """
    data: _Documents | _Whole
    data = _Whole(X) if A.ndim > 2 else _Documents(X, part or _documents_of_a_part(A))
    codes: Array | None = None
    ahead, momentum = A, 1.0
    for _ in range(steps):
        gram = _transposed(ahead) @ ahead
        codes = data.codes(ahead, gram, codes, _SWEEPS)
        # The former one is of the size of the terms, and not needed any more.
        moved = ahead = _moved(ahead, *data.sums(codes))
        momentum = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        ahead = kept_alive(_extrapolated(moved, A, (momentum - 1) / (momentum + 1)), moved)
        A = moved
    lengths = column_lengths(A)
    A = unit_columns(A)
    codes = None if codes is None else codes * lengths[..., None]
    return A, data.codes(A, _transposed(A) @ A, codes, _LAST_SWEEPS)


def _documents_of_a_part(A: Array) -> int:
    return DOCUMENTS_OF_A_PART if kernels_for(A) is not None else _DOCUMENTS_WITHOUT_LOOPS


def _moved(A: Array, XS: Array, SS: Array) -> Array:
    """Return the factor improved, from X S^T (m, k) and S S^T (k, k)."""
    arrays = SS, _transposed(XS), _transposed(A)
    moved = coordinate_descent(*arrays, _SWEEPS, overwrite_rhs=True)
    return kept_alive(_transposed(moved), A)


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


class _Documents:
    """A matrix in parts, for one factor."""

    def __init__(self, X: Matrix, part: int) -> None:
        self._parts = Parts(X, part)

    def codes(self, A: Array, gram: Array, near: Array | None, sweeps: int) -> Array:
        """Codes (k, documents), improved from those near, or from zero."""

        def improved(documents: Matrix, place: slice) -> Array:
            rhs = project(A, documents)
            start = namespace(A).zeros_like(rhs) if near is None else near[:, place]
            return coordinate_descent(gram, rhs, start, sweeps)

        return joined(self._parts.of_documents(improved))

    def sums(self, S: Array) -> tuple[Array, Array]:
        """X S^T (m, k) and S S^T (k, k)."""
        squares = self._parts.of_documents(lambda _, place: S[:, place] @ S[:, place].T)
        return self._parts.accumulate(S), reduce(add, squares)
