"""Hierarchical NMF, one layer after the other; the face that all baselines share."""

from collections.abc import Sequence
from functools import reduce
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.decomposition import NMF
from sklearn.utils.validation import check_is_fitted, check_non_negative, validate_data

from nnmf_topics import options as opt
from nnmf_topics._backend import resolve_device
from nnmf_topics._typing import Matrix
from nnmf_topics.losses import squared_norm
from nnmf_topics.network import forward
from nnmf_topics.optimizers import column_lengths
from nnmf_topics.products import in_parts

_PART = 2000


class HierarchicalNMF(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """NMF of the data, then of its codes, and so on: scikit-learn's NMF once a layer.

    All is computed in double precision.

    Parameters
    ----------
    n_components : int or sequence of int, default=(50, 10)
        Widths of the layers from finest to coarsest. An int N means N under about sqrt(N).
    init : str or None, default=None
        Of scikit-learn's NMF, for every layer.
    unit_columns : bool, default=True
        Scale the columns of A_l to unit length, and the codes inversely, before the next layer. An
        NMF does not say which of its two factors has the scale of a topic, but the next layer
        weighs topics by the scale of their codes: without this by an accident of the solver.
    max_iter : int, default=1000
        Iterations of each NMF at most.
    tol : float, default=1e-4
        Of scikit-learn's NMF, for every layer.
    random_state : int, RandomState instance or None, default=None
        An int seeds every layer alike.

    Attributes
    ----------
    factors_ : tuple of ndarray
        A_0 (n_features, k_0), A_l (k_{l-1}, k_l).
    components_ : ndarray of shape (k_0, n_features)
        The finest topics.
    layer_components_ : list of ndarray of shape (k_l, n_features)
        The topics of every layer, (A_0 ... A_l).T.
    errors_ : list of float
        ||X - A_0 ... A_l S_l|| / ||X|| of every layer, S_l as `encode` returns them.
    n_iter_ : int
        Iterations, of all layers together.
    n_features_in_, feature_names_in_
        As everywhere in scikit-learn.
    """

    def __init__(
        self,
        n_components: int | Sequence[int] = (50, 10),
        *,
        init: str | None = None,
        unit_columns: bool = True,
        max_iter: int = 1000,
        tol: float = 1e-4,
        random_state: Any = None,
    ) -> None:
        self.n_components = n_components
        self.init = init
        self.unit_columns = unit_columns
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the factors.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), nonnegative
        y : array-like of shape (n_samples,), optional
            Labels; only a supervised baseline learns from them.
        """
        data = self._checked(X, reset=True).T
        self.n_iter_ = 0
        factors = self._learn(data, opt.resolve_widths(self.n_components, "n_components"), y)
        self.factors_ = tuple(factors)
        self.layer_components_ = [
            reduce(np.matmul, factors[: layer + 1]).T for layer in range(len(factors))
        ]
        self.components_ = self.layer_components_[0]
        self.errors_ = [
            relative_error(data, topics.T, S)
            for topics, S in zip(self.layer_components_, self._encode(data), strict=True)
        ]
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return the finest codes of samples, of shape (n_samples, k_0)."""
        return np.ascontiguousarray(self.encode(X)[0].T)

    def encode(self, X: Any) -> list[np.ndarray]:
        """Return the codes S_l of samples at every layer, of shape (k_l, n_samples).

        They are exact nonnegative least squares, whatever way the factors were found.
        """
        check_is_fitted(self)
        return self._encode(self._checked(X, reset=False).T)

    def _encode(self, data: Matrix) -> list[np.ndarray]:
        with resolve_device("cpu").active():
            parts = [self._codes(part) for part in in_parts(data, _PART)]
        return [np.concatenate(codes, axis=1) for codes in zip(*parts, strict=True)]

    def _codes(self, data: Matrix) -> list[np.ndarray]:
        """Return the codes of some samples (n_features, samples): S_l = q(A_l, S_{l-1})."""
        return forward(self.factors_, data).codes

    def _learn(self, data: Matrix, widths: Sequence[int], y: Any) -> list[np.ndarray]:  # noqa: ARG002
        """Return the factors for data (n_features, n_samples)."""
        return self._stacked(data, widths)[0]

    def _stacked(
        self, data: Matrix, widths: Sequence[int]
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return factors and codes of one NMF after the other."""
        factors: list[np.ndarray] = []
        codes: list[np.ndarray] = []
        for k in widths:
            A, S = self._factorized(codes[-1] if codes else data, k)
            factors.append(A)
            codes.append(S)
        return factors, codes

    def _factorized(self, signal: Matrix, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the factor (m, k) and the codes (k, n) of one NMF."""
        nmf = NMF(
            k,
            init=self.init,
            max_iter=self.max_iter,
            tol=self.tol,
            random_state=self.random_state,
        )
        S, A = nmf.fit_transform(signal.T).T, nmf.components_.T
        self.n_iter_ += nmf.n_iter_
        lengths = self._lengths(A)
        return A / lengths, S * lengths[:, None]

    def _lengths(self, A: np.ndarray) -> np.ndarray:
        """Return what the columns of A are divided by."""
        return np.asarray(column_lengths(A)) if self.unit_columns else np.ones(A.shape[1])

    def _checked(self, X: Any, *, reset: bool) -> Matrix:
        X = validate_data(self, X, reset=reset, accept_sparse="csr", dtype=np.float64)
        check_non_negative(X, type(self).__name__)
        return sp.csr_array(X) if sp.issparse(X) else X

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def squared_error(norm: float, gram: np.ndarray, rhs: np.ndarray, S: np.ndarray) -> float:
    """||X - A S||^2 from ||X||^2, A^T A and A^T X: nothing of the size of X is formed."""
    return max(norm + float(np.sum((gram @ S - 2 * rhs) * S)), 0.0)


def relative_error(X: Matrix, A: np.ndarray, S: np.ndarray) -> float:
    """||X - A S|| / ||X||; 0 if X is."""
    norm = float(squared_norm(X))
    return float(np.sqrt(squared_error(norm, A.T @ A, (X.T @ A).T, S) / (norm or 1.0)))
