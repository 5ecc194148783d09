import numpy as np
import pytest

from nnmf_topics import batched_systems
from nnmf_topics._backend import to_host
from nnmf_topics.support_systems import SupportSystems


def one_solve_per_column(gram, rhs, support):
    expected = np.zeros(rhs.shape)
    for i, P in enumerate(support.T):
        expected[P, i] = np.linalg.solve(gram[np.ix_(P, P)], rhs[P, i])
    return expected


def problem(seed, k=6, n=40):
    """Supports of every size, none and all among them."""
    rng = np.random.RandomState(seed)
    A = rng.rand(20, k)
    return A.T @ A, rng.standard_normal((k, n)), rng.rand(k, n) < np.linspace(0, 1, n)


@pytest.mark.parametrize("columns", [1, 7, 1000])
def test_batched_systems_equal_one_solve_per_column(xp, monkeypatch, columns):
    monkeypatch.setattr(batched_systems, "_COLUMNS", columns)
    gram, rhs, support = problem(0)
    found = to_host(SupportSystems(xp.put(gram), xp.put(support)).solve(xp.put(rhs)))
    np.testing.assert_allclose(found, one_solve_per_column(gram, rhs, support), atol=1e-10)
    assert np.all(found[~support] == 0)


def test_the_factors_serve_for_several_right_hand_sides(xp):
    gram, rhs, support = problem(1)
    systems = SupportSystems(xp.put(gram), xp.put(support))
    for right in (rhs, rhs[:, ::-1].copy(), np.zeros_like(rhs)):
        expected = one_solve_per_column(gram, right, support)
        np.testing.assert_allclose(to_host(systems.solve(xp.put(right))), expected, atol=1e-10)


def test_moved_columns_are_solved_on_their_new_support_and_the_others_on_the_old(xp):
    gram, rhs, support = problem(2)
    systems = SupportSystems(xp.put(gram), xp.put(support))
    columns = np.array([0, 3, 17, 39])
    newer = systems.move(xp.put(columns), xp.put(~support[:, columns]))
    newer.move(xp.put(np.array([2])), xp.put(np.ones((6, 1), bool)))
    support[:, columns] = ~support[:, columns]
    support[:, 17] = True
    found = to_host(systems.solve(xp.put(rhs)))
    np.testing.assert_allclose(found, one_solve_per_column(gram, rhs, support), atol=1e-10)


def test_columns_do_not_depend_on_their_batch_to_the_last_bit(xp):
    gram, rhs, support = map(xp.put, problem(3, n=300))
    together = to_host(SupportSystems(gram, support).solve(rhs))
    for i in range(0, 300, 13):
        alone = SupportSystems(gram, support[:, i : i + 1]).solve(rhs[:, i : i + 1])
        np.testing.assert_array_equal(to_host(alone), together[:, [i]])


@pytest.mark.parametrize("support", [np.zeros((3, 4), bool), np.zeros((3, 0), bool)])
def test_empty_supports_and_no_columns_give_zeros(xp, support):
    found = SupportSystems(xp.put(np.eye(3)), xp.put(support)).solve(xp.put(support + 1.0))
    np.testing.assert_array_equal(to_host(found), np.zeros(support.shape))
