import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.decomposition import NMF

from nnmf_topics.baselines import (
    DeepNMF,
    HierarchicalNMF,
    PooledHierarchicalNMF,
    SupervisedLastLayer,
)
from nnmf_topics.baselines.hierarchical import relative_error
from nnmf_topics.baselines.multiplicative import settle
from nnmf_topics.baselines.pooled import alike
from nnmf_topics.nnls import kkt_residual, nnls

ALL = (
    HierarchicalNMF,
    DeepNMF,
    PooledHierarchicalNMF,
    lambda *args, **kwargs: PooledHierarchicalNMF(*args, pool="average", **kwargs),
    SupervisedLastLayer,
)
WIDTHS = (6, 3, 2)


def planted(samples, seed, noise=0.02):
    """Samples of six topics in three classes, each topic with words of its own; their classes."""
    random = np.random.default_rng(seed)
    topics = np.kron(np.eye(6), np.ones((1, 5))) * np.random.default_rng(0).uniform(0.5, 1, 30)
    fine = random.integers(6, size=samples)
    partner = fine ^ 1
    weights = np.zeros((samples, 6))
    weights[np.arange(samples), fine] = random.uniform(1, 2, samples)
    weights[np.arange(samples), partner] = random.uniform(0.3, 1, samples)
    X = weights @ topics + noise * random.random((samples, 30))
    return X, np.array(["red", "green", "blue"])[fine // 2]


@pytest.fixture(scope="module")
def data():
    return planted(120, seed=1)


@pytest.fixture(scope="module", params=ALL, ids=["hnmf", "deep", "max", "average", "supervised"])
def fitted(request, data):
    return request.param(WIDTHS, random_state=0).fit(*data)


def test_shapes_are_those_that_are_documented(fitted, data):
    X, _ = data
    assert [A.shape for A in fitted.factors_] == [(30, 6), (6, 3), (3, 2)]
    assert [S.shape for S in fitted.encode(X)] == [(6, 120), (3, 120), (2, 120)]
    assert [C.shape for C in fitted.layer_components_] == [(6, 30), (3, 30), (2, 30)]
    assert fitted.transform(X).shape == (120, 6)
    assert len(fitted.get_feature_names_out()) == 6
    assert isinstance(fitted.n_iter_, int)
    assert fitted.n_iter_ > 0


def test_factors_and_codes_are_nonnegative_and_columns_have_unit_length(fitted, data):
    for A, S in zip(fitted.factors_, fitted.encode(data[0]), strict=True):
        assert A.min() >= 0
        assert S.min() >= 0
        np.testing.assert_allclose(np.linalg.norm(A, axis=0), 1)


def test_errors_are_those_of_the_codes_that_are_returned(fitted, data):
    X = data[0].T
    for topics, S, error in zip(
        fitted.layer_components_, fitted.encode(X.T), fitted.errors_, strict=True
    ):
        assert error == pytest.approx(np.linalg.norm(X - topics.T @ S) / np.linalg.norm(X))
    assert 0 < fitted.errors_[0] < 0.05


def test_codes_of_a_sample_do_not_depend_on_the_others(fitted, data):
    for alone, among in zip(fitted.encode(data[0][7:8]), fitted.encode(data[0]), strict=True):
        np.testing.assert_allclose(alone[:, 0], among[:, 7], atol=1e-10)


def test_a_clone_fits_the_same_model_and_keeps_all_parameters(fitted, data):
    twin = clone(fitted)
    assert not hasattr(twin, "factors_")
    assert twin.get_params() == fitted.get_params()
    for ours, theirs in zip(twin.fit(*data).factors_, fitted.factors_, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_sparse_and_dense_samples_give_the_same_model(fitted, data):
    X, y = data
    twin = clone(fitted).fit(sp.csr_matrix(X), y)
    for ours, theirs in zip(twin.factors_, fitted.factors_, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    np.testing.assert_allclose(twin.transform(sp.coo_array(X)), fitted.transform(X), atol=1e-6)


@pytest.mark.parametrize("init", [None, "random", "nndsvda"])
def test_hierarchical_nmf_is_scikit_learn_s_nmf_twice(data, init):
    X, _ = data
    model = HierarchicalNMF((6, 3), init=init, unit_columns=False, random_state=3).fit(X)
    first, second = (NMF(k, init=init, max_iter=1000, random_state=3) for k in (6, 3))
    second.fit(first.fit_transform(X))
    np.testing.assert_array_equal(model.factors_[0], first.components_.T)
    np.testing.assert_array_equal(model.factors_[1], second.components_.T)
    assert model.n_iter_ == first.n_iter_ + second.n_iter_


def test_unit_columns_change_the_layers_above_only(data):
    raw, unit = (
        HierarchicalNMF((6, 3), unit_columns=choice, init="random", random_state=3).fit(data[0])
        for choice in (False, True)
    )
    A = raw.factors_[0]
    np.testing.assert_allclose(unit.factors_[0], A / np.linalg.norm(A, axis=0))
    assert unit.errors_[0] == pytest.approx(raw.errors_[0])
    assert unit.errors_[1] != pytest.approx(raw.errors_[1], rel=1e-6)


@pytest.mark.parametrize("kind", [DeepNMF, SupervisedLastLayer])
@pytest.mark.parametrize("widths", [(4,), (5, 3), (6, 4, 2)])
@pytest.mark.parametrize("unit_columns", [True, False])
def test_the_loss_never_rises(kind, widths, unit_columns):
    random = np.random.default_rng(5)
    X = random.random((40, 20)) * (random.random((40, 20)) < 0.4)
    y = random.integers(-1, 3, 40)
    model = kind(widths, unit_columns=unit_columns, random_state=0).fit(X, y)
    assert np.all(np.diff(model.losses_) <= 1e-12 * np.sum(X**2))
    assert model.losses_[-1] < model.losses_[0]


@pytest.mark.parametrize("unit_columns", [True, False])
def test_deep_nmf_tells_the_data_no_worse_than_the_hierarchical_nmf_it_starts_from(unit_columns):
    random = np.random.default_rng(6)
    X = random.random((60, 30)) * (random.random((60, 30)) < 0.3)
    options = {"unit_columns": unit_columns, "random_state": 0}
    topics = HierarchicalNMF((8, 4), **options).fit(X).layer_components_[-1].T
    start = relative_error(X.T, topics, nnls(topics, X.T).S)
    deep = DeepNMF((8, 4), **options).fit(X)
    reached = np.sqrt(deep.losses_[-1] / np.sum(X**2))
    assert deep.errors_[-1] <= reached * (1 + 1e-9) < start


def test_codes_of_deep_nmf_are_least_squares_of_the_data_at_every_layer(data):
    X, _ = data
    model = DeepNMF((6, 3), random_state=0).fit(X)
    for topics, S in zip(model.layer_components_, model.encode(X), strict=True):
        assert np.max(kkt_residual(topics @ topics.T, topics @ X.T, S)) < 1e-8


def test_pairs_are_the_most_alike_and_an_odd_one_is_left_alone():
    topics = np.array([[1, 0, 0.9, 0, 0], [0, 1, 0.1, 0, 1], [0, 0.1, 0, 0, 0], [0, 0, 0, 1, 0]])
    assert [list(pair) for pair in alike(topics)] == [[1, 4], [0, 2], [3]]
    assert [list(pair) for pair in alike(topics[:, :1])] == [[0]]


def test_planted_pairs_of_topics_are_the_ones_that_are_pooled(data):
    # Topics have no words in common: a word for each class makes those of a class alike.
    X, y = data
    shared = (y[:, None] == np.unique(y)) * 2.0
    model = PooledHierarchicalNMF((6, 3), init="nndsvda", random_state=0).fit(np.c_[X, shared])
    own = model.factors_[0][:30].reshape(6, 5, 6).sum(axis=1).argmax(axis=0) // 2
    assert all(len(set(own[pair])) == 1 for pair in model.pairs_[0])


def test_pooling_takes_the_maximum_or_the_average_of_codes(data):
    for pool, together in (("max", np.max), ("average", np.mean)):
        model = PooledHierarchicalNMF((6, 3), pool=pool, random_state=0).fit(data[0])
        fine, coarse = model.encode(data[0])
        rows = np.array([together(fine[pair], axis=0) for pair in model.pairs_[0]])
        B = model.pooled_factors_[1]
        assert B.shape == (3, 3)
        assert np.max(kkt_residual(B.T @ B, B.T @ rows, coarse)) < 1e-8
    with pytest.raises(ValueError, match="pool"):
        PooledHierarchicalNMF((6, 3), pool="median").fit(data[0])


@pytest.mark.parametrize("widths", [(6,), (6, 3)])
def test_labels_of_held_out_samples_are_told(data, widths):
    X, y = planted(80, seed=2)
    model = SupervisedLastLayer(widths, random_state=0).fit(*data)
    assert np.mean(model.predict(X) == y) > 0.95
    assert model.coef_.shape == (3, widths[-1])
    assert model.predict(sp.csr_array(X)).tolist() == model.predict(X).tolist()


@pytest.mark.parametrize("unknown", [None, float("nan"), -1])
def test_samples_without_a_label_still_count_as_data(data, unknown):
    X, y = data
    numbers = np.unique(y, return_inverse=True)[1]
    known = np.arange(len(y)) % 4 == 0
    some = [int(label) if told else unknown for label, told in zip(numbers, known, strict=True)]
    model = SupervisedLastLayer((6, 3), random_state=0).fit(X, some)
    assert model.classes_.tolist() == [0, 1, 2]
    assert np.mean(model.predict(X)[~known] == numbers[~known]) > 0.95


def test_the_weight_of_labels_does_not_depend_on_the_scale_of_the_data(data):
    X, y = data
    one, thousand = (
        SupervisedLastLayer((6, 3), random_state=0, init="random").fit(scale * X, y)
        for scale in (1, 1024)
    )
    np.testing.assert_allclose(thousand.factors_[1], one.factors_[1], atol=1e-6)
    assert thousand.predict(1024 * X).tolist() == one.predict(X).tolist()


def test_without_labels_it_is_hierarchical_nmf_and_predicts_nothing(data):
    X, y = data
    model = SupervisedLastLayer((6, 3), random_state=0).fit(X, y).fit(X)
    plain = HierarchicalNMF((6, 3), random_state=0).fit(X)
    np.testing.assert_array_equal(model.factors_[1], plain.factors_[1])
    assert not hasattr(model, "predict")


@pytest.mark.parametrize("kind", ALL)
def test_negative_data_and_widths_that_grow_are_refused(kind, data):
    with pytest.raises(ValueError, match="Negative"):
        kind((2,)).fit(-data[0])
    with pytest.raises(ValueError, match="finest to coarsest"):
        kind((2, 3)).fit(data[0])


def test_updates_stop_when_ten_of_them_gain_too_little_and_warn_if_they_never_do():
    falling = iter(0.81**n for n in range(1, 1000))
    # The root of the loss is 0.9^n, and ten updates gain (0.9^-10 - 1) 0.9^n = 1.868 * 0.9^n.
    assert len(settle(lambda: next(falling), 1.0, 1000, 1e-2)) == 1 + 50
    with pytest.warns(UserWarning, match="max_iter=7"):
        settle(lambda: 1.0, 1.0, 7, 1e-4)
    assert settle(lambda: 1.0, 1.0, 12, 0.0) == [1.0] * 13
