"""Multiplicative updates (Lee and Seung, "Algorithms for NMF", 2001), until they have settled."""

import warnings
from collections.abc import Callable

import numpy as np
from sklearn.exceptions import ConvergenceWarning

_EVERY = 10
_FLOOR = 0.01


def raised(start: np.ndarray) -> np.ndarray:
    """Fill zeros, which no multiplication could move, with a hundredth of the mean (NNDSVD-a's)."""
    return np.where(start > 0, start, _FLOOR * float(start.mean()))


def times(factor: np.ndarray, up: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Multiply by the ratio of the two parts of the derivative, down - up."""
    return np.asarray(factor * (up / np.maximum(down, np.finfo(np.float64).tiny)))


def settle(update: Callable[[], float], first: float, max_iter: int, tol: float) -> list[float]:
    """Call `update`, which returns the loss, and return all losses from the first.

    It stops as scikit-learn's NMF does with this solver: when ten updates lowered the root of the
    loss by less than `tol` of its first value; and warns likewise if it never did.
    """
    losses = [first]
    for done in range(1, max_iter + 1):
        losses.append(update())
        if tol > 0 and done % _EVERY == 0:
            before, now = np.sqrt(losses[-1 - _EVERY]), np.sqrt(losses[-1])
            if before - now <= tol * np.sqrt(first):
                return losses
    if tol > 0:
        warnings.warn(
            f"max_iter={max_iter} updates were made and the loss still falls: raise max_iter",
            ConvergenceWarning,
            stacklevel=2,
        )
    return losses
