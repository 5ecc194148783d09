"""Hierarchical NMF with pooling between the layers."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from nnmf_topics import options as opt
from nnmf_topics._typing import Matrix
from nnmf_topics.baselines.hierarchical import HierarchicalNMF
from nnmf_topics.nnls import nnls

PoolName = Literal["max", "average"]


class PooledHierarchicalNMF(HierarchicalNMF):
    """NMF of the data, then of its codes pooled over pairs of topics, and so on.

    In the spirit of Flenner and Hunter ("A deep non-negative matrix factorization neural network",
    2017), who combine layers of NMF with an activation function and pooling, and train them by
    backpropagation. It is not their method: only the abstract was at hand; layers are trained one
    after the other, nothing is propagated back, and there is no activation function but the
    nonnegativity of the codes. What is done:

    - The topics of a layer are paired, the most alike first (the cosine of their columns of
      A_0 ... A_l): topics of an NMF have no order that would make them neighbours. An odd one stays
      alone.
    - A pair's codes become one row, their maximum or average; NMF factorises these rows,
      pool(S_l) ~ B_{l+1} S_{l+1}. A layer with more topics than pairs below is overcomplete.
    - B is of pairs. For topics and errors A_{l+1} = argmin_{A >= 0} ||S_l - A S_{l+1}||^2.

    Parameters
    ----------
    pool : {"max", "average"}, default="max"
    n_components, init, unit_columns, max_iter, tol, random_state
        As in `HierarchicalNMF`.

    Attributes
    ----------
    pairs_ : list of list of ndarray
        For every layer but the coarsest, the numbers of the topics that are pooled.
    pooled_factors_ : tuple of ndarray
        A_0, then B_l (pairs of layer l-1, k_l): what `encode` solves for codes with.
    """

    def __init__(
        self,
        n_components: int | Sequence[int] = (50, 10),
        *,
        pool: PoolName = "max",
        init: str | None = None,
        unit_columns: bool = True,
        max_iter: int = 1000,
        tol: float = 1e-4,
        random_state: Any = None,
    ) -> None:
        super().__init__(
            n_components,
            init=init,
            unit_columns=unit_columns,
            max_iter=max_iter,
            tol=tol,
            random_state=random_state,
        )
        self.pool = pool

    def _learn(self, data: Matrix, widths: Sequence[int], y: Any) -> list[np.ndarray]:  # noqa: ARG002
        opt.one_of("pool", self.pool, PoolName)
        A, S = self._factorized(data, widths[0])
        factors, pooled, topics = [A], [A], A
        self.pairs_: list[list[np.ndarray]] = []
        for k in widths[1:]:
            self.pairs_.append(alike(topics))
            B, above = self._factorized(self._pooled(S, self.pairs_[-1]), k)
            A = nnls(above.T, S.T).S.T
            lengths = self._lengths(A)
            A, S, topics = A / lengths, above * lengths[:, None], topics @ (A / lengths)
            factors.append(A)
            pooled.append(B / lengths)
        self.pooled_factors_ = tuple(pooled)
        return factors

    def _codes(self, data: Matrix) -> list[np.ndarray]:
        codes = [nnls(self.pooled_factors_[0], data).S]
        for B, pairs in zip(self.pooled_factors_[1:], self.pairs_, strict=True):
            codes.append(nnls(B, self._pooled(codes[-1], pairs)).S)
        return codes

    def _pooled(self, S: np.ndarray, pairs: Sequence[np.ndarray]) -> np.ndarray:
        together = np.max if self.pool == "max" else np.mean
        return np.stack([together(S[pair], axis=0) for pair in pairs])


def alike(topics: np.ndarray) -> list[np.ndarray]:
    """Pair the columns greedily by their cosines, the highest first; an odd one comes last."""
    lengths = np.linalg.norm(topics, axis=0)
    unit = topics / np.where(lengths > 0, lengths, 1.0)
    first, second = np.triu_indices(topics.shape[1], 1)
    free, pairs = np.ones(topics.shape[1], dtype=bool), []
    for place in np.argsort(-(unit.T @ unit)[first, second], kind="stable"):
        pair = np.array([first[place], second[place]])
        if free[pair].all():
            free[pair] = False
            pairs.append(pair)
    return pairs + [np.array([left]) for left in np.flatnonzero(free)]
