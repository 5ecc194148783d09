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

# Topic 0 has 4 words, topic 1 has 1; the super-topics are the topics, exchanged.
FACTORS = [np.array([[2.0, 0.0], [2.0, 0.0], [0.0, 1.0]]), np.array([[0.0, 1.0], [1.0, 0.0]])]
CODES = [np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 3.0]]), np.array([[0.0, 1.0, 3.0], [1.0, 0.0, 1.0]])]


def test_an_exact_factorisation_has_no_error_and_a_zero_one_has_all_of_it():
    X = sp.csc_array(FACTORS[0] @ CODES[0])
    zero = [np.zeros_like(S) for S in CODES]
    for layer in (0, 1):
        assert _measures.relative_error(X, FACTORS, CODES, layer) == pytest.approx(0, abs=1e-7)
        assert _measures.relative_error(X, FACTORS, zero, layer) == 1


def test_the_relative_error_is_that_of_the_dense_matrices():
    random = np.random.default_rng(0)
    shapes = ((7, 3), (3, 2), (3, 5), (2, 5), (7, 5))
    A, B, S, R, X = (random.random(shape) for shape in shapes)
    for layer, approximation in enumerate((A @ S, A @ B @ R)):
        expected = np.linalg.norm(X - approximation) / np.linalg.norm(X)
        found = _measures.relative_error(sp.csc_array(X), [A, B], [S, R], layer)
        assert found == pytest.approx(expected, rel=1e-12)


def test_the_bound_is_the_tail_of_the_singular_values():
    X = sp.csc_array(np.diag([4.0, 3.0, 2.0, 1.0, 0.0]))
    assert _measures.svd_bound(X, 2) == pytest.approx(np.sqrt(5 / 30))


def test_codes_that_tell_the_classes_apart_are_accurate_and_blind_ones_guess():
    labels = np.repeat(["a", "b"], 40)
    assert _measures.held_out_accuracy(np.eye(2)[:, np.repeat([1, 0], 40)], labels) == 1
    assert _measures.held_out_accuracy(np.ones((2, 80)), labels) == 0.5


def test_the_dominant_topic_counts_words_and_not_codes():
    np.testing.assert_array_equal(_measures.dominant_topics(FACTORS, CODES, 0), [0, 1, 0])
    np.testing.assert_array_equal(_measures.dominant_topics(FACTORS, CODES, 1), [1, 0, 1])


def test_an_edge_agrees_where_the_group_lies_in_the_super_group_of_the_parent():
    groups = np.array(["x1", "x1", "x2", "y1", "y1", "y2"])
    supers = np.array(["x", "x", "x", "y", "y", "y"])
    fine = np.array([0, 0, 1, 2, 2, 2])
    coarse = np.array([0, 0, 0, 1, 1, 1])
    for parents, expected in (((0, 0, 1), 1), ((0, 1, 1), 2 / 3), ((1, 1, 0), 0)):
        found = _measures.edge_agreement(np.array(parents), fine, coarse, groups, supers)
        assert found == expected
    # No document for topic 3, and none for parent 2.
    parents = np.array([0, 0, 2, 0])
    assert _measures.edge_agreement(parents, fine, coarse, groups, supers) == 2 / 4


def test_npmi_of_words_always_never_and_independently_together():
    occurrence = sp.csc_array(
        [[1, 1, 0, 1, 1], [1, 1, 0, 0, 1], [0, 0, 1, 1, 1], [0, 0, 0, 0, 1]]  # four documents
    )
    known = {(0, 1): 1, (0, 2): -1, (0, 3): 0, (0, 4): 0}
    for pair, expected in known.items():
        assert _measures.npmi([np.array(pair)], occurrence) == pytest.approx(expected, abs=1e-15)
    assert _measures.npmi([np.array(pair) for pair in known], occurrence) == pytest.approx(0)
    assert _measures.npmi([np.array([0, 1, 2])], occurrence) == pytest.approx(-1 / 3)
    assert _measures.npmi([np.array([4, 4])], occurrence) == 1


def test_diversity_is_the_share_of_distinct_words():
    assert _measures.diversity([np.array([0, 1]), np.array([2, 3])]) == 1
    assert _measures.diversity([np.array([0, 1]), np.array([1, 0])]) == 0.5


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
    found = [_measures.relative_error(X, model.factors, codes, layer) for layer in (0, 1)]
    np.testing.assert_allclose(found, model.history.errors[-1], rtol=1e-4)


def test_a_summary_is_mean_and_sample_deviation():
    assert benchmark_quality.summary([1.0, 2.0, 3.0], 2) == "2.00 ± 1.00"
    assert benchmark_quality.summary([1.0], 1) == "1.0 ± 0.0"
