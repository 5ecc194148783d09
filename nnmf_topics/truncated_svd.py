"""The largest singular values and vectors of a matrix of documents."""

from collections.abc import Callable
from math import ceil, log

import numpy as np
import scipy.linalg

from nnmf_topics._backend import Device, namespace, to_host
from nnmf_topics._typing import Array, Matrix
from nnmf_topics.parts import Parts

Product = Callable[[Array], Array]

_MORE = 10  # directions than are wanted, as scikit-learn has it
PRODUCTS = 20  # with X^T X; with 14 seeds come to different topics, see scripts/RESULTS.md
_FIRST = 2  # so many of them before the first filter, which needs values to begin with
_HIGHEST_DEGREE = 4


def truncated_svd(
    X: Matrix,
    rank: int,
    random_state: np.random.RandomState,
    device: Device,
    products: int = PRODUCTS,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return U (m, rank), s (rank,) and V^T (rank, n), the largest first, from random directions.

    Parameters
    ----------
    X : Matrix (m, n) on the host
    rank : int
        At most the smaller of m and n.
    random_state : numpy.random.RandomState
    device : Device
        To compute on.
    products : int
        So many products with X^T X, at least two; one more is for the values. By default the
        vectors have nearly converged.
    """
    directions = random_state.normal(size=(min(X.shape), rank + _MORE)).astype(X.dtype)
    with device.active():
        found = svd_from(device.put(X), device.put(directions), products)
        U, s, Vt = map(to_host, found)
    return U[:, :rank], s[:rank], Vt[:rank]


def svd_from(X: Matrix, Q: Array, products: int = PRODUCTS) -> tuple[Array, Array, Array]:
    """Return the SVD of X in the space that some directions (min(m, n), rank) come to.

    Two power iterations (Halko, Martinsson and Tropp, "Finding structure with randomness", 2011),
    then subspace iterations with a filter (Zhou and others, "Self-consistent-field calculations
    using Chebyshev-filtered subspace iteration", 2006): a Chebyshev polynomial of X^T X, or of
    X X^T, that is small below the least of the singular values found and grows fast above it. On
    the tf-idf of 20 Newsgroups 14 products with X^T X do as well as 35 power iterations did.
    """
    parts = Parts(X)

    def forward(Q: Array) -> Array:
        return parts.accumulate(Q.T)  # X Q

    def backward(Q: Array) -> Array:
        return parts.project(Q).T  # X^T Q

    wide = X.shape[0] < X.shape[1]
    there, back = (backward, forward) if wide else (forward, backward)
    for _ in range(_FIRST):
        Q = _basis(back(_basis(there(Q))))
    done = _FIRST
    while done < products:
        Q = _basis(Q, orthonormal=True)
        Q, degree = _filtered(Q, there, back, products - done)
        done += degree
    Q = _basis(there(Q), orthonormal=True)
    right, s, left = namespace(Q).linalg.svd(back(Q), full_matrices=False)
    left = Q @ left.T
    return (right, s, left.T) if wide else (left, s, right.T)


def _filtered(Q: Array, there: Product, back: Product, most: int) -> tuple[Array, int]:
    """Return T_d(2 B / b - 1) Q, up to a factor, for B = back(there) and the degree d <= most.

    Where b is the least Ritz value of B: no more than the least of those that are wanted. If beside
    the largest it is lost to rounding, a power iteration is made, with a basis halfway.
    """
    Y = there(Q)
    unit = float(namespace(Y).max(abs(Y))) or 1.0  # squares may not overflow
    Y /= unit
    squares = np.linalg.eigvalsh(to_host(Y.T @ Y))
    degree = _degree(squares, most)
    if degree == 0:
        return back(_basis(Y, orthonormal=True)), 1
    least, largest = float(squares[0]), float(squares[-1])
    # In units of the largest value of B no iterate is longer than 2^d.
    half, root = least / largest / 2, unit * largest**0.5
    before, now = Q, back(Y) / (unit * largest)
    del Y
    now -= half * Q
    for _ in range(degree - 1):
        after = there(now)
        after /= root
        after = back(after)
        after /= root
        after -= half * now
        after *= 2
        after -= half**2 * before
        before, now = now, after
    return now, degree


def _degree(squares: np.ndarray, most: int) -> int:
    """Return a degree at which, beside what is large, rounding leaves what is small; or 0.

    T_d(2 x - 1) grows as (4 x)^d. It is a share of `most` that leaves equal ones for later.
    """
    least, largest = float(squares[0]), float(squares[-1])
    if least <= 0:
        return 0
    bits = -log(float(np.finfo(squares.dtype).eps))
    highest = min(int(bits / log(4 * largest / least)), _HIGHEST_DEGREE, most)
    return ceil(most / ceil(most / highest)) if highest > 0 else 0


def _basis(Y: Array, orthonormal: bool = False) -> Array:
    """Return columns of the same span that are far from dependent.

    On the host by SciPy, several times faster than by NumPy; and faster still if not orthonormal.
    """
    if not isinstance(Y, np.ndarray):
        return namespace(Y).linalg.qr(Y)[0]
    if orthonormal:
        return np.asarray(scipy.linalg.qr(Y, mode="economic", check_finite=False)[0])
    return np.asarray(scipy.linalg.lu(Y, permute_l=True, check_finite=False)[0])
