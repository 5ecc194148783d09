"""Deep NMF: all factors and the coarsest codes, updated together."""

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from nnmf_topics import options as opt
from nnmf_topics._typing import Matrix
from nnmf_topics.baselines.hierarchical import HierarchicalNMF, squared_error
from nnmf_topics.baselines.multiplicative import raised, settle, times
from nnmf_topics.losses import squared_norm
from nnmf_topics.nnls import nnls


class DeepNMF(HierarchicalNMF):
    """Lower ||X - A_0 A_1 ... A_L S_L||^2 in all factors jointly, from a hierarchical NMF.

    The linear model of Trigeorgis, Bousmalis, Zafeiriou and Schuller ("A deep matrix factorization
    method for learning attribute representations", 2017) with every factor nonnegative, as the
    hierarchical NMF that it starts from is; their semi-NMF leaves all but the codes free. Only the
    coarsest layer is in the loss. So the codes of a layer are the ones that its topics
    fit the data best with, S_l = q(A_0 ... A_l, X), not those of the layer below.

    Parameters are those of `HierarchicalNMF`; `max_iter` and `tol` are for the joint updates too.

    Attributes
    ----------
    losses_ : list of float
        The loss at the start (zeros filled, see `multiplicative.raised`) and after every joint
        update; it never rises.
    """

    def _learn(self, data: Matrix, widths: Sequence[int], y: Any) -> list[np.ndarray]:  # noqa: ARG002
        factors, codes = self._stacked(data, widths)
        factors, S = [raised(A) for A in factors], raised(codes[-1])
        norm = float(squared_norm(data))

        def update() -> float:
            nonlocal S
            _update_factors(data, factors, S)
            gram, rhs = _gram_and_rhs(data, factors)
            S = times(S, rhs, gram @ S)
            return squared_error(norm, gram, rhs, S)

        first = squared_error(norm, *_gram_and_rhs(data, factors), S)
        self.losses_ = settle(update, first, opt.whole("max_iter", self.max_iter), self.tol)
        self.n_iter_ += len(self.losses_) - 1
        return self._normal(factors)

    def _normal(self, factors: list[np.ndarray]) -> list[np.ndarray]:
        """Move the lengths of columns upwards, out of the coarsest factor into the codes."""
        lengths, normal = np.ones(len(factors[0])), []
        for A in factors:
            A = A * lengths[:, None]
            lengths = self._lengths(A)
            normal.append(A / lengths)
        return normal

    def _codes(self, data: Matrix) -> list[np.ndarray]:
        return [nnls(topics.T, data).S for topics in self.layer_components_]


def _gram_and_rhs(X: Matrix, factors: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    topics = reduce(np.matmul, factors)
    return topics.T @ topics, (X.T @ topics).T


def _update_factors(X: Matrix, factors: list[np.ndarray], S: np.ndarray) -> None:
    """Update one factor after the other; X is read once, for X S^T."""
    XS, SS = X @ S.T, S @ S.T
    for layer, A in enumerate(factors):
        above = reduce(np.matmul, factors[layer + 1 :], np.eye(A.shape[1]))
        up, down = XS @ above.T, A @ (above @ SS @ above.T)
        if layer:
            below = reduce(np.matmul, factors[:layer])
            up, down = below.T @ up, (below.T @ below) @ down
        factors[layer] = times(A, up, down)
