"""What is kept of documents seen before: their loss, as a quadratic model around some factors.

With its codes held, the loss of a document is quadratic in every factor; letting the codes follow
can only lower it. So the sums that the step is made of (gradient and curvature, of the size of the
factors) also say, without the documents, what a change of the factors costs them. The idea is that
of the sufficient statistics of online NMF (Mairal et al., "Online learning for matrix factorization
and sparse coding", 2010). Changes of several layers at once are taken to add up.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from nnmf_topics._backend import namespace
from nnmf_topics._typing import Array
from nnmf_topics.network import Evaluation


class Memory:
    """The loss of documents that were evaluated at some factors, for factors near them.

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
        self._below: list[Array | None] = [None]
        gram = factors[0].T @ factors[0]
        for _, A in pairwise(factors):
            self._below.append(2 * gram)
            gram = A.T @ gram @ A
        self._data = self._gradient[0] - factors[0] @ evaluation.curvature[0]

    def __call__(self, factors: Sequence[Array]) -> Evaluation:
        """Return the evaluation at other factors; errors and usage are those last seen."""
        xp = namespace(factors[0])
        value, upper = self.evaluation.value, []
        terms = zip(factors, self.factors, self._gradient, self._below, strict=True)
        for layer, (A, anchor, G, L) in enumerate(terms):
            D = A - anchor
            bend = D @ self.evaluation.curvature[layer]
            if L is not None:
                bend = L @ bend
                upper.append(G + bend)
            value = value + xp.sum(D * (G + bend / 2), dtype=xp.float64)
        return replace(
            self.evaluation,
            value=value,
            data=self._data,
            mix=self.evaluation.curvature[0],
            upper=tuple(upper),
        )
