from functools import partial

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.polynomial import Chebyshev
from sklearn.utils.extmath import randomized_svd

from nnmf_topics._backend import HOST, to_host
from nnmf_topics.parts import Parts
from nnmf_topics.truncated_svd import _HIGHEST_DEGREE, _degree, _filtered, svd_from, truncated_svd


def fading(m, n, lowest, seed=0):
    """A matrix whose singular values fall from 1 to the lowest, evenly in their logarithm."""
    rng = np.random.RandomState(seed)
    U, V = (np.linalg.qr(rng.standard_normal((size, min(m, n))))[0] for size in (m, n))
    s = np.geomspace(1, lowest, min(m, n))
    return (U * s) @ V.T, s


def directions(shape, count, dtype=np.float64):
    return np.random.RandomState(1).standard_normal((min(shape), count)).astype(dtype)


@pytest.mark.parametrize("shape", [(60, 40), (40, 60), (50, 50), (7, 90), (1, 5), (5, 1)])
@pytest.mark.parametrize("documents", [7, 2000])
def test_directions_are_improved_to_the_largest_singular_values_and_vectors(
    store, shape, documents, monkeypatch
):
    monkeypatch.setattr("nnmf_topics.truncated_svd.Parts", partial(Parts, documents=documents))
    monkeypatch.setattr("nnmf_topics.parts._NONZEROS_OF_A_PART", 50 * documents)
    X, s = fading(*shape, lowest=1e-6)
    rank = min(10, *shape)
    start = directions(shape, rank + 10)
    found = svd_from(store.data(X), store.xp.put(start))
    U, values, Vt = map(to_host, found)
    np.testing.assert_allclose(values[:rank], s[:rank], rtol=1e-6)
    best = (U[:, :rank] * values[:rank]) @ Vt[:rank]
    assert np.linalg.norm(X - best) <= (1 + 1e-6) * np.linalg.norm(s[rank:]) + 1e-12


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-6), (np.float32, 0.05)])
def test_singular_values_that_fade_fast_are_found(dtype, rtol):
    X, s = fading(80, 60, lowest=1e-10)
    _, values, _ = svd_from(X.astype(dtype), directions(X.shape, 30, dtype))
    np.testing.assert_allclose(values[:25], s[:25], rtol=rtol)


@pytest.fixture
def one_thread():
    """One thread of BLAS, as in a training: several wait long for each other in what is small."""
    with HOST.active():
        yield


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("shape", [(400, 300), (300, 400)])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_values_that_fade_slowly_are_found_as_by_thirty_power_iterations(dtype, shape, seed):
    X, s = fading(*shape, lowest=0.05, seed=seed)
    k, draws = 20, [np.random.RandomState(seed) for _ in range(2)]
    U, values, Vt = truncated_svd(X.astype(dtype), k, draws[0], HOST)
    theirs = randomized_svd(X, k, n_iter=30, power_iteration_normalizer="QR", random_state=draws[1])
    least = np.linalg.norm(s[k:])
    ours = np.linalg.norm(X - (U * values) @ Vt)
    assert ours <= np.linalg.norm(X - (theirs[0] * theirs[1]) @ theirs[2]) + 1e-6 * least
    assert draws[0].random_sample() == draws[1].random_sample()


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(("dtype", "largest"), [(np.float32, 1e5), (np.float64, 1e10)])
@pytest.mark.parametrize("shape", [(400, 300), (300, 400)])
def test_what_is_small_is_not_lost_beside_a_single_large_value(dtype, largest, shape):
    s = np.geomspace(1, 0.05, min(shape))
    U, _, Vt = np.linalg.svd(fading(*shape, lowest=0.05)[0], full_matrices=False)
    s[0] = largest
    X, k = ((U * s) @ Vt).astype(dtype), 20
    found = truncated_svd(X, k, np.random.RandomState(0), HOST)
    missing = k - np.linalg.norm(U[:, :k].T @ found[0]) ** 2  # a sum of squared sines
    assert missing < 0.03
    np.testing.assert_allclose(found[1], s[:k], rtol=0.01)


@pytest.mark.parametrize("unit", [2.0**-100, 2.0**60, 2.0**118])
def test_the_singular_vectors_do_not_depend_on_the_unit(unit):
    X = fading(80, 60, lowest=0.01)[0].astype(np.float32)
    start = directions(X.shape, 20, np.float32)
    U, s, Vt = svd_from(X, start)
    again = svd_from(X * np.float32(unit), start)
    np.testing.assert_allclose(again[1], s * unit, rtol=1e-5)
    np.testing.assert_allclose(np.abs(np.sum(U[:, :10] * again[0][:, :10], axis=0)), 1, rtol=1e-3)
    np.testing.assert_allclose(np.abs(np.sum(Vt[:10] * again[2][:10], axis=1)), 1, rtol=1e-3)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("rank", [0, 1, 3])
def test_a_matrix_of_a_lower_rank_is_found_as_it_is(dtype, rank):
    rng = np.random.RandomState(0)
    X = (rng.rand(30, rank) @ rng.rand(rank, 20)).astype(dtype)
    U, s, Vt = truncated_svd(X, 5, rng, HOST)
    np.testing.assert_allclose((U * s) @ Vt, X, atol=100 * np.finfo(dtype).eps * (1 + rank))


@pytest.mark.parametrize("shape", [(300, 200), (200, 300), (60, 400)])
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-6), (np.float32, 1e-4)])
def test_the_singular_vectors_of_sparse_documents_are_those_of_lapack(shape, dtype, rtol):
    X = sp.random_array(shape, density=0.1, format="csc", rng=np.random.default_rng(0))
    X = X.astype(dtype)
    X.data[: X.indptr[1]] *= 10  # an outstanding document
    U, s, Vt = truncated_svd(X, 5, np.random.RandomState(3), HOST)
    theirs = np.linalg.svd(X.toarray().astype(np.float64))
    assert U.dtype == s.dtype == Vt.dtype == dtype
    np.testing.assert_allclose(s, theirs[1][:5], rtol=rtol)
    for ours, other in ((U, theirs[0][:, :5]), (Vt.T, theirs[2][:5].T)):
        np.testing.assert_allclose(np.abs(np.sum(ours * other, axis=0)), 1, rtol=100 * rtol)


@pytest.mark.parametrize("most", range(1, _HIGHEST_DEGREE + 1))
def test_the_filter_is_a_chebyshev_polynomial(most):
    # Of a diagonal matrix every direction is a singular vector.
    values = np.linspace(2, 1, 6)
    filtered, degree = _filtered(
        np.eye(6), np.diag(values).__matmul__, np.diag(values).T.__matmul__, most
    )
    assert degree == most
    expected = Chebyshev.basis(degree)(2 * values**2 / values[-1] ** 2 - 1)
    factor = filtered[0, 0] / expected[0]
    np.testing.assert_allclose(filtered, factor * np.diag(expected), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_degree_leaves_what_is_small_above_rounding(dtype):
    eps = np.finfo(dtype).eps
    for ratio in np.geomspace(1, 1 / eps, 9):
        degree = _degree(np.array([1, ratio], dtype), 100)
        assert (4 * ratio) ** degree <= 1.01 / eps
        assert degree == _HIGHEST_DEGREE or (4 * ratio) ** (degree + 1) > 0.99 / eps
    assert _degree(np.zeros(2, dtype), 4) == _degree(np.array([-eps, 1], dtype), 4) == 0


def test_degrees_are_about_equal_to_the_last():
    squares = np.array([1.0, 2.0])
    assert [_degree(squares, most) for most in range(1, 10)] == [1, 2, 3, 4, 3, 3, 4, 4, 3]


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_space_of_vectors_whose_values_fade_slowly_is_the_same_from_every_seed(seed):
    X, _ = fading(400, 300, lowest=0.05, seed=seed)
    first, second = (truncated_svd(X, 20, np.random.RandomState(s), HOST)[0] for s in (0, 1))
    squared_sines = 20 - np.sum((first.T @ second) ** 2)
    assert squared_sines < 1e-8
