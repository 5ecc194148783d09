import numpy as np
import pytest
from gradient_check import assert_gradient

from nnmf_topics.network import evaluate

LOSSES = ("layerwise", "energy", "reconstruction")


def quadratic(point):
    return float(sum(np.sum(a**2) for a in point)), []


def test_a_right_gradient_passes():
    rng = np.random.RandomState(0)
    point = [rng.standard_normal((3, 2)), rng.standard_normal(4)]
    assert_gradient(quadratic, point, [2 * a for a in point], rng=rng)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("wrong", range(3))
def test_a_gradient_wrong_by_a_thousandth_in_one_factor_is_caught(loss, wrong):
    rng = np.random.RandomState(1)
    factors = [rng.rand(12, 5), rng.rand(5, 4), rng.rand(4, 3)]
    X = rng.rand(12, 9)

    def value(point):
        evaluation, codes = evaluate(point, X, np.sum(X * X), loss)
        return float(evaluation.value), [S > 0 for S in codes]

    gradient = evaluate(factors, X, np.sum(X * X), loss)[0].gradient(factors)
    assert_gradient(value, factors, gradient, rng=rng)
    gradient[wrong] = 1.001 * gradient[wrong]
    with pytest.raises(AssertionError, match=f"array {wrong}: the slope"):
        assert_gradient(value, factors, gradient, rng=rng)


def test_one_wrong_entry_is_caught():
    rng = np.random.RandomState(2)
    point = [rng.standard_normal((6, 5))]
    gradient = [2 * point[0]]
    gradient[0][3, 2] += 0.01
    with pytest.raises(AssertionError, match="the slope"):
        assert_gradient(quadratic, point, gradient, rng=rng)


def test_directions_that_change_a_support_are_drawn_again():
    rng, supports = np.random.RandomState(3), []

    def kinked(point):
        supports.append(bool(point[0][0] > 5e-7))
        return float(np.sum(np.maximum(point[0] - 5e-7, 0))), [np.array(supports[-1])]

    for _ in range(20):
        assert_gradient(kinked, [np.zeros(1)], [np.zeros(1)], rng=rng)
    assert any(supports)


def test_a_kink_in_every_direction_is_an_error():
    def absolute(point):
        return float(np.sum(np.abs(point[0]))), [point[0] > 0]

    with pytest.raises(AssertionError, match="a support changes in every one"):
        assert_gradient(absolute, [np.zeros(3)], [np.zeros(3)], rng=np.random.RandomState(0))
