"""Losses on the codes of one chunk of documents: the value, and its gradients.

With B_l = A_1 ... A_l (B_0 = I) every layer reconstructs the data as X ~ A_0 R_l, R_l = B_l S_l.
All that a loss needs of X is gram = A_0^T A_0, rhs = A_0^T X and ||X||^2, since

    ||X - A_0 R||^2 = ||X||^2 - 2 <rhs, R> + <gram R, R>.

So nothing of the size terms x documents is formed, and the gradient for A_0 has the factored form
X V^T + A_0 mix, with V of size k_0 x documents and mix of size k_0 x k_0.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from nnmf_topics._backend import namespace
from nnmf_topics._typing import Array, LossName, Matrix
from nnmf_topics.reductions import inner


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


def layers_that_count(name: LossName, layers: int) -> tuple[bool, ...]:
    """Which layers have a term in the loss of that name."""
    if name == "reconstruction":
        return (False,) * (layers - 1) + (True,)
    if name in ("layerwise", "energy"):
        return (True,) * layers
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
    for layer, counts in enumerate(layers_that_count(name, len(factors))):
        if name == "energy" and layer:
            total.add_data_term(layer, counts=False)
            total.add_code_term(layer)
        else:
            total.add_data_term(layer, counts)
    return total.result()


class _Total:
    """A sum of terms, and of half their derivatives, at some factors and codes."""

    def __init__(
        self, factors: Sequence[Array], codes: Sequence[Array], gram: Array, rhs: Array, norm: Array
    ) -> None:
        self.factors, self.codes = factors, codes
        self.gram, self.rhs, self.norm = gram, rhs, norm
        self.value = namespace(norm).zeros_like(norm)
        self.errors: list[Array] = []
        self.dcodes: list[Array | None] = [None] * len(codes)
        self.R: Any = None  # sum of R and of R R^T over the terms of the data
        self.RR: Any = None
        self.upper: list[Array | None] = [None] * (len(factors) - 1)

    def add_data_term(self, layer: int, counts: bool) -> None:
        """Note the squared error of a layer, ||X - A_0 ... A_l S_l||^2, and add it if it counts."""
        below = self.factors[1 : layer + 1]
        steps = [self.codes[layer]]  # S_l, A_l S_l, ..., A_1 ... A_l S_l = R
        for A in reversed(below):
            steps.append(_times(A, steps[-1]))
        R = steps.pop()
        slope = _times(self.gram, R) - self.rhs
        error = self.norm + inner(slope - self.rhs, R)
        error = (error + abs(error)) / 2  # not below 0, as near an exact fit
        self.errors.append(error)
        if not counts:
            return
        self.value = self.value + error
        self.R, self.RR = _plus(self.R, R), _plus(self.RR, R @ R.T)
        for depth, A in enumerate(below):
            self.upper[depth] = _plus(self.upper[depth], slope @ steps.pop().T)
            slope = _times(A.T, slope)
        self.dcodes[layer] = _plus(self.dcodes[layer], slope)

    def add_code_term(self, layer: int) -> None:
        """Add ||S_{l-1} - A_l S_l||^2."""
        A, S = self.factors[layer], self.codes[layer]
        E = self.codes[layer - 1] - _times(A, S)
        self.value = self.value + inner(E, E)
        self.upper[layer - 1] = _plus(self.upper[layer - 1], -(E @ S.T))
        self.dcodes[layer - 1] = _plus(self.dcodes[layer - 1], E)
        self.dcodes[layer] = _plus(self.dcodes[layer], -_times(A.T, E))

    def result(self) -> LossGradient:
        xp = namespace(self.rhs)

        def twice(halves: Sequence[Array | None], like: Sequence[Array]) -> list[Array]:
            return [
                xp.zeros_like(a) if half is None else 2 * half
                for half, a in zip(halves, like, strict=True)
            ]

        return LossGradient(
            self.value,
            xp.stack(self.errors),
            twice(self.dcodes, self.codes),
            -2 * self.R,
            2 * self.RR,
            twice(self.upper, self.factors[1:]),
        )


def _times(M: Array, S: Array) -> Array:
    """Return M S; in memory documents follow each other, as in S."""
    return (S.T @ M.T).T


def _plus(total: Array | None, term: Array) -> Array:
    return term if total is None else total + term


def squared_norm(X: Matrix) -> Array:
    """||X||_F^2 as a float64 scalar of the array's namespace."""
    if hasattr(X, "nnz"):
        X = X.data
    xp = namespace(X)
    X = xp.astype(X, xp.float64, copy=False)
    return inner(X, X)
