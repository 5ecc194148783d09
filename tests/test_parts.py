from contextlib import ExitStack

import numpy as np
import pytest
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

from nnmf_topics._backend import HOST, to_host
from nnmf_topics.parts import Parts, joined
from nnmf_topics.upper_layers import upper_layers


def matrix(m, n, seed=0):
    """Words by documents; the first and the last rows are empty, and a document is."""
    X = sp.random_array((m, n), density=0.2, rng=np.random.default_rng(seed), format="lil")
    X[:2], X[-2:], X[:, [3]] = 0, 0, 0
    return X.toarray()


@pytest.mark.parametrize("documents", [None, 1, 7, 30, 100])
def test_products_of_parts_are_those_of_the_whole(store, monkeypatch, documents):
    monkeypatch.setattr("nnmf_topics.parts._NONZEROS_OF_A_PART", 50)
    X, rng = matrix(40, 30), np.random.default_rng(1)
    A, S = rng.random((40, 9)), rng.random((9, 30))
    parts = Parts(store.data(X), documents)
    found = parts.project(store.xp.put(A)), parts.accumulate(store.xp.put(S))
    np.testing.assert_allclose(to_host(found[0]), A.T @ X, atol=1e-12)
    np.testing.assert_allclose(to_host(found[1]), X @ S.T, atol=1e-12)


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_order_of_the_factor_in_memory_does_not_matter(store, order):
    X, A = matrix(40, 30), np.random.default_rng(1).random((40, 9))
    parts = Parts(store.data(X), 8)
    np.testing.assert_allclose(
        to_host(parts.project(store.xp.put(np.asarray(A, order=order)))), A.T @ X, atol=1e-12
    )


def test_a_matrix_without_entries_has_zero_products(store):
    parts, zeros = Parts(store.data(np.zeros((12, 5))), 2), np.zeros
    A, S = (store.xp.put(np.ones(shape)) for shape in ((12, 9), (9, 5)))
    np.testing.assert_array_equal(to_host(parts.project(A)), zeros((9, 5)))
    np.testing.assert_array_equal(to_host(parts.accumulate(S)), zeros((12, 9)))


def test_what_is_made_of_parts_is_joined_in_their_order(store):
    X, numbers = matrix(10, 23), np.arange(23.0)[None]
    parts = Parts(store.data(X), 4)
    assert [place.start for place in parts.places] == list(range(0, 23, 4))
    row = store.xp.put(numbers)
    np.testing.assert_array_equal(
        to_host(joined(parts.of_documents(lambda _, place: row[:, place]))), numbers
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_bit_depends_on_the_number_of_threads(monkeypatch, dtype):
    monkeypatch.setattr("nnmf_topics.parts._NONZEROS_OF_A_PART", 500)
    monkeypatch.setattr("nnmf_topics.upper_layers._ENTRIES_AT_ONCE", 5000)
    rng = np.random.default_rng(2)
    X, A = sp.csc_array(matrix(90, 200).astype(dtype)), rng.random((90, 9)).astype(dtype)
    S = rng.random((9, 200)).astype(dtype)

    def results(threads):
        with ExitStack() as stack:
            stack.enter_context(threadpool_limits(threads, user_api="blas"))
            stack.enter_context(HOST.active())
            parts = Parts(X, 30)
            above = upper_layers((A, S), (4, 2), np.random.RandomState(0), 0.1, 40)
            return [parts.project(A), parts.accumulate(S), *above]

    for one, three in zip(results(1), results(3), strict=True):
        np.testing.assert_array_equal(one, three)
