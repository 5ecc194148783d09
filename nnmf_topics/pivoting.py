"""Nonnegative least squares of many columns by block principal pivoting.

The codes are those of the right support: solve on a guess of it, exchange what came out wrong, and
go on with the columns that are still open. (Kim and Park, "Fast nonnegative matrix factorization:
an active-set-like method and comparisons", 2011.)
"""

import logging

from nnmf_topics._backend import device_of, namespace
from nnmf_topics._typing import Array
from nnmf_topics.support_systems import SupportSystems, with_columns

logger = logging.getLogger(__name__)

_GUESS_SWEEPS, _LAST_SWEEPS = 4, 200
_PATIENCE = 3  # full exchanges without progress before single ones (Kim and Park use 3)
_MOST_ROUNDS = 60
_MOST_LINKS = 4  # rounds whose systems are kept for the backward pass


def guess_support(gram: Array, rhs: Array) -> Array:
    """Where codes are positive after a few sweeps of coordinate descent from the clipped solution.

    Parameters
    ----------
    gram : Array of shape (k, k), positive definite
    rhs : Array of shape (k, n)

    Returns
    -------
    boolean Array of shape (k, n)
    """
    xp = namespace(gram, rhs)
    return _descend(gram, rhs, xp.clip(xp.linalg.solve(gram, rhs), 0.0, None), _GUESS_SWEEPS) > 0


def _descend(gram: Array, rhs: Array, S: Array, sweeps: int) -> Array:
    """Coordinate descent from nonnegative codes S, in place."""
    xp = namespace(gram, rhs)
    for _ in range(sweeps):
        for j in range(gram.shape[0]):
            S[j, :] = xp.clip(S[j, :] + (rhs[j, :] - gram[j, :] @ S) / gram[j, j], 0.0, None)
    return S


def solve(gram: Array, rhs: Array, systems: SupportSystems) -> Array:
    """Solve min_{S >= 0} <S, gram S> / 2 - <rhs, S>.

    A column exchanges all its wrong variables at once, and falls back to one at a time when that
    makes no progress, which ends for every positive definite Gram matrix in exact arithmetic. With
    almost dependent topics rounding can lead round in circles: such columns are descended instead.

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
    xp = namespace(gram, rhs)
    k, n = rhs.shape
    device = device_of(rhs)
    diagonal = xp.linalg.diagonal(gram)[:, None]
    tolerance = xp.finfo(rhs.dtype).eps ** 0.75 * xp.max(xp.abs(rhs), axis=0)
    fewest, patience = xp.full(n, k + 1, device=device), xp.full(n, _PATIENCE, device=device)
    rounds: list[tuple[Array, Array]] = []  # codes, and which of their columns are still open
    guess = systems
    for _ in range(_MOST_ROUNDS):
        codes, support = systems.solve(rhs), systems.support
        # A code within rounding of zero is zero, or else rounding would choose the derivative.
        # Where it was the slope is then at least -tolerance / 2, so that it does not come back.
        leaves = 2 * diagonal * codes <= tolerance
        wrong = xp.where(support, leaves, gram @ codes - rhs < -tolerance)
        (still,) = xp.nonzero(xp.any(wrong, axis=0))
        rounds.append((codes, still))
        if still.shape[0] == 0:
            break
        rhs, support, wrong = (xp.take(a, still, axis=1) for a in (rhs, support, wrong))
        tolerance, fewest, patience = (xp.take(a, still) for a in (tolerance, fewest, patience))
        swap, fewest, patience = _exchange(wrong, fewest, patience)
        systems = systems.move(still, support ^ swap)
    else:
        logger.debug("pivoting did not end for %d documents: descending", still.shape[0])
        start = xp.clip(xp.take(codes, still, axis=1), 0.0, None)
        rounds.append((_descend(gram, rhs, start, _LAST_SWEEPS), still))
    codes, _ = rounds.pop()
    for earlier, still in reversed(rounds):
        codes = with_columns(earlier, still, codes)
    if len(rounds) > _MOST_LINKS:
        _, moved = rounds[0]
        guess.move(moved, xp.take(codes, moved, axis=1) > 0)
    return xp.where(codes > 0, codes, xp.zeros_like(codes))


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
