"""Leading singular vectors, from which starts are made: of sparse data, on all cores."""

import numpy as np

from nnmf_topics._backend import Device
from nnmf_topics._typing import Array, Matrix
from nnmf_topics.products import accumulate, in_parts, project

_OVERSAMPLES = 10
_LEAST = 1e-6
_PART, _ROWS = 2000, 2048


def leading_singular_vectors(
    X: Matrix, rank: int, power_iterations: int, random_state: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Approximate the leading singular triplets by power iterations of a random subspace.

    (Halko, Martinsson and Tropp, "Finding structure with randomness", 2011, algorithm 4.4.) What
    scikit-learn's `randomized_svd` gives from the same random numbers, if X has more rows than
    columns, in two thirds of the time: an iteration reads X once, by the products of this package,
    on all cores, and the basis is made orthonormal by its Gram matrix. Signs are arbitrary.

    Parameters
    ----------
    X : Matrix (m, n) on the host
    rank : int, at most m and n
    power_iterations : int
    random_state : numpy.random.RandomState

    Returns
    -------
    U (m, rank), s (rank,) descending, Vt (rank, n). Beyond the rank of X they may be zero.
    """
    size = min(rank + _OVERSAMPLES, *X.shape)
    start = random_state.normal(size=(X.shape[1], size)).astype(X.dtype, copy=False)
    parts = in_parts(X, _PART)
    basis = _orthonormal(accumulate(X, start.T))
    for _ in range(power_iterations):
        basis = _orthonormal(_applied(parts, basis))
    basis = _orthonormal(basis, _LEAST)
    B = np.concatenate([project(basis, part) for part in parts], axis=1)
    # In double precision squares lose nothing that single precision had.
    squares, W = np.linalg.eigh(_gram(B.T))
    order = np.arange(size)[::-1][:rank]
    s = np.sqrt(np.maximum(squares[order], 0)).astype(B.dtype)
    W = W[:, order].astype(B.dtype)
    Vt = W.T @ B / np.where(s > 0, s, 1)[:, None]
    return basis @ W, s, Vt


def _applied(parts: list[Matrix], basis: Array) -> Array:
    """X X^T times a basis; every part is read once."""
    spare: list[Array] = []

    def work(part: Matrix) -> Array:
        return accumulate(part, project(basis, part), spare)

    products = Device("cpu").map(work, parts)
    total = next(products)
    for product in products:
        total += product
        spare.append(product)
    return total


def _orthonormal(Y: Array, least: float = 0.0) -> Array:
    """Make columns orthonormal, by the eigenvectors of their Gram matrix; their span stays.

    (Stathopoulos and Wu, "A block orthogonalization procedure with constant synchronization
    requirements", 2002.) Directions that rounding hides come out shorter; doing it again makes them
    as long as the others. Those shorter than `least` of the longest are zero then.
    """
    squares, W = np.linalg.eigh(_gram(Y))
    floor = np.finfo(squares.dtype).eps * squares[-1]
    lengths = np.sqrt(np.maximum(squares, floor if floor > 0 else 1))
    W[:, squares <= least**2 * squares[-1]] = 0
    return Y @ (W / lengths).astype(Y.dtype)


def _gram(Y: Array) -> Array:
    """Y^T Y in double precision."""
    total = np.zeros((Y.shape[1], Y.shape[1]))
    for first in range(0, Y.shape[0], _ROWS):
        rows = Y[first : first + _ROWS].astype(np.float64)
        total += rows.T @ rows
    return total
