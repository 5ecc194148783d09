import logging

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from gensim.corpora import Dictionary

from nnmf_topics import NeuralNMFModel, datasets
from nnmf_topics.labels import Labelling, numbered
from nnmf_topics.supervision import UNKNOWN


@pytest.fixture(scope="module")
def lee():
    texts = datasets.load_lee().texts
    dictionary = Dictionary(texts)
    dictionary.filter_extremes(no_below=3, no_above=0.5)
    corpus = [dictionary.doc2bow(text) for text in texts]
    word = dictionary.token2id["afghanistan"]
    labels = ["war" if word in dict(bow) else "peace" for bow in corpus]
    return dictionary, corpus, labels


def trained(lee, labels=None, **options):
    dictionary, corpus, own = lee
    labels = own if labels is None else labels
    return NeuralNMFModel(corpus, (12, 4), dictionary, random_state=0, labels=labels, **options)


@pytest.mark.parametrize("head", ["cross-entropy", "squared"])
@pytest.mark.parametrize("layer", [0, 1, -1])
def test_labels_of_documents_that_had_none_are_told(lee, head, layer):
    _, corpus, labels = lee
    hidden = [label if i % 4 else None for i, label in enumerate(labels)]
    model = trained(lee, {layer: hidden}, label_head=head)
    held = slice(0, None, 4)
    found = model.predict(corpus)
    majority = np.mean(np.array(labels)[held] == "peace")
    assert np.mean(found[held] == np.array(labels)[held]) > majority + 0.05
    assert model.classes_.tolist() == ["peace", "war"]
    chances = model.predict_proba(corpus)
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    np.testing.assert_array_equal(model.classes_[chances.argmax(axis=1)], found)


def test_a_document_gets_one_label_and_an_empty_one_the_most_frequent(lee):
    model = trained(lee)
    _, corpus, _ = lee
    assert model.predict(corpus[0]) == model.predict(corpus)[0]
    assert type(model.predict(corpus[0])) is str
    assert model.predict_proba(corpus[0]).shape == (2,)
    assert model.predict([]) == "peace"
    assert model.predict_proba([]).argmax() == 0


def test_layers_have_labels_of_their_own(lee):
    _, corpus, labels = lee
    lengths = [min(len(bow) // 40, 2) for bow in corpus]
    model = trained(lee, {0: lengths, -1: labels})
    assert model.classes_.tolist() == ["peace", "war"]
    assert set(model.predict(corpus, layer=0)) <= {0, 1, 2}
    np.testing.assert_array_equal(model.predict(corpus), model.predict(corpus, layer=1))


def test_labels_survive_a_file(lee, tmp_path):
    _, corpus, _ = lee
    model = trained(lee, label_head="squared", label_weight=0.2)
    model.save(tmp_path / "model")
    again = NeuralNMFModel.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict(corpus), model.predict(corpus))
    np.testing.assert_array_equal(again.predict_proba(corpus), model.predict_proba(corpus))
    assert (again.label_head, again.label_weight, again.label_ridge) == ("squared", 0.2, 0.01)


def test_a_stream_is_labelled_as_a_list_is(lee):
    dictionary, corpus, labels = lee

    class Stream:
        def __iter__(self):
            return iter(corpus)

    listed = trained(lee, passes=3)
    streamed = NeuralNMFModel(
        Stream(), (12, 4), dictionary, random_state=0, passes=3, labels=labels, chunksize=70
    )
    np.testing.assert_allclose(streamed.history.loss, listed.history.loss, rtol=1e-4)


def test_all_unknown_but_two_is_enough(lee):
    labels = [None] * 300
    labels[0], labels[1] = 1, 2
    assert set(trained(lee, labels).predict(lee[1])) <= {1, 2}


def test_a_model_without_labels_has_no_classes(lee):
    dictionary, corpus, _ = lee
    model = NeuralNMFModel(corpus, (4, 2), dictionary, random_state=0)
    assert not hasattr(model, "classes_")
    with pytest.raises(AttributeError, match="labels="):
        model.predict(corpus)


def test_a_layer_without_labels_is_named(lee):
    with pytest.raises(AttributeError, match=r"layer 0 has no labels: .* \[1\]"):
        trained(lee, passes=1).predict(lee[1], layer=0)


def test_a_labelled_model_learns_no_more_documents_and_stays_as_it_was(lee):
    model = trained(lee, passes=2)
    before = model.predict(lee[1])
    with pytest.raises(ValueError, match="train a new model"):
        model.update(lee[1])
    np.testing.assert_array_equal(model.predict(lee[1]), before)
    plain = NeuralNMFModel(lee[1], (4, 2), lee[0], random_state=0, passes=2)
    with pytest.raises(ValueError, match="first training only"):
        plain.update(lee[1], labels=lee[2])


def test_labels_without_documents_are_refused(lee):
    with pytest.raises(ValueError, match="give a corpus"):
        NeuralNMFModel(id2word=lee[0], labels=lee[2])


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        (["a", "b"], ValueError, "2 entries for 300 documents"),
        (["a"] * 300, ValueError, "one class, 'a'"),
        ([None] * 300, ValueError, "no label that is known"),
        ([float("nan")] * 300, ValueError, "no label that is known"),
        (["a", 1] * 150, TypeError, "all strings or all numbers, not 'a' and 1"),
        ([("a", "b"), "c"] * 150, TypeError, r"one string or number .* not \('a', 'b'\)"),
        (np.eye(3)[np.arange(300) % 3], TypeError, r"not a table of shape \(300, 3\); .*argmax"),
        (list(np.eye(3)[np.arange(300) % 3]), TypeError, r"not array\(.*argmax\(axis=1\)"),
        (pd.get_dummies(["a", "b", "c"] * 100), TypeError, r"argmax\(axis=1\)"),
        (sp.csr_array(np.ones((300, 1))), TypeError, r"a table of shape \(300, 1\)"),
        (sp.csr_array(np.eye(300)), TypeError, r"argmax\(axis=1\)"),
        (["a" * 100, 1] * 150, TypeError, r"not 'a{1,59} and 1"),
        ([{"a"}, "c"] * 150, TypeError, r"strings or numbers, not {'a'}"),
        ("ab" * 150, TypeError, "a list with one label a document"),
        (5, TypeError, "a list with one label a document"),
        ({2: ["a", "b"] * 150}, IndexError, "layer 2 does not exist"),
        ({1: ["a", "b"] * 150, -1: ["a", "b"] * 150}, ValueError, "once for each"),
        ({}, ValueError, "one layer or more"),
    ],
)
def test_bad_labels_are_named(lee, labels, error, message):
    with pytest.raises(error, match=message):
        trained(lee, labels, passes=1)


class TensorOfOneNumber:
    """As iterating over a tensor of PyTorch gives them: its size is a method."""

    shape = ()

    def __init__(self, number):
        self.number = number

    def size(self):
        return self.shape

    def item(self):
        return self.number


def test_labels_are_taken_from_what_holds_one_value_each(lee):
    labels = [0, 1, 2] * 100
    expected = trained(lee, labels, passes=1).predict(lee[1])
    for same in (
        np.array(labels),
        np.array(labels)[:, None],
        pd.DataFrame({"group": labels}),
        pd.Series(labels),
        list(map(TensorOfOneNumber, labels)),
    ):
        np.testing.assert_array_equal(trained(lee, same, passes=1).predict(lee[1]), expected)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"label_weight": 0}, "label_weight must be above 0"),
        ({"label_weight": "much"}, "label_weight must be a number"),
        ({"label_ridge": float("inf")}, "label_ridge must be above 0"),
        ({"label_head": "hinge"}, "label_head must be one of"),
    ],
)
def test_bad_options_of_labels_are_named(lee, option, message):
    with pytest.raises((TypeError, ValueError), match=message):
        trained(lee, **option)


@pytest.mark.parametrize(("known", "weight"), [(100, 0.1), (50, 0.2), (10, 1.0), (2, 1.0)])
def test_labels_of_a_tenth_or_more_count_as_much_as_those_of_all(known, weight):
    labels = [i % 2 if i < known else None for i in range(100)]
    (target,), _ = Labelling().targets(labels, 100, 2)
    assert target.weight == pytest.approx(weight)


def test_classes_are_in_order_and_unknown_labels_have_no_number():
    classes, numbers = numbered("y", np.array([3, 1, 2, 1]), 4)
    assert (classes.tolist(), numbers.tolist()) == ([1, 2, 3], [2, 0, 1, 0])
    classes, numbers = numbered("y", ["b", None, "a"], 3)
    assert (classes.tolist(), numbers.tolist()) == (["a", "b"], [1, UNKNOWN, 0])


def test_how_many_labels_are_known_is_logged_for_every_layer(caplog):
    with caplog.at_level(logging.INFO, "nnmf_topics"):
        Labelling().targets({0: ["a", None, "b", None], -1: [2, 1, 2, 1]}, 4, 2)
    logged = [record.getMessage() for record in caplog.records]
    assert logged == [
        "layer 0: labels of 2 of 4 documents",
        "layer 1: labels of 4 of 4 documents",
    ]


def test_training_with_labels_says_nothing_that_was_not_asked_for(lee, caplog):
    with caplog.at_level(logging.WARNING):
        trained(lee)
    assert not caplog.records
