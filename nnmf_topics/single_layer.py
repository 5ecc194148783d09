"""The start of a single layer: NNDSVD, then alternating steps, on the host or on a GPU."""

import numpy as np
import scipy.sparse as sp

from nnmf_topics._backend import HOST, Device, to_host
from nnmf_topics._typing import Matrix
from nnmf_topics.alternation import alternate
from nnmf_topics.nndsvd import nndsvd
from nnmf_topics.optimizers import unit_columns

ALTERNATIONS = 20
_ALTERNATIONS_AFTER = 30  # all rows count alike in them
_LEAST_IDF = 0.5  # that of rows of all documents is 0: they would weigh nothing

Fit = tuple[np.ndarray, np.ndarray]
"""A factor (m, k) with unit columns, and codes (k, documents)."""


def from_nndsvd(
    X: Matrix,
    k: int,
    random_state: np.random.RandomState,
    alternations: int = ALTERNATIONS,
    device: Device = HOST,
) -> Fit:
    """Start from NNDSVD, and take so many alternating steps."""
    A = unit_columns(nndsvd(X, k, random_state, device)).astype(X.dtype, copy=False)
    return alternated(X, A, alternations, device)


def from_rare_rows(
    X: Matrix, k: int, random_state: np.random.RandomState, device: Device = HOST
) -> Fit:
    """Do as `from_nndsvd`, but find the topics where words of few documents count more.

    Of many optima of nearly the same error some have more coherent topics than others, those that
    rare words hold together. Once they are found, all words count alike.
    """
    weights = _rarity(X).astype(X.dtype)
    weighted = _weighted(X, weights)
    A = from_nndsvd(weighted, k, random_state, device=device)[0]
    del weighted  # the host needs the memory
    A = unit_columns(A / weights[:, None])
    return alternated(X, A, _ALTERNATIONS_AFTER, device)


def alternated(X: Matrix, A: np.ndarray, steps: int, device: Device = HOST) -> Fit:
    """Take so many alternating steps from a factor with unit columns."""
    if not device.is_gpu:
        return alternate(X, A, steps)
    with device.active():
        A, codes = alternate(device.put(X), device.put(A), steps)
        return to_host(A), to_host(codes)


def _rarity(X: Matrix) -> np.ndarray:
    """Return the root of the inverse document frequency of rows, a logarithm.

    Rows of three documents in five and more count alike, and so do those of none.
    """
    frequency = np.asarray((X > 0).sum(axis=1)).ravel()
    idf = np.log((1 + X.shape[1]) / (1 + frequency))
    return np.sqrt(np.where(frequency > 0, np.maximum(idf, _LEAST_IDF), _LEAST_IDF))


def _weighted(X: Matrix, weights: np.ndarray) -> Matrix:
    """Multiply the rows of a matrix."""
    if not sp.issparse(X):
        return X * weights[:, None]
    X = sp.csc_array(X)
    return sp.csc_array((X.data * weights[X.indices], X.indices, X.indptr), X.shape)
