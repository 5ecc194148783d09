import copy
import gc
import pickle
import weakref

import numpy as np
import pytest
import scipy.sparse as sp
from gensim.matutils import corpus2csc
from models import WIDTHS, copied, planted

from nnmf_topics import NeuralNMFModel, encoder
from nnmf_topics.network import forward


def unasked():
    """A model that has answered no question yet."""
    data = planted()
    return NeuralNMFModel(data.corpus, WIDTHS, data.dictionary, random_state=0)


def expected_codes(model):
    """The codes of the planted documents by the factors as they are."""
    counts = corpus2csc(planted().corpus, num_terms=model.num_terms, dtype=model.dtype)
    X = model._known.weighting(sp.csc_array(counts))
    return forward(model.factors, X).codes


def assert_answers_by_its_factors(model):
    for found, expected in zip(model.encode(planted().corpus), expected_codes(model), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def written(model):
    """The same model, with other factors written into its arrays."""
    for A in model.factors:
        A[:] = np.roll(A, 1, axis=0)
    return model


def test_a_query_makes_nothing_of_the_factors_that_a_query_before_made(monkeypatch):
    model, made, grams_of = copied(), [], encoder.grams_of
    monkeypatch.setattr(encoder, "grams_of", lambda A: made.append(A) or grams_of(A))
    for document in planted().corpus[:5]:
        assert model[document]
        assert model.level(-1)[document]
    assert len(made) == model.num_layers


QUESTIONS = {
    "encode": lambda model: model.encode(planted().corpus[:3]),
    "topic_lengths": lambda model: model.topic_lengths(1),
    "get_topics": lambda model: model.get_topics(layer=1),
}


@pytest.mark.parametrize("ask", QUESTIONS.values(), ids=QUESTIONS)
def test_factors_that_answered_a_question_cannot_be_written(ask):
    model = unasked()
    ask(model)
    with pytest.raises(ValueError, match="read-only"):
        written(model)


def test_codes_are_those_of_factors_that_were_written_before_a_question():
    assert_answers_by_its_factors(unasked())
    assert_answers_by_its_factors(written(unasked()))


def pickled(model):
    return pickle.loads(pickle.dumps(model))


@pytest.mark.parametrize("twin_of", [copy.deepcopy, pickled])
def test_a_copy_answers_by_its_own_factors(twin_of):
    model = unasked()
    assert_answers_by_its_factors(model)
    assert_answers_by_its_factors(written(twin_of(model)))
    assert_answers_by_its_factors(model)


def test_a_pickle_does_not_hold_what_was_made_for_queries():
    model = unasked()
    size = len(pickle.dumps(model))
    model.encode(planted().corpus)
    model.get_topics()
    assert len(pickle.dumps(model)) == size


@pytest.mark.parametrize("forgotten", [False, True])
def test_after_more_training_documents_are_encoded_by_the_new_factors(forgotten):
    model = unasked()
    before = model.encode(planted().corpus)
    if forgotten:
        model.clear()
    model.update(planted().corpus[:60])
    assert_answers_by_its_factors(model)
    for old, found in zip(before, model.encode(planted().corpus), strict=True):
        assert not np.array_equal(found, old)


def test_what_was_made_for_queries_goes_with_the_factors():
    model = unasked()
    model.encode(planted().corpus)
    made = weakref.ref(encoder.encoder_of(model._known, model._device))
    assert made() is not None
    model.clear()
    gc.collect()
    assert made() is None


def test_a_model_can_be_asked_in_every_pass_without_changing_its_training():
    def ask(model, _number):
        model.encode(planted().corpus[:9])

    data = planted()
    asked = NeuralNMFModel(data.corpus, WIDTHS, data.dictionary, random_state=0, callbacks=[ask])
    for found, expected in zip(asked.factors, unasked().factors, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_an_answer_is_of_one_training_though_another_ends_meanwhile(monkeypatch):
    model, document = copied(), planted().corpus[0]
    expected, encoded = model[document], model._encoded

    def interrupted(*arguments):
        codes = encoded(*arguments)
        model.update(planted().corpus[60:], passes=1)
        return codes

    monkeypatch.setattr(model, "_encoded", interrupted)
    assert model[document] == expected
    assert model.num_documents > len(planted().corpus)


def test_what_is_returned_may_be_written():
    model = copied()
    documents = planted().corpus
    codes, lengths = model.encode(documents)[0].copy(), model.topic_lengths().copy()
    model.encode(documents)[0][:] = 0
    model.topic_lengths()[:] = 0
    np.testing.assert_array_equal(model.encode(documents)[0], codes)
    np.testing.assert_array_equal(model.topic_lengths(), lengths)
