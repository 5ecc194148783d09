import sys
from pathlib import Path

import numpy as np
import pytest
from gensim.corpora import Dictionary
from gensim.models import CoherenceModel

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

import compare_with_lda
from compare_with_lda import COHERENCES, COLUMNS

from nnmf_topics import NeuralNMFModel
from nnmf_topics.datasets import TopicCorpus, load_lee


def bundle(texts):
    dictionary = Dictionary(texts)
    corpus = [dictionary.doc2bow(text) for text in texts]
    return TopicCorpus("some", "here", texts, dictionary, corpus)


def news():
    return bundle(load_lee().texts[:30])


def scores(*values):
    return [dict.fromkeys(COLUMNS, value) | {"topics": 2, "seconds": 1} for value in values]


ROWS = {
    "nnmf_topics, layer 0": scores(0.5, 0.7),
    "nnmf_topics, layer 1": scores(0.2, 0.5),
    "LdaModel": scores(0.1, 0.5),
    "Nmf": scores(0.0, 0.0),
}


def test_an_occurrence_is_a_document_that_holds_the_term_however_often():
    data = bundle([["a", "a", "b"], [], ["b"], ["b", "c"]])
    found = compare_with_lda.occurrence_of(data).toarray()
    order = [data.dictionary.token2id[letter] for letter in "abc"]
    np.testing.assert_array_equal(found[:, order], [[1, 1, 0], [0, 0, 0], [0, 1, 0], [0, 1, 1]])


def test_words_are_ranked_by_weight_and_an_empty_topic_has_the_first_ones():
    topics = np.array([np.arange(40), np.full(40, np.nan)])
    first, second = compare_with_lda.ranked_words(topics)
    np.testing.assert_array_equal(first, np.arange(39, 19, -1))
    np.testing.assert_array_equal(second, np.arange(20))


@pytest.mark.parametrize("words", [10, 20])
def test_the_window_npmi_of_layers_counted_at_once_is_gensims_of_each(words):
    data = news()
    topics = NeuralNMFModel(data.corpus, (5,), data.dictionary, random_state=0).get_topics()
    ranked = compare_with_lda.ranked_words(topics)
    layers = [ranked[:2], ranked[2:]]
    found = compare_with_lda.window_npmi(data, layers, words)
    given = {"texts": data.texts, "coherence": "c_npmi", "topn": words, "processes": 1}
    expected = []
    for layer in layers:
        tops = [[data.dictionary[number] for number in top] for top in layer]
        alone = CoherenceModel(topics=tops, dictionary=data.dictionary, **given)
        expected.append(alone.get_coherence())
    assert found == pytest.approx(expected, rel=1e-9)


def test_ten_words_that_are_always_together_score_one_and_their_documents_are_counted():
    block, other = [f"a{n}" for n in range(10)], [f"b{n}" for n in range(10)]
    data = bundle([block] * 3 + [other] * 5)
    ids = np.array([data.dictionary.token2id[word] for word in block + other])
    (row,) = compare_with_lda.measure(data, [[ids]])
    assert row["npmi"] == pytest.approx(1)
    assert row["diversity"] == 1
    assert row["documents"] == 3


@pytest.mark.parametrize("method", compare_with_lda.METHODS)
def test_a_method_starts_from_its_seed(method):
    first, again, other = (
        compare_with_lda.METHODS[method](news(), 5, seed)[0].get_topics() for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_study_measures_every_layer_of_every_method_with_every_seed():
    rows = compare_with_lda.study(news(), topics=5, seeds=2)
    layers = {label: [row["topics"] for row in found] for label, found in rows.items()}
    assert layers == {
        "nnmf_topics, layer 0": [5, 5],
        "nnmf_topics, layer 1": [2, 2],
        "LdaModel": [5, 5],
        "Nmf": [5, 5],
    }
    assert all(row.keys() == {*COLUMNS, "topics", "seconds"} for row in rows["Nmf"])


def test_differences_are_to_lda_of_the_same_seed():
    found = compare_with_lda.differences(ROWS, "nnmf_topics, layer 0", "npmi")
    np.testing.assert_allclose(found, [0.4, 0.2])


def test_a_layer_falls_short_by_its_worst_seed_and_rivals_are_not_judged():
    expected = [f"nnmf_topics, layer 1: {column} +0.000" for column in COHERENCES]
    assert compare_with_lda.shortfalls(ROWS) == expected


def test_the_table_has_a_cell_for_every_name_and_no_difference_of_lda_to_itself():
    names, _ = compare_with_lda.header().split("\n")
    lines = compare_with_lda.report("lee", 2, ROWS).split("\n")
    assert {line.count("|") for line in lines} == {names.count("|")}
    assert lines[0].startswith("| lee | 2 | nnmf_topics, layer 0 | 2 | 0.600 | +0.300 (+0.200) |")
    assert lines[2].startswith("| lee | 2 | LdaModel | 2 | 0.300 |  | 0.300 |  |")
