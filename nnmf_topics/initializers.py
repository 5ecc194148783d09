"""Starts: factors in normal form from which training sets out."""

from collections.abc import Callable, Sequence

import numpy as np
from sklearn.utils.extmath import randomized_svd

from nnmf_topics._backend import Device, namespace
from nnmf_topics._typing import Array, InitName, Matrix
from nnmf_topics.alternation import alternate, in_parts
from nnmf_topics.clustering import cluster_sums
from nnmf_topics.optimizers import unit_columns

_POWER_ITERATIONS = 12  # with fewer the start depends on luck; see scripts/RESULTS.md
_ALTERNATIONS, _ALTERNATIONS_OF_CLUSTERS = 20, 6
_EVENNESS, _EVENNESS_OF_CLUSTERS = 0.125, 0.2
_PART = 2000

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
        evenly. "clusters": the first layer from clusters of documents instead, and the layers
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
    return _stack(X, widths, random_state, alternations=0)


def layerwise(
    X: Matrix,
    widths: Sequence[int],
    random_state: np.random.RandomState,
    evenness: float = _EVENNESS,
) -> list[np.ndarray]:
    """Return the start "layerwise" of `initialize`.

    Documents weigh length^(1 - evenness) in the upper layers: with 0 by all that they have.
    """
    first = unit_columns(nndsvd(X, widths[0], random_state)).astype(X.dtype, copy=False)
    first, codes = alternate(in_parts(X, _PART), first, _ALTERNATIONS)
    return [first, *_above(first, codes, widths[1:], random_state, evenness)]


def _clusters(
    X: Matrix, widths: Sequence[int], random_state: np.random.RandomState
) -> list[np.ndarray]:
    sums = cluster_sums(X, widths[0], random_state)
    first = unit_columns(_filled(sums, np.max(sums, axis=0) > 0, random_state))
    first, codes = alternate(in_parts(X, _PART), first, _ALTERNATIONS_OF_CLUSTERS)
    return [first, *_above(first, codes, widths[1:], random_state, _EVENNESS_OF_CLUSTERS)]


def _above(
    first: np.ndarray,
    codes: Sequence[np.ndarray],
    widths: Sequence[int],
    random_state: np.random.RandomState,
    evenness: float,
) -> list[np.ndarray]:
    """Start the upper layers from codes of the finest, divided by length^evenness."""
    if not widths:
        return []
    S = np.concatenate(codes, axis=1)
    # Documents that the topics explain well would decide alone which of them have a parent.
    lengths = np.sqrt(np.sum(S * (first.T @ first @ S), axis=0))
    S = S / np.where(lengths > 0, lengths, 1) ** S.dtype.type(evenness)
    return _stack(S, widths, random_state, _ALTERNATIONS)


def _stack(
    X: Matrix, widths: Sequence[int], random_state: np.random.RandomState, alternations: int
) -> list[np.ndarray]:
    factors = []
    signal = X
    for k in widths:
        A = unit_columns(nndsvd(signal, k, random_state)).astype(X.dtype, copy=False)
        parts = in_parts(signal, _PART)
        A, codes = alternate(parts, A, alternations)
        factors.append(A)
        signal = np.concatenate(codes, axis=1)
    return factors


def squared_norm(X: Matrix) -> Array:
    """||X||_F^2 as a float64 scalar of the array's namespace."""
    if hasattr(X, "nnz"):
        X = X.data
    xp = namespace(X)
    X = xp.astype(X, xp.float64)
    return xp.sum(X * X)


def nndsvd(X: Matrix, k: int, random_state: np.random.RandomState) -> np.ndarray:
    """First factor of the nonnegative double SVD, zeros filled with a hundredth of the mean.

    Of every singular pair the dominant of its positive and negative parts is taken (Boutsidis and
    Gallopoulos, "SVD based initialization: a head start for NMF", 2008). Topics beyond the rank of
    X, of which the SVD says nothing, start as that noise.

    Parameters
    ----------
    X : Matrix (m, n) on the host
    k : int
    random_state : numpy.random.RandomState

    Returns
    -------
    ndarray (m, k)
    """
    rank = min(k, *X.shape)
    U, s, Vt = randomized_svd(X, rank, n_iter=_POWER_ITERATIONS, random_state=random_state)
    A = np.zeros((X.shape[0], k), dtype=U.dtype)
    for j in range(rank):
        u, v = U[:, j], Vt[j]
        halves = [(np.maximum(side * u, 0), np.maximum(side * v, 0)) for side in (1, -1)]
        lengths = [float(np.linalg.norm(a) * np.linalg.norm(b)) for a, b in halves]
        half, length = halves[int(np.argmax(lengths))][0], max(lengths)
        if length > 0:
            A[:, j] = np.sqrt(s[j] * length) / np.linalg.norm(half) * half
    return _filled(A, A > 0, random_state)


def _filled(A: np.ndarray, known: np.ndarray, random_state: np.random.RandomState) -> np.ndarray:
    """Write noise to all but the known entries, a hundredth of the mean."""
    noise = random_state.random_sample(A.shape)
    noise *= float(A.mean()) / 100 or 1.0  # of A, not of X: units shall not matter
    np.copyto(A, noise, where=~known, casting="same_kind")
    return A
