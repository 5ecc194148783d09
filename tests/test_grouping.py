import numpy as np
import pytest
import scipy.sparse as sp
from conftest import NotTheHost, device_named

from nnmf_topics import NeuralNMFModel, grouping
from nnmf_topics._backend import HOST
from nnmf_topics.grouping import Group, Grouped
from nnmf_topics.training import train


def chunks(sizes, terms=30):
    rng = np.random.default_rng(0)
    return [sp.random_array((terms, n), density=0.2, format="csc", rng=rng) for n in sizes]


@pytest.mark.parametrize("given", [list, iter])
def test_groups_are_full_and_hold_all_documents_in_their_order(given):
    parts = chunks([3, 4, 5, 6, 2])
    groups = list(Grouped(given(parts), documents=7))
    assert [group.shape for group in groups] == [(30, 7), (30, 11), (30, 2)]
    found = sp.hstack([group.joined() for group in groups])
    assert (found != sp.hstack(parts)).nnz == 0


def test_a_group_is_full_with_many_entries_too(monkeypatch):
    monkeypatch.setattr(grouping, "_ENTRIES", 20)
    assert [group.shape[1] for group in Grouped(chunks([5, 5, 5]))] == [5, 5, 5]


def test_dense_chunks_stay_by_themselves_and_in_their_order():
    dense, (a, b, c) = np.ones((30, 2)), chunks([1, 3, 2])
    assert [chunk is dense for chunk in Grouped([dense, dense])] == [True, True]
    first, second, third = Grouped([a, b, dense, c])
    assert (first.parts, second is dense, third.parts) == ([a, b], True, [c])


def test_some_documents_of_a_group_are_those_of_the_joined_matrix_and_whole_parts_are_not_copied():
    group = Group(chunks([3, 4, 0, 5]))
    for first in range(14):
        for stop in range(14):
            some = group[:, first:stop]
            expected = group.joined()[:, first:stop]
            assert some.shape == expected.shape
            assert (some.joined() != expected).nnz == 0
    assert group[:, 1:9].parts[1] is group.parts[1]


def test_the_entries_of_a_group_begin_where_those_of_the_joined_matrix_do():
    parts = chunks([3, 0, 4])
    np.testing.assert_array_equal(Group(parts).starts(), sp.hstack(parts, format="csc").indptr)


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("sizes", [[3, 4], [1], [0, 2]])
def test_a_group_comes_to_a_gpu_as_its_joined_matrix(monkeypatch, sizes, index):
    device = device_named("cupy", monkeypatch)
    parts = chunks(sizes)
    for part in parts:
        part.indices, part.indptr = part.indices.astype(index), part.indptr.astype(index)
    placed = device.put(Group(parts))
    assert placed.indices.dtype == np.int32
    np.testing.assert_array_equal(placed.toarray().get(), sp.hstack(parts).toarray())


def test_a_group_comes_to_a_gpu_where_no_memory_may_be_pinned_cupy(monkeypatch):
    device = device_named("cupy", monkeypatch)
    import cupy
    import cupyx

    def refused(*_):
        raise cupy.cuda.runtime.CUDARuntimeError(2)

    monkeypatch.setattr(cupyx, "empty_pinned", refused)
    placed = device.put(Group(parts := chunks([3, 4])))
    np.testing.assert_array_equal(placed.toarray().get(), sp.hstack(parts).toarray())


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_device_that_works_on_groups_comes_to_the_same_factors(monkeypatch, in_memory):
    monkeypatch.setattr(grouping, "DOCUMENTS", 25)
    parts = chunks([10] * 9)
    start = [np.random.default_rng(1).random(shape) for shape in ((30, 6), (6, 3))]
    device = NotTheHost("cuda:0")
    options = {"passes": 3, "tol": 0, "in_memory": in_memory}
    found, expected = (train(parts, start, device=on, **options) for on in (device, HOST))
    assert set(device.widths) == {30}
    np.testing.assert_allclose(found.history.loss, expected.history.loss, rtol=1e-12)
    for ours, theirs in zip(found.factors, expected.factors, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-9)


def test_a_device_with_no_room_for_a_group_takes_some_of_its_documents(monkeypatch, caplog):
    parts = chunks([10] * 5)
    start = [np.random.default_rng(1).random(shape) for shape in ((30, 6), (6, 3))]
    device, put = NotTheHost("cuda:0"), NotTheHost.put

    def limited(self, matrix):
        if isinstance(matrix, Group) and matrix.shape[1] > 17:
            raise MemoryError
        return put(self, matrix)

    monkeypatch.setattr(NotTheHost, "put", limited)
    found, expected = (train(parts, start, device=on, passes=3, tol=0) for on in (device, HOST))
    assert set(device.widths) == {12, 13}
    np.testing.assert_allclose(found.history.loss, expected.history.loss, rtol=1e-12)
    assert (
        "cuda:0 has too little memory for 50 documents at a time: going on with 25" in caplog.text
    )
    assert "chunksize" not in caplog.text


def test_online_steps_are_taken_after_every_chunk_on_every_device():
    parts = chunks([10] * 4)
    start = [np.random.default_rng(1).random((30, 6))]
    device = NotTheHost("cuda:0")
    found = train(parts, start, passes=1, online=True, device=device)
    assert set(device.widths) == {10}
    assert found.history.loss == train(parts, start, passes=1, online=True).history.loss


def test_chunks_that_are_in_no_group_may_be_too_large_and_the_remedy_is_told(monkeypatch, caplog):
    parts = chunks([10] * 4)
    device, put = NotTheHost("cuda:0"), NotTheHost.put

    def limited(self, matrix):
        if sp.issparse(matrix) and matrix.shape[1] > 6:
            raise MemoryError
        return put(self, matrix)

    monkeypatch.setattr(NotTheHost, "put", limited)
    train(parts, [np.random.default_rng(1).random((30, 6))], passes=1, online=True, device=device)
    assert set(device.widths) == {5}
    assert "going on with 5; a smaller chunksize avoids this" in caplog.text


def test_codes_of_groups_are_those_of_the_documents(monkeypatch):
    X = sp.hstack(chunks([90]), format="csc")
    X.data = np.ceil(9 * X.data)
    model = NeuralNMFModel(X, (6, 3), passes=2, chunksize=10, random_state=0)
    expected = model.encode(X)
    monkeypatch.setattr(model, "_device", device := NotTheHost("cuda:0"))
    monkeypatch.setattr(grouping, "DOCUMENTS", 25)
    for ours, theirs in zip(model.encode(X), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)
    assert set(device.widths) == {30}
