"""The start of the layers above the finest, from its codes."""

from collections.abc import Sequence

import numpy as np

from nnmf_topics._backend import HOST
from nnmf_topics.alternation import alternate
from nnmf_topics.optimizers import unit_columns
from nnmf_topics.single_layer import ALTERNATIONS, Fit, from_nndsvd

_LEAST_GAIN = 1e-4  # of the codes' squares; less would let rounding decide between equals
_TRIED_ON = 2000


def upper_layers(
    first: Fit,
    widths: Sequence[int],
    random_state: np.random.RandomState,
    evenness: float,
    restarts: int,
) -> list[np.ndarray]:
    """Return A_1 (k_0, k_1), ... for the finest layer, its codes divided by length^evenness.

    With restarts, the best of so many random starts is taken in place of NNDSVD if it fits better.
    To be called while the host is active.
    """
    if not widths:
        return []
    S = _evened(*first, evenness)
    factors = []
    for k in widths:
        fit = from_nndsvd(S, k, random_state)
        if restarts and k > 1:
            fit = restarted(S, fit, random_state, restarts)
        A, S = fit
        factors.append(A)
    return factors


def _evened(A: np.ndarray, S: np.ndarray, evenness: float) -> np.ndarray:
    """Divide codes by length^evenness.

    Documents that the topics explain well would decide alone which of them have a parent.
    """
    lengths = np.sqrt(np.sum(S * (A.T @ A @ S), axis=0))
    return np.asarray(S / np.where(lengths > 0, lengths, 1) ** S.dtype.type(evenness))


def restarted(S: np.ndarray, found: Fit, random_state: np.random.RandomState, restarts: int) -> Fit:
    """Return the best of some random starts if it fits the codes better than what was found.

    They are tried on a part of the documents; what that prefers is not always better for all.
    """
    least = _LEAST_GAIN * float(np.mean(S.astype(np.float64) ** 2))
    few = S.shape[1] <= _TRIED_ON
    part = S if few else S[:, random_state.choice(S.shape[1], _TRIED_ON, replace=False)]
    best, lowest = (found, _mean_square_error(S, found)) if few else (None, np.inf)

    def tried(start: np.ndarray) -> tuple[Fit, float]:
        fit = alternate(part, unit_columns(start), ALTERNATIONS)
        return fit, _mean_square_error(part, fit)

    shape = found[0].shape
    starts = (random_state.random_sample(shape).astype(S.dtype) for _ in range(restarts))
    for fit, error in HOST.map(tried, starts):
        if error < lowest - least:
            best, lowest = fit, error
    if best is None:
        return found
    if few:
        return best
    whole = alternate(S, best[0], ALTERNATIONS)
    gain = _mean_square_error(S, found) - _mean_square_error(S, whole)
    return whole if gain > least else found


def _mean_square_error(S: np.ndarray, fit: Fit) -> float:
    A, codes = fit
    difference = S - A @ codes
    return float(np.mean(difference.astype(np.float64) ** 2))
