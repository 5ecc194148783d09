import numpy as np
import pytest
import scipy.sparse as sp

from nnmf_topics import clustering
from nnmf_topics.clustering import cluster_sums, spherical_kmeans
from nnmf_topics.initializers import initialize
from nnmf_topics.nnls import nnls
from nnmf_topics.optimizers import unit_columns


def directions(k, copies, seed=0, noise=0.1):
    """Unit points around the first k axes; and which axis each is near."""
    rng = np.random.RandomState(seed)
    labels = rng.permutation(np.repeat(np.arange(k), copies))
    points = np.eye(k + 2)[labels] + noise * rng.standard_normal((k * copies, k + 2))
    return points / np.linalg.norm(points, axis=1, keepdims=True), labels


def partition(labels):
    return {frozenset(np.flatnonzero(labels == label)) for label in set(labels)}


@pytest.mark.parametrize("k", [1, 2, 7])
@pytest.mark.parametrize("seed", range(3))
def test_points_around_different_directions_are_told_apart(k, seed):
    points, labels = directions(k, 12, seed)
    found = spherical_kmeans(points, k, np.random.RandomState(seed))
    assert partition(found) == partition(labels)


@pytest.mark.parametrize("seed", range(3))
def test_of_many_clusters_the_small_ones_are_found_too(seed):
    # As in the space of latent semantics: the first directions are those of what is frequent.
    rng, sizes = np.random.RandomState(seed), np.linspace(40, 4, 90).astype(int)
    labels = np.repeat(np.arange(90), sizes)
    points = np.eye(90)[labels] + 0.03 * rng.standard_normal((len(labels), 90))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    found = spherical_kmeans(points, 90, np.random.RandomState(seed))
    assert len(partition(found) & partition(labels)) > 75  # by the first 50 directions it is 65


def test_more_points_than_seeds_are_looked_for_in_are_told_apart_too(monkeypatch):
    monkeypatch.setattr(clustering, "_POINTS", 40)
    monkeypatch.setattr(clustering, "_POINTS_OF_A_CLUSTER", 8)
    points, labels = directions(5, 60)
    found = spherical_kmeans(points, 5, np.random.RandomState(0))
    assert partition(found) == partition(labels)


@pytest.mark.parametrize("seeds_are_sought_in", [2000, 40])
def test_every_point_is_in_the_cluster_whose_centre_is_nearest_by_cosine(
    monkeypatch, seeds_are_sought_in
):
    monkeypatch.setattr(clustering, "_POINTS", seeds_are_sought_in)
    monkeypatch.setattr(clustering, "_POINTS_OF_A_CLUSTER", 1)
    points = np.random.RandomState(1).standard_normal((200, 6))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    labels = spherical_kmeans(points, 4, np.random.RandomState(0))
    centres = np.stack([points[labels == label].sum(axis=0) for label in range(4)])
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    np.testing.assert_array_equal(np.argmax(points @ centres.T, axis=1), labels)


def test_of_several_starts_the_one_with_the_highest_cosines_is_taken(monkeypatch):
    points = np.random.RandomState(2).standard_normal((150, 8))
    points /= np.linalg.norm(points, axis=1, keepdims=True)

    def cosines(tries):
        monkeypatch.setattr(clustering, "_MOST_TRIES", tries)
        labels = spherical_kmeans(points, 6, np.random.RandomState(3))
        return sum(np.linalg.norm(points[labels == label].sum(axis=0)) for label in range(6))

    found = [cosines(tries) for tries in range(1, 9)]  # the first tries are the same
    assert found == sorted(found)
    assert found[-1] > found[0]


@pytest.mark.parametrize("put", [np.asarray, sp.csc_array])
def test_columns_are_the_sums_of_documents_of_a_cluster_the_longest_first(put):
    X = np.array([[0, 3, 0, 1, 0], [0, 3, 0, 1, 0], [1, 0, 2, 0, 0.0]])
    found = cluster_sums(put(X), 2, np.random.RandomState(0))
    np.testing.assert_allclose(found, [[4, 0], [4, 0], [0, 3]])


def test_the_length_of_a_document_does_not_decide_its_cluster():
    X = np.array([[5, 0.1, 4.8, 0.1], [0.1, 4, 0.0, 90]])
    found = cluster_sums(X, 2, np.random.RandomState(0))
    np.testing.assert_allclose(found, [[0.2, 9.8], [94, 0.1]])


def test_documents_without_words_are_in_no_cluster_and_missing_clusters_are_zero():
    X = np.zeros((3, 6))
    X[0, :2], X[1, 3] = 1, 5
    found = cluster_sums(X, 4, np.random.RandomState(0))
    np.testing.assert_allclose(found, [[0, 2, 0, 0], [5, 0, 0, 0], [0, 0, 0, 0]])
    assert not np.any(cluster_sums(0 * X, 2, np.random.RandomState(0)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(5))
def test_equal_documents_are_in_one_cluster(seed, dtype):
    rng = np.random.RandomState(seed)
    different = (rng.rand(80, 10) * (rng.rand(80, 10) < 0.3)).astype(dtype)
    lengths = 1 + rng.rand(400).astype(dtype)  # of the same direction they are equal
    sums = cluster_sums(np.repeat(different, 40, axis=1) * lengths, 30, rng)
    assert np.count_nonzero(np.max(sums, axis=0)) == 10
    assert not np.any(sums[:, 10:])


@pytest.mark.parametrize(("k", "tries"), [(1, 10), (50, 10), (100, 5), (500, 1), (3000, 1)])
def test_the_more_clusters_the_fewer_starts_are_compared(k, tries):
    assert clustering._tries(k) == tries


def test_alternating_steps_lower_the_error_of_the_clusters():
    rng = np.random.RandomState(0)
    X = rng.rand(30, 60) * (rng.rand(30, 60) < 0.4)

    def error(A):
        return np.linalg.norm(X - A @ nnls(A, X).S)

    (found,) = initialize("clusters", X, (5,), np.random.RandomState(0))
    assert error(found) < 0.99 * error(unit_columns(cluster_sums(X, 5, np.random.RandomState(0))))


def parent_of_many(name, length):
    """Strongest parent of the third topic, of 60 documents of a length, next to 20 and 20 longer.

    Its energy is the least, length^2 * 60 of 22 and 20, and there are two parents.
    """
    S = np.repeat(np.eye(3) * [1.05, 1, length], [20, 20, 60], axis=1)
    X = np.kron(np.eye(3), np.full((4, 1), 0.5)) @ S
    A, B = initialize(name, X, (3, 2), np.random.RandomState(0))
    return np.max(B[np.argmax(np.sum(A[8:], axis=0))])


def test_layerwise_upper_topics_start_for_many_documents_if_they_are_almost_as_long():
    assert parent_of_many("layerwise", 0.52) < 0.1
    assert parent_of_many("layerwise", 0.56) > 0.9


def test_upper_topics_start_from_clusters_for_many_documents_rather_than_for_long_ones():
    assert parent_of_many("clusters", 0.50) < 0.1
    assert parent_of_many("clusters", 0.53) > 0.9
