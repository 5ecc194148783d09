"""The step: a quadratic model of the loss in every factor, minimised over A >= 0.

Factors are kept in a normal form, columns of unit Euclidean length. Scaling a column of A_l and the
codes S_l inversely changes nothing in A_l S_l, so no hierarchy is lost; but it fixes the metric in
which the upper layers see the codes, without which the energy loss can make its upper terms vanish.
"""

from collections.abc import Sequence

import numpy as np

from nnmf_topics._backend import device_of, namespace, on_gpu, to_host
from nnmf_topics._compiled import kernels_for
from nnmf_topics._typing import Array
from nnmf_topics.coordinate_descent import descend_columns
from nnmf_topics.network import Evaluation
from nnmf_topics.reductions import column_dots, column_sums

_SWEEPS = 2
_INNER_STEPS = 30
_ENOUGH_ROWS = 500  # to see, nearly always, that all columns have something
_FEW_TOPICS = 128  # so many steps on less are done in less time than a GPU takes to begin them
_STEPS_HELD, _SMALLEST_SCALE_HELD = 20, 0.01
_GROWTH, _SHRINKAGE, _LARGEST_SCALE, _SMALLEST_SCALE = 1.1, 0.5, 2.0, 1e-4


def unit_columns(A: Array, former: Array | None = None) -> Array:
    """Scale the columns to unit Euclidean length; an all-zero column stays, or stays as it was.

    Parameters
    ----------
    A : Array of shape (..., m, k), nonnegative
    former : Array of the same shape, optional
        In normal form, what A was before a step. A column that the step has made all zero could
        never return. A is not needed any more then, and may be overwritten.
    """
    kernels = kernels_for(A)
    if kernels is not None and A.ndim == 2:
        rows = np.ascontiguousarray(A)
        scaled = np.empty_like(rows) if former is None else rows
        if kernels.to_unit_columns(rows, scaled):
            return scaled
    A = A if former is None else kept_alive(A, former)
    scaled = namespace(A).empty(A.shape, dtype=A.dtype, device=device_of(A))
    # In rows, as sparse products read them: they would copy anything else, chunk by chunk.
    scaled[...] = A / column_lengths(A)[..., None, :]
    return scaled


def column_lengths(A: Array) -> Array:
    """Euclidean lengths of the columns; 1 of an all-zero column."""
    xp = namespace(A)
    if xp.max(xp.abs(A)) < 1e9:
        squares = column_sums(A * A)
        if xp.all(squares > 1e-18):
            return xp.sqrt(squares)
    # Squares of very large or small entries over- or underflow in single precision.
    largest = xp.max(xp.abs(A), axis=-2)
    largest = xp.where(largest > 0, largest, xp.ones_like(largest))
    squares = column_sums((A / largest[..., None, :]) ** 2)
    return largest * xp.sqrt(xp.where(squares > 0, squares, xp.ones_like(squares)))


class GramDescent:
    """Projected descent in the metric of the Gram matrices, with an adaptive scale.

    The first factor minimises <G, D> + <D H, D> / (2 scale) by coordinate descent over its columns
    (H the curvature of the loss, k_0 x k_0: for one layer this is the HALS update of NMF). An upper
    factor minimises <G, D> + <L D H, D> / (2 scale), L being the Gram matrix of the topics below,
    by accelerated projected gradient.

    `propose` never touches the data. The caller evaluates the proposal and says whether the loss
    fell, with `accept` or `reject`: rejected proposals come again shorter. Where even the shortest
    is rejected, the first factor is held for some steps: if its topics depend on each other, its
    least move changes which of them the documents have, and its gradient tells nothing. Factors of
    upper layers can still move.
    """

    def __init__(self) -> None:
        self.scale = 1.0
        self._can_hold, self._steps_held = False, 0

    def propose(
        self, factors: Sequence[Array], evaluation: Evaluation, gram: Array | None = None
    ) -> list[Array]:
        """Return new factors in normal form, from the gradient at the given ones.

        Parameters
        ----------
        factors : A_0 (terms, k_0), then A_l (k_{l-1}, k_l), in normal form
        evaluation : Evaluation
            At these factors.
        gram : Array (k_0, k_0), optional
            A_0^T A_0, if it was made already.
        """
        xp = namespace(factors[0])
        proposal = []
        self._can_hold = len(factors) > 1
        topics_gram = factors[0].T @ factors[0] if gram is None else gram
        for layer, A in enumerate(factors):
            if layer == 0 and self._steps_held:
                proposal.append(A)
                continue
            H = evaluation.curvature[layer] / self.scale
            # Columns stay of unit length, so that only the slope along the sphere counts: with
            # the rest the step of the normal form is none of descent, and training stalls.
            if layer == 0:
                data, mix = evaluation.data, evaluation.mix
                outward = column_dots(A, data) + xp.sum(topics_gram * mix, axis=0)
                eye = xp.eye(A.shape[1], dtype=A.dtype, device=device_of(A))
                mix = mix - outward * eye
                moved = descend_columns(A, data, mix, _at_least_rounding(H), _SWEEPS)
            else:
                G = evaluation.upper[layer - 1]
                G = G - A * xp.sum(A * G, axis=0)
                moved = _descend_two_sided(A, G, 2 * topics_gram, H)
                topics_gram = A.T @ topics_gram @ A
            proposal.append(unit_columns(moved, A))
        return proposal

    def accept(self, too_long: bool = False) -> None:
        """Take note that the loss fell, though perhaps by a step that was too long."""
        factor = _SHRINKAGE if too_long else _GROWTH
        self.scale = min(self.scale * factor, _LARGEST_SCALE)
        self._steps_held = max(self._steps_held - 1, 0)

    def reject(self) -> bool:
        """Shorten the step, or hold the first factor; return False when nothing is left to try."""
        self.scale *= _SHRINKAGE
        if self._steps_held:
            return self.scale >= _SMALLEST_SCALE_HELD
        if self.scale < _SMALLEST_SCALE and self._can_hold:
            self.scale, self._steps_held = 1.0, _STEPS_HELD
        return self.scale >= _SMALLEST_SCALE


def _at_least_rounding(H: Array) -> Array:
    """Raise a diagonal that is smaller than the rounding of its largest entry.

    A topic that documents use less than that would move by its gradient over almost nothing.
    """
    xp = namespace(H)
    diagonal = xp.linalg.diagonal(H)
    missing = xp.maximum(xp.max(diagonal) * xp.finfo(H.dtype).eps - diagonal, 0 * diagonal)
    return H + missing * xp.eye(H.shape[0], dtype=H.dtype, device=device_of(H))


def _descend_two_sided(A: Array, G: Array, L: Array, H: Array) -> Array:
    """Accelerated projected gradient on <G, D> + <L D H, D> / 2 subject to A + D >= 0."""
    xp = namespace(A)
    start = xp.zeros_like(A)
    kernels = kernels_for(A, G, L, H)
    if kernels is not None:
        arrays = map(np.ascontiguousarray, (start, G, L, H, -A))
        return xp.maximum(A + kernels.accelerated_descent(*arrays, _INNER_STEPS), start)
    if on_gpu(A) and A.shape[0] <= _FEW_TOPICS:
        moved = _descend_two_sided(*map(to_host, (A, G, L, H)))
        return xp.asarray(moved, device=device_of(A))
    lipschitz = xp.linalg.eigvalsh(L)[-1] * xp.linalg.eigvalsh(H)[-1]
    lipschitz = xp.where(lipschitz > 0, lipschitz, xp.ones_like(lipschitz))
    D = _accelerated(start, G / lipschitz, L / lipschitz, H, -A)
    return xp.maximum(A + D, start)


def _accelerated(D: Array, G: Array, L: Array, H: Array, lowest: Array) -> Array:
    xp, ahead, momentum = namespace(D), D, 1.0
    for _ in range(_INNER_STEPS):
        moved = xp.maximum(ahead - G - L @ ahead @ H, lowest)
        following = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        ahead = moved + ((momentum - 1) / following) * (moved - D)
        D, momentum = moved, following
    return D


def kept_alive(moved: Array, A: Array) -> Array:
    """Leave a column as it was where the step would make it all zero: it could never return."""
    xp = namespace(A)
    some = moved[..., : min(_ENOUGH_ROWS, moved.shape[-2]), :]
    if xp.all(column_sums(some) > 0):
        return moved
    alive = column_sums(moved) > 0
    return moved if bool(xp.all(alive)) else xp.where(alive[..., None, :], moved, A)
