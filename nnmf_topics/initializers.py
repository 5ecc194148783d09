"""Starts: factors in normal form from which training sets out."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from nnmf_topics._backend import Device
from nnmf_topics._typing import InitName, Matrix
from nnmf_topics.alternation import alternate, in_parts
from nnmf_topics.clustering import cluster_sums
from nnmf_topics.nndsvd import filled, nndsvd
from nnmf_topics.optimizers import unit_columns

_ALTERNATIONS, _ALTERNATIONS_OF_CLUSTERS = 20, 6
_EVENNESS, _EVENNESS_OF_CLUSTERS = 0.1, 0.2
_RESTARTS = 20  # of an upper layer
_PART = 2000

Fit = tuple[np.ndarray, list[np.ndarray]]
Start = Callable[[Matrix, Sequence[int], np.random.RandomState], list[np.ndarray]]


def initialize(
    name: InitName, X: Matrix, widths: Sequence[int], random_state: np.random.RandomState
) -> list[np.ndarray]:
    """Return A_0 (terms, k_0), A_1 (k_0, k_1), ... with unit columns, in the dtype of X.

    Parameters
    ----------
    name : {"layerwise", "clusters", "nndsvd", "random"}
        "layerwise": each layer from NNDSVD and a few alternating steps on the codes of the layer
        below, as hierarchical NMF goes, but with codes of documents that weigh a little more
        evenly, and above the first layer from the best of random restarts where that has the
        smaller error. "clusters": the first layer from clusters of documents instead, and the layers
        above from codes that weigh documents more evenly still: topics that tell documents apart,
        at a slightly larger error. "nndsvd": each layer from NNDSVD alone. "random": uniform in
        [0, 1).
    X : Matrix (terms, documents) on the host
        The corpus, or a sample of it.
    widths : k_0, k_1, ...
    random_state : numpy.random.RandomState

    Raises
    ------
    ValueError, TypeError
        For any other name; for X of whole numbers.
    """
    starts: dict[str, Start] = {
        "layerwise": layerwise,
        "clusters": _clusters,
        "nndsvd": _nndsvd,
        "random": _random,
    }
    if name not in starts:
        raise ValueError(f"init must be one of {tuple(starts)}, not {name!r}")
    if X.dtype.kind != "f":
        raise TypeError(f"X must hold floating numbers, not {X.dtype}; convert it with astype")
    with Device("cpu").active():
        return [A.astype(X.dtype, copy=False) for A in starts[name](X, widths, random_state)]


def _random(
    X: Matrix, widths: Sequence[int], random_state: np.random.RandomState
) -> list[np.ndarray]:
    shapes = zip((X.shape[0], *widths), widths, strict=False)
    return [unit_columns(random_state.random_sample(shape)) for shape in shapes]


def _nndsvd(
    X: Matrix, widths: Sequence[int], random_state: np.random.RandomState
) -> list[np.ndarray]:
    factors, signal = [], X
    for k in widths:
        A, codes = _from_nndsvd(signal, k, random_state, alternations=0)
        factors.append(A)
        signal = np.concatenate(codes, axis=1)
    return factors


def layerwise(
    X: Matrix,
    widths: Sequence[int],
    random_state: np.random.RandomState,
    evenness: float = _EVENNESS,
) -> list[np.ndarray]:
    """Return the start "layerwise" of `initialize`.

    Documents weigh length^(1 - evenness) in the upper layers: with 0 by all that they have.
    """
    first, codes = _from_nndsvd(X, widths[0], random_state, _ALTERNATIONS)
    even = _evened(first, codes, evenness)
    return [first, *_above(even, widths[1:], random_state, _RESTARTS)]


def _clusters(
    X: Matrix, widths: Sequence[int], random_state: np.random.RandomState
) -> list[np.ndarray]:
    sums = cluster_sums(X, widths[0], random_state)
    first = unit_columns(filled(sums, np.max(sums, axis=0) > 0, random_state))
    first, codes = alternate(in_parts(X, _PART), first, _ALTERNATIONS_OF_CLUSTERS)
    even = _evened(first, codes, _EVENNESS_OF_CLUSTERS)
    return [first, *_above(even, widths[1:], random_state, restarts=0)]


def _evened(first: np.ndarray, codes: Sequence[np.ndarray], evenness: float) -> np.ndarray:
    """Return the codes of the finest layer, divided by length^evenness.

    Documents that the topics explain well would decide alone which of them have a parent.
    """
    S = np.concatenate(codes, axis=1)
    lengths = np.sqrt(np.sum(S * (first.T @ first @ S), axis=0))
    return np.asarray(S / np.where(lengths > 0, lengths, 1) ** S.dtype.type(evenness))


def _above(
    S: np.ndarray, widths: Sequence[int], random_state: np.random.RandomState, restarts: int
) -> list[np.ndarray]:
    """Start the layers above these codes, each from NNDSVD or the best of random restarts."""
    factors = []
    for k in widths:
        found = _from_nndsvd(S, k, random_state, _ALTERNATIONS)
        if restarts:
            nominee = _best_of_random(S, k, random_state, restarts)
            other = alternate(in_parts(S, _PART), nominee, _ALTERNATIONS)
            # What few documents prefer is not always better for all.
            found = min(found, other, key=partial(_squared_error, S))
        factors.append(found[0])
        S = np.concatenate(found[1], axis=1)
    return factors


def _from_nndsvd(X: Matrix, k: int, random_state: np.random.RandomState, alternations: int) -> Fit:
    A = unit_columns(nndsvd(X, k, random_state)).astype(X.dtype, copy=False)
    return alternate(in_parts(X, _PART), A, alternations)


def _best_of_random(
    S: np.ndarray, k: int, random_state: np.random.RandomState, restarts: int
) -> np.ndarray:
    """Return the factor of least error on some documents, of so many random starts."""
    if S.shape[1] > _PART:
        S = S[:, random_state.choice(S.shape[1], _PART, replace=False)]
    starts = (random_state.random_sample((len(S), k)).astype(S.dtype) for _ in range(restarts))
    fits = (alternate([S], unit_columns(A), _ALTERNATIONS) for A in starts)
    best: Fit = min(fits, key=partial(_squared_error, S))
    return best[0]


def _squared_error(S: np.ndarray, fit: Fit) -> float:
    A, codes = fit
    return float(np.sum((S - A @ np.concatenate(codes, axis=1)) ** 2, dtype=np.float64))
