import pickle

import numpy as np
import pandas
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    cross_val_predict,
    train_test_split,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from nnmf_topics import NeuralNMF
from nnmf_topics.nnls import kkt_residual

may_be_cut_short = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@may_be_cut_short
@parametrize_with_checks([NeuralNMF(random_state=0), NeuralNMF((4, 2), loss="energy", max_iter=9)])
def test_scikit_learn_s_own_checks_pass(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:600], y[:600]


@pytest.fixture(scope="module")
def fitted(digits):
    return NeuralNMF((16, 8, 4), random_state=0, max_iter=500).fit(digits[0])


def test_shapes_are_those_that_are_documented(fitted, digits):
    assert [A.shape for A in fitted.factors_] == [(64, 16), (16, 8), (8, 4)]
    assert fitted.components_.shape == (16, 64)
    assert [C.shape for C in fitted.layer_components_] == [(16, 64), (8, 64), (4, 64)]
    assert [S.shape for S in fitted.encode(digits[0])] == [(16, 600), (8, 600), (4, 600)]
    assert fitted.inverse_transform(fitted.transform(digits[0])).shape == (600, 64)
    assert len(fitted.history_.loss) == fitted.n_iter_


def test_codes_are_exact_nonnegative_least_squares_at_every_layer(fitted, digits):
    data = digits[0].T
    for A, S in zip(fitted.factors_, fitted.encode(digits[0]), strict=True):
        assert np.max(kkt_residual(A.T @ A, A.T @ data, S)) < 1e-8
        data = S


def test_a_training_that_is_cut_short_warns_as_scikit_learn_s(digits):
    model = NeuralNMF((8, 4), random_state=0, max_iter=3)
    with pytest.warns(ConvergenceWarning, match=r"after max_iter=3 passes.* tol \(now 1e-05\); "):
        model.fit(digits[0])
    assert model.n_iter_ == 3
    whole = NeuralNMF((8, 4), random_state=0, max_iter=300).fit(digits[0])
    assert whole.n_iter_ < 300


def test_samples_that_name_a_feature_which_is_not_there_are_an_error(fitted, digits):
    X = sp.csr_array(digits[0])
    X.indices[7] = 10**6
    for ask in (fitted.transform, NeuralNMF(3).fit):
        with pytest.raises(ValueError, match="no valid sparse matrix: indices must be < "):
            ask(X)


def test_sparse_and_dense_samples_give_the_same_model(digits):
    X = digits[0][:, digits[0].any(axis=0)]  # rounding decides what starts where there is nothing
    dense, sparse = (
        NeuralNMF((8, 4), random_state=0, max_iter=5, tol=0).fit(form)
        for form in (X, sp.csr_matrix(X))
    )
    for ours, theirs in zip(sparse.factors_, dense.factors_, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-8)
    np.testing.assert_allclose(sparse.transform(sp.coo_array(X)), dense.transform(X), atol=1e-6)


def test_batches_change_neither_the_model_nor_the_codes(digits):
    whole, parts = (
        NeuralNMF((8, 4), random_state=0, max_iter=5, tol=0, batch_size=size).fit(digits[0])
        for size in (1000, 77)
    )
    np.testing.assert_allclose(parts.components_, whole.components_, atol=1e-6)
    np.testing.assert_allclose(parts.transform(digits[0]), whole.transform(digits[0]), atol=1e-5)


def test_the_score_is_the_share_that_the_finest_layer_explains(fitted, digits):
    X = digits[0]
    rest = X - fitted.inverse_transform(fitted.transform(X))
    assert fitted.score(X) == pytest.approx(1 - np.sum(rest**2) / np.sum(X**2), rel=1e-9)
    assert fitted.score(X) == pytest.approx(1 - fitted.history_.errors[-1][0] ** 2, rel=1e-6)


@may_be_cut_short
@pytest.mark.parametrize("head", ["cross-entropy", "squared"])
@pytest.mark.parametrize("layer", [0, -1])
def test_labels_are_told_of_samples_that_were_not_seen(digits, head, layer):
    known, held, y, truth = train_test_split(*digits, random_state=0, stratify=digits[1])
    model = NeuralNMF((30, 15), label_head=head, label_layer=layer, random_state=0).fit(known, y)
    assert model.score(held, truth) > 0.85
    assert model.classes_.tolist() == list(range(10))
    chances = model.predict_proba(held)
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    np.testing.assert_array_equal(model.classes_[chances.argmax(axis=1)], model.predict(held))


@pytest.mark.parametrize("unknown", [-1, None, float("nan")], ids=["-1", "None", "NaN"])
def test_unknown_labels_may_be_written_in_three_ways(digits, unknown):
    X, y = digits
    expected = NeuralNMF((12,), random_state=0, max_iter=5, tol=0).fit(X, np.where(y % 2, y, -1))
    labels = [int(label) if label % 2 else unknown for label in y]
    found = NeuralNMF((12,), random_state=0, max_iter=5, tol=0).fit(X, labels)
    assert found.classes_.tolist() == [1, 3, 5, 7, 9]
    np.testing.assert_array_equal(found.coef_, expected.coef_)


def test_names_are_told_as_they_were_given(digits):
    names = np.array(["even", "odd"])[digits[1] % 2]
    model = NeuralNMF((20,), random_state=0, tol=1e-4, max_iter=500).fit(digits[0], names)
    assert set(model.predict(digits[0])) == {"even", "odd"}
    assert model.score(digits[0], names) > 0.9


def test_without_labels_there_is_no_prediction(fitted, digits):
    assert not hasattr(fitted, "predict")
    with pytest.raises(AttributeError, match="predict_proba"):
        fitted.predict_proba(digits[0])
    with pytest.raises(ValueError, match="no labels were learnt"):
        fitted.score(*digits)


def test_it_can_predict_once_it_is_fitted_with_labels(digits):
    assert hasattr(NeuralNMF(), "predict")  # as those ask that will fit it
    with pytest.raises(NotFittedError):
        NeuralNMF().predict(digits[0])
    found = cross_val_predict(NeuralNMF((12,), random_state=0), *digits, cv=StratifiedKFold(2))
    assert np.mean(found == digits[1]) > 0.7


def test_samples_without_a_label_do_not_count_for_the_score(digits):
    X, y = digits
    half = np.where(np.arange(len(y)) % 2, y, -1)
    model = NeuralNMF((12,), random_state=0, max_iter=5, tol=0).fit(X, half)
    assert model.score(X, half) == model.score(X[1::2], y[1::2])
    with pytest.raises(ValueError, match="no label that is known"):
        model.score(X, np.full(len(y), -1))


def test_what_pandas_has_for_missing_labels_is_unknown(digits):
    y = pandas.Series(digits[1]).astype("Int64").mask(np.arange(len(digits[1])) % 2 == 0)
    model = NeuralNMF((6,), random_state=0, max_iter=2, tol=0).fit(digits[0], y)
    assert set(model.classes_.tolist()) <= set(range(10))


def test_a_weight_of_zero_leaves_labels_alone(digits, fitted):
    model = clone(fitted).set_params(label_weight=0).fit(digits[0], digits[1] / 7)
    np.testing.assert_array_equal(model.components_, fitted.components_)
    assert not hasattr(model, "predict")


def test_a_fit_without_labels_forgets_those_of_an_earlier_one(digits):
    model = NeuralNMF((6,), random_state=0, max_iter=2, tol=0).fit(*digits)
    assert hasattr(model, "predict")
    assert not hasattr(model.fit(digits[0]), "predict")


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([1.5, 2.5, 3.5], "label_weight=0"),
        ([0, 0, 0], "one class, 0"),
        ([-1, -1, -1], "no label that is known"),
        ([1, -1, 1], "-1, which means unknown, and only one class beside it"),
        ([0, 1], r"inconsistent numbers of samples: \[3, 2\]"),
    ],
)
def test_labels_that_cannot_be_learnt_are_named(y, message):
    with pytest.raises(ValueError, match=message):
        NeuralNMF((2,)).fit(np.ones((3, 4)), y)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label_layer": 2}, "layer 2 does not exist"),
        ({"label_layer": -3}, "layer -3 does not exist"),
        ({"label_head": "hinge"}, "label_head must be one of"),
        ({"label_weight": -1}, "label_weight must be"),
        ({"label_ridge": 0}, "label_ridge must be"),
        ({"n_components": (2, 4)}, "n_components=.* finest to coarsest"),
        ({"n_components": 0}, "n_components must be positive"),
        (
            {"n_components": "auto"},
            "n_components must be an int .* not 'auto'$",
        ),
        ({"loss": "hinge"}, "loss must be"),
        ({"init": "magic"}, "init must be"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"max_iter": -1}, "max_iter must be"),
        ({"tol": -1}, "tol must be from 0 to 1"),
        ({"tol": float("nan")}, "tol must be"),
    ],
)
def test_bad_parameters_are_named(digits, options, message):
    with pytest.raises((ValueError, IndexError, TypeError), match=message):
        NeuralNMF(**{"n_components": (4, 2), **options}).fit(*digits)


def test_a_score_needs_a_label_for_each_sample(digits):
    X, y = digits
    model = NeuralNMF((6,), random_state=0, max_iter=2, tol=0).fit(X, y)
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[600, 10\]"):
        model.score(X, y[:10])


def test_more_components_than_features_or_samples_are_warned_of(digits, caplog):
    NeuralNMF((65,), max_iter=1, tol=0, random_state=0).fit(digits[0])
    assert f"65 components for 64 features and {len(digits[0])} samples" in caplog.text
    caplog.clear()
    NeuralNMF((64,), max_iter=1, tol=0, random_state=0).fit(digits[0])
    assert not caplog.records


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # by a little
def test_it_works_in_a_pipeline_and_a_grid_search_and_names_its_columns(digits):
    X, y = digits
    model = NeuralNMF((10, 4), random_state=0)
    pipeline = make_pipeline(model, StandardScaler(), LogisticRegression(max_iter=1000))
    search = GridSearchCV(pipeline, {"neuralnmf__label_weight": [0, 0.1]}, cv=2).fit(X, y)
    assert search.best_score_ > 0.7
    regression = make_pipeline(NeuralNMF((10,), label_weight=0, random_state=0), Ridge())
    assert regression.fit(X, y / 7).score(X, y / 7) > 0.3
    frame = NeuralNMF((3,), random_state=0).set_output(transform="pandas").fit(X).transform(X)
    assert list(frame.columns) == ["neuralnmf0", "neuralnmf1", "neuralnmf2"]


def test_a_pickle_tells_the_same(digits):
    model = NeuralNMF((8, 4), random_state=0).fit(*digits)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(digits[0]), model.predict(digits[0]))
