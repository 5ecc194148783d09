"""What is kept of documents seen before: their loss, as a quadratic model of the factors.

With its codes held, the loss of a document is quadratic in every factor, and for one layer letting
the codes follow can only lower it. So sums of the size of the factors say, without the documents,
what a change of the factors costs them. The idea is that of the sufficient statistics of online NMF
(Mairal et al., "Online learning for matrix factorization and sparse coding", 2010).

With several layers this is a model: the slope follows the codes, which the curvature holds, and
changes of several layers are taken to add up. What it promises to gain is therefore bounded.
"""

from collections.abc import Sequence
from dataclasses import replace

from nnmf_topics._backend import device_of, namespace
from nnmf_topics._typing import Array, LossName
from nnmf_topics.network import Evaluation
from nnmf_topics.nnls import nnls
from nnmf_topics.reductions import inner, sum_of_rows

_LEAST_SHARE = 0.9
"""Documents seen before lose no more than a tenth of their loss in the model."""


class Memory:
    """The loss of documents that were evaluated at some factors, for other factors.

    Parameters
    ----------
    factors : A_0 (terms, k_0), then A_l (k_{l-1}, k_l)
    evaluation : Evaluation
        Of the documents, at these factors.
    loss : {"layerwise", "energy", "reconstruction"}
    """

    def __init__(
        self, factors: Sequence[Array], evaluation: Evaluation, loss: LossName = "layerwise"
    ) -> None:
        self.factors, self.loss = tuple(factors), loss
        self._left, self._right = _curvature(factors, evaluation, loss)
        # dL/dA_0 = data + A_0 mix here, and at other factors as the model has it.
        data = factors[0] @ (evaluation.mix - self._right[0])
        data += evaluation.data
        self.evaluation = replace(evaluation, data=data, mix=self._right[0])

    def __call__(self, factors: Sequence[Array]) -> Evaluation:
        """Return the evaluation at other factors; errors and usage are those last seen.

        Its `data` are those of this memory: to be added to others, never in place.
        """
        cost = sum_of_rows(self._cost, self.evaluation.data, self.factors[0], factors[0])
        value, upper = self.evaluation.value + cost, []
        for layer in range(1, len(factors)):
            D, slope = factors[layer] - self.factors[layer], self.evaluation.upper[layer - 1]
            bend = self._left[layer - 1] @ D @ self._right[layer]
            upper.append(slope + bend)
            value = value + inner(D, slope + bend / 2)
        return replace(self.evaluation, value=self._bounded(value), upper=tuple(upper))

    def _cost(self, data: Array, before: Array, after: Array) -> Array:
        """Return what a change of some rows of the first factor costs, given their `data`.

        The slope is linear: it is what the slope halfway says.
        """
        return inner(after - before, data + ((before + after) / 2) @ self.evaluation.mix)

    def _bounded(self, value: Array) -> Array:
        return namespace(value).maximum(value, _LEAST_SHARE * self.evaluation.value)

    def rebased(self, factors: Sequence[Array]) -> "Memory":
        """Return the memory in other topics, which may have nothing to do with the present ones.

        Every present topic is encoded by the new ones, and with it all the codes that it had: if
        T_0 = q(A_0', A_0), codes S_0 become T_0 S_0, and T_l = q(A_l', T_{l-1} A_l) above. Of an
        upper layer the slope at its present factor, which is about zero, is left out.
        """
        first = nnls(factors[0], self.factors[0]).S
        arrays = self.evaluation.data, self.factors[0], factors[0]
        cost = sum_of_rows(lambda data, old, A: self._cost(data, old, A @ first), *arrays)
        value, upper, translations = self.evaluation.value + cost, [], [first]
        left, _ = _curvature(factors, self.evaluation, self.loss)
        for layer, (A, old) in enumerate(zip(factors[1:], self.factors[1:], strict=True), 1):
            target = translations[-1] @ old
            translations.append(nnls(A, target).S)
            D = A @ translations[-1] - target
            bend = left[layer - 1] @ D @ self._right[layer]
            upper.append(bend @ translations[-1].T)
            value = value + inner(D, bend) / 2
        curvature = [
            T @ H @ T.T for T, H in zip(translations, self.evaluation.curvature, strict=True)
        ]
        usage = [T @ u for T, u in zip(translations, self.evaluation.usage, strict=True)]
        rebased = replace(
            self.evaluation,
            value=self._bounded(value),
            data=self.evaluation.data @ translations[0].T,
            mix=curvature[0],
            upper=tuple(upper),
            curvature=tuple(curvature),
            usage=tuple(usage),
        )
        return Memory(factors, rebased, self.loss)


def _curvature(
    factors: Sequence[Array], evaluation: Evaluation, loss: LossName
) -> tuple[list[Array], list[Array]]:
    """Return L and H: a change D of a factor bends the loss by L D H, its codes held.

    L is the identity in the finest layer, and left out there.
    """
    xp = namespace(factors[0])
    left, gram = [], factors[0].T @ factors[0]
    for A in factors[1:]:
        eye = xp.eye(gram.shape[0], dtype=gram.dtype, device=device_of(gram))
        left.append(2 * (eye if loss == "energy" else gram))
        gram = A.T @ gram @ A
    right = [*evaluation.curvature]
    for layer in reversed(range(1, len(factors) - 1)):
        if loss != "energy":  # the terms of the layers above go through this factor too
            through = factors[layer + 1] @ right[layer + 1] @ factors[layer + 1].T
            right[layer] = through if loss == "reconstruction" else right[layer] + through
    return left, right
