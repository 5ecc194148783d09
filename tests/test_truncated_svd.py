import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.utils.extmath import randomized_svd

from nnmf_topics._backend import HOST, to_host
from nnmf_topics.truncated_svd import power_iterations, truncated_svd


def fading(m, n, lowest, seed=0):
    """A matrix whose singular values fall from 1 to the lowest, evenly in their logarithm."""
    rng = np.random.RandomState(seed)
    U, V = (np.linalg.qr(rng.standard_normal((size, min(m, n))))[0] for size in (m, n))
    s = np.geomspace(1, lowest, min(m, n))
    return (U * s) @ V.T, s


@pytest.mark.parametrize("shape", [(60, 40), (40, 60), (50, 50), (7, 90), (1, 5), (5, 1)])
def test_power_iterations_find_the_largest_singular_values_and_vectors(store, shape):
    X, s = fading(*shape, lowest=1e-6)
    rank = min(10, *shape)
    start = np.random.RandomState(1).standard_normal((min(shape), rank + 10))
    found = power_iterations(store.data(X), store.xp.put(start), 12)
    U, values, Vt = map(to_host, found)
    np.testing.assert_allclose(values[:rank], s[:rank], rtol=1e-6)
    best = (U[:, :rank] * values[:rank]) @ Vt[:rank]
    assert np.linalg.norm(X - best) <= (1 + 1e-6) * np.linalg.norm(s[rank:]) + 1e-12


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-6), (np.float32, 0.05)])
def test_small_singular_values_are_not_lost_beside_a_large_one(dtype, rtol):
    X, s = fading(80, 60, lowest=1e-10)
    start = np.random.RandomState(1).standard_normal((60, 30))
    _, values, _ = power_iterations(X.astype(dtype), start.astype(dtype), 12)
    np.testing.assert_allclose(values[:25], s[:25], rtol=rtol)


@pytest.mark.parametrize("shape", [(300, 200), (200, 300), (60, 400)])
@pytest.mark.parametrize("iterations", ["auto", 12])
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-9), (np.float32, 1e-4)])
def test_the_singular_vectors_are_those_of_scikit_learn(shape, iterations, dtype, rtol):
    X = sp.random_array(shape, density=0.1, format="csc", rng=np.random.default_rng(0))
    X = X.astype(dtype)
    X.data[: X.indptr[1]] *= 10  # an outstanding document
    draws = [np.random.RandomState(3), np.random.RandomState(3)]
    U, s, Vt = truncated_svd(X, 5, iterations, draws[0], HOST)
    theirs = randomized_svd(X, 5, n_iter=iterations, random_state=draws[1])
    assert U.dtype == s.dtype == Vt.dtype == dtype
    np.testing.assert_allclose(s, theirs[1], rtol=rtol)
    for ours, other in ((U, theirs[0]), (Vt.T, theirs[2].T)):
        np.testing.assert_allclose(np.abs(np.sum(ours * other, axis=0)), 1, rtol=100 * rtol)
    assert draws[0].random_sample() == draws[1].random_sample()
