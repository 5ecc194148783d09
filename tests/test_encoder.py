import copy
import pickle

import numpy as np
import pytest
from models import copied, planted

from nnmf_topics import NeuralNMFModel, encoder


def model_and_documents():
    return copied(), planted().corpus


def codes_of(model, documents):
    return [S.copy() for S in model.encode(documents)]


def test_a_query_makes_nothing_of_the_factors_that_a_query_before_made(monkeypatch):
    model, documents = model_and_documents()
    made = []
    grams_of = encoder.grams_of
    monkeypatch.setattr(encoder, "grams_of", lambda A: made.append(A) or grams_of(A))
    for document in documents[:5]:
        assert model[document]
        assert model.level(-1)[document]
    assert len(made) == model.num_layers


def test_factors_that_documents_were_encoded_by_cannot_be_written():
    model, documents = model_and_documents()
    model.encode(documents[:3])
    for A in model.factors:
        with pytest.raises(ValueError, match="read-only"):
            A[:] = 1


def test_factors_that_were_written_before_are_those_of_the_codes():
    model, documents = model_and_documents()
    model.factors[0][:, 0] = 0
    assert not model.encode(documents)[0][0].any()


@pytest.mark.parametrize("forgotten", [False, True])
def test_after_more_training_documents_are_encoded_by_the_new_factors(tmp_path, forgotten):
    model, documents = model_and_documents()
    before = codes_of(model, documents)
    if forgotten:
        model.clear()
    model.update(documents[:60])
    model.save(tmp_path / "model")
    loaded = NeuralNMFModel.load(tmp_path / "model")
    for old, found, expected in zip(
        before, model.encode(documents), loaded.encode(documents), strict=True
    ):
        np.testing.assert_array_equal(found, expected)
        assert not np.array_equal(found, old)


def pickled(model):
    return pickle.loads(pickle.dumps(model))


@pytest.mark.parametrize("twin_of", [copy.deepcopy, pickled])
def test_a_copy_answers_by_its_own_factors(twin_of):
    model, documents = model_and_documents()
    expected = codes_of(model, documents)
    twin = twin_of(model)
    for S, T in zip(expected, twin.encode(documents), strict=True):
        np.testing.assert_array_equal(T, S)
    other = twin_of(model)
    other.factors[0][:, 0] = 0
    assert not other.encode(documents)[0][0].any()
    np.testing.assert_array_equal(model.encode(documents)[0], expected[0])


def test_what_is_returned_may_be_written():
    model, documents = model_and_documents()
    expected, lengths = codes_of(model, documents), model.topic_lengths().copy()
    model.encode(documents)[0][:] = 0
    model.topic_lengths()[:] = 0
    np.testing.assert_array_equal(model.encode(documents)[0], expected[0])
    np.testing.assert_array_equal(model.topic_lengths(), lengths)
