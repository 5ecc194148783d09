"""The network: layers of nonnegative least squares, S_l = q(A_l, S_{l-1}), forward and backward.

Every sum over documents is additive, so an `Evaluation` of a chunk is a summand of that of the
corpus: adding them up gives the exact gradient of the whole in bounded memory.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

from nnmf_topics import losses
from nnmf_topics._typing import Array, LossName, Matrix
from nnmf_topics.nnls import Adjoint, Grams, Solution, nnls
from nnmf_topics.products import accumulate, add_to, summand, whole
from nnmf_topics.reductions import column_sums


@dataclass(frozen=True)
class Evaluation:
    """Loss and gradient of a chunk, or a sum of chunks, at some factors.

    Attributes
    ----------
    value : scalar Array, float64
        The loss, unscaled.
    errors : Array of shape (layers,), float64
        Squared reconstruction error of every layer.
    norm : scalar Array, float64
        ||X||_F^2.
    data, mix : Array of shapes (terms, k_0) and (k_0, k_0)
        dL/dA_0 = data + A_0 mix. Of a summand, data may be `Unmade`.
    upper : tuple of Array (k_{l-1}, k_l)
        dL/dA_l for l >= 1.
    curvature : tuple of Array
        Curvature of the loss in A_0 (k_0, k_0), and S_l S_l^T (k_l, k_l) for l >= 1.
    usage : tuple of Array (k_l,)
        Sums of the codes over the documents.
    """

    value: Array
    errors: Array
    norm: Array
    data: Array
    mix: Array
    upper: tuple[Array, ...]
    curvature: tuple[Array, ...]
    usage: tuple[Array, ...]

    def __add__(self, other: "Evaluation") -> "Evaluation":
        return self._plus(other, whole(self.data) + whole(other.data))

    def __iadd__(self, other: "Evaluation") -> "Evaluation":
        """Add, `data` in place: chunk by chunk it would be the memory of the terms anew."""
        return self._plus(other, add_to(whole(self.data), other.data))

    def whole(self) -> "Evaluation":
        """Return this with `data` made, to add others to."""
        return replace(self, data=whole(self.data))

    def _plus(self, other: "Evaluation", data: Array) -> "Evaluation":
        def both(mine: Sequence[Array], theirs: Sequence[Array]) -> tuple[Array, ...]:
            return tuple(a + b for a, b in zip(mine, theirs, strict=True))

        return Evaluation(
            self.value + other.value,
            self.errors + other.errors,
            self.norm + other.norm,
            data,
            self.mix + other.mix,
            both(self.upper, other.upper),
            both(self.curvature, other.curvature),
            both(self.usage, other.usage),
        )

    def mapped(self, function: Callable[[Array], Array]) -> "Evaluation":
        """Return this with a function applied to every array, such as a move to a device."""
        parts = (getattr(self, field.name) for field in fields(self))
        return Evaluation(
            *(tuple(map(function, p)) if isinstance(p, tuple) else function(p) for p in parts)
        )

    def gradient(self, factors: Sequence[Array]) -> list[Array]:
        """dL/dA_l of every layer, at the factors of the evaluation."""
        return [self.data + factors[0] @ self.mix, *self.upper]


class Forward(NamedTuple):
    """Codes S_l (k_l, n) of every layer, gram = A_0^T A_0, rhs = A_0^T X, and the way back.

    `pullback` maps the partial derivatives dL/dS_l to the `Adjoint` of every layer.
    """

    codes: list[Array]
    gram: Array
    rhs: Array
    pullback: Callable[[Sequence[Array]], list[Adjoint]]


def forward(
    factors: Sequence[Array],
    X: Matrix,
    near: Sequence[Array] | None = None,
    grams: Sequence[Grams] | None = None,
) -> Forward:
    """Encode documents layer by layer.

    Parameters
    ----------
    factors : A_0 (terms, k_0), then A_l (k_{l-1}, k_l)
    X : Matrix (terms, n)
    near : Arrays (k_l, n), optional
        Codes to start from.
    grams : Grams of every factor, optional
        If they were made already, for other chunks.
    """
    layers: list[Solution] = []
    missing = [None] * len(factors)
    for A, S, G in zip(factors, near or missing, grams or missing, strict=True):
        layers.append(nnls(A, layers[-1].S if layers else X, S, G))

    def pullback(gradients: Sequence[Array]) -> list[Adjoint]:
        adjoints = [layers[-1].pullback(gradients[-1])]
        for layer in reversed(range(len(layers) - 1)):
            arriving = gradients[layer] + factors[layer + 1] @ adjoints[-1].U
            adjoints.append(layers[layer].pullback(arriving))
        return adjoints[::-1]

    return Forward([layer.S for layer in layers], layers[0].gram, layers[0].rhs, pullback)


def evaluate(
    factors: Sequence[Array],
    X: Matrix,
    norm: Array,
    loss: LossName,
    near: Sequence[Array] | None = None,
    grams: Sequence[Grams] | None = None,
    added: Callable[[Sequence[Array]], tuple[Array, Sequence[Array]]] | None = None,
    as_summand: bool = False,
) -> tuple[Evaluation, list[Array]]:
    """Loss and gradient on one chunk; also the codes, to start the next pass from.

    What is `added` is a function of the codes: its value, and its derivatives dL/dS_l.
    As a summand the evaluation is to be added to that of other chunks, or made `whole`.

    X is read by two products with k_0 columns: A_0^T X, and X (V + U_0)^T that serves the loss and
    the first layer's derivative together.
    """
    codes, gram, rhs, pullback = forward(factors, X, near, grams)
    term = losses.evaluate(loss, factors, codes, gram, rhs, norm)
    value, slopes = term.value, term.codes
    if added is not None:
        more, more_slopes = added(codes)
        value = value + more
        slopes = [mine + other for mine, other in zip(slopes, more_slopes, strict=True)]
    first, *rest = pullback(slopes)
    upper = [
        direct + codes[layer] @ adjoint.U.T + factors[layer + 1] @ adjoint.mix
        for layer, (direct, adjoint) in enumerate(zip(term.upper, rest, strict=True))
    ]
    result = Evaluation(
        value=value,
        errors=term.errors,
        norm=norm,
        data=(summand if as_summand else accumulate)(X, term.V + first.U),
        mix=term.mix + first.mix,
        upper=tuple(upper),
        curvature=(term.mix, *(S @ S.T for S in codes[1:])),
        usage=tuple(column_sums(S.T) for S in codes),
    )
    return result, codes
