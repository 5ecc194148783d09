import numpy as np
import pytest
from gradient_check import assert_gradient

from nnmf_topics import losses
from nnmf_topics._backend import to_host

LOSSES = ("layerwise", "energy", "reconstruction")
WIDTHS = (5, 4, 3)


def problem(seed=0, layers=3, documents=7):
    """Factors, codes that need not be optimal, and data."""
    rng = np.random.RandomState(seed)
    widths = WIDTHS[:layers]
    factors = [rng.rand(*shape) for shape in zip((11, *widths), widths, strict=False)]
    return factors, [rng.rand(k, documents) for k in widths], rng.rand(11, documents)


def reconstruction(factors, codes, layer):
    return np.linalg.multi_dot([*factors[: layer + 1], codes[layer]])


def squared_errors(factors, codes, X):
    """The plain formula: everything of the size terms x documents is formed."""
    return [
        np.sum((X - reconstruction(factors, codes, layer)) ** 2) for layer in range(len(factors))
    ]


def plain_value(name, factors, codes, X):
    errors = squared_errors(factors, codes, X)
    if name == "layerwise":
        return sum(errors)
    if name == "reconstruction":
        return errors[-1]
    below = [X, *codes[:-1]]
    return sum(np.sum((B - A @ S) ** 2) for B, A, S in zip(below, factors, codes, strict=True))


def evaluate(xp, name, factors, codes, X):
    """The loss on a device, of host arrays."""
    A, data = [xp.put(A) for A in factors], xp.put(X)
    norm = xp.put(np.asarray(np.sum(X.astype(np.float64) ** 2)))
    return losses.evaluate(name, A, [xp.put(S) for S in codes], A[0].T @ A[0], A[0].T @ data, norm)


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("name", LOSSES)
def test_the_value_and_errors_equal_the_plain_formula(xp, name, layers):
    factors, codes, X = problem(layers=layers)
    found = evaluate(xp, name, factors, codes, X)
    np.testing.assert_allclose(float(found.value), plain_value(name, factors, codes, X), rtol=1e-12)
    np.testing.assert_allclose(to_host(found.errors), squared_errors(factors, codes, X), rtol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_single_precision_values_are_summed_in_double(xp, name):
    factors, codes, X = problem(documents=500)
    factors, codes = ([a.astype(np.float32) for a in part] for part in (factors, codes))
    X = X.astype(np.float32)
    found = evaluate(xp, name, factors, codes, X)
    assert to_host(found.value).dtype == to_host(found.errors).dtype == np.float64
    assert all(to_host(a).dtype == np.float32 for a in (found.V, found.mix, *found.upper))
    np.testing.assert_allclose(float(found.value), plain_value(name, factors, codes, X), rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", LOSSES)
def test_an_exact_fit_has_an_error_of_about_zero_and_never_less(xp, name, dtype):
    for seed in range(20):
        factors, codes, _ = problem(seed)
        for layer in (1, 0):
            codes[layer] = factors[layer + 1] @ codes[layer + 1]
        X = reconstruction(factors, codes, 2)
        found = evaluate(
            xp,
            name,
            [A.astype(dtype) for A in factors],
            [S.astype(dtype) for S in codes],
            X.astype(dtype),
        )
        values = np.append(to_host(found.errors), to_host(found.value)) / np.sum(X**2)
        assert np.all((values >= 0) & (values < 100 * np.finfo(dtype).eps))


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("name", LOSSES)
def test_partial_derivatives_equal_central_differences(xp, name, layers):
    factors, codes, X = problem(1, layers)
    found = evaluate(xp, name, factors, codes, X)
    first = X @ to_host(found.V).T + factors[0] @ to_host(found.mix)
    gradient = [first, *map(to_host, found.upper), *map(to_host, found.codes)]

    def value(point):
        return plain_value(name, point[:layers], point[layers:], X), []

    # The value is of degree two in every single array, so that the step may be large.
    rng = np.random.RandomState(1)
    assert_gradient(value, [*factors, *codes], gradient, rng=rng, step=1e-3, rtol=1e-8)


def test_which_layers_count():
    assert losses.layers_that_count("layerwise", 3) == (True, True, True)
    assert losses.layers_that_count("energy", 2) == (True, True)
    assert losses.layers_that_count("reconstruction", 3) == (False, False, True)


def test_an_unknown_loss_is_named():
    with pytest.raises(ValueError, match="not 'frobenius'"):
        losses.layers_that_count("frobenius", 2)


def test_of_one_layer_all_losses_are_one(xp):
    factors, codes, X = problem(2, layers=1)
    assert len({float(evaluate(xp, name, factors, codes, X).value) for name in LOSSES}) == 1
