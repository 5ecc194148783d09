import numpy as np
import pytest

from nnmf_topics._backend import to_host
from nnmf_topics.losses import squared_norm
from nnmf_topics.network import evaluate
from nnmf_topics.nnls import nnls
from nnmf_topics.optimizers import GramDescent, _at_least_rounding, kept_alive, unit_columns

LOSSES = ("layerwise", "energy", "reconstruction")
WIDTHS = {1: (5,), 2: (6, 3), 3: (6, 4, 2), 4: (6, 4, 3, 2)}


def problem(seed, widths, terms=20, documents=25, dtype=np.float64):
    rng = np.random.RandomState(seed)
    factors = [rng.rand(*shape) for shape in zip((terms, *widths), widths, strict=False)]
    X = rng.rand(terms, documents) * (rng.rand(terms, documents) < 0.4)
    return [unit_columns(A).astype(dtype) for A in factors], X.astype(dtype)


def evaluated(factors, X, loss):
    return evaluate(factors, X, squared_norm(X), loss)[0]


def assert_normal_form(factors, tolerance=1e-12):
    for A in factors:
        A = to_host(A)
        assert np.all(A >= 0)
        np.testing.assert_allclose(np.linalg.norm(A, axis=0), 1, rtol=tolerance)


def test_unit_columns_by_hand(xp):
    A = np.array([[3.0, 0.0, 2.0], [4.0, 0.0, 0.0]])
    expected = np.array([[0.6, 0.0, 1.0], [0.8, 0.0, 0.0]])
    np.testing.assert_allclose(to_host(unit_columns(xp.put(A))), expected)


def test_only_a_column_that_is_zero_everywhere_stays_as_it_was(xp):
    moved, former = np.zeros((2, 1200, 3)), np.random.RandomState(0).rand(2, 1200, 3)
    moved[0, 5], moved[1, 5, 0], moved[1, 1100, 1] = 1, 1, 1
    expected = moved.copy()
    expected[1, :, 2] = former[1, :, 2]
    found = kept_alive(xp.put(moved), xp.put(former))
    np.testing.assert_array_equal(to_host(found), expected)
    found = kept_alive(xp.put(moved[1]), xp.put(former[1]))
    np.testing.assert_array_equal(to_host(found), expected[1])


@pytest.mark.parametrize("scale", [1e-30, 1e-20, 1e20, 1e30])
def test_unit_columns_of_single_precision_neither_overflow_nor_vanish(xp, scale):
    A = np.array([[3.0, 1.0], [4.0, 0.0]], np.float32)
    found = to_host(unit_columns(xp.put(A * np.float32(scale))))
    np.testing.assert_allclose(found, [[0.6, 1], [0.8, 0]], rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("layers", [1, 2, 3, 4])
@pytest.mark.parametrize("loss", LOSSES)
def test_proposals_are_nonnegative_with_unit_columns(store, loss, layers, dtype):
    host, X = problem(0, WIDTHS[layers], dtype=dtype)
    factors, data = [store.xp.put(A) for A in host], store.data(X)
    proposal = GramDescent().propose(factors, evaluated(factors, data, loss))
    assert_normal_form(proposal, 1e-12 if dtype == np.float64 else 1e-5)
    for moved, A in zip(proposal, host, strict=True):
        assert to_host(moved).dtype == dtype
        assert moved.shape == A.shape
        assert not np.array_equal(to_host(moved), A)


def hals(A, X, S, sweeps):
    """Hierarchical alternating least squares, one column at a time, as in the literature."""
    A = A.copy()
    for _ in range(sweeps):
        for j in range(A.shape[1]):
            others = A @ S - np.outer(A[:, j], S[j])
            A[:, j] = np.maximum((X - others) @ S[j] / (S[j] @ S[j]), 0)
    return A


@pytest.mark.parametrize("seed", range(5))
def test_the_step_of_one_layer_is_two_sweeps_of_hals(store, seed):
    (A,), X = problem(seed, (5,))
    factors, data = [store.xp.put(A)], store.data(X)
    (found,) = GramDescent().propose(factors, evaluated(factors, data, "reconstruction"))
    expected = hals(A, X, np.asarray(nnls(A, X).S), sweeps=2)
    np.testing.assert_allclose(to_host(found), unit_columns(expected), atol=1e-10)


@pytest.mark.parametrize("widths", [(1,), (4,), (9,), (30,)])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_proposal_for_one_layer_never_raises_the_loss(loss, widths):
    for seed in range(4):
        factors, X = problem(seed, widths)
        value = float(evaluated(factors, X, loss).value)
        for _ in range(8):
            factors = GramDescent().propose(factors, evaluated(factors, X, loss))
            following = float(evaluated(factors, X, loss).value)
            assert following <= value * (1 + 1e-12)
            value = following


@pytest.mark.parametrize("layers", [2, 3, 4])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_step_short_enough_lowers_the_loss(loss, layers):
    for seed in range(10):
        factors, X = problem(seed, WIDTHS[layers])
        evaluation, optimizer = evaluated(factors, X, loss), GramDescent()
        while True:
            trial = optimizer.propose(factors, evaluation)
            if float(evaluated(trial, X, loss).value) < float(evaluation.value):
                break
            assert optimizer.reject(), f"seed {seed}: every step raises the loss"


@pytest.mark.parametrize("scale", [2.0**-40, 2.0**40])
@pytest.mark.parametrize("loss", LOSSES)
def test_the_scale_of_the_data_does_not_change_the_step(loss, scale):
    factors, X = problem(1, (6, 3))
    factors[1][2] = 0  # a topic without a parent
    expected = GramDescent().propose(factors, evaluated(factors, X, loss))
    found = GramDescent().propose(factors, evaluated(factors, scale * X, loss))
    for A, B in zip(found, expected, strict=True):
        np.testing.assert_allclose(A, B, atol=1e-12)


@pytest.mark.parametrize("share", [1e-8, 1e-15, 1e-19, 1e-20, 1e-21, 1e-22, 1e-30])
def test_a_topic_of_hardly_any_share_in_its_parents_moves_without_overflow(store, share):
    host, X = problem(3, (5, 2), dtype=np.float32)
    host[1][4] = share
    factors = [store.xp.put(A) for A in host]
    moved, _ = GramDescent().propose(factors, evaluated(factors, store.data(X), "reconstruction"))
    assert_normal_form([moved], 1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_unused_topics_stay_where_they_are(store, loss):
    host, X = problem(2, (5, 3))
    X[10:] = 0
    host[0][:, 1] = np.arange(20) == 15  # a word of no document
    host[1][1] = [0, 0, 1]
    host[1][:, 2] = np.arange(5) == 1  # a parent of that topic alone
    factors, data = [store.xp.put(A) for A in host], store.data(X)
    proposal = [to_host(A) for A in GramDescent().propose(factors, evaluated(factors, data, loss))]
    assert_normal_form(proposal)
    np.testing.assert_array_equal(proposal[0][:, 1], host[0][:, 1])
    np.testing.assert_array_equal(proposal[1][:, 2], host[1][:, 2])


@pytest.mark.parametrize("loss", LOSSES)
def test_all_zero_data_leave_the_factors_as_they_are(store, loss):
    host, X = problem(3, (5, 3))
    factors, data = [store.xp.put(A) for A in host], store.data(0 * X)
    for found, A in zip(
        GramDescent().propose(factors, evaluated(factors, data, loss)), host, strict=True
    ):
        np.testing.assert_allclose(to_host(found), A, atol=1e-15)


def test_a_topic_with_an_all_zero_column_gives_finite_factors(store):
    host, X = problem(4, (5, 3))
    host[0][:, 1] = 0
    factors, data = [store.xp.put(A) for A in host], store.data(X)
    for loss in LOSSES:
        for A in GramDescent().propose(factors, evaluated(factors, data, loss)):
            assert np.all(np.isfinite(to_host(A)))


def test_a_curvature_above_rounding_is_left_exactly_as_it_is(xp):
    H = np.diag(np.array([1, 1e-6, 1e-3], np.float32)) + np.float32(1e-7)
    np.testing.assert_array_equal(to_host(_at_least_rounding(xp.put(H))), H)


def test_the_first_factor_is_held_for_some_steps_only():
    factors, X = problem(5, (6, 3))
    evaluation, optimizer = evaluated(factors, X, "layerwise"), GramDescent()

    def moves():
        return optimizer.propose(factors, evaluation)[0] is not factors[0]

    while moves():
        assert optimizer.reject()
    for _ in range(100):
        optimizer.accept()
        if moves():
            return
    pytest.fail("the first factor is held for ever")


def rejected_steps(widths):
    """Lengths of the steps of every factor, until they are given up."""
    factors, X = problem(5, widths)
    evaluation, optimizer, lengths = evaluated(factors, X, "layerwise"), GramDescent(), []
    going_on = True
    while going_on:
        trial = optimizer.propose(factors, evaluation)
        lengths.append([np.linalg.norm(B - A) for A, B in zip(factors, trial, strict=True)])
        going_on = optimizer.reject()
        assert len(lengths) < 50
    return np.array(lengths)


def assert_shorter_and_shorter(lengths, in_all=1e-2):
    assert np.all(np.diff(lengths) < 0)
    assert lengths[-1] < in_all * lengths[0]


def test_rejected_steps_of_the_only_factor_are_shorter_until_they_are_given_up():
    assert_shorter_and_shorter(rejected_steps((6,))[:, 0])


def test_rejected_steps_are_shorter_until_the_first_factor_is_held_and_the_others_begin_anew():
    first, second = rejected_steps((6, 3)).T
    held = int(np.argmin(first))
    assert held > 1
    assert not np.any(first[held:])
    assert_shorter_and_shorter(first[:held])
    assert_shorter_and_shorter(second[:held])
    assert_shorter_and_shorter(second[held:], in_all=0.05)  # they are given up earlier
    assert second[held] > 10 * second[held - 1]


def test_accepted_steps_grow_within_bounds():
    optimizer, scales = GramDescent(), [GramDescent().scale]
    for _ in range(50):
        optimizer.accept()
        scales.append(optimizer.scale)
    assert scales == sorted(scales)
    assert scales[1] > scales[0]
    assert scales[-1] == scales[-2] <= 2


def test_a_step_that_was_too_long_is_shortened_though_the_loss_fell():
    optimizer = GramDescent()
    optimizer.accept()
    grown = optimizer.scale
    assert grown > 1
    optimizer.accept(too_long=True)
    assert optimizer.scale < 1
