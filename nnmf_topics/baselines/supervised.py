"""Hierarchical NMF whose coarsest layer is learnt together with the labels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils.metaestimators import available_if

from nnmf_topics import options as opt
from nnmf_topics._typing import Matrix
from nnmf_topics.baselines.hierarchical import HierarchicalNMF, squared_error
from nnmf_topics.baselines.multiplicative import raised, settle, times
from nnmf_topics.labels import Classifier, numbered
from nnmf_topics.losses import squared_norm
from nnmf_topics.nnls import nnls
from nnmf_topics.supervision import UNKNOWN


def _has_classes(estimator: "SupervisedLastLayer") -> bool:
    if not hasattr(estimator, "classes_"):
        raise AttributeError("this SupervisedLastLayer was not fitted with labels: call fit(X, y)")
    return True


class SupervisedLastLayer(HierarchicalNMF):
    """Hierarchical NMF, its last layer a semi-supervised NMF of the codes below.

    With S the codes of the layer below (the data, if there is none), it lowers ||S - A S'||^2 +
    weight * c * ||M * (Y - B S')||^2 over nonnegative A, B and S' by multiplicative updates (Lee,
    Yoo and Choi, "Semi-supervised nonnegative matrix factorization", 2010). c = ||S||^2 / n makes
    the weight free of the scale of the data, as in `NeuralNMF`. Without y it is hierarchical NMF.

    Parameters
    ----------
    label_weight : float, default=0.1
        How much labels count against the codes below.
    n_components, init, unit_columns, max_iter, tol, random_state
        As in `HierarchicalNMF`; `max_iter` and `tol` are for the supervised updates too.

    Attributes
    ----------
    classes_ : ndarray
    coef_ : ndarray of shape (n_classes, k)
        B, what the coarsest codes are multiplied with for the scores of the classes.
    losses_ : list of float
        The loss at the start (the unsupervised layer, zeros filled) and after every update of the
        last layer; it never rises.
    """

    def __init__(
        self,
        n_components: int | Sequence[int] = (50, 10),
        *,
        label_weight: float = 0.1,
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
        self.label_weight = label_weight

    @available_if(_has_classes)  # type: ignore[untyped-decorator]
    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable label of each sample, from its codes alone."""
        return self._classifier.predict(self.encode(X)[-1])

    def _learn(self, data: Matrix, widths: Sequence[int], y: Any) -> list[np.ndarray]:
        for former in ("classes_", "coef_", "losses_", "_classifier"):
            self.__dict__.pop(former, None)
        factors, codes = self._stacked(data, widths)
        if y is None:
            return factors
        y = np.asarray(y)
        values = y.tolist()
        if y.dtype.kind == "i":
            values = [None if value == UNKNOWN else value for value in values]
        self.classes_, numbers = numbered("y", values, data.shape[1])
        signal = codes[-2] if len(codes) > 1 else data
        A, B = self._supervised(signal, factors[-1], codes[-1], numbers)
        lengths = self._lengths(A)
        self.coef_ = B / lengths
        counts = np.bincount(numbers[numbers != UNKNOWN])
        self._classifier = Classifier(len(widths) - 1, "squared", self.classes_, counts, self.coef_)
        return [*factors[:-1], A / lengths]

    def _supervised(
        self, signal: Matrix, A: np.ndarray, S: np.ndarray, numbers: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return A and B, from an unsupervised layer A, S and the numbers of the classes."""
        known = numbers != UNKNOWN
        Y = np.eye(numbers.max() + 1)[:, numbers] * known
        norm = float(squared_norm(signal))
        weight = opt.positive("label_weight", self.label_weight) * norm / signal.shape[1]
        B = raised(nnls(S[:, known].T, Y[:, known].T).S.T)
        A, S = raised(A), raised(S)

        def loss(gram: np.ndarray, rhs: np.ndarray) -> float:
            labels = squared_error(float(known.sum()), B.T @ B, B.T @ Y, S * known)
            return float(squared_error(norm, gram, rhs, S) + weight * labels)

        def update() -> float:
            nonlocal A, B, S
            A = times(A, signal @ S.T, A @ (S @ S.T))
            B = times(B, Y @ S.T, B @ ((S * known) @ S.T))
            gram, rhs = A.T @ A, (signal.T @ A).T
            up = rhs + weight * (B.T @ Y)
            S = times(S, up, gram @ S + weight * (B.T @ B @ (S * known)))
            return loss(gram, rhs)

        first = loss(A.T @ A, (signal.T @ A).T)
        self.losses_ = settle(update, first, opt.whole("max_iter", self.max_iter), self.tol)
        self.n_iter_ += len(self.losses_) - 1
        return A, B
