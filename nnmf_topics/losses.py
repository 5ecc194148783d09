"""Losses on the codes of one chunk of documents: the value, and its gradients.

With B_l = A_1 ... A_l (B_0 = I) every layer reconstructs the data as X ~ A_0 R_l, R_l = B_l S_l.
All that a loss needs of X is gram = A_0^T A_0, rhs = A_0^T X and ||X||^2, since

    ||X - A_0 R||^2 = ||X||^2 - 2 <rhs, R> + <gram R, R>.

So nothing of the size terms x documents is formed, and the gradient for A_0 has the factored form
X V^T + A_0 mix, with V of size k_0 x documents and mix of size k_0 x k_0.
"""

from collections.abc import Sequence
from typing import NamedTuple

from nnmf_topics._backend import namespace
from nnmf_topics._typing import Array, LossName, Matrix


class LossGradient(NamedTuple):
    """Value and partial derivatives of a loss, the codes and the factors taken as independent.

    Attributes
    ----------
    value : scalar Array, float64
        The weighted sum of squared errors.
    errors : Array of shape (layers,), float64
        ||X - A_0 ... A_l S_l||_F^2 of every layer, whatever the loss.
    codes : list of Array (k_l, n)
        dL/dS_l.
    V, mix : Array of shapes (k_0, n) and (k_0, k_0)
        dL/dA_0 = X V^T + A_0 mix.
    upper : list of Array (k_{l-1}, k_l)
        dL/dA_l for l >= 1.
    """

    value: Array
    errors: Array
    codes: list[Array]
    V: Array
    mix: Array
    upper: list[Array]


def layer_weights(name: LossName, layers: int) -> tuple[float, ...]:
    """Weight of each layer's term in the loss of that name."""
    if name == "reconstruction":
        return (0.0,) * (layers - 1) + (1.0,)
    if name in ("layerwise", "energy"):
        return (1.0,) * layers
    raise ValueError(f'loss must be "layerwise", "energy" or "reconstruction", not {name!r}')


def evaluate(
    name: LossName,
    factors: Sequence[Array],
    codes: Sequence[Array],
    gram: Array,
    rhs: Array,
    norm: Array,
) -> LossGradient:
    """Evaluate a loss on one chunk.

    Parameters
    ----------
    name : {"layerwise", "energy", "reconstruction"}
        sum_l ||X - A_0 ... A_l S_l||^2, sum_l ||S_{l-1} - A_l S_l||^2 (S_{-1} = X), or the last
        term of the first (Will et al., 2023, equations of section 3, for the latter two).
    factors : A_0 (terms, k_0), then A_l (k_{l-1}, k_l)
    codes : S_l (k_l, n)
    gram, rhs : A_0^T A_0 (k_0, k_0) and A_0^T X (k_0, n)
    norm : ||X||_F^2
    """
    total = _Total(factors, codes, gram, rhs, norm)
    for layer, weight in enumerate(layer_weights(name, len(factors))):
        if name == "energy" and layer:
            total.add_data_term(layer, 0.0)
            total.add_code_term(layer, weight)
        else:
            total.add_data_term(layer, weight)
    return total.result()


class _Total:
    """A sum of terms and of their derivatives, at some factors and codes."""

    def __init__(
        self, factors: Sequence[Array], codes: Sequence[Array], gram: Array, rhs: Array, norm: Array
    ) -> None:
        xp = namespace(rhs)
        self.factors, self.codes = factors, codes
        self.gram, self.rhs, self.norm = gram, rhs, norm
        self.value = xp.zeros_like(norm)
        self.errors: list[Array] = []
        self.dcodes = [xp.zeros_like(S) for S in codes]
        self.V, self.mix = xp.zeros_like(rhs), xp.zeros_like(gram)
        self.upper = [xp.zeros_like(A) for A in factors[1:]]

    def add_data_term(self, layer: int, weight: float) -> None:
        """Note the squared error of a layer, and add weight ||X - A_0 ... A_l S_l||^2."""
        xp = namespace(self.rhs)
        below = self.factors[1 : layer + 1]
        steps = [self.codes[layer]]  # S_l, A_l S_l, ..., A_1 ... A_l S_l = R
        for A in reversed(below):
            steps.append(A @ steps[-1])
        R = steps.pop()
        slope = self.gram @ R - self.rhs
        # Near an exact fit the difference of the terms can come out below zero.
        error = self.norm + xp.sum((slope - self.rhs) * R, dtype=xp.float64)
        error = xp.maximum(error, xp.zeros_like(error))
        self.errors.append(error)
        if weight == 0:
            return
        self.value = self.value + weight * error
        self.V = self.V - (2 * weight) * R
        self.mix = self.mix + (2 * weight) * (R @ R.T)
        carried = (2 * weight) * slope
        for depth, A in enumerate(below):
            self.upper[depth] = self.upper[depth] + carried @ steps.pop().T
            carried = A.T @ carried
        self.dcodes[layer] = self.dcodes[layer] + carried

    def add_code_term(self, layer: int, weight: float) -> None:
        """Add weight ||S_{l-1} - A_l S_l||^2."""
        xp = namespace(self.rhs)
        A, S = self.factors[layer], self.codes[layer]
        E = self.codes[layer - 1] - A @ S
        self.value = self.value + weight * xp.sum(E * E, dtype=xp.float64)
        self.upper[layer - 1] = self.upper[layer - 1] - (2 * weight) * (E @ S.T)
        self.dcodes[layer - 1] = self.dcodes[layer - 1] + (2 * weight) * E
        self.dcodes[layer] = self.dcodes[layer] - (2 * weight) * (A.T @ E)

    def result(self) -> LossGradient:
        errors = namespace(self.rhs).stack(self.errors)
        return LossGradient(self.value, errors, self.dcodes, self.V, self.mix, self.upper)


def squared_norm(X: Matrix) -> Array:
    """||X||_F^2 as a float64 scalar of the array's namespace."""
    if hasattr(X, "nnz"):
        X = X.data
    xp = namespace(X)
    X = xp.astype(X, xp.float64)
    return xp.sum(X * X)
