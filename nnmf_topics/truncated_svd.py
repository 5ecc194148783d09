"""The largest singular values and vectors of a matrix of documents."""

from typing import Literal

import numpy as np
import scipy.linalg

from nnmf_topics._backend import Device, namespace, to_host
from nnmf_topics._typing import Array, Matrix
from nnmf_topics.products import accumulate, project

_MORE = 10  # directions than are wanted, as scikit-learn has it
_FEW, _ITERATIONS, _ITERATIONS_OF_FEW = 0.1, 4, 7  # and its number of iterations by default


def truncated_svd(
    X: Matrix,
    rank: int,
    iterations: int | Literal["auto"],
    random_state: np.random.RandomState,
    device: Device,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return U (m, rank), s (rank,) and V^T (rank, n), the largest first.

    By power iterations from random directions (Halko, Martinsson and Tropp, "Finding structure with
    randomness", 2011), those of scikit-learn's `randomized_svd` with our products.

    Parameters
    ----------
    X : Matrix (m, n) on the host
    rank : int
        At most the smaller of m and n.
    iterations : int or "auto"
    random_state : numpy.random.RandomState
    device : Device
        To compute on.
    """
    if iterations == "auto":
        iterations = _ITERATIONS_OF_FEW if rank < _FEW * min(X.shape) else _ITERATIONS
    directions = random_state.normal(size=(min(X.shape), rank + _MORE)).astype(X.dtype)
    with device.active():
        found = power_iterations(device.put(X), device.put(directions), iterations)
        U, s, Vt = map(to_host, found)
    return U[:, :rank], s[:rank], Vt[:rank]


def power_iterations(X: Matrix, Q: Array, iterations: int) -> tuple[Array, Array, Array]:
    """Return the SVD of X in the space that some directions (min(m, n), rank) come to.

    Their span is given a new basis after every product: small singular values would be lost.
    """

    def forward(Q: Array) -> Array:
        return accumulate(X, Q.T)  # X Q

    def backward(Q: Array) -> Array:
        return project(Q, X).T  # X^T Q

    wide = X.shape[0] < X.shape[1]
    there, back = (backward, forward) if wide else (forward, backward)
    for _ in range(iterations):
        Q = _basis(back(_basis(there(Q))))
    Q = _basis(there(Q), orthonormal=True)
    right, s, left = namespace(Q).linalg.svd(back(Q), full_matrices=False)
    left = Q @ left.T
    return (right, s, left.T) if wide else (left, s, right.T)


def _basis(Y: Array, orthonormal: bool = False) -> Array:
    """Return columns of the same span that are far from dependent.

    On the host by SciPy, several times faster than by NumPy; and faster still if not orthonormal.
    """
    if not isinstance(Y, np.ndarray):
        return namespace(Y).linalg.qr(Y)[0]
    if orthonormal:
        return np.asarray(scipy.linalg.qr(Y, mode="economic", check_finite=False)[0])
    return np.asarray(scipy.linalg.lu(Y, permute_l=True, check_finite=False)[0])
