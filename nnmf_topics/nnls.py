"""The layer: nonnegative least squares q(A, X) = argmin_{S >= 0} ||X - A S||_F^2, and its way back.

The answer is characterised by its optimality (KKT) conditions, column by column. With P the support
of a column s of S and x the column of X,

    A_P^T (x - A_P s_P) = 0,        s = 0 off P,        A^T (A s - x) >= 0.

Forward and backward share one primitive, `SupportSystems`: for every column solve
gram[P, P] u[P] = rhs[P] on that column's own support. Only gram = A^T A and rhs = A^T X touch X.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from nnmf_topics._backend import device_of, namespace
from nnmf_topics._typing import Array, Matrix
from nnmf_topics.coordinate_descent import coordinate_descent
from nnmf_topics.pivoting import solve
from nnmf_topics.products import project
from nnmf_topics.support_systems import SupportSystems

_COLD_SWEEPS, _WARM_SWEEPS = 4, 2


class Adjoint(NamedTuple):
    """The gradient of a layer in factored form: dL/dA = X U^T + A mix and dL/dX = A U.

    Left in this form because of the first layer: X is sparse and terms x documents, so A U is never
    wanted, and X U^T can be shared with the product that the loss needs.
    """

    U: Array
    mix: Array


class Solution(NamedTuple):
    """What a layer returns: the codes S (k, n), what they solve, and the way back.

    `gram` = A^T A (k, k), `rhs` = A^T X (k, n); `pullback` maps dL/dS to the `Adjoint`.
    """

    S: Array
    gram: Array
    rhs: Array
    pullback: Callable[[Array], Adjoint]


@dataclass(frozen=True)
class Grams:
    """A^T A of a factor, and the same fit to be solved with; see `well_posed`."""

    gram: Array
    safe: Array

    @cached_property
    def inverse(self) -> Array:
        """Of the safe one: only supports are guessed by it, for many chunks of documents."""
        return namespace(self.safe).linalg.inv(self.safe)


def grams_of(A: Array) -> Grams:
    """Make what is the same for all chunks of documents."""
    gram = A.T @ A
    return Grams(gram, well_posed(gram))


def nnls(A: Array, X: Matrix, near: Array | None = None, grams: Grams | None = None) -> Solution:
    """Solve min_{S >= 0} ||X - A S||_F^2.

    Parameters
    ----------
    A : Array of shape (m, k)
        The factor, nonnegative or not, of any rank.
    X : Matrix of shape (m, n)
        Dense or sparse data, one column a document.
    near : Array of shape (k, n), optional
        Codes to start from, such as those of the last pass. They change the time, and which of
        several solutions is found where topics are linearly dependent.
    grams : Grams, optional
        Of A, if they were made already.

    Returns
    -------
    Solution
        The codes, with exact zeros off the support, and their pullback.

    Notes
    -----
    Differentiating the KKT conditions on the support P of each column gives (Will et al., 2023)
    U = (A_P^T A_P)^{-1} dL/dS on P, 0 elsewhere, and dL/dA = X U^T - A (S U^T + U S^T).
    The solution is piecewise smooth; where a support changes this is a one-sided derivative.
    """
    grams = grams or grams_of(A)
    rhs = project(A, X)
    systems = SupportSystems(grams.safe, _likely_support(grams, rhs, near))
    S = solve(grams.safe, rhs, systems)

    def pullback(dS: Array) -> Adjoint:
        U = systems.solve(dS)
        SU = S @ U.T
        return Adjoint(U, -(SU + SU.T))

    return Solution(S, grams.gram, rhs, pullback)


def _likely_support(grams: Grams, rhs: Array, near: Array | None) -> Array:
    """Where codes are positive after a few sweeps, by default from the clipped solution."""
    if near is not None:
        return coordinate_descent(grams.safe, rhs, near, _WARM_SWEEPS) > 0
    # In memory documents follow each other, as the sweeps read them.
    free = (rhs.T @ grams.inverse.T).T
    zero = namespace(rhs).zeros(1, dtype=rhs.dtype, device=device_of(rhs))
    return coordinate_descent(grams.safe, rhs, namespace(rhs).maximum(free, zero), _COLD_SWEEPS) > 0


def well_posed(gram: Array) -> Array:
    """Return the Gram matrix, with a ridge on its diagonal if it is numerically singular.

    Decided once for all supports: by Cauchy interlacing no principal submatrix has a smaller
    eigenvalue than the whole. In the metric of unit columns, so that the lengths of the columns do
    not matter, the ridge is d = eps^(3/4) of the largest eigenvalue. Linearly dependent topics
    share their weight (the least-norm solution in the limit) at a KKT residual of at most
    sqrt(d) / 2 ||x||: 7e-7 in double precision. An all-zero column gets a unit diagonal.
    """
    xp = namespace(gram)
    eye = xp.eye(gram.shape[0], dtype=gram.dtype, device=device_of(gram))
    gram = gram + eye * xp.astype(xp.linalg.diagonal(gram) <= 0, gram.dtype)
    squares = xp.linalg.diagonal(gram)
    lengths = xp.sqrt(squares)
    eigenvalues = xp.linalg.eigvalsh(gram / lengths[:, None] / lengths)
    floor = xp.finfo(gram.dtype).eps ** 0.75 * eigenvalues[-1]
    ridge = xp.where(eigenvalues[0] < floor, floor, xp.zeros_like(floor))
    return gram + eye * (ridge * squares)


def kkt_residual(gram: Array, rhs: Array, codes: Array) -> Array:
    """Violation of the optimality conditions of every column, relative to its right-hand side.

    Returns
    -------
    Array of shape (n,)
        max over topics of |gradient| on the support, of its negative part off the support, and of
        any negative code; divided by the largest |rhs| of the column (1 for a zero column).
    """
    xp = namespace(gram, rhs)
    slope = gram @ codes - rhs
    violation = xp.where(codes > 0, xp.abs(slope), xp.clip(-slope, 0.0, None))
    violation = xp.max(xp.maximum(violation, xp.clip(-codes, 0.0, None)), axis=0)
    scale = xp.max(xp.abs(rhs), axis=0)
    return violation / xp.where(scale > 0, scale, xp.ones_like(scale))
