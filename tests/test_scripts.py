import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import nnls

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

import _measures
import _setting
import benchmark_epoch
import benchmark_quality
import benchmark_training

from nnmf_topics import evaluation

# Topic 0 has 4 words, topic 1 has 1; the super-topics are the topics, exchanged.
FACTORS = [np.array([[2.0, 0.0], [2.0, 0.0], [0.0, 1.0]]), np.array([[0.0, 1.0], [1.0, 0.0]])]
CODES = [np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 3.0]]), np.array([[0.0, 1.0, 3.0], [1.0, 0.0, 1.0]])]


def test_a_perfect_hierarchy_has_perfect_measures():
    # Four groups of words, two to a super-group; a document holds the words of its group.
    groups = np.repeat(["comp.graphics", "comp.sys.mac.hardware", "sci.med", "sci.space"], 40)
    topic = np.repeat(np.arange(4), 40)
    A_0, A_1 = np.kron(np.eye(4), np.ones((10, 1))), np.kron(np.eye(2), np.ones((2, 1)))
    S_0, S_1 = np.eye(4)[:, topic], np.eye(2)[:, topic // 2] / 2
    X = sp.csc_array(A_0 @ S_0)
    found = _measures.measure(
        X, [A_0, A_1], [S_0, S_1], groups, _setting.super_groups(groups), sp.csc_array(X.T)
    )
    assert tuple(found) == _measures.COLUMNS
    assert found.pop("err1") == pytest.approx(0, abs=1e-7)
    assert found.pop("err2") == pytest.approx(np.sqrt(1 / 2))
    assert all(value == pytest.approx(1) for value in found.values()), found


def test_a_subset_has_100_documents_of_each_group_in_file_order():
    random = np.random.default_rng(0)
    groups = random.permutation(np.repeat([*_setting.PAPER_GROUPS, "sci.crypt"], 120))
    posts = _setting.Posts([str(row) for row in range(len(groups))], groups)
    subsets = [_setting.paper_subset(posts, seed) for seed in (None, 0, 0, 1)]
    for subset in subsets:
        rows = [int(document) for document in subset.documents]
        assert rows == sorted(set(rows))
        np.testing.assert_array_equal(groups[rows], subset.groups)
        names, counts = np.unique(subset.groups, return_counts=True)
        assert set(names) == set(_setting.PAPER_GROUPS)
        assert set(counts) == {100}
    first, drawn, again, other = (subset.documents for subset in subsets)
    assert int(first[0]) == np.flatnonzero(groups != "sci.crypt")[0]
    assert drawn == again
    assert drawn not in (first, other)


def mean_loss(X, factors, loss):
    codes, error, signal = [], 0.0, X
    for A in factors:
        codes.append(np.stack([nnls(A, column)[0] for column in signal.T], axis=1))
        error += np.mean((signal - A @ codes[-1]) ** 2)
        signal = codes[-1]
    if loss == "energy":
        return error, codes
    return np.mean((X - np.linalg.multi_dot([*factors, codes[-1]])) ** 2), codes


@pytest.mark.parametrize("loss", benchmark_epoch.LOSSES)
def test_the_gradient_of_the_mean_loss_is_its_difference_quotient(loss):
    random = np.random.default_rng(0)
    X = random.random((9, 6)) ** 3
    factors = [random.random((9, 4)), random.random((4, 2))]
    gradient = benchmark_epoch.mean_loss_gradient(sp.csc_array(X), factors, loss)
    for layer, A in enumerate(factors):
        for entry in np.ndindex(A.shape):
            values, supports = [], []
            for shift in (1e-6, -1e-6):
                moved = [factor.copy() for factor in factors]
                moved[layer][entry] += shift
                value, codes = mean_loss(X, moved, loss)
                values.append(value)
                supports.append([S > 0 for S in codes])
            for up, down in zip(*supports, strict=True):
                np.testing.assert_array_equal(up, down)  # else there is no such quotient
            quotient = (values[0] - values[1]) / 2e-6
            assert gradient[layer][entry] == pytest.approx(quotient, rel=1e-5, abs=1e-9)


def test_the_relative_difference_is_that_of_the_worst_factor():
    theirs = [np.array([[4.0, 0.0]]), np.array([[0.5]])]
    ours = [np.array([[4.0, 0.4]]), np.array([[0.4]])]
    assert benchmark_epoch.relative_difference(ours, theirs) == pytest.approx(0.2)
    assert benchmark_epoch.relative_difference(theirs, theirs) == 0


def test_projected_descent_by_short_steps_lowers_the_error():
    X = sp.csc_array(np.random.default_rng(0).random((30, 20)))
    errors = list(benchmark_training.projected_descent(X, 10.0, 60, seed=0))
    assert len(errors) == 60
    assert np.all(np.diff(errors) <= 0)
    assert errors[-1] < 0.9 * errors[0]


def test_the_epochs_until_an_error_are_those_before_it():
    assert benchmark_training.epochs_until([0.9, 0.8, 0.7, 0.8], 0.8) == 1
    assert benchmark_training.epochs_until([0.9, 0.8], 0.9) == 0
    assert benchmark_training.epochs_until([0.9, 0.8], 0.7) is None


@pytest.mark.parametrize("unit_columns", [False, True])
def test_hierarchical_nmf_factorises_its_own_codes(unit_columns):
    X = sp.csc_array(np.random.default_rng(0).random((30, 20)))
    factors, codes, seconds = benchmark_quality.fit_hnmf(X, "nndsvda", unit_columns, seed=0)
    assert [A.shape for A in factors] == [(30, 10), (10, 6)]
    assert [S.shape for S in codes] == [(10, 20), (6, 20)]
    assert np.linalg.norm(X - factors[0] @ codes[0]) < 0.4 * np.linalg.norm(X.toarray())
    assert np.linalg.norm(codes[0] - factors[1] @ codes[1]) < 0.5 * np.linalg.norm(codes[0])
    lengths = np.concatenate([np.linalg.norm(A, axis=0) for A in factors])
    assert np.allclose(lengths, 1) == unit_columns
    assert seconds > 0


def test_the_default_matrix_is_the_one_that_the_model_reconstructs():
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(["alpha", "beta", "gamma", "delta"], 6)) for _ in range(30)]
    dictionary, corpus = benchmark_quality.bags_of_words(texts)
    X = benchmark_quality.default_matrix(corpus, len(dictionary))
    lengths = np.sqrt((X.multiply(X)).sum(axis=0))
    np.testing.assert_allclose(lengths, 1)
    model = benchmark_quality.NeuralNMFModel(corpus, (2, 1), dictionary, random_state=0)
    codes = model.encode(corpus)
    found = [evaluation.relative_error(X, model.factors, codes, layer) for layer in (0, 1)]
    np.testing.assert_allclose(found, model.history.errors[-1], rtol=1e-4)


def test_a_summary_is_mean_and_sample_deviation():
    assert benchmark_quality.summary([1.0, 2.0, 3.0], 2) == "2.00 ± 1.00"
    assert benchmark_quality.summary([1.0], 1) == "1.0 ± 0.0"
