from contextlib import contextmanager
from functools import partial
from threading import Barrier, get_ident

import numpy as np
import pytest
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

from nnmf_topics._backend import HOST, to_host
from nnmf_topics.alternation import alternate
from nnmf_topics.parts import Parts, joined
from nnmf_topics.products import part_of
from nnmf_topics.truncated_svd import svd_from
from nnmf_topics.upper_layers import upper_layers


def matrix(m, n, seed=0):
    """Words by documents; the first and the last rows are empty, and a document is."""
    X = sp.random_array((m, n), density=0.2, rng=np.random.default_rng(seed), format="lil")
    X[:2], X[-2:], X[:, [3]] = 0, 0, 0
    return X.toarray()


@pytest.mark.parametrize("documents", [1, 7, 30, 100])
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
    row = store.xp.put(numbers)
    made = list(parts.of_documents(lambda part, place: (part.shape[1], row[:, place])))
    on_host = isinstance(row, np.ndarray)
    assert [documents for documents, _ in made] == ([4, 4, 4, 4, 4, 3] if on_host else [23])
    np.testing.assert_array_equal(to_host(joined(place for _, place in made)), numbers)


def test_parts_are_about_one_size_and_no_larger_than_is_said(store):
    X = store.data(np.ones((2, 6001), np.float32))
    on_host = isinstance(X, np.ndarray) or sp.issparse(X)
    sizes = list(Parts(X).of_documents(lambda _, place: place.stop - place.start))
    assert sizes == ([1501, 1501, 1501, 1498] if on_host else [6001])


@pytest.mark.parametrize("form", [np.asarray, sp.csc_array, sp.csr_array])
@pytest.mark.parametrize("dtypes", [("f4", "f4"), ("f4", "f8"), ("f8", "f4")])
def test_products_have_the_precision_of_both(form, dtypes):
    X, A = form(matrix(40, 30).astype(dtypes[0])), np.ones((40, 9), dtypes[1])
    parts = Parts(X, 8)
    assert parts.project(A).dtype == (X.T @ A).dtype
    assert parts.accumulate(np.ones((9, 30), dtypes[1])).dtype == (X.T @ A).dtype


@pytest.fixture(params=[np.asarray, sp.csc_array], ids=["dense", "sparse"])
def many_parts(request, monkeypatch):
    """A matrix, and so small parts of it that there are several."""
    monkeypatch.setattr("nnmf_topics.parts._NONZEROS_OF_A_PART", 500)
    monkeypatch.setattr("nnmf_topics.upper_layers._ENTRIES_AT_ONCE", 5000)
    monkeypatch.setattr("nnmf_topics.truncated_svd.Parts", partial(Parts, documents=30))
    return request.param(matrix(90, 200).astype(np.float32))


@contextmanager
def threads(number):
    with threadpool_limits(number, user_api="blas"), HOST.active():
        yield


def test_no_bit_depends_on_the_number_of_threads(many_parts):
    rng = np.random.default_rng(2)
    A, S = (rng.random(shape).astype(np.float32) for shape in ((90, 9), (9, 200)))

    def results(number):
        with threads(number):
            parts = Parts(many_parts, 30)
            products = parts.project(A), parts.accumulate(S)
            above = upper_layers((A, S), (4, 2), np.random.RandomState(0), 0.1, 40)
            return [*products, *svd_from(many_parts, A), *alternate(many_parts, A, 3, 30), *above]

    for one, three in zip(results(1), results(3), strict=True):
        np.testing.assert_array_equal(one, three)


def test_parts_are_worked_on_by_several_threads(many_parts):
    meeting = Barrier(2, timeout=30)
    with threads(3):
        # Each waits until another is there too.
        assert len(list(Parts(many_parts, 100).of_documents(lambda *_: meeting.wait()))) == 2


def test_products_of_parts_are_made_by_several_threads(many_parts, monkeypatch):
    meeting, workers = Barrier(2, timeout=30), set()

    def meet(*_):
        meeting.wait()  # until another is there too
        workers.add(get_ident())

    monkeypatch.setattr("nnmf_topics.parts.is_compiled", lambda *_: True)
    monkeypatch.setattr("nnmf_topics.parts.project_to", meet)
    with threads(3):
        Parts(many_parts, 50).project(np.ones((90, 9), np.float32))
    assert len(workers) > 1


class DrawsOfThisThread(np.random.RandomState):
    """Draws for the thread that made it, no other."""

    def __init__(self, seed):
        super().__init__(seed)
        self.mine, self.number = get_ident(), 0

    def random_sample(self, size=None):
        assert get_ident() == self.mine
        self.number += 1
        return super().random_sample(size)


@pytest.mark.usefixtures("many_parts")
def test_random_starts_are_drawn_by_the_calling_thread():
    rng, draws = np.random.default_rng(2), DrawsOfThisThread(0)
    A, S = rng.random((90, 9)), rng.random((9, 200))
    with threads(3):
        upper_layers((A, S), (4,), draws, 0.1, 40)
    assert draws.number > 5


@pytest.mark.parametrize("place", [slice(0, 0), slice(0, 4), slice(3, 9), slice(0, 9)])
@pytest.mark.parametrize("form", [sp.csc_array, sp.csr_array, np.asarray])
def test_some_columns_of_a_matrix_are_no_copy_if_it_lies_in_columns(form, place):
    X = form(matrix(20, 9))
    part = part_of(X, place)
    dense = X.toarray() if sp.issparse(X) else X
    np.testing.assert_array_equal(part.toarray() if sp.issparse(X) else part, dense[:, place])
    if form is sp.csc_array:
        assert part.nnz == 0 or all(
            np.shares_memory(getattr(part, name), getattr(X, name)) for name in ("data", "indices")
        )
        assert type(part) is sp.csc_array
        assert part.T.tocsr().shape == part.T.shape
