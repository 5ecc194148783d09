"""Clusters of documents by direction, from which topics can start."""

import numpy as np
import scipy.sparse as sp
from sklearn.cluster import kmeans_plusplus

from nnmf_topics._backend import HOST, Device
from nnmf_topics._typing import Matrix
from nnmf_topics.truncated_svd import truncated_svd

_DIRECTIONS = 50
_PRODUCTS = 6  # singular vectors that have converged make topics no better on average
_SEEDS, _MOST_TRIES = 500, 10
_POINTS, _POINTS_OF_A_CLUSTER = 2000, 50
_ROUNDS = 50
_ALIKE = 1e-5


def cluster_sums(
    X: Matrix, k: int, random_state: np.random.RandomState, device: Device = HOST
) -> np.ndarray:
    """Add up the documents of k clusters, alike in direction in the space of latent semantics.

    The space is that of the largest singular values of X, k of them but at least 50. (Wild, Curry
    and Dougherty, "Improving non-negative matrix factorizations through structured initialization",
    2004.)

    Parameters
    ----------
    X : Matrix (m, n) on the host
    k : int
    random_state : numpy.random.RandomState
    device : Device
        Where the singular vectors are found.

    Returns
    -------
    ndarray (m, k), the longest columns first; the last are zero where there are fewer different
    documents.
    """
    rank = min(max(k, _DIRECTIONS), *X.shape)
    _, s, Vt = truncated_svd(X, rank, random_state, device, _PRODUCTS)
    points = s * Vt.T
    lengths = np.linalg.norm(points, axis=1)
    used = np.flatnonzero(lengths > np.finfo(lengths.dtype).eps * np.max(lengths, initial=0))
    members = np.zeros((X.shape[1], k), X.dtype)
    if len(used) > 0:
        labels = spherical_kmeans(points[used] / lengths[used, None], k, random_state)
        members[used, labels] = 1
    sums = np.asarray(X @ members)
    return sums[:, np.argsort(-np.linalg.norm(sums, axis=0), kind="stable")]


def spherical_kmeans(points: np.ndarray, k: int, random_state: np.random.RandomState) -> np.ndarray:
    """Find clusters of points by the cosine to their centre, the best of a few starts.

    (Dhillon and Modha, "Concept decompositions for large sparse text data using clustering", 2001.)
    scikit-learn's `KMeans` adds up in the order in which its threads end.

    Parameters
    ----------
    points : ndarray (n, d), rows of unit length
    k : int
    random_state : numpy.random.RandomState

    Returns
    -------
    int array (n,), the number of each point's cluster; some may be empty.
    """
    some, most = points, max(_POINTS, _POINTS_OF_A_CLUSTER * k)
    if len(points) > most:
        some = points[random_state.choice(len(points), most, replace=False)]
    tries = [_settled(some, _seeds(some, k, random_state)) for _ in range(_tries(k))]
    centres, _ = max(tries, key=lambda found: found[1])
    if some is not points:
        centres, _ = _settled(points, centres)
    # Equal points differ by rounding, and may have got a cluster each.
    first = np.argmax(centres @ centres.T > 1 - _ALIKE, axis=1)
    return np.asarray(first[np.argmax(points @ centres.T, axis=1)])


def _tries(k: int) -> int:
    # Of many clusters some are good and some are bad, whatever the start; and they take long.
    return min(max(_SEEDS // k, 1), _MOST_TRIES)


def _seeds(points: np.ndarray, k: int, random_state: np.random.RandomState) -> np.ndarray:
    k = min(k, len(points))
    if points.shape[1] > _DIRECTIONS:
        # Distances of many directions take long, and nearly survive in as many random ones. The
        # first of them would not do: small clusters have no part in those.
        shown = points @ random_state.normal(size=(points.shape[1], _DIRECTIONS))
    else:
        shown = points.astype(np.float64)
    _, chosen = kmeans_plusplus(shown, k, random_state=random_state)
    return np.asarray(points[chosen])


def _settled(points: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, float]:
    """Move centres and points in turn until they stay; also the sum of the cosines."""
    labels, total = np.full(len(points), -1), 0.0
    for _ in range(_ROUNDS):
        cosines = points @ centres.T
        former, labels = labels, np.argmax(cosines, axis=1)
        total = float(np.sum(np.max(cosines, axis=1), dtype=np.float64))
        if np.array_equal(labels, former):
            break
        ones, numbers = np.ones(len(points), points.dtype), np.arange(len(points))
        sums = sp.csr_array((ones, (labels, numbers)), (len(centres), len(points))) @ points
        lengths = np.linalg.norm(sums, axis=1)[:, None]
        centres = np.where(lengths > 0, sums / np.where(lengths > 0, lengths, 1), centres)
    return centres, total
