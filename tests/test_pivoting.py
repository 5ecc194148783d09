import logging

import numpy as np
import pytest
import scipy.optimize

from nnmf_topics import pivoting
from nnmf_topics._backend import to_host
from nnmf_topics.nnls import kkt_residual, nnls
from nnmf_topics.support_systems import SupportSystems


def many_problems():
    """Near-ties on purpose: entries of few values, codes on the boundary, rounding around it."""
    rng = np.random.RandomState(10)
    for _ in range(60):
        m, k = rng.randint(1, 10), rng.randint(1, 9)
        A, X = rng.rand(m, k), rng.rand(m, 20)
        S = rng.randint(0, 2, (k, 20)).astype(float)
        yield A, X
        yield rng.standard_normal((m, k)), rng.standard_normal((m, 20))
        yield np.floor(3 * A), np.floor(3 * X)
        yield A, A @ S
        yield A, A @ (S + 1e-13 * rng.standard_normal(S.shape))
        yield np.hstack([A, A + 1e-7 * rng.standard_normal(A.shape)]), X
        yield np.linspace(0, 1, m)[:, None] ** np.arange(k), X


def test_pivoting_ends_on_thousands_of_documents(caplog):
    documents = 0
    for A, X in many_problems():
        for support in (None, np.zeros((A.shape[1], 20), bool), np.ones((A.shape[1], 20), bool)):
            S = np.asarray(nnls(A, X, support).S)
            assert np.max(kkt_residual(A.T @ A, A.T @ X, S)) <= 1e-6
            documents += 20
    assert documents > 20_000
    assert not caplog.records


# Exchanging all infeasible variables at once goes round in circles here from the empty support.
CYCLE_A = np.array(
    [
        [1, 3, 2, 1, 2],
        [0, 3, 3, 0, 2],
        [3, 3, 0, 3, 3],
        [1, 1, 3, 2, 2],
        [3, 2, 0, 3, 2],
        [2, 0, 0, 1, 3],
    ],
    float,
)
CYCLE_X = np.array([[2], [3], [3], [3], [1], [1]], float)


def codes_from_empty_support(xp):
    gram, rhs = xp.put(CYCLE_A.T @ CYCLE_A), xp.put(CYCLE_A.T @ CYCLE_X)
    systems = SupportSystems(gram, xp.put(np.zeros((5, 1), bool)))
    return to_host(pivoting.solve(gram, rhs, systems))


def test_single_exchanges_end_a_cycle_of_full_ones_and_the_active_set_what_they_do_not(
    xp, caplog, monkeypatch
):
    caplog.set_level(logging.DEBUG, "nnmf_topics.pivoting")
    expected = scipy.optimize.nnls(CYCLE_A, CYCLE_X[:, 0])[0][:, None]
    np.testing.assert_allclose(codes_from_empty_support(xp), expected, atol=1e-8)
    assert not caplog.records
    monkeypatch.setattr(pivoting, "_PATIENCE", 10**6)
    np.testing.assert_allclose(codes_from_empty_support(xp), expected, atol=1e-8)
    assert "active set" in caplog.text


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_many_more_topics_than_terms_and_documents_are_solved_and_differentiated(dtype):
    rng = np.random.RandomState(0)
    A, X = rng.rand(9, 100).astype(dtype), rng.rand(9, 9).astype(dtype)
    solution = nnls(A, X)
    best = np.stack([scipy.optimize.nnls(A.astype(float), x.astype(float))[0] for x in X.T], axis=1)
    found, expected = (np.linalg.norm(X - A @ S, axis=0) for S in (solution.S, best))
    assert np.all(found <= expected + 3e-3)
    U, mix = solution.pullback(np.ones_like(solution.S))
    assert np.all(np.isfinite(U))
    assert np.all(np.isfinite(mix))


def test_the_lengths_of_topics_do_not_hide_codes_in_single_precision():
    A = np.diag([1, 1e-4]).astype(np.float32)
    np.testing.assert_allclose(nnls(A, A.sum(axis=1, keepdims=True)).S, np.ones((2, 1)), rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_documents_that_are_one_topic_have_one_code(xp, dtype):
    A = np.random.RandomState(0).rand(30, 8).astype(dtype)
    S = to_host(nnls(xp.put(A), xp.put(3 * A)).S)
    np.testing.assert_array_equal(S > 0, np.eye(8, dtype=bool))


def test_documents_left_to_the_active_set_method_have_their_systems_too(xp, monkeypatch):
    monkeypatch.setattr(pivoting, "_PATIENCE", 1000)  # no single exchanges: round in circles
    gram, rhs = xp.put(CYCLE_A.T @ CYCLE_A), xp.put(CYCLE_A.T @ CYCLE_X)
    systems = SupportSystems(gram, xp.put(np.zeros((5, 1), bool)))
    S = pivoting.solve(gram, rhs, systems)
    expected, _ = scipy.optimize.nnls(CYCLE_A, CYCLE_X[:, 0])
    np.testing.assert_allclose(to_host(S)[:, 0], expected, atol=1e-9)
    np.testing.assert_allclose(to_host(systems.solve(rhs)), to_host(S), atol=1e-9)
