"""What labels add to the loss: linear heads on the codes, solved anew whenever the factors move.

With S the codes of a layer, Y the labels (a row for each class) and M the mask of the known ones, a
head adds weight * c * (||M * (Y - B S)||_F^2 + ridge * c ||B||_F^2), or the same with the
cross-entropy of softmax(B S) (Will et al., 2023, has the first as its classification term). By
c = ||X||_F^2 / n, the mean square of a document, neither number depends on the scale of the data.
B is always the one of least loss: so the loss is a function of the factors alone, and by the
envelope theorem its derivative is the partial one at this B. No step is ever spent on B.
Supervision is full, partial or none by the mask alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.optimize

from nnmf_topics._backend import device_of, namespace
from nnmf_topics._typing import Array, HeadName

UNKNOWN = -1


@dataclass(frozen=True)
class Target:
    """The labels of all documents, for the codes of one layer.

    Attributes
    ----------
    layer : int
        0 or more.
    labels : ndarray (documents,) of int
        The number of the class; UNKNOWN where it is not known.
    classes : int
    head : {"squared", "cross-entropy"}
    weight, ridge : float
        Of the head in the loss, and of the size of B in the head; above 0.

    Raises
    ------
    ValueError
        If there is no such layer or class.
    """

    layer: int
    labels: np.ndarray
    classes: int
    head: HeadName
    weight: float
    ridge: float

    def __post_init__(self) -> None:
        if self.layer < 0 or self.weight <= 0 or self.ridge <= 0:
            raise ValueError(f"a target has a layer from 0 on, weight and ridge above 0: {self}")
        if self.labels.ndim != 1 or not np.all(
            (self.labels >= UNKNOWN) & (self.labels < self.classes)
        ):
            raise ValueError(f"labels must be numbers from 0 to {self.classes - 1}, or {UNKNOWN}")


@dataclass(frozen=True)
class Head:
    """A target, and B (classes, k) of least loss at some factors, a host array of float64.

    `scale` is the mean square of a document.
    """

    target: Target
    B: np.ndarray
    scale: float

    @property
    def penalty(self) -> float:
        """What the size of B adds to the loss."""
        weight = self.target.weight * self.scale
        return weight * self.target.ridge * self.scale * float(np.sum(self.B**2))

    def added(self, S: Array, documents: slice) -> tuple[Array, Array]:
        """Return what some documents add to the loss, and the derivative with respect to S."""
        xp, device = namespace(S), device_of(S)
        labels = self.target.labels[documents]
        known = labels != UNKNOWN
        B, Y, M = (
            xp.asarray(part, dtype=S.dtype, device=device)
            for part in (self.B, np.eye(self.target.classes)[:, labels] * known, known[None, :])
        )
        value, slope = _ERRORS[self.target.head](B @ S, Y, M)
        weight = self.target.weight * self.scale
        return weight * value, weight * (B.T @ slope)


def solved(target: Target, codes: np.ndarray, scale: float) -> Head:
    """Return the head of least loss for the codes (k, known) of the documents with a label."""
    ridge = target.ridge * scale
    labels = target.labels[target.labels != UNKNOWN]
    S, Y = np.asarray(codes, np.float64), np.eye(target.classes)[:, labels]
    if target.head == "squared":
        gram = S @ S.T + ridge * np.eye(len(S))
        return Head(target, np.linalg.solve(gram, S @ Y.T).T, scale)
    shape, M = (target.classes, len(S)), np.ones((1, len(labels)))
    # As codes of about 1, or else the minimiser would stop at once where they are small.
    size = float(np.sqrt(np.mean(S * S))) or 1.0
    S, ridge = S / size, ridge / size**2

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        B = flat.reshape(shape)
        value, slope = _cross_entropy(B @ S, Y, M)
        slope = slope @ S.T + 2 * ridge * B
        return float(value + ridge * np.sum(B**2)), slope.ravel()

    options = {"maxiter": 1000, "ftol": 1e-12, "gtol": 1e-8}
    found = scipy.optimize.minimize(
        loss, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B", options=options
    )
    return Head(target, found.x.reshape(shape) / size, scale)


def added(
    heads: Sequence[Head], codes: Sequence[Array], documents: slice
) -> tuple[Array, list[Array]]:
    """Return what documents add to the loss by all heads, and its derivatives dL/dS_l."""
    slopes = [namespace(S).zeros_like(S) for S in codes]
    total = 0.0
    for head in heads:
        layer = head.target.layer
        value, slope = head.added(codes[layer], documents)
        total = total + value
        slopes[layer] = slopes[layer] + slope
    return total, slopes


def _squared(found: Array, Y: Array, M: Array) -> tuple[Array, Array]:
    xp = namespace(found)
    E = M * (found - Y)
    return xp.sum(E * E, dtype=xp.float64), 2 * E


def _cross_entropy(found: Array, Y: Array, M: Array) -> tuple[Array, Array]:
    xp = namespace(found)
    found = found - xp.max(found, axis=0)
    total = xp.sum(xp.exp(found), axis=0)
    value = xp.sum(M * (xp.log(total) - xp.sum(Y * found, axis=0)), dtype=xp.float64)
    return value, M * (xp.exp(found) / total - Y)


_ERRORS = {"squared": _squared, "cross-entropy": _cross_entropy}


def probabilities(scores: np.ndarray, head: HeadName) -> np.ndarray:
    """Return scores B S (classes, documents) as probabilities, the columns adding up to 1.

    Of the squared head those are the scores themselves, cut off at 0; alike where none is above.
    """
    if head == "squared":
        raised = np.clip(scores, 0.0, None)
        raised = np.where(raised.sum(axis=0) > 0, raised, 1.0)
    else:
        raised = np.exp(scores - scores.max(axis=0))
    return np.asarray(raised / raised.sum(axis=0))
