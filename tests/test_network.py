import json
import tracemalloc
from functools import reduce
from itertools import pairwise
from operator import add
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from gradient_check import assert_gradient

from nnmf_topics._backend import to_host
from nnmf_topics.initializers import initialize
from nnmf_topics.losses import squared_norm
from nnmf_topics.network import evaluate, forward
from nnmf_topics.nnls import nnls
from nnmf_topics.optimizers import GramDescent

LOSSES = ("layerwise", "energy", "reconstruction")
ORACLE = json.loads((Path(__file__).parent / "data" / "authors_oracle.json").read_text())["network"]


def problem(seed=0, terms=15, widths=(6, 5, 3), documents=12):
    """Random factors and sparse data; every layer has codes that are zero and that are not."""
    rng = np.random.RandomState(seed)
    factors = [rng.rand(*shape) for shape in zip((terms, *widths), widths, strict=False)]
    X = rng.rand(terms, documents) * (rng.rand(terms, documents) < 0.5)
    codes = evaluate(factors, X, np.sum(X * X), "layerwise")[1]
    assert all(0 < np.mean(S > 0) < 1 for S in codes)
    return factors, X


def evaluate_on(store, factors, X, loss):
    """Value, errors and gradient of host arrays, computed on a device."""
    A, data = [store.xp.put(A) for A in factors], store.data(X)
    evaluation, codes = evaluate(A, data, squared_norm(data), loss)
    supports = [to_host(S) > 0 for S in codes]
    return evaluation, [to_host(G) for G in evaluation.gradient(A)], supports


def value_of(X, loss):
    """The loss as a function of the factors, on the host in double precision."""

    def value(point):
        evaluation, codes = evaluate(point, X, np.sum(X * X), loss)
        return float(evaluation.value), [S > 0 for S in codes]

    return value


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("loss", LOSSES)
def test_the_gradient_equals_central_differences(store, loss, layers):
    factors, X = problem(widths=(6, 5, 3)[:layers])
    _, gradient, supports = evaluate_on(store, factors, X, loss)
    value = value_of(X, loss)
    for here, there in zip(supports, value(factors)[1], strict=True):
        np.testing.assert_array_equal(here, there)
    assert_gradient(value, factors, gradient, rng=np.random.RandomState(0), rtol=2e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_gradient_in_single_precision_equals_central_differences_in_double(store, loss):
    factors, X = problem()
    factors, X = [A.astype(np.float32) for A in factors], X.astype(np.float32)
    _, gradient, supports = evaluate_on(store, factors, X, loss)
    assert all(G.dtype == np.float32 for G in gradient)
    factors, X = [A.astype(np.float64) for A in factors], X.astype(np.float64)
    value = value_of(X, loss)
    for here, there in zip(supports, value(factors)[1], strict=True):
        np.testing.assert_array_equal(here, there)
    assert_gradient(value, factors, gradient, rng=np.random.RandomState(0), rtol=2e-4)


@pytest.mark.parametrize("loss", LOSSES)
def test_value_and_gradient_equal_those_of_the_authors_package(store, loss):
    factors, X = [np.array(A) for A in ORACLE["factors"]], np.array(ORACLE["X"])
    expected = ORACLE["losses"][loss]
    evaluation, gradient, _ = evaluate_on(store, factors, X, loss)
    np.testing.assert_allclose(float(evaluation.value), expected["value"], rtol=1e-12)
    for G, authors in zip(gradient, expected["gradient"], strict=True):
        np.testing.assert_allclose(G, authors, atol=1e-10 * np.max(np.abs(authors)))


def test_codes_equal_those_of_the_authors_package(store):
    factors = [store.xp.put(np.array(A)) for A in ORACLE["factors"]]
    codes = forward(factors, store.data(np.array(ORACLE["X"]))).codes
    for S, authors in zip(codes, ORACLE["codes"], strict=True):
        np.testing.assert_allclose(to_host(S), authors, atol=1e-12)


def test_the_codes_of_a_layer_are_the_data_of_the_next(store):
    factors, X = problem(1)
    A, signal = [store.xp.put(A) for A in factors], store.data(X)
    found = forward(A, signal)
    for layer, S in enumerate(found.codes):
        signal = nnls(A[layer], signal).S
        np.testing.assert_array_equal(to_host(S), to_host(signal))
    np.testing.assert_allclose(to_host(found.rhs), factors[0].T @ X, atol=1e-12)
    np.testing.assert_allclose(to_host(found.gram), factors[0].T @ factors[0], atol=1e-12)


def test_errors_and_usage_are_those_of_the_codes(store):
    factors, X = problem(2)
    evaluation, _, _ = evaluate_on(store, factors, X, "energy")
    codes = forward(factors, X).codes
    for layer, S in enumerate(codes):
        R = np.linalg.multi_dot([*factors[: layer + 1], S])
        np.testing.assert_allclose(float(evaluation.errors[layer]), np.sum((X - R) ** 2))
        np.testing.assert_allclose(to_host(evaluation.usage[layer]), S.sum(axis=1), atol=1e-12)
    np.testing.assert_allclose(float(evaluation.norm), np.sum(X**2))


def arrays_of(evaluation):
    """Every array of an evaluation, on the host."""
    parts = (evaluation.value, evaluation.errors, evaluation.norm, evaluation.data, evaluation.mix)
    parts += (*evaluation.upper, *evaluation.curvature, *evaluation.usage)
    return [to_host(part) for part in parts]


@pytest.mark.parametrize("as_summand", [False, True])
@pytest.mark.parametrize("cuts", [[5], [0, 4, 4, 12], [*range(1, 12)]])
@pytest.mark.parametrize("loss", LOSSES)
def test_chunks_add_up_to_the_whole(store, loss, cuts, as_summand):
    # So many topics and words that compiled loops make the smallest chunks in their sum.
    factors, X = problem(3, terms=60, widths=(9, 5, 3))
    A = [store.xp.put(A) for A in factors]

    def part(first, last):
        chunk = store.data(X[:, first:last])
        return evaluate(A, chunk, squared_norm(chunk), loss, as_summand=as_summand)[0]

    edges = [0, *cuts, 12]
    total = reduce(add, [part(*ends) for ends in pairwise(edges)])
    in_place = part(*edges[:2]).whole()
    for ends in pairwise(edges[1:]):
        in_place += part(*ends)
    whole = part(0, 12).whole()
    for found, expected in zip(arrays_of(in_place), arrays_of(total), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    for found, expected in zip(arrays_of(total), arrays_of(whole), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    for found, expected in zip(total.gradient(A), whole.gradient(A), strict=True):
        np.testing.assert_allclose(to_host(found), to_host(expected), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_chunk_of_empty_documents_changes_nothing(store, loss):
    factors, X = problem(4)
    whole = arrays_of(evaluate_on(store, factors, X, loss)[0])
    padded = arrays_of(evaluate_on(store, factors, np.hstack([X, np.zeros((15, 3))]), loss)[0])
    for found, expected in zip(padded, whole, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_codes_of_the_last_pass_change_nothing(store):
    factors, X = problem(5)
    A, data = [store.xp.put(A) for A in factors], store.data(X)
    cold, codes = evaluate(A, data, squared_norm(data), "layerwise")
    warm, again = evaluate(A, data, squared_norm(data), "layerwise", codes)
    for found, expected in zip(arrays_of(warm), arrays_of(cold), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    for found, expected in zip(again, codes, strict=True):
        np.testing.assert_array_equal(to_host(found) > 0, to_host(expected) > 0)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_pass_forms_nothing_of_the_size_of_the_dense_data(loss):
    X = sp.random_array((20_000, 5_000), density=5e-4, format="csc", rng=np.random.default_rng(0))
    before = X.copy()
    dense = 8 * X.shape[0] * X.shape[1]
    tracemalloc.start()
    try:
        factors = initialize("random", X, (8, 4), np.random.RandomState(0))
        evaluation, _ = evaluate(factors, X, squared_norm(X), loss)
        GramDescent().propose(factors, evaluation)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 60e6 < dense / 10
    for found, expected in zip(
        (X.data, X.indices, X.indptr), (before.data, before.indices, before.indptr), strict=True
    ):
        np.testing.assert_array_equal(found, expected)
