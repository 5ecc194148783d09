import math

import numpy as np
import pytest
import scipy.sparse as sp
from gensim.models import TfidfModel

from nnmf_topics.corpus import read_chunks
from nnmf_topics.weighting import Statistics, Weighting, fit_weighting, survey

CORPUS = [[(0, 3), (1, 1)], [(0, 1), (2, 2)], [], [(1, 4)], [(0, 2), (1, 1), (3, 1)]]
TERMS = 5


def surveyed(corpus, terms=TERMS, chunksize=2):
    return survey(read_chunks(corpus, terms, chunksize, np.float64), terms)


def weighted(name, corpus, terms=TERMS):
    (chunk,) = read_chunks(corpus, terms, len(corpus), np.float64)
    return fit_weighting(name, surveyed(corpus, terms))(chunk)


def by_hand(corpus, local, power, terms=TERMS):
    """Weights one cell at a time."""
    frequency = [sum(any(i == term for i, _ in doc) for doc in corpus) for term in range(terms)]
    result = np.zeros((terms, len(corpus)))
    for number, document in enumerate(corpus):
        for term, count in document:
            idf = math.log(1 + len(corpus) / frequency[term])
            result[term, number] = local(count) * idf**power
        if length := math.sqrt(sum(result[:, number] ** 2)):
            result[:, number] /= length
    return result


@pytest.mark.parametrize("chunksize", [1, 2, 100])
def test_survey_counts_documents_and_the_documents_that_hold_each_term(chunksize):
    statistics = surveyed([*CORPUS, [(4, 0), (3, 1), (3, 1)]], chunksize=chunksize)
    assert statistics.documents == 6
    assert statistics.document_frequency.tolist() == [3, 3, 1, 2, 0]
    assert statistics.document_frequency.dtype == np.int64
    assert statistics.counts


@pytest.mark.parametrize(
    ("corpus", "counts"),
    [
        ([[(0, 1)], [(1, 2)]], True),
        ([[(0, 1.0)], [(1, 2.0)]], True),
        ([[(0, 1)], [(1, 0.5)]], False),
        ([[], []], True),
    ],
)
def test_a_corpus_of_whole_numbers_is_one_of_counts(corpus, counts):
    assert surveyed(corpus).counts is counts


def test_statistics_add_up():
    both = surveyed(CORPUS[:2]) + surveyed(CORPUS[2:])
    whole = surveyed(CORPUS)
    assert both.documents == whole.documents
    assert both.document_frequency.tolist() == whole.document_frequency.tolist()
    assert not (surveyed([[(0, 0.5)]]) + surveyed(CORPUS)).counts


def test_auto_weighs_counts_and_leaves_a_weighted_corpus_alone():
    counts = surveyed(CORPUS)
    assert fit_weighting("auto", counts).name == "log-idf"
    assert fit_weighting("auto", surveyed(TfidfModel(CORPUS)[CORPUS])).name == "none"


def test_none_returns_the_chunk_itself():
    (chunk,) = read_chunks(CORPUS, TERMS, 10)
    assert fit_weighting("none", surveyed(CORPUS))(chunk) is chunk


def test_tf_idf_and_log_idf_are_what_they_are_documented_to_be():
    np.testing.assert_allclose(
        weighted("tf-idf", CORPUS).toarray(), by_hand(CORPUS, float, 1), rtol=1e-12
    )
    np.testing.assert_allclose(
        weighted("log-idf", CORPUS).toarray(), by_hand(CORPUS, math.log1p, 1.5), rtol=1e-12
    )


@pytest.mark.parametrize("name", ["tf-idf", "log-idf"])
def test_documents_have_unit_length_and_empty_ones_none(name):
    lengths = np.sqrt(weighted(name, CORPUS).power(2).sum(axis=0))
    np.testing.assert_allclose(lengths, [1, 1, 0, 1, 1], rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_have_the_dtype_of_the_chunk_which_is_not_changed(dtype):
    (chunk,) = read_chunks(CORPUS, TERMS, 10, dtype)
    before = chunk.copy()
    result = fit_weighting("log-idf", surveyed(CORPUS))(chunk)
    assert result.dtype == dtype
    assert (chunk != before).nnz == 0
    assert not np.shares_memory(result.indices, chunk.indices)


@pytest.mark.parametrize(
    ("documents", "least"), [(10, 1), (119, 1), (120, 2), (299, 4), (300, 5), (10**6, 5)]
)
def test_words_of_a_handful_of_documents_weigh_nothing_in_a_large_corpus(documents, least):
    frequency = np.arange(8)
    weighting = fit_weighting("log-idf", Statistics(documents, frequency, counts=True))
    assert (weighting.term_weights[:least] == 0).all()
    assert (weighting.term_weights[least:] > 0).all()


def test_rarer_words_weigh_more():
    weights = fit_weighting(
        "log-idf", Statistics(1000, np.arange(5, 1001), counts=True)
    ).term_weights
    assert (np.diff(weights) < 0).all()
    assert weights[-1] > 0  # a word of every document still counts for something


def test_a_document_of_unweighted_words_only_becomes_empty():
    weighting = Weighting("log-idf", np.array([0.0, 1.0]))
    result = weighting(sp.csc_array(np.array([[2.0, 2.0], [0.0, 2.0]])))
    assert result.nnz == 1
    np.testing.assert_array_equal(result.toarray(), [[0, 0], [0, 1]])


@pytest.mark.parametrize("name", ["tfidf", "", None, "AUTO"])
def test_an_unknown_weighting_is_refused_by_name(name):
    with pytest.raises(ValueError, match=r"weighting must be one of .*log-idf"):
        fit_weighting(name, surveyed(CORPUS))
