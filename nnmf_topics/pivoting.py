"""Nonnegative least squares of many columns by block principal pivoting.

The codes are those of the right support: solve on a guess of it, exchange what came out wrong, and
go on with the columns that are still open. (Kim and Park, "Fast nonnegative matrix factorization:
an active-set-like method and comparisons", 2011.)
"""

import logging
from types import ModuleType

import numpy as np
import scipy.linalg
import scipy.optimize

from nnmf_topics._backend import device_of, namespace, to_host
from nnmf_topics._compiled import cuda_kernels_for, kernels_for
from nnmf_topics._typing import Array
from nnmf_topics.support_systems import SupportSystems, with_columns

logger = logging.getLogger(__name__)

_PATIENCE = 3  # full exchanges without progress before single ones (Kim and Park use 3)
_MOST_ROUNDS = 30
_MOST_LINKS = 4  # rounds whose systems are kept for the backward pass


def solve(gram: Array, rhs: Array, systems: SupportSystems) -> Array:
    """Solve min_{S >= 0} <S, gram S> / 2 - <rhs, S>.

    A column exchanges all its wrong variables at once, and falls back to one at a time when that
    makes no progress. That ends, but with almost dependent topics it can take thousands of rounds:
    the few columns that are still open then are left to SciPy's active set method.

    Parameters
    ----------
    gram : Array of shape (k, k), positive definite
    rhs : Array of shape (k, n)
    systems : SupportSystems
        Of this Gram matrix, on the supports to start from; moved to those of the solution.

    Returns
    -------
    Array of shape (k, n), zero off the support.
    """
    kernels = kernels_for(gram, rhs)
    if kernels is not None:
        return _solve_by_columns(kernels, gram, rhs, systems)
    if (cuda := cuda_kernels_for(gram, rhs, topics=gram.shape[0])) is not None:
        return _solve_on_gpu(cuda, gram, rhs, systems)
    xp = namespace(gram, rhs)
    k, n = rhs.shape
    device = device_of(rhs)
    # In the metric of unit columns, so that the lengths of the topics do not matter.
    lengths = xp.sqrt(xp.linalg.diagonal(gram))[:, None]
    tolerance = xp.finfo(rhs.dtype).eps ** 0.75 * xp.max(xp.abs(rhs) / lengths, axis=0)
    fewest, patience = xp.full(n, k + 1, device=device), xp.full(n, _PATIENCE, device=device)
    rounds: list[tuple[Array, Array]] = []  # codes, and which of their columns are still open
    guess = systems
    for _ in range(_MOST_ROUNDS):
        codes, support = systems.solve(rhs), systems.support
        # A code within rounding of zero is zero, or else rounding would choose the derivative.
        # Where it was the slope is then at least -tolerance / 2, so that it does not come back.
        leaves, slope = 2 * lengths * codes <= tolerance, (gram @ codes - rhs) / lengths
        wrong = xp.where(support, leaves, slope < -tolerance)
        (still,) = xp.nonzero(xp.any(wrong, axis=0))
        rounds.append((codes, still))
        if still.shape[0] == 0:
            break
        rhs, support, wrong = (xp.take(a, still, axis=1) for a in (rhs, support, wrong))
        tolerance, fewest, patience = (xp.take(a, still) for a in (tolerance, fewest, patience))
        swap, fewest, patience = _exchange(wrong, fewest, patience)
        systems = systems.move(still, support ^ swap)
    else:
        logger.debug("pivoting left %d documents to the active set method", still.shape[0])
        rounds.append((_active_set(gram, rhs), still))
    codes, _ = rounds.pop()
    for earlier, still in reversed(rounds):
        codes = with_columns(earlier, still, codes)
    if len(rounds) > _MOST_LINKS:
        _, moved = rounds[0]
        guess.move(moved, xp.take(codes, moved, axis=1) > 0)
    return xp.where(codes > 0, codes, xp.zeros_like(codes))


def _solve_by_columns(
    kernels: ModuleType, gram: Array, rhs: Array, systems: SupportSystems
) -> Array:
    """Do the same by compiled loops, to which a column alone is not dearer than among others."""
    rows, support = np.ascontiguousarray(rhs.T), np.ascontiguousarray(systems.support.T)
    codes = np.ascontiguousarray(systems.solve(rhs).T)
    tolerance = rhs.dtype.type(np.finfo(rhs.dtype).eps ** 0.75)
    lengths = np.sqrt(gram.diagonal())
    wrong = kernels.wrong_columns(codes @ gram, rows, codes, support, lengths, tolerance)
    if wrong.size:
        rows, moved, support = rows[wrong], codes[wrong], support[wrong]
        open_ = kernels.pivot(gram, rows, moved, support, tolerance, _MOST_ROUNDS, _PATIENCE)
        if open_.size:
            logger.debug("pivoting left %d documents to the active set method", open_.size)
            moved[open_] = _active_set(gram, rows[open_].T).T
            support[open_] = moved[open_] > 0
        codes[wrong] = moved
        systems.move(wrong, support.T)
    return codes.T


def _solve_on_gpu(cuda: ModuleType, gram: Array, rhs: Array, systems: SupportSystems) -> Array:
    """Do the same by a kernel to which a column is not dearer in the first round than later."""
    xp = namespace(gram, rhs)
    epsilon = xp.finfo(rhs.dtype).eps ** 0.75
    arguments = (gram, rhs.T, systems.support.T, epsilon, _MOST_ROUNDS, _PATIENCE)
    codes, support, open_ = cuda.pivot(*arguments)
    (still,) = xp.nonzero(open_)
    if still.shape[0]:
        logger.debug("pivoting left %d documents to the active set method", still.shape[0])
        codes[still, :] = _active_set(gram, rhs[:, still]).T
        support[still, :] = codes[still, :] > 0
    systems.move_all(support.T)
    return codes.T


def _active_set(gram: Array, rhs: Array) -> Array:
    """Solve column by column on the host, in double precision, by Lawson and Hanson's method."""
    xp = namespace(gram, rhs)
    G, B = (to_host(a).astype(np.float64) for a in (gram, rhs))
    triangle = np.linalg.cholesky(G)
    targets = scipy.linalg.solve_triangular(triangle, B, lower=True)
    codes = [scipy.optimize.nnls(triangle.T, t, maxiter=100 * len(G))[0] for t in targets.T]
    return xp.asarray(np.stack(codes, axis=1), dtype=rhs.dtype, device=device_of(rhs))


def _exchange(wrong: Array, fewest: Array, patience: Array) -> tuple[Array, Array, Array]:
    """Which wrong variables change sides (Kim and Park, 2011, section 3), and the rule's memory."""
    xp = namespace(wrong)
    count = xp.astype(xp.sum(xp.astype(wrong, xp.int64), axis=0), fewest.dtype)
    better = count < fewest
    single = ~better & (patience == 0)
    rank = xp.arange(1, wrong.shape[0] + 1, device=device_of(wrong))[:, None]
    last = xp.max(xp.where(wrong, rank, xp.zeros_like(rank)), axis=0)
    swap = wrong & (~single | (rank == last))
    left = patience - xp.astype(patience > 0, patience.dtype)
    patience = xp.where(better, xp.full_like(patience, _PATIENCE), left)
    return swap, xp.where(better, count, fewest), patience
