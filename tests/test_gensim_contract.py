"""What gensim and the tools around it do with a topic model, done with this one."""

import inspect
import unittest

import numpy as np
import pytest
from gensim import matutils, utils
from gensim.interfaces import TransformationABC, TransformedCorpus
from gensim.models import CoherenceModel, LdaModel, TfidfModel
from gensim.models.basemodel import BaseTopicModel
from gensim.similarities import MatrixSimilarity, Similarity
from gensim.test import basetmtests
from models import WIDTHS, animals, flat, planted, trained

from nnmf_topics import NeuralNMFModel
from nnmf_topics.level import Level

LAYERS = range(len(WIDTHS))


class TestFlat(basetmtests.TestBaseTopicModel, unittest.TestCase):
    def setUp(self):
        self.model = flat()


class TestHierarchical(basetmtests.TestBaseTopicModel, unittest.TestCase):
    def setUp(self):
        self.model = trained()


class TestFinestLevel(basetmtests.TestBaseTopicModel, unittest.TestCase):
    def setUp(self):
        self.model = trained().level(0)


class TestCoarsestLevel(basetmtests.TestBaseTopicModel, unittest.TestCase):
    def setUp(self):
        self.model = trained().level(-1)


def test_models_and_levels_are_topic_models_and_transformations_of_gensim():
    for thing in (trained(), trained().level(1)):
        assert isinstance(thing, TransformationABC)
        assert isinstance(thing, BaseTopicModel)
        assert isinstance(thing[planted().corpus], TransformedCorpus)


@pytest.mark.parametrize(
    "name",
    [
        "get_document_topics",
        "get_term_topics",
        "get_topic_terms",
        "get_topics",
        "print_topic",
        "print_topics",
        "show_topic",
        "show_topics",
        "top_topics",
    ],
)
def test_methods_take_the_arguments_of_lda_model_in_its_order(name):
    theirs = inspect.signature(getattr(LdaModel, name)).parameters.values()
    own = inspect.signature(getattr(Level, name)).parameters.values()
    assert [(p.name, p.default) for p in own] == [(p.name, p.default) for p in theirs]
    layered = list(inspect.signature(getattr(NeuralNMFModel, name)).parameters.values())
    assert "layer" in [p.name for p in layered]
    if name != "top_topics":  # which passes all on to the level's
        assert [(p.name, p.default) for p in layered[:-1]] == [(p.name, p.default) for p in theirs]


def test_a_script_runs_when_only_the_name_of_the_class_is_changed(tmp_path):
    data = planted()
    results = []
    for model_class in (LdaModel, NeuralNMFModel):
        model = model_class(
            corpus=data.corpus,
            id2word=data.dictionary,
            num_topics=6,
            random_state=100,
            update_every=1,
            chunksize=100,
            passes=10,
            alpha="auto",
            eta="auto",
            iterations=50,
            per_word_topics=True,
        )
        topics, words, phi = model[data.corpus[0]]
        gamma, _ = model.inference(data.corpus[:5])
        model.update(data.corpus[:50])
        model.save(str(tmp_path / "model"))
        loaded = model_class.load(str(tmp_path / "model"))
        results.append(
            {
                "topics": type(topics[0][0]),
                "share": isinstance(topics[0][1], np.floating),
                "words": [type(x) for x in words[0]],
                "phi": [type(x) for x in phi[0]],
                "gamma": (gamma.shape, gamma.dtype),
                "shown": [type(words) for _, words in loaded.show_topics(3)],
                "lambda": loaded.state.get_lambda().shape,
                "topics_shape": loaded.get_topics().shape,
                "print": len(loaded.print_topics()),
                "top": [type(x) for x in loaded.top_topics(data.corpus)[0]],
            }
        )
    lda, ours = results
    assert ours.pop("top")[0] is lda.pop("top")[0] is list
    assert ours == lda


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("coherence", ["u_mass", "c_npmi", "c_uci", "c_v"])
def test_coherence_model_takes_every_level(layer, coherence):
    data, level = planted(), trained().level(layer)
    options = {"dictionary": data.dictionary, "coherence": coherence, "processes": 1}
    of_model = CoherenceModel(level, corpus=data.corpus, texts=data.texts, **options)
    words = [[word for word, _ in level.show_topic(t, 20)] for t in range(WIDTHS[layer])]
    of_words = CoherenceModel(topics=words, corpus=data.corpus, texts=data.texts, **options)
    assert np.isfinite(of_model.get_coherence())
    assert of_model.get_coherence() == pytest.approx(of_words.get_coherence())


def test_coherence_model_compares_models():
    data = planted()
    compared = CoherenceModel.for_models(
        [trained(), trained().level(-1), flat()],
        data.dictionary,
        texts=data.texts,
        coherence="c_npmi",
        processes=1,
    ).compare_models([trained(), trained().level(-1), flat()])
    assert len(compared) == 3
    assert all(np.isfinite(coherence) for _, coherence in compared)


@pytest.mark.parametrize("layer", LAYERS)
def test_corpus2csc_of_the_answers_is_the_normalised_inference(layer):
    level, corpus = trained().level(layer), planted().corpus
    answers = level.get_document_topics(corpus, minimum_probability=0)
    matrix = matutils.corpus2csc(answers, num_terms=level.num_topics).toarray()
    gamma, _ = level.inference(corpus)
    np.testing.assert_allclose(matrix, (gamma / gamma.sum(axis=1, keepdims=True)).T, atol=1e-6)


@pytest.mark.parametrize("layer", LAYERS)
def test_similarity_indexes_find_the_document_itself(layer, tmp_path):
    level, corpus = trained().level(layer), planted().corpus[:40]
    for index in (
        MatrixSimilarity(level[corpus], num_features=level.num_topics),
        Similarity(str(tmp_path / "index"), level[corpus], num_features=level.num_topics),
    ):
        similarities = np.array(list(index[level[corpus]]))
        assert similarities.shape == (40, 40)
        np.testing.assert_allclose(np.diag(similarities), 1, rtol=1e-4)


def test_answers_are_a_corpus_for_gensim():
    model, corpus = trained(), planted().corpus
    assert utils.is_corpus(model[corpus])[0]
    assert matutils.corpus2dense(model[corpus], model.num_topics).shape == (6, len(corpus))
    assert len(list(TfidfModel(model[corpus])[model[corpus]])) == len(corpus)


def test_documents_and_corpora_are_told_apart_as_in_gensim():
    model = trained()
    assert model[[]] == []
    assert list(model[[[]]]) == [[]]
    assert isinstance(model[planted().corpus[0]], list)


def test_what_pyldavis_computes_is_finite():
    """It divides the rows of gamma by their sums, and takes logarithms of lambda."""
    model, corpus = trained(), [*planted().corpus, []]
    gamma, _ = model.inference(corpus)
    assert np.isfinite(gamma / gamma.sum(axis=1)[:, None]).all()
    weights = model.state.get_lambda()
    assert np.isfinite(np.log(weights / weights.sum(axis=1)[:, None])).all()
    assert not hasattr(model, "lda_alpha")
    assert not hasattr(model, "lda_beta")


def test_a_plain_dict_of_words_serves_as_in_gensims_tutorial():
    corpus, dictionary = animals()
    dictionary[0]  # makes id2token
    model = NeuralNMFModel(corpus, 2, dictionary.id2token, random_state=0)
    assert {word for word, _ in model.show_topic(0)} == set(dictionary.token2id)
    coherence = CoherenceModel(model, corpus=corpus, dictionary=dictionary, coherence="u_mass")
    assert np.isfinite(coherence.get_coherence())


def test_life_events_are_added_as_in_gensim(tmp_path):
    corpus, dictionary = animals()
    model = NeuralNMFModel(corpus, 2, dictionary)
    model.add_lifecycle_event("mine", path=tmp_path, count=np.int64(3))
    model.save(tmp_path / "model")
    events = NeuralNMFModel.load(tmp_path / "model").lifecycle_events
    assert [event["event"] for event in events] == ["created", "mine", "saved", "loaded"]
    model.lifecycle_events = None  # gensim's way to keep no log
    model.save(tmp_path / "model")
    assert NeuralNMFModel.load(tmp_path / "model").lifecycle_events is None
