import logging
import re

import numpy as np
import pandas as pd
import pytest
from gensim.corpora import MmCorpus
from gensim.matutils import corpus2csc
from gensim.models import TfidfModel
from models import WIDTHS, animals, copied, fingerprint, flat, lee, lee_model, planted, trained

from nnmf_topics import NeuralNMFModel
from nnmf_topics.level import Level

LAYERS = (0, 1, 2, -1)


def product(model, layer):
    """A_0 ... A_l: the words that a code of 1 stands for, (terms, k_l)."""
    words = model.factors[0].astype(np.float64)
    for A in model.factors[1 : layer % model.num_layers + 1]:
        words = words @ A
    return words


def shares_by_hand(model, bow, layer):
    """Words of the reconstructed document that come from each topic, as shares."""
    codes = model.encode(bow)[layer][:, 0]
    weights = (product(model, layer) * codes).sum(axis=0)
    return weights / weights.sum()


# Topics


@pytest.mark.parametrize("layer", LAYERS)
def test_topics_are_the_normalised_columns_of_the_product_of_the_factors(layer):
    model = trained()
    topics = model.get_topics(layer=layer)
    expected = product(model, layer).T
    expected /= expected.sum(axis=1, keepdims=True)
    assert topics.shape == (WIDTHS[layer], model.num_terms)
    assert topics.dtype == np.float32
    np.testing.assert_allclose(topics, expected, rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(topics.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("layer", [3, -4, 100])
def test_a_layer_that_does_not_exist_is_an_index_error_everywhere(layer):
    model, corpus = trained(), planted().corpus
    for ask in (
        model.level,
        lambda at: model.get_topics(layer=at),
        lambda at: model.show_topics(layer=at),
        lambda at: model.show_topic(0, layer=at),
        lambda at: model.print_topic(0, layer=at),
        lambda at: model.print_topics(layer=at),
        lambda at: model.get_topic_terms(0, layer=at),
        lambda at: model.get_term_topics(0, layer=at),
        lambda at: model.top_topics(corpus=corpus, layer=at),
        lambda at: model.inference(corpus, layer=at),
        lambda at: model.get_document_topics(corpus[0], layer=at),
        lambda at: model.topic_masses(at),
    ):
        with pytest.raises(IndexError, match=f"layer {layer} does not exist"):
            ask(layer)
    with pytest.raises(TypeError, match="layer must be an integer"):
        model.level(1.0)


@pytest.mark.parametrize("layer", LAYERS)
def test_topic_terms_are_the_largest_of_the_topic_in_descending_order(layer):
    model = trained()
    topics = model.get_topics(layer)
    for topic in range(WIDTHS[layer]):
        terms = model.get_topic_terms(topic, topn=12, layer=layer)
        assert len(terms) == 12
        assert all(type(i) is int and isinstance(p, np.floating) for i, p in terms)
        assert [p for _, p in terms] == sorted(topics[topic], reverse=True)[:12]
        assert all(topics[topic, i] == p for i, p in terms)


@pytest.mark.parametrize("layer", LAYERS)
def test_show_topic_gives_the_words_of_the_topic_terms(layer):
    model, dictionary = trained(), planted().dictionary
    terms = model.get_topic_terms(1, layer=layer)
    assert len(terms) == 10
    assert model.show_topic(1, layer=layer) == [(dictionary[i], p) for i, p in terms]


def test_topn_none_gives_all_terms_and_topic_minus_one_the_last():
    model = trained()
    assert len(model.show_topic(0, topn=None)) == model.num_terms
    assert len(model.get_topic_terms(0, None)) == model.num_terms
    assert len(model.show_topic(0, topn=10**6)) == model.num_terms
    assert model.show_topic(0, topn=0) == []
    assert model.show_topic(-1) == model.show_topic(5)
    for topic in (6, -7):
        with pytest.raises(IndexError, match=f"no topic {topic} in layer 0: there are 0 to 5"):
            model.show_topic(topic)
    with pytest.raises(TypeError, match="topicid must be an integer, not 'a'"):
        model.show_topic("a")


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("num_topics", [-1, 6, 100])
def test_all_topics_are_shown_in_order(layer, num_topics):
    model = trained()
    shown = model.show_topics(num_topics, num_words=3, formatted=False, layer=layer)
    assert shown == [(i, model.show_topic(i, 3, layer=layer)) for i in range(WIDTHS[layer])]
    assert all(type(i) is int for i, _ in shown)


def test_some_topics_are_the_largest_by_size():
    model = trained()
    masses = model.topic_masses(0)
    shown = [topic for topic, _ in model.show_topics(3)]
    assert shown == np.argsort(-masses, kind="stable")[:3].tolist()
    assert all(type(topic) is int for topic in shown)
    assert model.show_topics(0) == []


def test_formatted_topics_are_gensims_strings():
    for layer in LAYERS:
        for topic, text in trained().show_topics(-1, 4, layer=layer):
            words = trained().show_topic(topic, 4, layer=layer)
            assert text == " + ".join(f'{p:.3f}*"{word}"' for word, p in words)
            assert trained().print_topic(topic, 4, layer=layer) == text
            assert re.fullmatch(r'0\.\d{3}\*"\w+"( \+ 0\.\d{3}\*"\w+"){3}', text)


def test_print_topics_shows_and_logs_them(caplog):
    with caplog.at_level(logging.INFO, "nnmf_topics"):
        printed = trained().print_topics(num_topics=2, num_words=3, layer=1)
    assert printed == trained().show_topics(2, 3, layer=1)
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [f"topic #{topic}: {text}" for topic, text in printed]
    assert len(trained().print_topics()) == 6  # gensim's default of 20 shows all


def test_masses_are_the_shares_of_the_words_of_the_corpus():
    model, corpus = trained(), planted().corpus
    for layer in LAYERS:
        words, _ = model.inference(corpus, layer=layer)
        masses = model.topic_masses(layer)
        np.testing.assert_allclose(masses, words.sum(axis=0) / words.sum(), rtol=1e-3)
        assert masses.sum() == pytest.approx(1, rel=1e-5)


# Terms


@pytest.mark.parametrize("layer", LAYERS)
def test_term_topics_are_the_column_of_the_term_above_the_threshold(layer):
    model, dictionary = trained(), planted().dictionary
    for term in (0, 7, model.num_terms - 1):
        column = model.get_topics(layer)[:, term]
        expected = [(i, p) for i, p in enumerate(column) if p >= 0.01]
        assert model.get_term_topics(term, layer=layer) == expected
        assert model.get_term_topics(dictionary[term], layer=layer) == expected
        assert model.get_term_topics(np.int64(term), layer=layer) == expected
        everything = model.get_term_topics(term, minimum_probability=0, layer=layer)
        assert everything == [(i, p) for i, p in enumerate(column) if p >= 1e-8]
        assert all(type(i) is int and isinstance(p, np.floating) for i, p in everything)


@pytest.mark.parametrize("term", ["zebra", "", -1, 150, 10**6])
def test_an_unknown_term_is_an_index_error_that_names_it(term):
    with pytest.raises(IndexError, match=re.escape(repr(term))):
        trained().get_term_topics(term)


@pytest.mark.parametrize("term", [2.7, None, b"w3", [1]])
def test_what_is_neither_word_nor_id_is_a_type_error(term):
    with pytest.raises(TypeError):
        trained().get_term_topics(term)


def test_without_a_dictionary_the_ids_as_text_are_words():
    model = NeuralNMFModel([[(0, 2), (3, 1)], [(1, 2)]], 2, random_state=0)
    assert model.get_term_topics("3", 0) == model.get_term_topics(3, 0)
    for word in ("4", "-1", "x", "3.0"):
        with pytest.raises(IndexError, match=word):
            model.get_term_topics(word)


# Documents


@pytest.mark.parametrize("layer", LAYERS)
def test_document_topics_are_the_shares_of_its_reconstruction(layer):
    model = trained()
    for bow in planted().corpus[:20]:
        topics = model.get_document_topics(bow, minimum_probability=0, layer=layer)
        expected = shares_by_hand(model, bow, layer)
        np.testing.assert_allclose([share for _, share in topics], expected, rtol=1e-4, atol=1e-7)
        assert [topic for topic, _ in topics] == list(range(model.widths[layer]))
        assert sum(share for _, share in topics) == pytest.approx(1, abs=1e-5)
        assert all(type(topic) is int and isinstance(s, np.floating) for topic, s in topics)


def test_brackets_give_the_finest_topics():
    model, bow = trained(), planted().corpus[3]
    assert model[bow] == model.get_document_topics(bow) == model.level(0)[bow]
    assert model.level(-1)[bow] == model.get_document_topics(bow, layer=-1)


def test_the_threshold_keeps_a_share_equal_to_it():
    model, bow = lee_model((20, 5)), lee().corpus[0]
    topics = model.get_document_topics(bow, minimum_probability=0)
    assert len(topics) > 2
    for _, least in topics:
        kept = model.get_document_topics(bow, minimum_probability=least)
        assert kept == [(topic, share) for topic, share in topics if share >= least]


def test_the_threshold_of_the_model_holds_where_none_is_given():
    model, bow = copied(), planted().corpus[0]
    model.minimum_probability = 0.9
    everything = model.get_document_topics(bow, 0)
    assert model[bow] == [(topic, share) for topic, share in everything if share >= 0.9]
    assert (
        NeuralNMFModel(id2word={0: "a"}, minimum_probability=0.3).level().minimum_probability == 0.3
    )


def test_a_threshold_of_zero_shows_every_topic_and_no_zero_as_lda_model_does():
    model = trained()
    for bow in planted().corpus[:30]:
        shares = [share for _, share in model.get_document_topics(bow, 0)]
        assert len(shares) == 6
        assert min(shares) >= np.float32(1e-8)
        assert [s for _, s in model.get_document_topics(bow, 1e-7)] == [
            s for s in shares if s > 1e-7
        ]


def test_empty_documents_have_no_topics():
    model, corpus = trained(), planted().corpus
    for layer in LAYERS:
        for empty in ([], (), [(3, 0)]):
            assert model.get_document_topics(empty, layer=layer) == []
            shares = [share for _, share in model.get_document_topics(empty, 0, layer=layer)]
            np.testing.assert_allclose(shares, 1 / model.widths[layer], rtol=1e-6)
        answers = list(model.get_document_topics([[], corpus[0], [], corpus[1], []], layer=layer))
        alone = model.get_document_topics(corpus[0], layer=layer)
        assert [topic for topic, _ in answers[1]] == [topic for topic, _ in alone]
        # BLAS rounds a batch of one differently in the last bit.
        np.testing.assert_allclose([w for _, w in answers[1]], [w for _, w in alone], atol=1e-6)
        assert answers[0::2] == [[], [], []]
    assert model.get_document_topics([], per_word_topics=True) == ([], [], [])
    topics, order, values = model.get_document_topics([(3, 0)], per_word_topics=True)
    assert (topics, order, values) == ([], [(3, [])], [(3, [])])


def test_a_document_of_words_that_no_training_document_had_has_no_topics():
    id2word = dict(enumerate(["cat", "dog", "bird", "never", "neither"]))
    model = NeuralNMFModel([[(0, 2), (1, 1)], [(1, 1), (2, 3)]] * 5, 2, id2word, random_state=0)
    assert model[[(3, 2), (4, 1)]] == []
    assert model[[(0, 1), (3, 5)]] == model[[(0, 1)]]
    assert all((codes == 0).all() for codes in model.encode([[(3, 2)]]))


def test_the_order_and_the_repetition_of_words_do_not_matter():
    model, bow = trained(), planted().corpus[0]
    split = [(term, 1) for term, count in bow for _ in range(count)]
    for form in (bow[::-1], split, tuple(bow), np.array(bow)):
        for (i, share), (j, expected) in zip(model[form], model[bow], strict=True):
            assert i == j
            assert share == pytest.approx(expected, abs=1e-6)


# Documents of a corpus, lazily


def test_a_corpus_is_answered_lazily_and_any_number_of_times():
    model, corpus = trained(), planted().corpus
    answers = model[corpus]
    assert len(answers) == len(corpus)
    expected = [model[bow] for bow in corpus]
    for _ in range(2):
        for answer, alone in zip(answers, expected, strict=True):
            assert [topic for topic, _ in answer] == [topic for topic, _ in alone]
            np.testing.assert_allclose(
                [share for _, share in answer], [share for _, share in alone], atol=1e-6
            )


def test_answers_can_be_indexed_and_sliced():
    model, corpus = trained(), planted().corpus
    answers = model.get_document_topics(corpus, minimum_probability=0.3, layer=1)
    assert answers[7] == model.get_document_topics(corpus[7], 0.3, layer=1)
    assert answers[np.int64(7)] == answers[-113] == answers[7]
    assert len(answers[5:9]) == 4
    assert list(answers[5:9])[2] == answers[7]
    with pytest.raises(IndexError):
        answers[120]


def test_the_error_of_an_answer_that_is_indexed_names_its_document():
    model, corpus = trained(), [*planted().corpus, [(0, -1)]]
    with pytest.raises(ValueError, match=f"document {len(corpus) - 1}: term 0 has weight -1"):
        model[corpus][len(corpus) - 1]


def test_documents_in_an_array_or_a_column_of_a_table_are_answered_as_those_of_a_list():
    model, corpus = trained(), planted().corpus[:9]
    column = pd.Series(corpus)
    for given in (column, column.to_numpy()):
        assert list(model[given]) == list(model[corpus])
        assert model[given][5] == model[corpus[5]]
    named = model[pd.Series(corpus, index=list("abcdefghi"))]
    assert named["f"] == model[corpus[5]]


def test_documents_of_a_matrix_are_answered_as_those_of_the_list():
    model, corpus = trained(), planted().corpus[:9]
    matrix = corpus2csc(corpus, num_terms=model.num_terms)
    for given in (matrix, lambda: matrix):
        assert list(model[given]) == list(model[corpus])
    assert model[matrix][5] == model[matrix][np.int64(5)] == model[corpus[5]]


def test_documents_are_read_in_chunks_when_they_are_asked_for():
    corpus, read = planted().corpus, []

    class Watched:
        def __iter__(self):
            for document in corpus:
                read.append(document)
                yield document

    model = copied()
    model.chunksize = 50
    answers = iter(model[Watched()])
    assert read == []
    assert next(answers) == model[corpus[0]]
    assert len(read) == 50
    assert len(list(answers)) == 119
    assert len(read) == 120


def test_every_form_of_a_corpus_is_answered_alike(tmp_path):
    model, corpus = trained(), planted().corpus
    MmCorpus.serialize(str(tmp_path / "corpus.mm"), corpus)
    matrix = corpus2csc(corpus, num_terms=model.num_terms)
    expected = list(model[corpus])
    for form in (
        tuple(corpus),
        iter(corpus),
        lambda: iter(corpus),
        MmCorpus(str(tmp_path / "corpus.mm")),
        matrix,
        matrix.tocsr(),
    ):
        assert list(model[form]) == expected
    assert len(model[matrix]) == len(corpus)
    tfidf = TfidfModel(corpus)
    weighted = NeuralNMFModel(tfidf[corpus], (4,), planted().dictionary, random_state=0)
    assert list(weighted[tfidf[corpus]]) == list(weighted[[tfidf[bow] for bow in corpus]])


def test_the_options_of_one_question_do_not_stick():
    model, corpus = copied(), planted().corpus
    before, expected = fingerprint(model), model[corpus[0]]
    strict = model.get_document_topics(corpus, minimum_probability=0.9, per_word_topics=True)
    loose = model.get_document_topics(corpus, minimum_probability=0)
    assert len(next(iter(loose))) >= len(strict[0][0])
    assert len(strict[0]) == 3
    assert model[corpus[0]] == expected
    assert fingerprint(model) == before
    assert (model.minimum_probability, model.per_word_topics) == (0.01, False)


# Words of documents


@pytest.mark.parametrize("layer", LAYERS)
def test_word_topics_split_each_count_by_topic(layer):
    model, bow = trained(), planted().corpus[0]
    topics, order, values = model.get_document_topics(
        bow, minimum_phi_value=0, per_word_topics=True, layer=layer
    )
    assert topics == model.get_document_topics(bow, layer=layer)
    shares = shares_by_hand(model, bow, layer)
    assert [term for term, _ in values] == [term for term, _ in order] == [i for i, _ in bow]
    for (term, count), (_, best), (_, phi) in zip(bow, order, values, strict=True):
        expected = shares * model.get_topics(layer)[:, term]
        expected = expected / expected.sum() * count
        found = np.zeros_like(expected)
        found[[topic for topic, _ in phi]] = [value for _, value in phi]
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)
        assert found.sum() == pytest.approx(count, rel=1e-5)
        assert best == sorted((t for t, _ in phi), key=lambda t: -found[t])
        assert all(type(t) is int and isinstance(value, np.floating) for t, value in phi)


def test_word_topics_below_the_threshold_are_left_out():
    model, bow = lee_model((20, 5)), lee().corpus[0]
    options = {"per_word_topics": True}
    _, _, everything = model.get_document_topics(bow, minimum_phi_value=0, **options)
    _, order, some = model.get_document_topics(bow, minimum_phi_value=0.3, **options)
    for (_, phi), (_, kept), (_, best) in zip(everything, some, order, strict=True):
        assert kept == [(topic, value) for topic, value in phi if value >= 0.3]
        assert sorted(best) == [topic for topic, _ in kept]
    assert model.get_document_topics(bow, minimum_phi_value=0.01, **options) == (
        model.get_document_topics(bow, **options)
    )


def test_the_option_of_the_model_makes_brackets_answer_in_triples():
    corpus, dictionary = animals()
    model = NeuralNMFModel(
        corpus, 2, dictionary, random_state=0, per_word_topics=True, minimum_phi_value=0.2
    )
    expected = model.get_document_topics(corpus[0], minimum_phi_value=0.2, per_word_topics=True)
    assert len(expected) == 3
    assert model[corpus[0]] == expected
    assert model[corpus][0] == expected
    assert next(iter(model[corpus])) == expected
    assert model.get_document_topics(corpus[0]) == expected[0]


# Inference


@pytest.mark.parametrize("layer", LAYERS)
def test_inference_gives_the_unnormalised_weights_behind_the_shares(layer):
    model, corpus = trained(), planted().corpus
    gamma, statistics = model.inference(corpus, layer=layer)
    assert statistics is None
    assert gamma.shape == (len(corpus), WIDTHS[layer])
    assert gamma.dtype == np.float32
    for row, bow in zip(gamma, corpus, strict=True):
        np.testing.assert_allclose(row / row.sum(), shares_by_hand(model, bow, layer), atol=1e-5)
    streamed, _ = model.inference((bow for bow in corpus), layer=layer)
    np.testing.assert_allclose(streamed, gamma, atol=1e-5)


def test_inference_gives_documents_without_words_the_uniform_mixture():
    model, corpus = trained(), planted().corpus
    gamma, _ = model.inference([[], corpus[0], [(2, 0)]])
    np.testing.assert_allclose(gamma[[0, 2]], 1 / 6)
    assert (gamma.sum(axis=1) > 0).all()


def test_inference_of_a_chunk_of_no_documents_has_no_rows():
    assert trained().inference([], layer=1)[0].shape == (0, 3)
    assert trained().inference(iter([]), layer=1)[0].shape == (0, 3)


# State, coherence, files


@pytest.mark.parametrize("layer", LAYERS)
def test_lambda_is_positive_everywhere_and_proportional_to_the_topics(layer):
    level = trained().level(layer)
    weights = level.state.get_lambda()
    assert weights.shape == (WIDTHS[layer], 150)
    assert np.isfinite(np.log(weights)).all()
    rows = weights / weights.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(rows, level.get_topics(), rtol=1e-4, atol=1e-12)
    np.testing.assert_allclose(
        weights.sum(axis=1) / weights.sum(), trained().topic_masses(layer), rtol=1e-3
    )
    assert level.state.numdocs == 120
    np.testing.assert_array_equal(
        trained().state.get_lambda(), trained().level(0).state.get_lambda()
    )


@pytest.mark.parametrize("layer", LAYERS)
def test_top_topics_are_all_topics_most_coherent_first(layer):
    model, corpus = trained(), planted().corpus
    ranked = model.top_topics(corpus, topn=5, layer=layer)
    coherences = [coherence for _, coherence in ranked]
    assert coherences == sorted(coherences, reverse=True)
    expected = [
        [(p, word) for word, p in model.show_topic(topic, 5, layer=layer)]
        for topic in range(WIDTHS[layer])
    ]
    assert sorted(words for words, _ in ranked) == sorted(expected)


def test_top_topics_take_texts_too_and_a_plain_dict_of_words():
    data = planted()
    id2word = dict(data.dictionary.items())
    model = NeuralNMFModel(data.corpus, (4,), id2word, random_state=0, passes=2)
    ranked = model.top_topics(
        texts=data.texts, dictionary=data.dictionary, coherence="c_npmi", topn=5, processes=1
    )
    assert len(ranked) == 4
    assert all(len(words) == 5 for words, _ in ranked)


def test_a_level_has_the_attributes_of_a_topic_model():
    model = trained()
    for layer in LAYERS:
        level = model.level(layer)
        assert isinstance(level, Level)
        assert (level.num_topics, level.num_terms) == (WIDTHS[layer], 150)
        assert type(level.num_topics) is int
        assert level.id2word is model.id2word
        assert level.model is model
        expected = f"Level<layer={layer % 3}, num_topics={WIDTHS[layer]}, model={model}>"
        assert str(level) == repr(level) == expected
    assert model.level(-1).layer == 2
    assert flat().level(-1).layer == flat().level().layer == 0


def test_a_level_has_no_file_of_its_own(tmp_path):
    with pytest.raises(TypeError, match=r"level\.model\.save"):
        trained().level(1).save(tmp_path / "level")
    assert list(tmp_path.iterdir()) == []
