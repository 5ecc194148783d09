import numpy as np
import pytest
import scipy.sparse as sp
from gensim.corpora import Dictionary
from gensim.models import CoherenceModel

import nnmf_topics
from nnmf_topics import NeuralNMFModel, datasets, evaluation
from nnmf_topics.topics import strongest_parent

FACTORS = [np.array([[2.0, 0.0], [2.0, 0.0], [0.0, 1.0]]), np.array([[0.0, 1.0], [1.0, 0.0]])]
CODES = [np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 3.0]]), np.array([[0.0, 1.0, 3.0], [1.0, 0.0, 1.0]])]

# Words 0 and 1 always go together, as do 2 and 3; 0 and 2 never, 4 is everywhere.
OCCURRENCE = sp.csc_array(np.array([[1, 1, 0, 0, 1]] * 5 + [[0, 0, 1, 1, 1]] * 5))


def test_an_exact_factorisation_has_no_error_and_a_zero_one_has_all_of_it():
    X = sp.csc_array(FACTORS[0] @ CODES[0])
    zero = [np.zeros_like(S) for S in CODES]
    for layer in (0, 1):
        assert evaluation.relative_error(X, FACTORS, CODES, layer) == pytest.approx(0, abs=1e-7)
        assert evaluation.relative_error(X, FACTORS, zero, layer) == 1


def test_the_relative_error_is_that_of_the_dense_matrices():
    random = np.random.default_rng(0)
    shapes = ((7, 3), (3, 2), (3, 5), (2, 5), (7, 5))
    A, B, S, R, X = (random.random(shape) for shape in shapes)
    for layer, approximation in enumerate((A @ S, A @ B @ R)):
        expected = np.linalg.norm(X - approximation) / np.linalg.norm(X)
        found = evaluation.relative_error(sp.csc_array(X), [A, B], [S, R], layer)
        assert found == pytest.approx(expected, rel=1e-12)


def test_dense_data_and_negative_layers_are_taken():
    X = FACTORS[0] @ CODES[0] + 0.5
    dense, sparse = (evaluation.relative_error(Y, FACTORS, CODES, -1) for Y in (X, sp.csc_array(X)))
    assert dense == pytest.approx(sparse)
    assert evaluation.svd_bound(X, 1) == pytest.approx(evaluation.svd_bound(sp.csc_array(X), 1))
    last = evaluation.dominant_topics(FACTORS, CODES, -1)
    np.testing.assert_array_equal(last, evaluation.dominant_topics(FACTORS, CODES, 1))


def test_classes_may_be_numbers():
    same = np.array([0, 0, 1, 1])
    assert evaluation.edge_agreement(np.array([0, 1]), same, same, same, same) == 1


def test_the_bound_is_the_tail_of_the_singular_values():
    X = sp.csc_array(np.diag([4.0, 3.0, 2.0, 1.0, 0.0]))
    assert evaluation.svd_bound(X, 2) == pytest.approx(np.sqrt(5 / 30))


def test_codes_that_tell_the_classes_apart_are_accurate_and_blind_ones_guess():
    labels = np.repeat(["a", "b"], 40)
    assert evaluation.held_out_accuracy(np.eye(2)[:, np.repeat([1, 0], 40)], labels) == 1
    assert evaluation.held_out_accuracy(np.ones((2, 80)), labels) == 0.5


def test_the_dominant_topic_counts_words_and_not_codes():
    np.testing.assert_array_equal(evaluation.dominant_topics(FACTORS, CODES, 0), [0, 1, 0])
    np.testing.assert_array_equal(evaluation.dominant_topics(FACTORS, CODES, 1), [1, 0, 1])


def test_an_edge_agrees_where_the_group_lies_in_the_super_group_of_the_parent():
    groups = np.array(["x1", "x1", "x2", "y1", "y1", "y2"])
    supers = np.array(["x", "x", "x", "y", "y", "y"])
    fine = np.array([0, 0, 1, 2, 2, 2])
    coarse = np.array([0, 0, 0, 1, 1, 1])
    for parents, expected in (((0, 0, 1), 1), ((0, 1, 1), 2 / 3), ((1, 1, 0), 0)):
        found = evaluation.edge_agreement(np.array(parents), fine, coarse, groups, supers)
        assert found == expected
    # No document for topic 3, and none for parent 2.
    parents = np.array([0, 0, 2, 0])
    assert evaluation.edge_agreement(parents, fine, coarse, groups, supers) == 2 / 4


def test_npmi_of_words_always_never_and_independently_together():
    occurrence = sp.csc_array(
        [[1, 1, 0, 1, 1], [1, 1, 0, 0, 1], [0, 0, 1, 1, 1], [0, 0, 0, 0, 1]]  # four documents
    )
    known = {(0, 1): 1, (0, 2): -1, (0, 3): 0, (0, 4): 0}
    for pair, expected in known.items():
        assert evaluation.npmi([np.array(pair)], occurrence) == pytest.approx(expected, abs=1e-15)
    assert evaluation.npmi([np.array(pair) for pair in known], occurrence) == pytest.approx(0)
    assert evaluation.npmi([np.array([0, 1, 2])], occurrence) == pytest.approx(-1 / 3)
    assert evaluation.npmi([np.array([4, 4])], occurrence) == 1


def test_diversity_is_the_share_of_distinct_words():
    assert evaluation.diversity([np.array([0, 1]), np.array([2, 3])]) == 1
    assert evaluation.diversity([np.array([0, 1]), np.array([1, 0])]) == 0.5


def test_a_parent_whose_words_go_with_those_of_its_child_is_coherent():
    parents = np.array([0, 1])
    below = [np.array([0]), np.array([2])]
    right, wrong = [np.array([1]), np.array([3])], [np.array([3]), np.array([1])]
    assert evaluation.parent_child_npmi(parents, right, below, OCCURRENCE) == pytest.approx(1)
    assert evaluation.parent_child_npmi(parents, wrong, below, OCCURRENCE) == -1


def test_shared_words_do_not_count_for_the_coherence_of_parent_and_child():
    parents, below, above = np.array([0]), [np.array([0, 2])], [np.array([0, 3])]
    found = evaluation.parent_child_npmi(parents, above, below, OCCURRENCE)
    assert found == pytest.approx(1)  # of 2 and 3 alone
    assert np.isnan(evaluation.parent_child_npmi(parents, below, below, OCCURRENCE))


def test_diversities_are_shares_of_distinct_words():
    parents = np.array([0, 0, 1])
    below = [np.array([0, 1]), np.array([1, 2]), np.array([3, 4])]
    above = [np.array([0, 1]), np.array([5, 6])]
    found = evaluation.parent_child_diversity(parents, above, below)
    assert found == pytest.approx((2 / 4 + 3 / 4 + 4 / 4) / 3)
    assert evaluation.sibling_diversity(parents, below) == pytest.approx(3 / 4)
    assert np.isnan(evaluation.sibling_diversity(np.array([0, 1, 2]), below))


def test_mutual_information_is_one_for_the_same_parts_and_zero_for_one_part():
    labels = ["a", "a", "b", "b"]
    assert evaluation.label_nmi(labels, np.array([3, 3, 1, 1])) == pytest.approx(1)
    assert evaluation.label_nmi(labels, np.array([0, 0, 0, 0])) == 0


@pytest.fixture(scope="module")
def lee():
    texts = datasets.load_lee().texts
    dictionary = Dictionary(texts)
    dictionary.filter_extremes(no_below=3)
    corpus = [dictionary.doc2bow(text) for text in texts]
    return texts, dictionary, corpus, NeuralNMFModel(corpus, (12, 4), dictionary, random_state=0)


@pytest.mark.parametrize("layer", [0, -1])
def test_coherence_is_that_of_gensim(lee, layer):
    texts, dictionary, corpus, model = lee
    topics = [[word for word, _ in model.show_topic(i, 10, layer)] for i in range((12, 4)[layer])]
    reference = {"texts": texts, "dictionary": dictionary, "processes": 1}
    expected = CoherenceModel(topics=topics, coherence="c_npmi", topn=10, **reference)
    found = evaluation.coherence(model, layer=layer, **reference)
    assert found == pytest.approx(expected.get_coherence(), abs=1e-12)
    mass = evaluation.coherence(model, layer=layer, measure="u_mass", corpus=corpus)
    assert mass < 0


def test_a_trained_hierarchy_is_measured_by_what_the_model_returns(lee):
    _, _, corpus, model = lee
    codes = model.encode(corpus)
    parents = strongest_parent(model.factors, 1)
    tops = [evaluation.top_words(model.factors, layer) for layer in (0, 1)]
    assert 0.5 < evaluation.diversity(tops[0]) <= 1
    assert 0.4 < evaluation.parent_child_diversity(parents, tops[1], tops[0]) <= 1
    assert len(evaluation.dominant_topics(model.factors, codes, 1)) == len(corpus)


def test_the_module_is_found_from_the_package():
    assert nnmf_topics.evaluation is evaluation


def test_documents_of_unknown_label_do_not_count_for_the_agreement():
    topics = np.array([0, 1, 0, 1, 1, 0])
    labels = ["a", "b", None, "b", float("nan"), "b"]
    known = [0, 1, 3, 5]
    assert evaluation.label_nmi(labels, topics) == evaluation.label_nmi(
        [labels[i] for i in known], topics[known]
    )
    with pytest.raises(ValueError, match="no label is known"):
        evaluation.label_nmi([None] * 6, topics)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, "datetime64[D]", "timedelta64[D]"])
def test_an_unknown_label_may_be_what_numpy_has_for_it(dtype):
    topics = np.array([0, 1, 0, 1, 1, 0])
    labels = np.array([0, 1, 2, 1, 0, 2]).astype(dtype)
    labels[2] = "NaT" if labels.dtype.kind in "mM" else np.nan
    assert evaluation.label_nmi(labels, topics) == evaluation.label_nmi(
        [0, 1, 1, 0, 2], topics[[0, 1, 3, 4, 5]]
    )
