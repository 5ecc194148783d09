"""`NeuralNMF`: the scikit-learn estimator, for samples and features of any nonnegative kind."""

import logging
import warnings
from collections.abc import Sequence
from functools import reduce
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import ClassifierTags, check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import (
    check_array,
    check_consistent_length,
    check_is_fitted,
    check_non_negative,
    column_or_1d,
    validate_data,
)

from nnmf_topics import options as opt
from nnmf_topics._backend import resolve_device, to_host
from nnmf_topics._typing import HeadName, InitName, LossName, Matrix
from nnmf_topics.initializers import initialize
from nnmf_topics.labels import Classifier, Labelling
from nnmf_topics.losses import squared_norm
from nnmf_topics.network import forward
from nnmf_topics.nnls import grams_of
from nnmf_topics.products import in_parts
from nnmf_topics.supervision import UNKNOWN, Target
from nnmf_topics.training import StopReason, train

logger = logging.getLogger(__name__)


def _may_have_classes(estimator: "NeuralNMF") -> bool:
    if hasattr(estimator, "factors_") and not hasattr(estimator, "classes_"):
        raise AttributeError("this NeuralNMF was fitted without labels: call fit(X, y)")
    return True


class NeuralNMF(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Hierarchical nonnegative matrix factorization, its layers trained together.

    Samples are approximated by X.T ~ A_0 S_0 ~ A_0 A_1 S_1 ~ ..., all nonnegative, where the codes
    S_l solve the nonnegative least squares S_l = q(A_l, S_{l-1}) exactly (Will et al., "Neural
    nonnegative matrix factorization for hierarchical multilayer topic modeling", 2023).

    Parameters
    ----------
    n_components : int or sequence of int, default=(50, 10)
        Widths of the layers from finest to coarsest. An int N means N under about sqrt(N), or one
        layer if N <= 3; (N,) is one layer.
    loss : {"layerwise", "energy", "reconstruction"}, default="layerwise"
        Which errors are added up: of every layer against the data, of every layer against the one
        below, or of the coarsest against the data.
    init : {"layerwise", "clusters", "nndsvd", "random"}, default="layerwise"
        The start of training: layer by layer, for a small error; from clusters of samples, for
        components that tell samples apart, often at a larger error on data other than text; from
        singular vectors alone; or from random numbers.
    max_iter : int, default=200
        Passes over the data at most.
    tol : float, default=1e-5
        Stop when a pass lowers the loss by less than this share, and a shorter step does too if
        that one may have been too long; with 0 where no step lowers it. A training that `max_iter`
        ends before warns, but not with 0.
    batch_size : int, default=2000
        Samples that are worked on at a time.
    label_layer : int, default=-1
        The layer whose codes shall tell the labels; -1 is the coarsest. The finest, 0, tells them
        best.
    label_head : {"cross-entropy", "squared"}, default="cross-entropy"
    label_weight : float, default=0.1
        How much labels count against the data; 0 leaves y alone.
    label_ridge : float, default=0.01
        How much the size of the head counts.
    device : str, default="auto"
        "cpu", "cuda", "cuda:1", or "auto" for a GPU if one works.
    random_state : int, RandomState instance or None, default=None
        "layerwise" leaves little to chance, so seeds that agree say little about the data.
    verbose : bool, default=False
        Show a progress bar.

    Attributes
    ----------
    factors_ : tuple of ndarray
        A_0 (n_features, k_0), A_l (k_{l-1}, k_l); columns have unit length.
    components_ : ndarray of shape (k_0, n_features)
        The finest topics.
    layer_components_ : list of ndarray of shape (k_l, n_features)
        The topics of every layer, (A_0 ... A_l).T.
    classes_ : ndarray
        Of y, if it was given.
    coef_ : ndarray of shape (n_classes, k)
        What the codes of `label_layer` are multiplied with for the scores of the classes.
    history_ : History
        Loss and relative error of every layer, per pass.
    n_iter_ : int
        Passes made.
    n_features_in_, feature_names_in_
        As everywhere in scikit-learn.

    Notes
    -----
    Features are taken as they are: weigh counts of words before, as with `TfidfVectorizer`.

    For scikit-learn this is a transformer that can predict, not a classifier: give cross-validation
    a splitter that knows of classes, such as ``cv=StratifiedKFold()``.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> model = NeuralNMF((20, 10), random_state=0).fit(X)
    >>> model.transform(X).shape, [S.shape for S in model.encode(X)]
    ((1797, 20), [(20, 1797), (10, 1797)])
    """

    def __init__(
        self,
        n_components: int | Sequence[int] = (50, 10),
        *,
        loss: LossName = "layerwise",
        init: InitName = "layerwise",
        max_iter: int = 200,
        tol: float = 1e-5,
        batch_size: int = 2000,
        label_layer: int = -1,
        label_head: HeadName = "cross-entropy",
        label_weight: float = 0.1,
        label_ridge: float = 0.01,
        device: str = "auto",
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.n_components = n_components
        self.loss = loss
        self.init = init
        self.max_iter = max_iter
        self.tol = tol
        self.batch_size = batch_size
        self.label_layer = label_layer
        self.label_head = label_head
        self.label_weight = label_weight
        self.label_ridge = label_ridge
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the factors.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), nonnegative
        y : array-like of shape (n_samples,), optional
            Labels that the codes of `label_layer` shall tell; None, NaN or, among whole numbers,
            -1 where it is unknown.

        Raises
        ------
        ValueError, TypeError
            Naming what is wrong with X, y or a parameter.

        Warns
        -----
        ConvergenceWarning
            If `max_iter` passes were made before one lowered the loss by less than `tol`.
        """
        widths = opt.resolve_widths(self.n_components, "n_components")
        for former in ("classes_", "coef_", "_classifier"):
            self.__dict__.pop(former, None)
        samples = self._checked(X, reset=True)
        data = samples.T
        targets: list[Target] = []
        if y is not None and self.label_weight != 0:
            how = Labelling.checked(self.label_head, self.label_weight, self.label_ridge)
            labels = {self.label_layer: self._labels(samples, y)}
            targets, (classes,) = how.targets(labels, samples.shape[0], len(widths))
        if widths[0] > min(data.shape):
            logger.warning(
                "%d components for %d features and %d samples: some will be copies, and training "
                "takes long; give fewer",
                *(widths[0], *data.shape),
            )
        passes, tol = opt.whole("max_iter", self.max_iter), opt.fraction("tol", self.tol)
        batch_size = opt.whole("batch_size", self.batch_size, least=1)
        random_state, device = check_random_state(self.random_state), resolve_device(self.device)
        start = initialize(self.init, data, widths, random_state, device)
        state = train(
            in_parts(data, batch_size),
            start,
            loss=self.loss,
            passes=passes,
            tol=tol,
            device=device,
            targets=targets,
            progress=bool(self.verbose),
        )
        self.factors_ = tuple(map(to_host, state.factors))
        self.history_, self.n_iter_ = state.history, state.history.passes
        self.layer_components_ = [
            reduce(np.matmul, self.factors_[: layer + 1]).T for layer in range(len(widths))
        ]
        self.components_ = self.layer_components_[0]
        if targets:
            self._classifier = Classifier.of(state.heads[0], classes)
            self.classes_, self.coef_ = classes, self._classifier.B
        if state.history.stop_reason is StopReason.PASSES and tol > 0:
            warnings.warn(
                f"training had not converged after max_iter={passes} passes: raise "
                f"max_iter, or tol (now {tol:g}); tol=0 only silences this",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return the finest codes of samples, of shape (n_samples, k_0)."""
        return np.ascontiguousarray(self.encode(X)[0].T)

    def encode(self, X: Any) -> list[np.ndarray]:
        """Return the codes S_l of samples at every layer, of shape (k_l, n_samples).

        They are exact nonnegative least squares: those of a sample do not depend on the others.
        """
        check_is_fitted(self)
        data = self._checked(X, reset=False).T
        device = resolve_device(self.device)
        with device.active():
            factors = [device.put(A) for A in self.factors_]
            grams = [grams_of(A) for A in factors]
            parts = [
                [to_host(S) for S in forward(factors, device.put(part), grams=grams).codes]
                for part in in_parts(data, self.batch_size)
            ]
        return [np.concatenate(codes, axis=1) for codes in zip(*parts, strict=True)]

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Return the samples (n_samples, n_features) that finest codes stand for."""
        check_is_fitted(self)
        codes = check_array(X, dtype=[np.float64, np.float32])
        if codes.shape[1] != len(self.components_):
            raise ValueError(
                f"X must have {len(self.components_)} columns, a code for each topic of the finest "
                f"layer, not {codes.shape[1]}"
            )
        return np.asarray(codes @ self.components_)

    @available_if(_may_have_classes)  # type: ignore[untyped-decorator]
    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable label of each sample."""
        codes = self.encode(X)
        return self._classifier.predict(codes[self._classifier.layer])

    @available_if(_may_have_classes)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probabilities of `classes_`, of shape (n_samples, n_classes)."""
        codes = self.encode(X)
        return self._classifier.probabilities(codes[self._classifier.layer])

    def score(self, X: Any, y: Any = None) -> float:
        """Return the accuracy on y if it is given, else the share of X that is explained.

        The latter is 1 - ||X - A_0 S_0||^2 / ||X||^2, of the finest layer. Samples whose label is
        unknown do not count.

        Raises
        ------
        ValueError
            If y is given to a model without labels, or has none that is known.
        """
        if y is not None:
            check_is_fitted(self)
            if not hasattr(self, "classes_"):
                raise ValueError("no labels were learnt: score(X) tells how much is explained")
            labels = self._labels(X, y)
            right = [a == b for a, b in zip(self.predict(X), labels, strict=True) if b is not None]
            if not right:
                raise ValueError("y has no label that is known")
            return float(np.mean(right))
        codes, A = self.encode(X)[0].astype(np.float64), self.factors_[0].astype(np.float64)
        data = self._checked(X, reset=False).T
        rest = float(np.sum((A.T @ A @ codes - 2 * (data.T @ A).T) * codes))
        return -rest / max(float(squared_norm(data)), 1e-300)

    def _checked(self, X: Any, *, reset: bool) -> Matrix:
        """Return samples as floating numbers, nonnegative, by rows if they are sparse."""
        X = validate_data(self, X, reset=reset, accept_sparse="csr", dtype=[np.float64, np.float32])
        if sp.issparse(X):
            try:
                X.check_format(full_check=True)  # compiled loops do not look where they read
            except ValueError as error:
                raise ValueError(f"X is no valid sparse matrix: {error}; make it anew") from error
        check_non_negative(X, "NeuralNMF")
        return sp.csr_array(X) if sp.issparse(X) else X

    def _labels(self, X: Any, y: Any) -> list[Any]:
        """Return y, one for each of the samples, with None where a label is unknown."""
        check_consistent_length(X, y)
        y = column_or_1d(np.asarray(y), warn=True)
        known = [None if opt.is_unknown(value) else value for value in y.tolist()]
        if y.dtype.kind == "i":
            known = [None if value == UNKNOWN else value for value in known]
            if UNKNOWN in y and len(set(y.tolist())) == 2:
                raise ValueError(
                    f"y holds {UNKNOWN}, which means unknown, and only one class beside it: give "
                    "two classes other numbers"
                )
        if any(isinstance(value, float) and value % 1 for value in known):
            raise ValueError(
                "y must hold classes, not measurements: label_weight=0 trains without it"
            )
        return known

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.input_tags.sparse = True
        tags.classifier_tags = ClassifierTags()  # for the labels that it tells if it was given any
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
