from itertools import pairwise

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from nnmf_topics._backend import Device, to_host
from nnmf_topics.network import forward
from nnmf_topics.objective import Objective
from nnmf_topics.optimizers import unit_columns
from nnmf_topics.supervision import UNKNOWN, Head, Target, solved
from nnmf_topics.training import train

HEADS = pytest.mark.parametrize("head", ["squared", "cross-entropy"])


def corpus(documents=40, seed=0):
    """Documents of three classes, and the classes of three in four."""
    rng = np.random.RandomState(seed)
    labels = np.arange(documents) % 3
    X = rng.rand(20, documents) + 2 * (np.arange(20)[:, None] % 3 == labels)
    return X, np.where(np.arange(documents) % 4 == 1, UNKNOWN, labels)


def start(rng):
    return [
        unit_columns(rng.rand(20, 6)),
        unit_columns(rng.rand(6, 4)),
        unit_columns(rng.rand(4, 2)),
    ]


def objective(X, targets, sizes=(40,), loss="layerwise", device=None):
    chunks = np.split(X, np.cumsum(sizes)[:-1], axis=1)
    return Objective(chunks, loss, device or Device("cpu"), None, True, targets)


@HEADS
@pytest.mark.parametrize("layer", [0, 1, 2])
@pytest.mark.parametrize("loss", ["layerwise", "energy", "reconstruction"])
def test_the_derivative_with_the_head_solved_anew_equals_finite_differences(head, layer, loss):
    X, labels = corpus()
    total = objective(X, [Target(layer, labels, 3, head, 2.0, 0.1)], loss=loss)
    factors = start(np.random.RandomState(1))
    gradient = total(factors).gradient(factors)
    rng, step = np.random.RandomState(2), 1e-5
    direction = [rng.standard_normal(A.shape) for A in factors]
    ahead, behind = (
        float(total([A + side * D for A, D in zip(factors, direction, strict=True)]).value)
        for side in (step, -step)
    )
    expected = sum(np.sum(G * D) for G, D in zip(gradient, direction, strict=True))
    np.testing.assert_allclose((ahead - behind) / (2 * step), expected, rtol=1e-5)


def test_the_squared_head_is_a_ridge_regression():
    X, labels = corpus()
    known = labels != UNKNOWN
    found = solved(Target(0, labels, 3, "squared", 1.0, 0.3), X[:6, known], 2.0)
    ridge = Ridge(alpha=0.6, fit_intercept=False).fit(X[:6, known].T, np.eye(3)[labels[known]])
    np.testing.assert_allclose(found.B, ridge.coef_, atol=1e-10)


def test_the_cross_entropy_head_is_a_logistic_regression():
    X, labels = corpus()
    known = labels != UNKNOWN
    found = solved(Target(0, labels, 3, "cross-entropy", 1.0, 0.15), X[:6, known], 2.0)
    logistic = LogisticRegression(C=1 / 0.6, fit_intercept=False, tol=1e-10, max_iter=10_000)
    logistic.fit(X[:6, known].T, labels[known])
    np.testing.assert_allclose(found.B, logistic.coef_, atol=1e-4)


@HEADS
def test_documents_without_a_label_add_nothing(xp, head):
    X, labels = corpus()
    target = Target(0, labels, 3, head, 2.0, 0.1)
    B = np.random.RandomState(0).standard_normal((3, 6))
    value, slope = Head(target, B, 3.0).added(xp.put(X[:6]), slice(0, 40))
    known = labels != UNKNOWN
    alone = Head(Target(0, labels[known], 3, head, 2.0, 0.1), B, 3.0)
    least, expected = alone.added(xp.put(X[:6, known]), slice(0, known.sum()))
    np.testing.assert_allclose(float(value), float(least), rtol=1e-12)
    np.testing.assert_allclose(to_host(slope)[:, known], to_host(expected), rtol=1e-12)
    assert np.all(to_host(slope)[:, ~known] == 0)


@HEADS
@pytest.mark.parametrize("sizes", [(25, 15), (1, 38, 1)])
def test_chunks_add_up_to_the_whole(head, sizes):
    X, labels = corpus()
    targets = [
        *(Target(0, labels, 3, head, 2.0, 0.1), Target(0, labels // 2, 2, head, 1.0, 0.1)),
        Target(2, labels[::-1], 3, head, 1.0, 0.2),
    ]
    factors = start(np.random.RandomState(1))
    whole = objective(X, targets)(factors)
    parts = objective(X, targets, sizes)(factors)
    np.testing.assert_allclose(float(parts.value), float(whole.value), rtol=1e-9)
    for found, expected in zip(parts.gradient(factors), whole.gradient(factors), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)


@HEADS
def test_training_lowers_the_loss_and_returns_the_heads_of_its_factors(head):
    X, labels = corpus()
    targets = [Target(1, labels, 3, head, 5.0, 0.1)]
    state = train(
        [X[:, :30], X[:, 30:]], start(np.random.RandomState(1)), passes=20, targets=targets
    )
    loss = [state.history.start_loss, *state.history.loss]
    assert all(later <= earlier for earlier, later in pairwise(loss))
    (found,) = state.heads
    codes = np.asarray(forward(state.factors, X).codes[1])
    expected = solved(targets[0], codes[:, labels != UNKNOWN], np.sum(X * X) / 40)
    np.testing.assert_allclose(found.B, expected.B, rtol=1e-3, atol=1e-5)


@HEADS
def test_labels_that_the_words_hardly_tell_are_told_better_by_codes_that_were_trained_with_them(
    head,
):
    rng = np.random.RandomState(0)
    labels = rng.randint(0, 2, 300)
    X = rng.gamma(1, 1, (40, 300)) * (
        1 + 3 * (np.arange(40)[:, None] % 5 == rng.randint(0, 5, 300))
    )
    X[:4] += 1.0 * labels
    X /= np.linalg.norm(X, axis=0)
    known = np.where(np.arange(300) < 200, labels, UNKNOWN)

    def accuracy(weight):
        target = Target(0, known, 2, head, weight, 0.05)
        A = unit_columns(np.random.RandomState(1).rand(40, 5))
        state = train([X], [A], passes=100, targets=[target])
        codes = forward(state.factors, X).codes[0]
        return np.mean((state.heads[0].B @ codes).argmax(axis=0)[200:] == labels[200:])

    assert accuracy(1.0) > accuracy(1e-9) + 0.1


@HEADS
def test_two_heads_of_a_layer_add_up(head):
    X, labels = corpus()
    first, second = Target(1, labels, 3, head, 2.0, 0.1), Target(1, labels[::-1], 3, head, 1.0, 0.2)
    factors = start(np.random.RandomState(1))
    both, one, other, none = (
        objective(X, targets)(factors) for targets in ([first, second], [first], [second], [])
    )
    np.testing.assert_allclose(
        float(both.value + none.value), float(one.value + other.value), rtol=1e-12
    )
    for parts in zip(*(e.gradient(factors) for e in (both, none, one, other)), strict=True):
        np.testing.assert_allclose(parts[0] + parts[1], parts[2] + parts[3], atol=1e-9)


class SmallDevice(Device):
    """The host, with room for ten documents."""

    def put(self, matrix):
        if matrix.shape[1] > 10:
            raise MemoryError
        return matrix


@HEADS
def test_labels_go_with_their_documents_however_small_the_parts(head):
    X, labels = corpus()
    targets = [Target(0, labels, 3, head, 2.0, 0.1)]
    factors = start(np.random.RandomState(1))
    whole = objective(X, targets)(factors)
    parts = objective(X, targets, (33, 7), device=SmallDevice("cpu"))(factors)
    np.testing.assert_allclose(float(parts.value), float(whole.value), rtol=1e-9)
    np.testing.assert_allclose(parts.data, whole.data, atol=1e-7)


@HEADS
@pytest.mark.parametrize("scale", [1e-10, 1e-5, 1e5])
def test_scores_do_not_depend_on_the_scale_of_the_codes(head, scale):
    X, labels = corpus()
    target, known = Target(0, labels, 3, head, 1.0, 0.1), labels != UNKNOWN
    expected = solved(target, X[:6, known], 2.0).B @ X[:6]
    found = solved(target, scale * X[:6, known], 2.0 * scale**2).B @ (scale * X[:6])
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropy_does_not_overflow(dtype):
    target = Target(0, np.array([0, 1]), 2, "cross-entropy", 1.0, 0.1)
    B = np.array([[1000.0, -1000.0], [-1000.0, 1000.0]])
    value, slope = Head(target, B, 1.0).added(np.array([[1, 1], [0, 0]], dtype), slice(0, 2))
    assert float(value) == pytest.approx(2000)
    assert np.all(np.isfinite(slope))


@pytest.mark.parametrize(
    "change",
    [
        {"layer": -1},
        {"weight": 0.0},
        {"ridge": 0.0},
        {"labels": np.array([0, 3])},
        {"labels": np.array([0, -2])},
    ],
    ids=str,
)
def test_a_target_that_cannot_be_is_refused(change):
    usual = {"layer": 0, "labels": np.array([0, 1]), "classes": 3, "head": "squared"}
    with pytest.raises(ValueError, match=r"target has a layer|labels must be numbers"):
        Target(**{**usual, "weight": 1.0, "ridge": 1.0, **change})


@pytest.mark.parametrize("documents", [39, 41])
def test_labels_of_another_number_than_documents_are_refused(documents):
    X, labels = corpus()
    targets = [Target(0, np.resize(labels, documents), 3, "squared", 1.0, 0.1)]
    with pytest.raises((ValueError, IndexError)):
        objective(X, targets)(start(np.random.RandomState(1)))


def test_every_device_takes_labels(xp):
    X, labels = corpus()
    total = Objective(
        [X], "layerwise", xp, None, True, [Target(1, labels, 3, "cross-entropy", 2.0, 0.1)]
    )
    factors = start(np.random.RandomState(1))
    found = total([xp.put(A) for A in factors])
    expected = objective(X, total.targets)(factors)
    np.testing.assert_allclose(float(found.value), float(expected.value), rtol=1e-9)
