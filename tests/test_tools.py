"""Tools made for gensim's LdaModel take a model, and every level of it."""

import json

import numpy as np
import pyLDAvis.gensim_models
import pytest
from gensim import matutils
from gensim.models import CoherenceModel
from gensim.models.coherencemodel import COHERENCE_MEASURES
from models import WIDTHS, animals, flat, planted, trained

from nnmf_topics import NeuralNMFModel

LAYERS = range(len(WIDTHS))

# pyLDAvis leaves options of scikit-learn to their defaults, which are to change.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:sklearn[.]manifold")


def page(model, corpus, dictionary):
    """What pyLDAvis shows, as plain data; numbers that are not finite are an error."""

    def not_finite(constant):
        pytest.fail(f"{constant} on the page")

    # Its default, "pcoa", gives complex numbers with NumPy 2.5.
    prepared = pyLDAvis.gensim_models.prepare(
        model, corpus, dictionary, mds="mmds", sort_topics=False, n_jobs=1
    )
    return json.loads(prepared.to_json(), parse_constant=not_finite)


@pytest.mark.parametrize("layer", LAYERS)
def test_pyldavis_shows_every_level_also_with_empty_documents(layer):
    data = planted()
    shown = page(trained().level(layer), [[], *data.corpus, []], data.dictionary)
    assert shown["mdsDat"]["topics"] == list(range(1, WIDTHS[layer] + 1))
    assert np.isfinite(shown["mdsDat"]["x"] + shown["mdsDat"]["y"]).all()
    assert sum(shown["mdsDat"]["Freq"]) == pytest.approx(100)
    words = shown["tinfo"]
    assert {"Default", *(f"Topic{t + 1}" for t in range(WIDTHS[layer]))} == set(words["Category"])
    assert np.isfinite(words["logprob"] + words["loglift"] + words["Freq"]).all()
    assert set(words["Term"]) <= set(data.dictionary.token2id)


def test_pyldavis_finds_the_probabilities_that_show_topic_gives():
    model, data = trained(), planted()
    words = page(model, data.corpus, data.dictionary)["tinfo"]
    rows = zip(words["Category"], words["Term"], words["logprob"], strict=True)
    logprob = {(category, word): value for category, word, value in rows}
    for topic in range(model.num_topics):
        for word, probability in model.show_topic(topic, 5):
            seen = logprob[f"Topic{topic + 1}", word]
            assert seen == pytest.approx(np.log(probability), abs=1e-3)


def test_pyldavis_takes_a_sparse_matrix():
    model, data = flat(), planted()
    matrix = matutils.corpus2csc(data.corpus, num_terms=len(data.dictionary))
    of_matrix = page(model, matrix, data.dictionary)
    of_corpus = page(model, data.corpus, data.dictionary)
    np.testing.assert_allclose(of_matrix["mdsDat"]["Freq"], of_corpus["mdsDat"]["Freq"], rtol=1e-4)


@pytest.mark.parametrize("layer", [0, 1])
def test_pyldavis_shows_topics_of_few_words(layer):
    corpus, dictionary = animals()
    model = NeuralNMFModel(corpus, (4, 2), dictionary, random_state=0)
    assert (model.get_topics(layer) == 0).any()
    words = page(model.level(layer), [*corpus, []], dictionary)["tinfo"]
    assert np.isfinite(words["logprob"] + words["loglift"]).all()


@pytest.mark.parametrize("coherence", sorted(COHERENCE_MEASURES))
def test_coherence_model_scores_the_model_and_its_levels_with_every_measure(coherence):
    data, model = planted(), trained()
    models = [model, *(model.level(layer) for layer in LAYERS)]
    options = {"texts": data.texts, "topn": 8, "coherence": coherence, "processes": 1}
    compared = CoherenceModel.for_models(models, data.dictionary, **options).compare_models(models)
    assert np.isfinite([total for _, total in compared]).all()
    assert [len(topics) for topics, _ in compared] == [WIDTHS[0], *WIDTHS]
    np.testing.assert_allclose(compared[0][0], compared[1][0])
    if coherence != "c_w2v":  # which trains vectors, at random
        alone = CoherenceModel(model, corpus=data.corpus, dictionary=data.dictionary, **options)
        assert alone.get_coherence() == pytest.approx(compared[0][1])


@pytest.mark.parametrize("layer", LAYERS)
def test_distances_of_gensim_tell_documents_apart(layer):
    level, corpus = trained().level(layer), planted().corpus
    first, *others = (
        matutils.sparse2full(topics, level.num_topics) for topics in level[corpus[:20]]
    )
    for distance in (matutils.hellinger, matutils.jensen_shannon):
        assert distance(first, first) == pytest.approx(0, abs=1e-6)
        distances = [distance(first, other) for other in others]
        assert np.isfinite(distances).all()
        assert max(distances) > 0.5


@pytest.mark.parametrize("layer", LAYERS)
def test_what_topicwizard_computes_is_finite(layer):
    """It asks for a document at a time, in numbers of NumPy, and divides rows by their sums.

    Its gensim adapter also puts all documents it is given into one, with ids that repeat.
    """
    data, level = planted(), trained().level(layer)
    matrix = matutils.corpus2csc(data.corpus, num_terms=len(data.dictionary), dtype=int).tocoo()
    together = list(zip(matrix.row, matrix.data, strict=True))
    for document in (*data.corpus[:10], together):
        row = matutils.sparse2full(level[document], level.num_topics)
        assert np.isfinite(row / row.sum()).all()
    whole = [(term, count) for term, count in enumerate(matrix.sum(axis=1).A1) if count]
    np.testing.assert_allclose(
        matutils.sparse2full(level[together], level.num_topics),
        matutils.sparse2full(level[whole], level.num_topics),
        rtol=1e-3,
    )
    assert level.get_topics().shape == (level.num_topics, len(data.dictionary))
