"""Documents drawn from a stream as it is read."""

import numpy as np
import pytest
import scipy.sparse as sp

from nnmf_topics.sampling import Sample


def numbered(documents, chunksize):
    """Chunks of documents of two words: their number, and whether it is odd."""
    numbers = np.arange(1, documents + 1, dtype=np.float32)
    X = sp.csc_array(np.stack([numbers, numbers % 2]))
    return [X[:, first : first + chunksize] for first in range(0, documents, chunksize)]


def drawn(documents, chunksize, size, seed=0):
    sample = Sample(size, np.random.RandomState(seed))
    chunks = numbered(documents, chunksize)
    passed = list(sample.of(chunks))
    assert all(a is b for a, b in zip(passed, chunks, strict=True))
    return sample.matrix()


@pytest.mark.parametrize("documents", [1, 99, 100])
def test_a_sample_of_at_least_all_is_all_and_draws_no_number(documents):
    random = np.random.RandomState(3)
    sample = Sample(100, random)
    for _ in sample.of(numbered(documents, 30)):
        pass
    everything = sp.hstack(numbered(documents, 30))
    np.testing.assert_array_equal(sample.matrix().toarray(), everything.toarray())
    assert random.random_sample() == np.random.RandomState(3).random_sample()


@pytest.mark.parametrize("documents", [101, 120, 130, 1000])
def test_a_sample_has_exactly_its_size_of_different_whole_documents_in_their_order(documents):
    X = drawn(documents, 7, 100)
    numbers = X.toarray()[0]
    assert X.shape == (2, 100)
    assert X.dtype == np.float32
    assert (np.diff(numbers) > 0).all()
    np.testing.assert_array_equal(X.toarray()[1], numbers % 2)


def test_a_sample_does_not_depend_on_the_size_of_the_chunks():
    first = drawn(1000, 1, 60).toarray()
    for chunksize in (7, 64, 999, 1000):
        np.testing.assert_array_equal(drawn(1000, chunksize, 60).toarray(), first)


def test_every_document_has_the_same_chance():
    times = np.zeros(200)
    for seed in range(400):
        times[drawn(200, 30, 50, seed).toarray()[0].astype(int) - 1] += 1
    # Each is drawn 100 times of 400, give or take 8.7.
    squares = (times - 100) ** 2 / (400 * 0.25 * 0.75)
    assert squares.max() < 4.5**2
    assert 0.75 < squares.mean() < 1.25
    halves = times[:100].mean(), times[100:].mean()
    assert abs(halves[0] - halves[1]) < 4


def test_no_more_documents_are_held_than_half_as_many_again():
    sample = Sample(40, np.random.RandomState(0))
    for _ in sample.of(numbered(2000, 10)):
        assert sum(chunk.shape[1] for chunk in sample._chunks) <= 60
        assert len(sample._chunks) <= 60


def test_a_long_stream_is_drawn_from_anew_but_a_few_times(monkeypatch):
    thinned = []
    thin = Sample._thin
    monkeypatch.setattr(Sample, "_thin", lambda self: thinned.append(1) or thin(self))
    sample = Sample(40, np.random.RandomState(0))
    for _ in sample.of(numbered(40_000, 10)):
        pass
    assert 5 <= len(thinned) <= 40  # about log(1000) / log(1.5) = 17
