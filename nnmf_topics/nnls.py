"""The layer: nonnegative least squares q(A, X) = argmin_{S >= 0} ||X - A S||_F^2, and its way back.

The answer is characterised by its optimality (KKT) conditions, column by column. With P the support
of a column s of S and x the column of X,

    A_P^T (x - A_P s_P) = 0,        s = 0 off P,        A^T (A s - x) >= 0.

Forward and backward share one primitive, `solve_on_support`: for every column solve
gram[P, P] u[P] = rhs[P] on that column's own support. Only gram = A^T A and rhs = A^T X touch X.
"""

import logging
from collections.abc import Callable
from typing import NamedTuple

from nnmf_topics._backend import device_of, namespace, to_host
from nnmf_topics._typing import Array, Matrix

logger = logging.getLogger(__name__)

_DESCENT_SWEEPS = 4
_PATIENCE = 3  # full exchanges without progress before single pivots (Kim and Park, 2011, use 3)


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


def nnls(A: Array, X: Matrix, support: Array | None = None) -> Solution:
    """Solve min_{S >= 0} ||X - A S||_F^2.

    Parameters
    ----------
    A : Array of shape (m, k)
        The factor, nonnegative or not, of any rank.
    X : Matrix of shape (m, n)
        Dense or sparse data, one column a document.
    support : boolean Array of shape (k, n), optional
        A guess of where S is positive, such as that of the last pass. It changes the time, and
        which of several solutions is found where topics are linearly dependent.

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
    gram, rhs = A.T @ A, (X.T @ A).T
    safe_gram = well_posed(gram)
    S = solve(safe_gram, rhs, support)

    def pullback(dS: Array) -> Adjoint:
        U = solve_on_support(safe_gram, dS, S > 0)
        SU = S @ U.T
        return Adjoint(U, -(SU + SU.T))

    return Solution(S, gram, rhs, pullback)


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
    squares = xp.linalg.diagonal(gram)
    gram = gram + eye * xp.where(squares > 0, xp.zeros_like(squares), xp.ones_like(squares))
    lengths = xp.sqrt(xp.linalg.diagonal(gram))
    eigenvalues = xp.linalg.eigvalsh(gram / lengths[:, None] / lengths)
    floor = xp.finfo(gram.dtype).eps ** 0.75 * eigenvalues[-1]
    ridge = xp.where(eigenvalues[0] < floor, floor, xp.zeros_like(floor))
    return gram + eye * (ridge * lengths**2)


def solve(gram: Array, rhs: Array, support: Array | None = None) -> Array:
    """Solve min_{S >= 0} <S, gram S> / 2 - <rhs, S> by block principal pivoting.

    Every column exchanges all its infeasible variables at once, and falls back to one at a time
    when that makes no progress, which ends for every positive definite Gram (Kim and Park, "Fast
    nonnegative matrix factorization: an active-set-like method and comparisons", 2011).

    Parameters
    ----------
    gram : Array of shape (k, k), positive definite (see `well_posed`)
    rhs : Array of shape (k, n)
    support : boolean Array of shape (k, n), optional
        Where to start. Default: the support after a few sweeps of coordinate descent.

    Returns
    -------
    Array of shape (k, n), zero off its support.
    """
    xp = namespace(gram, rhs)
    k, n = rhs.shape
    if n == 0:
        return rhs
    if support is None:
        support = _descend(gram, rhs) > 0
    tolerance = xp.finfo(rhs.dtype).eps ** 0.75 * xp.max(xp.abs(rhs), axis=0)
    rule = _ExchangeRule(xp, k, n, device_of(rhs))
    columns = xp.arange(n, device=device_of(rhs))
    finished: list[tuple[Array, Array]] = []
    for _ in range(20 * k + 100):
        codes = solve_on_support(gram, rhs, support)
        wrong = xp.where(support, codes < 0, gram @ codes - rhs < -tolerance)
        open_columns = xp.any(wrong, axis=0)
        (closed,) = xp.nonzero(~open_columns)
        finished.append((xp.take(columns, closed), xp.take(codes, closed, axis=1)))
        (still,) = xp.nonzero(open_columns)
        if still.shape[0] == 0:
            break
        columns, tolerance = xp.take(columns, still), xp.take(tolerance, still)
        rhs, support, wrong, codes = (
            xp.take(a, still, axis=1) for a in (rhs, support, wrong, codes)
        )
        support = support ^ rule.exchange(still, wrong)
    else:
        logger.warning("%d documents kept approximate codes: pivoting did not end", still.shape[0])
        finished.append((columns, xp.clip(codes, 0.0, None)))
    order = xp.argsort(xp.concat([c for c, _ in finished]))
    codes = xp.take(xp.concat([c for _, c in finished], axis=1), order, axis=1)
    return xp.where(codes > 0, codes, xp.zeros_like(codes))


class _ExchangeRule:
    """Which of a column's infeasible variables change sides (Kim and Park, 2011, section 3)."""

    def __init__(self, xp: Array, k: int, n: int, device: Array) -> None:
        self.xp = xp
        self.patience = xp.full(n, _PATIENCE, device=device)
        self.fewest = xp.full(n, k + 1, device=device)

    def exchange(self, still: Array, wrong: Array) -> Array:
        xp = self.xp
        patience, fewest = xp.take(self.patience, still), xp.take(self.fewest, still)
        count = xp.astype(xp.sum(xp.astype(wrong, xp.int64), axis=0), fewest.dtype)
        better = count < fewest
        single = ~better & (patience == 0)
        self.fewest = xp.where(better, count, fewest)
        self.patience = xp.where(
            better, xp.full_like(patience, _PATIENCE), xp.clip(patience - 1, 0, None)
        )
        rank = xp.arange(1, wrong.shape[0] + 1, device=device_of(wrong))[:, None]
        last = xp.max(xp.where(wrong, rank, xp.zeros_like(rank)), axis=0)
        return wrong & (~single | (rank == last))


def solve_on_support(gram: Array, rhs: Array, support: Array) -> Array:
    """For every column solve gram[P, P] u[P] = rhs[P] on its support P; u is 0 elsewhere.

    Columns are sorted by the size of their support, so that each size is one batched solve.

    Parameters
    ----------
    gram : Array of shape (k, k)
    rhs : Array of shape (k, n)
    support : boolean Array of shape (k, n)

    Returns
    -------
    Array of shape (k, n)
    """
    xp = namespace(gram, rhs)
    k = gram.shape[0]
    sizes = xp.sum(xp.astype(support, xp.int64), axis=0)
    by_size = xp.argsort(sizes)
    mask = xp.take(support.T, by_size, axis=0)
    flat_rhs = xp.take(rhs.T, by_size, axis=0)[mask]
    _, topic = xp.nonzero(mask)
    flat_gram = xp.reshape(gram, (-1,))
    values, start = [], 0
    for size, count in _counts(xp, sizes):
        stop = start + size * count
        P = xp.reshape(topic[start:stop], (count, size))
        grams = xp.take(flat_gram, xp.reshape(P[:, :, None] * k + P[:, None, :], (-1,)))
        right = xp.reshape(flat_rhs[start:stop], (count, size, 1))
        u = xp.linalg.solve(xp.reshape(grams, (count, size, size)), right)
        values.append(xp.reshape(u, (-1,)))
        start = stop
    if not values:
        return xp.zeros_like(rhs)
    position = xp.cumulative_sum(xp.astype(xp.reshape(mask, (-1,)), xp.int64)) - 1
    u = xp.take(xp.concat(values), xp.clip(position, 0, None))
    u = xp.where(mask, xp.reshape(u, mask.shape), xp.zeros_like(rhs.T))
    return xp.take(u, xp.argsort(by_size), axis=0).T


def _counts(xp: Array, sizes: Array) -> list[tuple[int, int]]:
    """(support size, number of columns) for every size but 0, ascending."""
    found = xp.unique_counts(sizes)
    pairs = zip(to_host(found.values), to_host(found.counts), strict=True)
    return [(int(size), int(count)) for size, count in pairs if size > 0]


def _descend(gram: Array, rhs: Array) -> Array:
    """Codes after a few sweeps of coordinate descent from the clipped unconstrained solution."""
    xp = namespace(gram, rhs)
    S = xp.clip(xp.linalg.solve(gram, rhs), 0.0, None)
    for _ in range(_DESCENT_SWEEPS):
        for j in range(gram.shape[0]):
            S[j, :] = xp.clip(S[j, :] + (rhs[j, :] - gram[j, :] @ S) / gram[j, j], 0.0, None)
    return S


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
