"""Nonnegative double SVD: a factor to start from, from singular vectors."""

import numpy as np

from nnmf_topics._backend import HOST, Device
from nnmf_topics._typing import Matrix
from nnmf_topics.truncated_svd import truncated_svd


def nndsvd(
    X: Matrix, k: int, random_state: np.random.RandomState, device: Device = HOST
) -> np.ndarray:
    """First factor of the nonnegative double SVD, zeros filled with a hundredth of the mean.

    Of every singular pair the dominant of its positive and negative parts is taken (Boutsidis and
    Gallopoulos, "SVD based initialization: a head start for NMF", 2008). Topics beyond the rank of
    X, of which the SVD says nothing, start as that noise.

    Parameters
    ----------
    X : Matrix (m, n) on the host
    k : int
    random_state : numpy.random.RandomState
    device : Device
        Where the singular vectors are found.

    Returns
    -------
    ndarray (m, k)
    """
    rank = min(k, *X.shape)
    U, s, Vt = truncated_svd(X, rank, random_state, device)
    A = np.zeros((X.shape[0], k), dtype=U.dtype)
    for j in range(rank):
        u, v = U[:, j], Vt[j]
        halves = [(np.maximum(side * u, 0), np.maximum(side * v, 0)) for side in (1, -1)]
        lengths = [float(np.linalg.norm(a) * np.linalg.norm(b)) for a, b in halves]
        half, length = halves[int(np.argmax(lengths))][0], max(lengths)
        if length > 0:
            A[:, j] = np.sqrt(s[j] * length) / np.linalg.norm(half) * half
    return filled(A, A > 0, random_state)


def filled(A: np.ndarray, known: np.ndarray, random_state: np.random.RandomState) -> np.ndarray:
    """Write noise to all but the known entries, a hundredth of the mean."""
    noise = random_state.random_sample(A.shape)
    noise *= float(A.mean()) / 100 or 1.0  # of A, not of X: units shall not matter
    np.copyto(A, noise, where=~known, casting="same_kind")
    return A
