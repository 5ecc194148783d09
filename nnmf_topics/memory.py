"""What is kept of documents seen before: their loss, as a quadratic model of the factors.

With its codes held, the loss of a document is quadratic in every factor; letting the codes follow
can only lower it. So the sums that the step is made of (gradient and curvature, of the size of the
factors) also say, without the documents, what a change of the factors costs them. The idea is that
of the sufficient statistics of online NMF (Mairal et al., "Online learning for matrix factorization
and sparse coding", 2010). Changes of several layers at once are taken to add up.
"""

from collections.abc import Sequence
from dataclasses import replace

from nnmf_topics._backend import namespace
from nnmf_topics._typing import Array
from nnmf_topics.network import Evaluation
from nnmf_topics.nnls import nnls


class Memory:
    """The loss of documents that were evaluated at some factors, for other factors.

    Parameters
    ----------
    factors : A_0 (terms, k_0), then A_l (k_{l-1}, k_l)
    evaluation : Evaluation
        Of the documents, at these factors.
    """

    def __init__(self, factors: Sequence[Array], evaluation: Evaluation) -> None:
        self.factors, self.evaluation = tuple(factors), evaluation
        self._gradient = evaluation.gradient(factors)
        # The curvature in A_l is L D H for a change D, L being the Gram matrix of the topics below.
        self._below = _grams_below(factors)
        self._data = self._gradient[0] - factors[0] @ evaluation.curvature[0]

    def __call__(self, factors: Sequence[Array]) -> Evaluation:
        """Return the evaluation at other factors; errors and usage are those last seen."""
        xp = namespace(factors[0])
        value, upper = self.evaluation.value, []
        for layer, (A, anchor) in enumerate(zip(factors, self.factors, strict=True)):
            D = A - anchor
            bend = D @ self.evaluation.curvature[layer]
            if layer:
                bend = self._below[layer - 1] @ bend
                upper.append(self._gradient[layer] + bend)
            value = value + xp.sum(D * (self._gradient[layer] + bend / 2), dtype=xp.float64)
        return replace(
            self.evaluation,
            value=value,
            data=self._data,
            mix=self.evaluation.curvature[0],
            upper=tuple(upper),
        )

    def rebased(self, factors: Sequence[Array]) -> "Memory":
        """Return the memory in other topics, which may have nothing to do with the present ones.

        Every present topic is encoded by the new ones, and with it all the codes that it had: if
        T_0 = q(A_0', A_0), codes S_0 become T_0 S_0, and T_l = q(A_l', T_{l-1} A_l) above. Of an
        upper layer the slope at its present factor, which is about zero, is left out.
        """
        xp = namespace(factors[0])
        translations: list[Array] = []
        value, upper = self.evaluation.value, []
        for layer, (A, old) in enumerate(zip(factors, self.factors, strict=True)):
            target = translations[-1] @ old if layer else old
            translations.append(nnls(A, target).S)
            D = A @ translations[-1] - target
            bend = D @ self.evaluation.curvature[layer]
            if layer:
                bend = _grams_below(factors)[layer - 1] @ bend
                upper.append(bend @ translations[-1].T)
                value = value + xp.sum(D * bend, dtype=xp.float64) / 2
            else:
                slope = self._gradient[0] + bend / 2
                value = value + xp.sum(D * slope, dtype=xp.float64)
        curvature = [
            T @ H @ T.T for T, H in zip(translations, self.evaluation.curvature, strict=True)
        ]
        usage = [T @ u for T, u in zip(translations, self.evaluation.usage, strict=True)]
        rebased = replace(
            self.evaluation,
            value=value,
            data=self._data @ translations[0].T,
            mix=curvature[0],
            upper=tuple(upper),
            curvature=tuple(curvature),
            usage=tuple(usage),
        )
        return Memory(factors, rebased)


def _grams_below(factors: Sequence[Array]) -> list[Array]:
    """Twice the Gram matrices of the topics below the layers 1, 2, ..."""
    grams, gram = [], factors[0].T @ factors[0]
    for A in factors[1:]:
        grams.append(2 * gram)
        gram = A.T @ gram @ A
    return grams
