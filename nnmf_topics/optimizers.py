"""The step: a quadratic model of the loss in every factor, minimised over A >= 0.

Factors are kept in a normal form, columns of unit Euclidean length. Scaling a column of A_l and the
codes S_l inversely changes nothing in A_l S_l, so no hierarchy is lost; but it fixes the metric in
which the upper layers see the codes, without which the energy loss can make its upper terms vanish.
"""

from collections.abc import Sequence

from nnmf_topics._backend import device_of, namespace
from nnmf_topics._typing import Array
from nnmf_topics.coordinate_descent import coordinate_descent
from nnmf_topics.network import Evaluation

_SWEEPS = 2
_INNER_STEPS = 30
_GROWTH, _SHRINKAGE, _LARGEST_SCALE, _SMALLEST_SCALE = 1.1, 0.5, 2.0, 1e-4


def unit_columns(A: Array) -> Array:
    """Scale the columns to unit Euclidean length; an all-zero column stays."""
    scaled = namespace(A).empty(A.shape, dtype=A.dtype, device=device_of(A))
    # In rows, as sparse products read them: they would copy anything else, chunk by chunk.
    scaled[:, :] = A / column_lengths(A)
    return scaled


def column_lengths(A: Array) -> Array:
    """Euclidean lengths of the columns; 1 of an all-zero column."""
    xp = namespace(A)
    largest = xp.max(xp.abs(A), axis=0)
    largest = xp.where(largest > 0, largest, xp.ones_like(largest))
    if xp.all((largest > 1e-9) & (largest < 1e9)):
        squares = xp.sum(A * A, axis=0)
        return xp.sqrt(xp.where(squares > 0, squares, xp.ones_like(squares)))
    # Squares of very large or small entries over- or underflow in single precision.
    return largest * column_lengths(A / largest)


class GramDescent:
    """Projected descent in the metric of the Gram matrices, with an adaptive scale.

    The first factor minimises <G, D> + <D H, D> / (2 scale) by coordinate descent over its columns
    (H the curvature of the loss, k_0 x k_0: for one layer this is the HALS update of NMF). An upper
    factor minimises <G, D> + <L D H, D> / (2 scale), L being the Gram matrix of the topics below,
    by accelerated projected gradient.

    `propose` never touches the data. The caller evaluates the proposal and says whether the loss
    fell, with `accept` or `reject`: rejected proposals come again shorter.
    """

    def __init__(self) -> None:
        self.scale = 1.0

    def propose(self, factors: Sequence[Array], evaluation: Evaluation) -> list[Array]:
        """Return new factors in normal form, from the gradient at the given ones."""
        xp = namespace(factors[0])
        proposal = []
        topics_gram = factors[0].T @ factors[0]
        for layer, A in enumerate(factors):
            H = evaluation.curvature[layer] / self.scale
            # Columns stay of unit length, so that only the slope along the sphere counts: with
            # the rest the step of the normal form is none of descent, and training stalls.
            if layer == 0:
                data, mix = evaluation.data, evaluation.mix
                outward = xp.linalg.diagonal(A.T @ data + topics_gram @ mix)
                eye = xp.eye(A.shape[1], dtype=A.dtype, device=device_of(A))
                moved = _descend_columns(A, data, mix - outward * eye, H)
            else:
                G = evaluation.upper[layer - 1]
                G = G - A * xp.sum(A * G, axis=0)
                moved = _descend_two_sided(A, G, 2 * topics_gram, H)
                topics_gram = A.T @ topics_gram @ A
            proposal.append(unit_columns(moved))
        return proposal

    def accept(self) -> None:
        """Take note that the loss fell."""
        self.scale = min(self.scale * _GROWTH, _LARGEST_SCALE)

    def reject(self) -> bool:
        """Shorten the step; return False when it has become too short to go on."""
        self.scale *= _SHRINKAGE
        return self.scale >= _SMALLEST_SCALE


def _descend_columns(A: Array, data: Array, mix: Array, H: Array) -> Array:
    """Coordinate descent on <G, D> + <D H, D> / 2 subject to A + D >= 0; G = data + A mix."""
    rhs = (H - mix.T) @ A.T - data.T
    return kept_alive(coordinate_descent(H, rhs, A.T, _SWEEPS).T, A)


def _descend_two_sided(A: Array, G: Array, L: Array, H: Array) -> Array:
    """Accelerated projected gradient on <G, D> + <L D H, D> / 2 subject to A + D >= 0."""
    xp = namespace(A)
    lipschitz = xp.linalg.eigvalsh(L)[-1] * xp.linalg.eigvalsh(H)[-1]
    lipschitz = xp.where(lipschitz > 0, lipschitz, xp.ones_like(lipschitz))
    G, L, lowest = G / lipschitz, L / lipschitz, -A
    D = ahead = xp.zeros_like(A)
    momentum = 1.0
    for _ in range(_INNER_STEPS):
        moved = xp.maximum(ahead - G - L @ ahead @ H, lowest)
        following = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        ahead = moved + ((momentum - 1) / following) * (moved - D)
        D, momentum = moved, following
    return kept_alive(xp.clip(A + D, 0.0, None), A)


def kept_alive(moved: Array, A: Array) -> Array:
    """Leave a column as it was where the step would make it all zero: it could never return."""
    xp = namespace(A)
    alive = xp.max(moved, axis=0) > 0
    return moved if bool(xp.all(alive)) else xp.where(alive, moved, A)
