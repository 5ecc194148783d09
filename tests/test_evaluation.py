import numpy as np
import pytest
import scipy.sparse as sp
from gensim.corpora import Dictionary
from gensim.models import CoherenceModel

import nnmf_topics
from nnmf_topics import NeuralNMFModel, datasets, evaluation
from nnmf_topics.topics import strongest_parent

# Words 0 and 1 always go together, as do 2 and 3; 0 and 2 never, 4 is everywhere.
OCCURRENCE = sp.csc_array(np.array([[1, 1, 0, 0, 1]] * 5 + [[0, 0, 1, 1, 1]] * 5))


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
