"""Every corpus class of gensim, and pipelines of transformations, train the topics of the list."""

import numpy as np
import pytest
from gensim import corpora
from gensim.corpora import Dictionary, MmCorpus, TextCorpus, TextDirectoryCorpus
from gensim.models import LogEntropyModel, LsiModel, TfidfModel
from gensim.utils import ClippedCorpus, RepeatCorpus, RepeatCorpusNTimes
from models import planted

from nnmf_topics import NeuralNMFModel

FORMATS = {
    "Matrix Market": corpora.MmCorpus,
    "Blei's LDA-C": corpora.BleiCorpus,
    "SVMlight": corpora.SvmLightCorpus,
    "List of words": corpora.LowCorpus,
    "Mallet": corpora.MalletCorpus,
    "UCI": corpora.UciCorpus,
}
RENUMBERED = {"List of words", "Mallet"}
"""Formats that hold the words themselves: their ids are given anew."""


def topics(corpus, **options):
    dictionary = options.pop("id2word", planted().dictionary)
    return NeuralNMFModel(corpus, (6, 3), dictionary, random_state=0, **options).get_topics()


@pytest.fixture(scope="module")
def expected():
    return topics(planted().corpus)


@pytest.mark.parametrize("name", FORMATS)
def test_a_corpus_in_a_file_of_any_format_trains_the_same_topics(name, tmp_path, expected):
    path = str(tmp_path / "corpus")
    data = planted()
    FORMATS[name].serialize(path, data.corpus, id2word=data.dictionary)
    corpus = FORMATS[name](path)
    if name not in RENUMBERED:
        np.testing.assert_allclose(topics(corpus), expected, rtol=1e-3, atol=1e-6)
        return
    words = dict(corpus.id2word)
    token2id = {word: i for i, word in words.items()}
    columns = [token2id[data.dictionary[i]] for i in range(len(data.dictionary))]
    found = topics(corpus, id2word=words)[:, columns]
    cosines = found @ expected.T
    order = np.argmax(cosines, axis=0)
    assert sorted(order) == list(range(6))
    np.testing.assert_allclose(found[order], expected, rtol=0.05, atol=1e-3)


@pytest.mark.parametrize(
    "view",
    [
        lambda corpus: ClippedCorpus(corpus, len(corpus)),
        lambda corpus: RepeatCorpus(corpus, len(corpus)),
    ],
    ids=["clipped", "repeated"],
)
def test_views_of_a_corpus_train_the_same_topics(view, expected):
    np.testing.assert_allclose(topics(view(planted().corpus)), expected, rtol=1e-5, atol=1e-7)


def test_a_corpus_repeated_n_times_is_one_of_so_many_documents():
    data = planted()
    repeated = RepeatCorpusNTimes(data.corpus, 3)
    model = NeuralNMFModel(repeated, (6, 3), data.dictionary, random_state=0)
    assert model.num_documents == 3 * len(data.corpus)


def test_texts_in_a_file_and_in_a_folder_train(tmp_path):
    texts = [" ".join(text) for text in planted().texts]
    (tmp_path / "texts.txt").write_text("\n".join(texts), encoding="utf-8")
    folder = tmp_path / "folder"
    folder.mkdir()
    for number, text in enumerate(texts):
        (folder / f"{number:03}.txt").write_text(text, encoding="utf-8")
    for corpus in (TextCorpus(str(tmp_path / "texts.txt")), TextDirectoryCorpus(str(folder))):
        model = NeuralNMFModel(corpus, (6, 3), corpus.dictionary, random_state=0)
        assert model.num_documents == len(texts)
        assert isinstance(model.id2word, Dictionary)


@pytest.mark.parametrize("transformation", [TfidfModel, LogEntropyModel], ids=lambda c: c.__name__)
def test_transformed_corpora_train_and_are_not_weighted_again(transformation, tmp_path):
    corpus = planted().corpus
    transformed = transformation(corpus)[corpus]
    found = topics(transformed)
    np.testing.assert_allclose(topics(list(transformed)), found, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(topics(transformed, weighting="none"), found)
    path = str(tmp_path / "transformed.mm")
    MmCorpus.serialize(path, transformed)
    np.testing.assert_allclose(topics(MmCorpus(path)), found, rtol=1e-3, atol=1e-5)


def test_a_transformation_with_negative_values_is_refused_by_the_document():
    data = planted()
    lsi = LsiModel(data.corpus, id2word=data.dictionary, num_topics=5)
    with pytest.raises(ValueError, match=r"document \d+: term \d+ has weight -"):
        topics(lsi[data.corpus])
