import logging

import numpy as np
import pytest
import scipy.sparse as sp
from models import animals, flat, planted, trained

from nnmf_topics import NeuralNMFModel, likelihood
from nnmf_topics.likelihood import expected_counts, log_likelihood, mixture


def problem(seed=0, terms=12, k=3, documents=7):
    rng = np.random.RandomState(seed)
    counts = rng.poisson(1.0, (terms, documents)).astype(float)
    counts[0] = 1
    topics, shares = rng.rand(k, terms), rng.rand(documents, k)
    topics[:, 1] = 0
    topics /= topics.sum(axis=1, keepdims=True)
    return counts, shares / shares.sum(axis=1, keepdims=True), topics


def test_the_mixture_is_the_product_at_the_words_of_each_document():
    counts, shares, topics = problem()
    chunk = sp.csc_array(counts)
    found = sp.csc_array((mixture(chunk, shares, topics), chunk.indices, chunk.indptr), chunk.shape)
    np.testing.assert_allclose(found.toarray(), (shares @ topics).T * (counts > 0))


def test_the_likelihood_by_hand():
    topics = np.array([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    chunk = sp.csc_array(np.array([[2.0], [0.0], [1.0]]))
    frequency = np.array([1, 1, 3])
    mixed = 0.95 * np.array([0.25, 0.5]) + 0.05 * np.array([2 / 8, 4 / 8])
    expected = 2 * np.log2(mixed[0]) + np.log2(mixed[1])
    found = log_likelihood(chunk, np.array([[0.5, 0.5]]), topics, None, frequency)
    np.testing.assert_allclose(found, expected)


def test_word_probabilities_sum_to_one_with_and_without_weights():
    _, shares, topics = problem(1)
    frequency = np.arange(12)
    for weights in (None, np.arange(12) / 4.0):
        chunk = sp.csc_array(np.eye(12))
        total = np.zeros(7)
        for document, share in enumerate(shares):
            for term in range(12):
                one = sp.csc_array(chunk[:, [term]])
                total[document] += 2 ** log_likelihood(one, share[None], topics, weights, frequency)
        np.testing.assert_allclose(total, 1)


def test_expected_counts_are_the_posterior_shares_of_every_word():
    counts, shares, topics = problem(2)
    found = expected_counts(sp.csc_array(counts), shares, topics)
    expected = np.zeros_like(topics)
    for d, share in enumerate(shares):
        for w in range(12):
            joint = share * topics[:, w]
            joint = joint / joint.sum() if joint.sum() else share
            expected[:, w] += counts[w, d] * joint
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("layer", range(3))
def test_sufficient_statistics_of_an_inference_sum_to_the_words(layer):
    corpus = planted().corpus[:30]
    gamma, counts = trained().inference(corpus, collect_sstats=True, layer=layer)
    assert gamma.shape[1] == counts.shape[0] == trained().widths[layer]
    assert counts.dtype == gamma.dtype == np.float32
    frequencies = np.zeros(trained().num_terms)
    for document in corpus:
        for term, count in document:
            frequencies[term] += count
    np.testing.assert_allclose(counts.sum(axis=0), frequencies, rtol=1e-4)
    assert trained().inference(corpus)[1] is None


def test_the_bound_adds_up_over_documents_and_takes_a_gamma():
    corpus = planted().corpus[:20]
    whole = trained().bound(corpus)
    parts = sum(trained().bound([document]) for document in corpus)
    np.testing.assert_allclose(parts, whole, rtol=1e-4)
    gamma, _ = trained().inference(corpus)
    np.testing.assert_allclose(trained().bound(corpus, gamma), whole, rtol=1e-6)
    np.testing.assert_allclose(trained().bound(corpus, gamma, 3.0), 3 * whole, rtol=1e-6)
    with pytest.raises(ValueError, match="gamma"):
        trained().bound(corpus, gamma[:7])


def test_log_perplexity_is_the_bound_per_word_and_logged_with_the_perplexity(caplog):
    caplog.set_level(logging.INFO, "nnmf_topics.model")
    corpus = planted().corpus[:20]
    words = sum(count for document in corpus for _, count in document)
    per_word = trained().log_perplexity(corpus)
    np.testing.assert_allclose(per_word, trained().bound(corpus) / words, rtol=1e-6)
    assert isinstance(per_word, np.floating)
    assert f"{per_word:.3f} per-word bound, {2**-per_word:.1f} perplexity" in caplog.text
    np.testing.assert_allclose(trained().log_perplexity(corpus, total_docs=10_000), per_word)
    np.testing.assert_allclose(trained().log_perplexity(iter(corpus)), per_word)


def test_more_topics_and_the_right_documents_are_less_perplexing():
    data = planted()
    one = NeuralNMFModel(data.corpus, (1,), data.dictionary, random_state=0)
    assert flat().log_perplexity(data.corpus) > one.log_perplexity(data.corpus)
    rng = np.random.RandomState(0)
    shuffled = [
        [(int(t), c) for t, (_, c) in zip(rng.permutation(len(data.dictionary)), d, strict=False)]
        for d in data.corpus
    ]
    assert trained().log_perplexity(data.corpus) > trained().log_perplexity(shuffled) + 1


def test_the_perplexity_of_a_uniform_corpus_is_its_number_of_words():
    """One topic that holds all words alike: nothing is left to guess with."""
    corpus = [[(term, 1) for term in range(8)]] * 6
    model = NeuralNMFModel(corpus, (1,), random_state=0, weighting="none")
    np.testing.assert_allclose(2 ** -model.log_perplexity(corpus), 8, rtol=1e-5)


def test_documents_of_no_words_have_no_perplexity():
    with pytest.raises(ValueError, match="no words"):
        trained().log_perplexity([[], []])
    assert trained().bound([[], []]) == 0


def test_words_without_any_weight_are_not_impossible():
    corpus, dictionary = animals()
    model = NeuralNMFModel(corpus, (2,), dictionary, random_state=0)
    new = dictionary.doc2bow(["cat"])
    assert np.isfinite(model.bound([new]))
    assert 0 < likelihood._BACKGROUND < 1
