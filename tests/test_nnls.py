import json
from pathlib import Path

import numpy as np
import pytest
import scipy.optimize
from gradient_check import assert_gradient
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nnmf_topics._backend import namespace, to_host
from nnmf_topics.nnls import kkt_residual, nnls, well_posed
from nnmf_topics.pivoting import solve
from nnmf_topics.support_systems import SupportSystems

untimed = settings(deadline=None, derandomize=True)
ORACLE = json.loads((Path(__file__).parent / "data" / "authors_oracle.json").read_text())


def host_codes(A, X):
    return np.asarray(nnls(A, X).S)


def reference_codes(A, X):
    return np.stack([scipy.optimize.nnls(A, x)[0] for x in X.T], axis=1)


def assert_optimal(A, X, S):
    """The conditions of optimality, and the residual of an independent solver."""
    assert S.shape == (A.shape[1], X.shape[1])
    assert np.all(S >= 0)
    if X.shape[1]:
        assert np.max(kkt_residual(A.T @ A, A.T @ X, S)) <= 1e-6
    expected = np.linalg.norm(X - A @ reference_codes(A, X), axis=0) if X.shape[1] else 0
    np.testing.assert_allclose(
        np.linalg.norm(X - A @ S, axis=0), expected, atol=1e-6 * np.linalg.norm(X)
    )


def planted(m, k, n, seed, *, share=0.5):
    """A factor of well-conditioned columns, and data with zeros in the codes and some noise."""
    rng = np.random.RandomState(seed)
    A = rng.rand(m, k) * (rng.rand(m, k) < 0.6) + 0.01
    S = rng.rand(k, n) * (rng.rand(k, n) < share)
    return A, np.maximum(A @ S + 0.1 * rng.standard_normal((m, n)), 0)


# --- forward ---------------------------------------------------------------------------------


def test_a_layer_of_one_topic_by_hand():
    A, X = np.array([[3.0], [4.0]]), np.array([[3.0, -3.0, 0.0], [4.0, -4.0, 5.0]])
    np.testing.assert_allclose(host_codes(A, X), [[1, 0, 0.8]])


@pytest.mark.parametrize("shape", [(30, 5, 40), (60, 20, 25), (200, 50, 30)])
def test_codes_equal_those_of_an_independent_solver(store, shape):
    A, X = planted(*shape, seed=0)
    S = to_host(nnls(store.xp.put(A), store.data(X)).S)
    np.testing.assert_allclose(S, reference_codes(A, X), rtol=0, atol=1e-8)
    assert 0.1 < np.mean(S == 0) < 0.9


def test_codes_of_a_factor_with_negative_entries_equal_those_of_an_independent_solver(store):
    rng = np.random.RandomState(1)
    A, X = rng.standard_normal((20, 6)), rng.standard_normal((20, 50))
    S = to_host(nnls(store.xp.put(A), store.data(X)).S)
    np.testing.assert_allclose(S, reference_codes(A, X), rtol=0, atol=1e-8)


def test_single_precision_meets_the_conditions_in_single_precision(store):
    A, X = (a.astype(np.float32) for a in planted(80, 20, 60, seed=2))
    S = to_host(nnls(store.xp.put(A), store.data(X)).S)
    assert S.dtype == np.float32
    assert np.max(kkt_residual(A.T @ A, A.T @ X, S)) <= 1e-4
    np.testing.assert_allclose(S, reference_codes(A, X), rtol=0, atol=1e-3)


def degenerate():
    rng = np.random.RandomState(3)
    A, X = rng.rand(12, 4), rng.rand(12, 6)
    nearly = np.hstack([A, A + 1e-7 * rng.rand(12, 4)])
    yield "a zero column", A * [1, 0, 1, 1], X
    yield "two equal columns", A[:, [0, 1, 1, 2]], X
    yield "all columns equal", A[:, [0, 0, 0]], X
    yield "nearly collinear columns", nearly, X
    yield "nearly collinear columns, on the boundary", nearly, nearly @ np.eye(8)
    yield "one topic", A[:, :1], X
    yield "more topics than documents", A, X[:, :2]
    yield "more topics than terms", A[:3], X[:3]
    yield "one term", A[:1], X[:1]
    yield "a zero document", A, X * [1, 0, 1, 1, 0, 1]
    yield "only zero documents", A, 0 * X
    yield "a zero factor", 0 * A, X
    yield "no documents", A, X[:, :0]
    yield "data on the boundary of the cone", A, A @ np.eye(4)
    yield "data orthogonal to the factor", np.eye(6)[:, :3], np.eye(6)[:, 3:]
    yield "whole numbers with ties", np.floor(3 * A), np.floor(3 * X)
    for scale in (1e-12, 1e12):
        yield f"data times {scale}", A, scale * X
        yield f"a factor times {scale}", scale * A, X


@pytest.mark.parametrize(("A", "X"), [pytest.param(A, X, id=name) for name, A, X in degenerate()])
def test_degenerate_problems_are_solved(xp, A, X):
    assert_optimal(A, X, to_host(nnls(xp.put(A), xp.put(X)).S))


def test_zero_documents_and_zero_topics_have_zero_codes():
    A, X = planted(12, 4, 6, seed=4)
    A[:, 2], X[:, 3] = 0, 0
    S = host_codes(A, X)
    assert not S[2].any()
    assert not S[:, 3].any()


def test_dependent_topics_share_their_weight():
    A, X = planted(12, 3, 6, seed=5)
    S = host_codes(A[:, [0, 1, 2, 2]], X)
    np.testing.assert_allclose(S[2], S[3], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("length", [1e-4, 1e4, 1e-7, 1e7])
@pytest.mark.parametrize("duplicate", [False, True])
def test_scaling_a_column_scales_its_codes_inversely(length, duplicate):
    A, X = planted(12, 4, 9, seed=6)
    if duplicate:
        A = A[:, [0, 1, 2, 3, 3]]
    scale = np.ones(A.shape[1])
    scale[0] = length
    S = host_codes(A * scale, X)
    np.testing.assert_allclose(S * scale[:, None], host_codes(A, X), atol=1e-4)


def test_the_gram_matrix_of_independent_topics_is_left_alone(xp):
    A, _ = planted(30, 5, 1, seed=7)
    np.testing.assert_array_equal(to_host(well_posed(xp.put(A.T @ A))), A.T @ A)


@untimed
@given(st.integers(0, 2**31), arrays(np.bool_, (7, 5)))
def test_any_guess_of_the_support_gives_the_same_codes(seed, guess):
    A, X = planted(20, 7, 5, seed=seed)
    expected = host_codes(A, X)
    gram, rhs = A.T @ A, A.T @ X
    for support in (guess, ~guess, np.ones_like(guess), np.zeros_like(guess), expected > 0):
        found = solve(gram, rhs, SupportSystems(gram, support))
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("length", [0.0, 1.0, 1e6])
def test_codes_to_start_from_change_nothing_however_wrong(store, length):
    A, X = planted(20, 7, 30, seed=8)
    A, X = store.xp.put(A), store.data(X)
    expected = nnls(A, X).S
    xp = namespace(expected)
    for near in (
        expected,
        length * xp.ones_like(expected),
        length * xp.astype(expected == 0, expected.dtype),
    ):
        S = nnls(A, X, near).S
        np.testing.assert_allclose(to_host(S), to_host(expected), rtol=0, atol=1e-10)


def test_codes_do_not_depend_on_the_batch_nor_on_the_order(store):
    A, X = planted(40, 10, 60, seed=9)
    factor = store.xp.put(A)
    together = to_host(nnls(factor, store.data(X)).S)
    alone = [to_host(nnls(factor, store.data(X[:, [i]])).S)[:, 0] for i in range(60)]
    np.testing.assert_allclose(np.stack(alone, axis=1), together, rtol=0, atol=1e-10)
    order = np.random.RandomState(0).permutation(60)
    shuffled = to_host(nnls(factor, store.data(X[:, order])).S)
    np.testing.assert_allclose(shuffled, together[:, order], rtol=0, atol=1e-10)


def test_the_residual_of_the_conditions_by_hand():
    gram, rhs = np.eye(2), np.array([[4.0, -2.0, 0.0, 4.0], [-4.0, 1.0, 0.0, 0.0]])
    codes = np.array([[3.0, 0.0, 0.0, 4.0], [0.0, 0.0, 0.0, -1.0]])
    np.testing.assert_allclose(kkt_residual(gram, rhs, codes), [0.25, 0.5, 0, 0.25])


def test_the_residual_sees_a_perturbed_solution(xp):
    A, X = planted(20, 5, 10, seed=11)
    S = host_codes(A, X)
    for moved in (S + 1e-3, S - 1e-3):
        residual = kkt_residual(xp.put(A.T @ A), xp.put(A.T @ X), xp.put(moved))
        assert np.all(to_host(residual) > 1e-5)


# --- backward --------------------------------------------------------------------------------


def layer_gradients(store, A, X, dS):
    """dL/dA and dL/dX as host arrays, from the factored form of the pullback."""
    factor, data = store.xp.put(A), store.data(X)
    U, mix = nnls(factor, data).pullback(store.xp.put(dS))
    return to_host(data @ U.T + factor @ mix), to_host(factor @ U)


@pytest.mark.parametrize("problem", ORACLE["layers"], ids=lambda p: f"{np.shape(p['A'])}")
def test_codes_and_derivatives_equal_those_of_the_authors_package(store, problem):
    A, X, dS, S, dA, dX = (np.array(problem[name]) for name in ("A", "X", "dS", "S", "dA", "dX"))
    np.testing.assert_allclose(to_host(nnls(store.xp.put(A), store.data(X)).S), S, atol=1e-12)
    found_dA, found_dX = layer_gradients(store, A, X, dS)
    np.testing.assert_allclose(found_dA, dA, atol=1e-10)
    np.testing.assert_allclose(found_dX, dX, atol=1e-10)


@pytest.mark.parametrize("shape", [(15, 6, 10), (6, 1, 8), (8, 5, 1), (30, 12, 40)])
def test_the_derivative_of_a_layer_equals_central_differences(store, shape):
    A, X = planted(*shape, seed=13)
    rng = np.random.RandomState(13)
    dS = rng.standard_normal((shape[1], shape[2]))

    def value(point):
        S = host_codes(*point)
        return float(np.sum(dS * S)), [S > 0]

    assert_gradient(value, [A, X], layer_gradients(store, A, X, dS), rng=rng)


def test_the_derivative_in_single_precision_equals_central_differences(store):
    A, X = (a.astype(np.float32) for a in planted(15, 6, 10, seed=14))
    rng = np.random.RandomState(14)
    dS = rng.standard_normal((6, 10)).astype(np.float32)
    gradients = layer_gradients(store, A, X, dS)
    assert all(G.dtype == np.float32 for G in gradients)

    def value(point):
        S = host_codes(*point)
        return float(np.sum(dS * S)), [S > 0]

    assert_gradient(value, [A, X], gradients, rng=rng, rtol=1e-4)


def test_the_derivative_is_zero_off_the_support():
    A, X = planted(15, 6, 10, seed=15)
    solution = nnls(A, X)
    U, _ = solution.pullback(np.ones((6, 10)))
    assert np.all(U[solution.S == 0] == 0)
    assert np.all(U[solution.S > 0] != 0)


@pytest.mark.parametrize(("A", "X"), [pytest.param(A, X, id=name) for name, A, X in degenerate()])
def test_the_derivative_of_degenerate_problems_is_finite(xp, A, X):
    factor = xp.put(A)
    U, mix = nnls(factor, xp.put(X)).pullback(xp.put(np.ones((A.shape[1], X.shape[1]))))
    assert np.all(np.isfinite(to_host(U)))
    assert np.all(np.isfinite(to_host(mix)))
