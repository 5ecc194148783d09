"""Singular vectors for starts, against those of NumPy and of scikit-learn."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.utils.extmath import randomized_svd

from nnmf_topics.singular_vectors import leading_singular_vectors


def with_spectrum(spectrum, shape, seed=0):
    """A matrix with these singular values."""
    rng = np.random.RandomState(seed)
    U, V = (np.linalg.qr(rng.standard_normal((n, len(spectrum))))[0] for n in shape)
    return (U * np.asarray(spectrum)) @ V.T


def found(X, rank, iterations=12, seed=0):
    return leading_singular_vectors(X, rank, iterations, np.random.RandomState(seed))


@pytest.mark.parametrize("shape", [(60, 40), (40, 60), (3000, 30), (30, 5000)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-10), (np.float32, 2e-4)])
def test_triplets_are_those_of_a_full_decomposition(shape, dtype, tolerance):
    spectrum = 2.0 ** -np.arange(20)
    X = with_spectrum(spectrum, shape)
    U, s, Vt = found(X.astype(dtype), 5)
    assert (U.dtype, s.dtype, Vt.dtype) == (dtype,) * 3
    np.testing.assert_allclose(s, spectrum[:5], rtol=tolerance)
    np.testing.assert_allclose(U.T @ U, np.eye(5), atol=tolerance)
    np.testing.assert_allclose(Vt @ Vt.T, np.eye(5), atol=tolerance)
    exact = np.linalg.svd(X, full_matrices=False)
    best = (exact[0][:, :5] * exact[1][:5]) @ exact[2][:5]
    np.testing.assert_allclose((U * s) @ Vt, best, atol=tolerance)


def test_they_are_those_of_scikit_learn_from_the_same_random_numbers():
    X = sp.random_array((90, 50), density=0.2, format="csc", rng=np.random.RandomState(1))
    U, s, Vt = found(X, 6, iterations=2)
    theirs = randomized_svd(X, 6, n_iter=2, random_state=np.random.RandomState(0))
    np.testing.assert_allclose(s, theirs[1], rtol=1e-9)
    np.testing.assert_allclose((U * s) @ Vt, (theirs[0] * theirs[1]) @ theirs[2], atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_ranks_beyond_that_of_the_data_have_no_weight(dtype):
    X = with_spectrum([3, 1], (50, 30)).astype(dtype)
    U, s, Vt = found(X, 6)
    np.testing.assert_allclose(s, [3, 1, 0, 0, 0, 0], atol=1e-5)
    np.testing.assert_allclose((U * s) @ Vt, X, atol=1e-5)
    for zeros in found(np.zeros((5, 4), dtype), 3):
        assert np.all(np.isfinite(zeros))


@pytest.mark.parametrize("unit", [1e-12, 1e12])
def test_units_do_not_matter(unit):
    X = with_spectrum([4, 2, 1], (50, 30)).astype(np.float32)
    _, s, Vt = found(X * np.float32(unit), 3)
    np.testing.assert_allclose(s / unit, [4, 2, 1], rtol=1e-5)
    np.testing.assert_allclose(np.abs(Vt), np.abs(found(X, 3)[2]), atol=1e-4)


def test_a_small_singular_value_is_not_lost_in_single_precision():
    X = with_spectrum([1, 1e-3], (400, 300)).astype(np.float32)
    _, s, _ = found(X, 2)
    np.testing.assert_allclose(s, [1, 1e-3], rtol=1e-2)
