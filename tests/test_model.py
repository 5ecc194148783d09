import copy
import logging
import os
import pickle
import re
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from bad_input import DOCUMENTS, REMEDY, TERMS
from gensim.corpora import MmCorpus
from gensim.matutils import corpus2csc
from gensim.models import CoherenceModel, LdaModel, TfidfModel
from gensim.utils import FakeDict
from models import (
    WIDTHS,
    animals,
    copied,
    fingerprint,
    flat,
    lee,
    lee_model,
    planted,
    trained,
)
from sklearn.exceptions import NotFittedError
from sklearn.metrics import normalized_mutual_info_score

from nnmf_topics import NeuralNMFModel
from nnmf_topics.datasets import make_hierarchical_corpus


class Stream:
    """Re-iterable without a length, as corpora that stream from disk are."""

    def __init__(self, corpus, fails_in=None, error=None):
        self.corpus, self.fails_in, self.error, self.readings = corpus, fails_in, error, 0

    def __iter__(self):
        self.readings += 1
        for number, document in enumerate(self.corpus):
            if self.readings == self.fails_in and number == len(self.corpus) - 1:
                raise self.error or OSError("disk")
            yield document


def train(corpus=None, num_topics=(4, 2), id2word=None, **options):
    id2word = planted().dictionary if id2word is None else id2word
    options = {"random_state": 0, "passes": 4, **options}
    return NeuralNMFModel(corpus, num_topics, id2word, **options)


def assert_same_topics(a, b, tolerance=0.0):
    for A, B in zip(a.factors, b.factors, strict=True):
        np.testing.assert_allclose(A, B, rtol=0, atol=tolerance)


# Construction


def test_the_first_three_arguments_are_those_of_gensim():
    data = planted()
    by_position = NeuralNMFModel(data.corpus, (4, 2), data.dictionary, passes=2, random_state=0)
    by_name = NeuralNMFModel(
        corpus=data.corpus, num_topics=(4, 2), id2word=data.dictionary, passes=2, random_state=0
    )
    assert_same_topics(by_position, by_name)


def test_a_model_tells_its_shape():
    model, data = trained(), planted()
    assert model.widths == WIDTHS
    assert (model.num_topics, model.num_layers) == (6, 3)
    assert (model.num_terms, model.num_documents) == (len(data.dictionary), len(data.corpus))
    shapes = [(model.num_terms, 6), (6, 3), (3, 2)]
    assert [A.shape for A in model.factors] == shapes
    assert str(model) == f"NeuralNMFModel<num_terms={model.num_terms}, widths=(6, 3, 2)>"
    assert model.id2word is data.dictionary


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_factors_are_nonnegative_of_unit_length_and_of_the_dtype_asked_for(dtype):
    model = train(planted().corpus, dtype=dtype)
    for A in model.factors:
        assert A.dtype == dtype
        assert (A >= 0).all()
        np.testing.assert_allclose(np.linalg.norm(A, axis=0), 1, rtol=1e-5)
    assert {S.dtype for S in model.encode(planted().corpus)} == {np.dtype(dtype)}


def test_an_int_gives_that_many_topics_under_about_the_root_of_it():
    assert train(planted().corpus, 9, passes=1).widths == (9, 3)
    assert train(planted().corpus, 2, passes=1).widths == (2,)


def test_training_later_equals_training_at_once():
    corpus = planted().corpus
    later = train()
    assert later.num_documents == 0
    later.update(corpus)
    assert_same_topics(later, train(corpus))


@pytest.mark.parametrize(
    ("weighting", "start"), [("auto", "clusters"), ("tf-idf", "clusters"), ("none", "layerwise")]
)
def test_by_default_topics_start_from_clusters_where_the_model_weighs_the_words(weighting, start):
    corpus = planted().corpus
    found = train(corpus, weighting=weighting)
    assert_same_topics(found, train(corpus, weighting=weighting, init=start))
    assert found.init == "auto"
    other = train(corpus, weighting=weighting, init="nndsvd")
    assert not np.allclose(found.factors[0], other.factors[0], atol=1e-3)


def test_by_default_a_corpus_that_is_weighted_already_starts_layerwise():
    corpus = [[(word, count / 3) for word, count in document] for document in planted().corpus]
    assert_same_topics(train(corpus), train(corpus, init="layerwise"))


def test_the_seed_alone_decides_and_the_global_generator_is_left_alone():
    corpus = planted().corpus
    np.random.seed(5)  # noqa: NPY002 (the global generator is the point)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first = train(corpus, init="random", random_state=1)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
    assert_same_topics(first, train(corpus, init="random", random_state=1))
    assert_same_topics(first, train(corpus, init="random", random_state=np.random.RandomState(1)))
    other = train(corpus, init="random", random_state=2)
    assert not np.allclose(first.factors[0], other.factors[0])


def test_without_corpus_and_id2word_there_is_nothing_to_build():
    with pytest.raises(ValueError, match="give a corpus or id2word"):
        NeuralNMFModel()


@pytest.mark.parametrize("id2word", [{}, ["cat", "dog"], {"cat": 0, "dog": 1}, {-1: "cat"}])
def test_a_wrong_id2word_is_an_error_that_names_it(id2word):
    with pytest.raises((TypeError, ValueError), match="id2word"):
        NeuralNMFModel([[(0, 1)]], 2, id2word)


def test_any_form_of_id2word_gives_the_same_topics():
    corpus, dictionary = planted().corpus, planted().dictionary
    expected = train(corpus)
    for id2word in (dict(dictionary.items()), FakeDict(len(dictionary))):
        assert_same_topics(train(corpus, id2word=id2word), expected)
    assert_same_topics(NeuralNMFModel(corpus, (4, 2), passes=4, random_state=0), expected)


def test_without_id2word_the_ids_are_the_words():
    model = NeuralNMFModel([[(0, 2), (3, 1)], [(3, 2), (1, 1)]], 2, random_state=0)
    assert model.num_terms == 4
    assert {word for word, _ in model.show_topic(0)} == {"0", "1", "2", "3"}


def test_ids_with_gaps_are_allowed():
    id2word = {0: "cat", 5: "dog", 9: "bird"}
    model = NeuralNMFModel([[(0, 2), (9, 1)], [(5, 1), (9, 2)]], 2, id2word, random_state=0)
    assert model.num_terms == 10
    assert model.get_topics().shape == (2, 10)
    assert model.show_topic(0, 1)[0][0] in {"cat", "dog", "bird"}
    assert len(model.show_topic(0, topn=None)) == 10


# The same topics from every form of a corpus

FORMS = {
    "tuple": tuple,
    "stream": Stream,
    "factory": lambda corpus: lambda: iter(corpus),
    "csc": lambda corpus: corpus2csc(corpus, num_terms=TERMS),
    "csr": lambda corpus: corpus2csc(corpus, num_terms=TERMS).tocsr(),
    "coo": lambda corpus: corpus2csc(corpus, num_terms=TERMS, dtype=np.float32).tocoo(),
    "unsorted": lambda corpus: [document[::-1] for document in corpus],
    "duplicates": lambda corpus: [[(i, 1) for i, n in doc for _ in range(n)] for doc in corpus],
    "numpy_scalars": lambda corpus: [[(np.int64(i), np.float64(n)) for i, n in d] for d in corpus],
    "arrays": lambda corpus: [np.array(document) for document in corpus],
    "zero_counts": lambda corpus: [[*document, (3, 0)] for document in corpus],
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("chunksize", [50, 2000])
def test_every_form_of_a_corpus_gives_the_same_topics(form, chunksize):
    corpus = planted().corpus
    assert_same_topics(
        train(FORMS[form](corpus), chunksize=chunksize), train(corpus, chunksize=chunksize)
    )


def test_mm_corpus_gives_the_same_topics(tmp_path):
    corpus = planted().corpus
    MmCorpus.serialize(str(tmp_path / "corpus.mm"), corpus)
    assert_same_topics(train(MmCorpus(str(tmp_path / "corpus.mm"))), train(corpus))


def test_a_matrix_in_mapped_files_gives_the_same_topics(tmp_path):
    corpus = planted().corpus
    X = corpus2csc(corpus, num_terms=TERMS)
    arrays = []
    for name in ("data", "indices", "indptr"):
        np.save(tmp_path / f"{name}.npy", getattr(X, name))
        arrays.append(np.load(tmp_path / f"{name}.npy", mmap_mode="r"))
    mapped = sp.csc_array(tuple(arrays), shape=X.shape)
    model = train(mapped, chunksize=50)
    assert_same_topics(model, train(corpus, chunksize=50))
    np.testing.assert_array_equal(model.encode(mapped)[0], model.encode(X)[0])


def test_a_one_shot_iterator_gives_the_same_topics_in_one_pass():
    corpus = planted().corpus
    expected = train(corpus, passes=1)
    assert_same_topics(train(iter(corpus), passes=1), expected)
    assert_same_topics(
        NeuralNMFModel((d for d in corpus), (4, 2), passes=1, random_state=0), expected
    )


def test_a_transformed_corpus_gives_the_same_topics_as_its_documents():
    tfidf = TfidfModel(planted().corpus)
    lazy = tfidf[planted().corpus]
    assert_same_topics(train(lazy), train(list(lazy)))


def test_the_size_of_chunks_does_not_matter():
    corpus = planted().corpus
    expected = train(corpus, dtype=np.float64)
    for chunksize in (1, 7, 60):
        model = train(corpus, dtype=np.float64, chunksize=chunksize)
        assert_same_topics(model, expected, tolerance=1e-8)


def test_a_stream_is_read_once_to_check_and_once_for_each_evaluation():
    stream = Stream(planted().corpus)
    model = train(stream, passes=5, tol=0)
    assert model.history.passes == 5
    assert stream.readings == 1 + 1 + 5


def test_with_a_spool_a_stream_is_read_once_and_comes_to_the_same_model(tmp_path):
    corpus, options = planted().corpus, {"passes": 5, "tol": 0, "chunksize": 50}
    expected = train(Stream(corpus), **options)
    for spool in (True, tmp_path, str(tmp_path)):
        stream = Stream(corpus)
        model = train(stream, spool=spool, **options)
        assert stream.readings == 1
        assert_same_topics(model, expected)
        stream = Stream(corpus[:60])
        model.update(stream, passes=2)
        assert stream.readings == 1
    assert not list(tmp_path.iterdir())


def test_an_iterator_goes_to_the_spool_and_is_not_kept_in_memory(caplog):
    with caplog.at_level(logging.INFO, "nnmf_topics.model"):
        model = train(iter(planted().corpus), passes=1, spool=True)
    assert "kept in memory" not in caplog.text
    assert_same_topics(model, train(Stream(planted().corpus), passes=1))


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("ends", ["well", "in a bad document", "by a callback"])
def test_the_file_of_the_spool_is_closed_whatever_ends_the_training(ends, tmp_path):
    def files():
        return [str(tmp_path) in os.path.realpath(file) for file in Path("/proc/self/fd").iterdir()]

    def called(_model, _number):
        assert any(files())
        if ends == "by a callback":
            raise KeyboardInterrupt

    bad = [[(0, -1)]] if ends == "in a bad document" else []
    options = {"spool": tmp_path, "chunksize": 20, "callbacks": [called], "passes": 2}
    with nullcontext() if ends == "well" else pytest.raises((ValueError, KeyboardInterrupt)):
        train(Stream([*planted().corpus, *bad]), **options)
    assert not any(files())


@pytest.mark.parametrize(
    ("spool", "error"),
    [(1, TypeError), (None, TypeError), (b"/", TypeError), ("no/such", ValueError)],
)
def test_a_spool_that_is_no_folder_is_an_error_that_names_the_option(spool, error):
    with pytest.raises(error, match="spool"):
        NeuralNMFModel(id2word=planted().dictionary, spool=spool)


def test_what_is_to_be_loaded_is_there_before_a_stream_is_read_to_its_end():
    code = """
import sys
from nnmf_topics import NeuralNMFModel
class Stream:
    before = None
    def __iter__(self):
        yield from [[(word % 7, 1), (word % 5, 2)] for word in range(40)]
        self.before = self.before or set(sys.modules)
stream = Stream()
NeuralNMFModel(stream, (3, 2), {word: str(word) for word in range(7)}, chunksize=10)
print(sorted(name for name in set(sys.modules) - stream.before if "." not in name))
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_empty_documents_change_no_topic():
    corpus = planted().corpus
    padded = [[], *corpus[:60], [], [], *corpus[60:], []]
    options = {"weighting": "none", "init": "random", "dtype": np.float64}
    model = train(padded, **options)
    assert model.num_documents == len(corpus) + 4
    assert_same_topics(model, train(corpus, **options), tolerance=1e-8)
    assert np.isfinite(model.get_topics()).all()


# Bad input


def test_the_table_of_bad_documents_fits_the_corpus():
    assert len(planted().dictionary) == TERMS
    assert len(DOCUMENTS) >= 35


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_a_bad_document_fails_the_constructor_by_its_number(document):
    corpus = [*planted().corpus, document]
    number = rf"document {len(corpus) - 1}\b"
    with pytest.raises((TypeError, ValueError), match=number) as raised:
        train(corpus)
    assert raised.match(REMEDY)
    with pytest.raises((TypeError, ValueError), match=number):
        train(Stream(corpus), chunksize=50)


@pytest.mark.parametrize("name", sorted(set(DOCUMENTS) - {"id_equal_to_size", "id_million"}))
def test_a_bad_document_fails_the_constructor_also_without_a_dictionary(name):
    for corpus in ([[(0, 1)], DOCUMENTS[name]], Stream([[(0, 1)], DOCUMENTS[name]])):
        with pytest.raises((TypeError, ValueError), match=r"document 1\b"):
            NeuralNMFModel(corpus, 2)


@pytest.mark.parametrize("form", [list, Stream, iter], ids=["list", "stream", "iterator"])
@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_a_bad_document_fails_update_and_leaves_the_model_as_it_was(document, form):
    model = copied()
    before = fingerprint(model)
    corpus = form([*planted().corpus[:20], document])
    with pytest.raises((TypeError, ValueError), match=r"document 20\b") as raised:
        model.update(corpus, chunksize=7, passes=1)  # it stands in the last chunk
    assert raised.match(REMEDY)
    assert fingerprint(model) == before


@pytest.mark.parametrize("weight", [-1, np.nan, np.inf, 1e300])
def test_a_bad_weight_in_a_matrix_fails_update_and_leaves_the_model_as_it_was(weight):
    model = copied()
    before = fingerprint(model)
    matrix = corpus2csc(planted().corpus, num_terms=TERMS)
    matrix.data[-1] = weight
    term = matrix.indices[-1]
    for form in (matrix, matrix.tocsr()):
        with pytest.raises(ValueError, match=f"document 119: term {term} has weight"):
            model.update(form, chunksize=50)
        with pytest.raises(ValueError, match=f"document 119: term {term} has weight"):
            model.encode(form)
        with pytest.raises(ValueError, match=r"document 119\b"):
            list(model[form])
    assert fingerprint(model) == before


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_bad_document_is_never_answered(name):
    model, document = trained(), DOCUMENTS[name]
    corpus = [*planted().corpus[:20], document]
    for ask in (model.encode, model.inference, lambda c: list(model[c])):
        with pytest.raises((TypeError, ValueError), match=r"document 20\b"):
            ask(corpus)
    if name == "nested_document":  # alone it is a corpus
        return
    with pytest.raises((TypeError, ValueError)):
        model[document]
    with pytest.raises((TypeError, ValueError)):
        model.get_document_topics(document, layer=-1, per_word_topics=True)
    with pytest.raises((TypeError, ValueError)):
        model.encode(document)


def test_the_number_of_a_bad_document_counts_from_the_start_of_the_corpus_in_every_chunk():
    model = copied()
    model.chunksize = 10
    corpus = [*planted().corpus[:25], [(0, -1)]]
    for ask in (model.encode, lambda c: list(model[c]), lambda c: list(model[Stream(c)])):
        with pytest.raises(ValueError, match="document 25: term 0 has weight -1"):
            ask(corpus)


@pytest.mark.parametrize("empty", [[[]], [[], [], []], [[(0, 0)], [(1, 0.0)]]])
def test_a_corpus_without_words_is_an_error(empty):
    with pytest.raises(ValueError, match="the corpus has no words"):
        train(empty)


def test_a_corpus_without_documents_is_an_error_that_tells_of_generators():
    used_up = iter(planted().corpus)
    list(used_up)
    for empty, options in (([], {}), (Stream([]), {}), (used_up, {"passes": 1})):
        with pytest.raises(ValueError, match="no documents, or is a generator that was read"):
            train(empty, **options)


@pytest.mark.parametrize("empty", [[], Stream([])])
def test_an_update_without_documents_warns_and_changes_nothing(empty, caplog):
    model = copied()
    before = fingerprint(model)
    model.update(empty)
    assert "no documents to train on" in caplog.text
    assert fingerprint(model) == before


@pytest.mark.parametrize("weighting", ["none", "auto"])
@pytest.mark.parametrize("empty", [[[]], [[], [], []], [[(0, 0)], [(1, 0.0)]]])
def test_an_update_without_words_is_counted_and_changes_nothing_else(empty, weighting, caplog):
    model = train(planted().corpus, weighting=weighting)
    before, documents = model.factors, model.num_documents
    with caplog.at_level(logging.WARNING):
        model.update(empty)
    assert caplog.messages == ["the new documents have no words: they are only counted"]
    assert model.num_documents == documents + len(empty)
    assert all(A is B for A, B in zip(model.factors, before, strict=True))
    model.update(planted().corpus[:50])
    assert np.isfinite(model.get_topics()).all()


@pytest.mark.parametrize("empty", [[], [[]], [[], [], []], Stream([])])
def test_a_corpus_without_words_is_an_error_also_without_a_dictionary(empty):
    with pytest.raises(ValueError, match="the corpus has no words"):
        NeuralNMFModel(empty, 2)


@pytest.mark.parametrize("passes", [None, 2])
@pytest.mark.parametrize("dictionary", [True, False])
def test_a_one_shot_iterator_for_several_passes_is_an_error_before_it_is_read(passes, dictionary):
    corpus = iter(planted().corpus)
    id2word = planted().dictionary if dictionary else None
    with pytest.raises(ValueError, match=r"one-shot iterator .* passes=1, or a corpus that can"):
        NeuralNMFModel(corpus, 2, id2word, passes=passes)
    assert len(list(corpus)) == len(planted().corpus)


def test_words_that_are_all_too_rare_to_be_weighted_are_an_error_not_a_model_of_nothing():
    corpus = [[(number, 1)] for number in range(300)]
    with pytest.raises(ValueError, match=r'too rare .* weighting="none"'):
        NeuralNMFModel(corpus, 2)
    assert NeuralNMFModel(corpus, 2, weighting="none", passes=1).num_documents == 300


@pytest.mark.parametrize("thing", [3, "corpus", b"", {0: 1}, np.ones((3, 4)), object()], ids=repr)
def test_what_is_no_corpus_is_a_type_error_everywhere(thing):
    model = trained()
    for use in (
        train,
        lambda t: NeuralNMFModel(t, 2),
        copied().update,
        model.encode,
        model.inference,
    ):
        with pytest.raises(TypeError, match="a corpus is"):
            use(thing)
    with pytest.raises(TypeError, match="a corpus is"):
        model[thing]


def test_a_failed_first_update_leaves_the_random_state_as_it_was():
    model = train()
    with pytest.raises(OSError, match="gone"):  # after the start was drawn
        model.update(Stream(planted().corpus, fails_in=2, error=OSError("the disk is gone")))
    model.update(planted().corpus)
    assert_same_topics(model, train(planted().corpus))


def test_update_needs_a_corpus():
    with pytest.raises(TypeError, match="a corpus is"):
        copied().update(None)


def test_a_matrix_with_documents_as_rows_is_refused_everywhere():
    matrix = corpus2csc(planted().corpus, num_terms=TERMS).T.tocsc()
    model = trained()
    for use in (train, copied().update, model.encode, model.inference, lambda m: model[m]):
        with pytest.raises(ValueError, match="transpose"):
            use(matrix)


def test_a_stream_that_breaks_before_the_first_pass_leaves_the_model_as_it_was():
    model = copied()
    before = fingerprint(model)
    with pytest.raises(OSError, match="disk"):
        model.update(Stream(planted().corpus, fails_in=1))
    assert fingerprint(model) == before


@pytest.mark.parametrize("error", [OSError("disk"), KeyboardInterrupt()])
def test_an_interrupted_training_leaves_the_model_of_the_last_whole_pass(error):
    corpus = planted().corpus
    model = train()
    # read to check, for the loss of the start, for two passes; then it breaks
    with pytest.raises(type(error)):
        model.update(Stream(corpus, fails_in=5, error=error), passes=9)
    assert model.history.passes == 2
    assert model.history.stop_reason.name == "INTERRUPTED"
    assert_same_topics(model, train(corpus, passes=2, tol=0))
    assert model[corpus[0]]
    model.update(corpus, passes=1)


def test_an_update_of_another_kind_of_documents_is_a_warning(caplog):
    corpus = planted().corpus
    weighted = list(TfidfModel(corpus)[corpus])
    for first, later, kinds in (
        (corpus, weighted, ("weights", "counts")),
        (weighted, corpus, ("counts", "weights")),
    ):
        model = train(first, passes=1)
        model.update(first, passes=1)
        assert not [r for r in caplog.records if "convert" in r.getMessage()]
        model.update(later, passes=1)
        (message,) = (r.getMessage() for r in caplog.records if "convert" in r.getMessage())
        assert message.startswith("the new documents hold {} and those of the".format(*kinds))
        assert kinds[1] in message
        caplog.clear()


def test_more_topics_than_documents_are_a_warning(caplog):
    corpus = planted().corpus
    train(corpus[:4], num_topics=(4, 2))
    assert "will be copies" not in caplog.text
    train(corpus[:3], num_topics=(4, 2))
    assert "4 topics for 3 documents" in caplog.text


# Training


def test_the_loss_never_rises_and_history_tells_the_course():
    history = trained().history
    assert history.passes == len(history.loss) == len(history.errors) >= 2
    assert (np.diff([history.start_loss, *history.loss]) <= 0).all()
    assert {len(errors) for errors in history.errors} == {3}
    assert all(0 < error < 1 for errors in history.errors for error in errors)
    assert history.stop_reason.name == "TOLERANCE"


def test_the_last_errors_are_those_of_the_codes():
    model, corpus = train(planted().corpus, weighting="none", dtype=np.float64), planted().corpus
    X = corpus2csc(corpus, num_terms=TERMS).toarray()
    products, codes = model.factors[0], model.encode(corpus)
    for layer, error in enumerate(model.history.errors[-1]):
        products = products @ model.factors[layer] if layer else products
        expected = np.linalg.norm(X - products @ codes[layer]) / np.linalg.norm(X)
        assert error == pytest.approx(expected, rel=1e-6)


def test_passes_bound_the_training():
    model = train(planted().corpus, passes=3, tol=0)
    assert model.history.passes == 3
    assert model.history.stop_reason.name == "PASSES"
    model.update(planted().corpus, passes=2)
    assert model.history.passes == 2


def test_update_goes_on_from_the_present_factors():
    corpus = planted().corpus
    model = train(corpus, passes=2, tol=0, init="random")
    loss = model.history.loss[-1]
    model.update(corpus, passes=5)
    assert model.history.start_loss == pytest.approx(loss, rel=1e-5)
    assert model.history.loss[-1] < loss
    assert model.num_documents == 2 * len(corpus)


def test_levels_and_topics_follow_an_update():
    model = train(planted().corpus, passes=1, init="random")
    level, before = model.level(0), model.get_topics()
    model.update(planted().corpus, passes=3)
    assert not np.array_equal(model.get_topics(), before)
    assert np.array_equal(level.get_topics(), model.get_topics())


def test_clear_forgets_and_the_model_can_be_trained_again():
    model = copied()
    model.clear()
    assert model.num_documents == 0
    assert model.history.passes == 0
    with pytest.raises(NotFittedError, match="not trained"):
        model.get_topics()
    model.update(planted().corpus)
    assert_same_topics(model, trained(), tolerance=1e-3)


def test_an_untrained_model_says_so():
    model = train()
    bow = planted().corpus[0]
    for ask in (
        model.get_topics,
        model.show_topics,
        lambda: model[bow],
        lambda: model.encode(bow),
        lambda: list(model[planted().corpus]),
        lambda: model.factors,
        lambda: model.hierarchy,
        lambda: model.inference([bow]),
        lambda: model.state.get_lambda(),
        lambda: model.get_term_topics(0),
    ):
        with pytest.raises(NotFittedError, match=r"call update\(corpus\)"):
            ask()
    assert model.history.passes == 0


@pytest.mark.parametrize(("every", "lines"), [(1, 5), (2, 2), (0, 0), (None, 0)])
def test_loss_and_errors_are_logged_every_so_many_passes(caplog, every, lines):
    with caplog.at_level(logging.INFO, "nnmf_topics.model"):
        train(planted().corpus, passes=5, tol=0, eval_every=every)
    logged = [r.getMessage() for r in caplog.records if r.getMessage().startswith("pass ")]
    assert len(logged) == lines
    assert all(re.fullmatch(r"pass \d: loss 0?\d*\.\d+, errors .+, .+", line) for line in logged)
    assert "trained 5 passes" in caplog.text
    assert "all passes were made" in caplog.text


def test_readings_of_a_stream_before_the_first_pass_are_logged(caplog):
    readings = [f"reading the corpus for the {what}" for what in ("frequencies", "loss")]
    with caplog.at_level(logging.INFO, "nnmf_topics.model"):
        train(planted().corpus, passes=1)
        assert not any(reading in caplog.text for reading in readings)
        train(Stream(planted().corpus), passes=1)
        assert all(reading in caplog.text for reading in readings)
        assert "kept in memory" not in caplog.text
        train(iter(planted().corpus), passes=1)
    assert "reading the corpus, which is kept in memory" in caplog.text


@pytest.mark.parametrize("weighting", ["none", "log-idf"])
def test_words_of_a_grown_dictionary_in_a_matrix_that_is_too_low_are_an_error(weighting):
    corpus, terms = planted().corpus, len(planted().dictionary)
    low = corpus2csc([[*corpus[0], (terms + 7, 1)], *corpus[1:]], num_terms=terms)
    model = train(corpus, weighting=weighting)
    before = fingerprint(model)
    for ask in (model.update, model.encode, lambda c: list(model[c]), model.log_perplexity):
        with pytest.raises(ValueError, match=f"document 0: term id {terms + 7} is outside"):
            ask(low)
    assert fingerprint(model) == before


@pytest.mark.parametrize("loss", ["layerwise", "energy", "reconstruction"])
@pytest.mark.parametrize("init", ["layerwise", "clusters", "nndsvd", "random"])
def test_every_loss_from_every_start_lowers_it(loss, init):
    history = train(planted().corpus, loss=loss, init=init).history
    assert history.loss[-1] < history.start_loss


@pytest.mark.parametrize(
    ("corpus", "num_topics"),
    [
        ([[(0, 3), (1, 1)]], (2,)),
        ([[(0, 1)], [(0, 2)]], (2, 2)),
        ([[(0, 1), (1, 1)], [(2, 1)]], (9, 5)),
        ([[(i, 1) for i in range(5)]] * 6, (3, 2)),
        ([[(i, 1 + (i == d)) for i in range(9)] for d in range(9)], (8, 7, 6, 5, 4, 3, 2, 1)),
    ],
    ids=["one_document", "one_term", "more_topics_than_terms", "equal_documents", "eight_layers"],
)
def test_small_and_degenerate_corpora_give_finite_topics(corpus, num_topics):
    model = NeuralNMFModel(corpus, num_topics, random_state=0)
    for layer in range(model.num_layers):
        topics = model.get_topics(layer)
        assert np.isfinite(topics).all()
        np.testing.assert_allclose(topics.sum(axis=1), 1, rtol=1e-5)
    assert all(np.isfinite(S).all() for S in model.encode(corpus))
    assert np.isfinite(model.history.loss).all()
    assert len(str(model.hierarchy)) > 0


# Answers


def test_codes_are_the_nonnegative_least_squares_of_every_layer():
    model = train(planted().corpus, weighting="none", dtype=np.float64)
    below = corpus2csc(planted().corpus, num_terms=TERMS).toarray()
    for A, S in zip(model.factors, model.encode(planted().corpus), strict=True):
        gradient = A.T @ (A @ S - below)
        scale = np.abs(A.T @ below).max()
        assert (S >= 0).all()
        assert gradient.min() >= -1e-9 * scale
        assert np.abs(gradient * S).max() <= 1e-9 * scale * S.max()
        below = S


def test_codes_do_not_depend_on_the_batch_or_the_order():
    model, corpus = lee_model((20, 5)), lee().corpus
    whole = model.encode(corpus)
    for size in (1, 7, 256):
        parts = [model.encode(corpus[i : i + size]) for i in range(0, len(corpus), size)]
        for layer, expected in enumerate(whole):
            together = np.concatenate([part[layer] for part in parts], axis=1)
            np.testing.assert_allclose(together, expected, rtol=0, atol=1e-6)
    order = np.random.RandomState(0).permutation(len(corpus))
    for expected, shuffled in zip(whole, model.encode([corpus[i] for i in order]), strict=True):
        np.testing.assert_allclose(shuffled, expected[:, order], rtol=0, atol=1e-6)


def test_the_same_document_always_has_the_same_answer():
    model, corpus = lee_model((20, 5)), lee().corpus
    first = model[corpus[5]]
    assert all(model[corpus[5]] == first for _ in range(100))
    list(model[corpus])
    assert model[corpus[5]] == first
    (codes, _) = model.encode([corpus[5]] * 100)
    assert (codes == codes[:, :1]).all()


def test_one_document_is_encoded_as_a_corpus_of_one():
    model, bow = trained(), planted().corpus[0]
    for alone, among in zip(model.encode(bow), model.encode([bow]), strict=True):
        assert alone.shape[1] == 1
        np.testing.assert_array_equal(alone, among)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_corpus_has_the_same_codes(form):
    model, corpus = trained(), planted().corpus[:30]
    for read, expected in zip(model.encode(FORMS[form](corpus)), model.encode(corpus), strict=True):
        np.testing.assert_allclose(read, expected, rtol=0, atol=1e-6)


def test_empty_documents_have_zero_codes_wherever_they_stand():
    model, corpus = trained(), planted().corpus[:10]
    for empty in ([], [(3, 0)]):
        for codes in model.encode([empty, *corpus, empty, *corpus, empty]):
            assert (codes[:, [0, 11, 22]] == 0).all()
            assert codes.any(axis=0).sum() == 20
            np.testing.assert_allclose(codes[:, 1:11], codes[:, 12:22], atol=1e-6)
    assert all((codes == 0).all() for codes in model.encode([]))
    assert [codes.shape for codes in model.encode(iter([]))] == [(6, 0), (3, 0), (2, 0)]


def test_asking_never_changes_the_model():
    model, corpus, dictionary = copied(), planted().corpus, planted().dictionary
    before, words = fingerprint(model), dict(dictionary.token2id)
    for layer in (0, 1, -1):
        model.get_topics(layer)[:] = 7
        model.show_topics(layer=layer)
        model.print_topics(layer=layer)
        model.get_topic_terms(0, layer=layer)
        model.get_term_topics(3, layer=layer)
        model.top_topics(corpus=corpus, layer=layer)
        model.inference(corpus, layer=layer)[0][:] = 7
        model.get_document_topics(corpus[0], 0.5, 0.5, per_word_topics=True, layer=layer)
        list(model.get_document_topics(corpus, 0.5, 0.5, per_word_topics=True, layer=layer))
        model.level(layer).state.get_lambda()[:] = 7
    for codes in model.encode(corpus):
        codes[:] = 7
    list(model[corpus])
    assert fingerprint(model) == before
    assert dict(dictionary.token2id) == words
    assert model[corpus[3]] == trained()[corpus[3]]
    for layer in range(3):
        np.testing.assert_array_equal(model.get_topics(layer), trained().get_topics(layer))


# The hierarchy


def test_the_hierarchy_shows_the_words_of_show_topic():
    model = trained()
    topics = list(model.hierarchy.walk())
    assert sorted((t.layer, t.index) for t in topics) == [
        (layer, index) for layer, width in enumerate(WIDTHS) for index in range(width)
    ]
    for topic in topics:
        shown = model.show_topic(topic.index, topn=8, layer=topic.layer)
        assert [word for word, _ in topic.terms[:8]] == [word for word, _ in shown]
        np.testing.assert_allclose([w for _, w in topic.terms[:8]], [p for _, p in shown])
    assert sum(root.weight for root in model.hierarchy) == pytest.approx(1)


def test_labels_survive_a_refused_update():
    model = copied()
    model.hierarchy[0].label = "mine"
    with pytest.raises(ValueError, match="document 0"):
        model.update([[(0, -1)]])
    assert "mine" in str(model.hierarchy)


def test_labels_stay_until_the_next_training():
    model = copied()
    model.hierarchy[0].label = "mine"
    assert "mine" in str(model.hierarchy)
    model.update(planted().corpus[:20], passes=1)
    assert "mine" not in str(model.hierarchy)


def test_the_weights_of_the_roots_are_their_shares_of_the_corpus():
    model, corpus = trained(), planted().corpus
    words, _ = model.inference(corpus, layer=-1)
    shares = words.sum(axis=0) / words.sum()
    for root in model.hierarchy:
        assert root.weight == pytest.approx(shares[root.index], rel=1e-4)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("widths", [(9, 4, 2), (6, 2)])
def test_a_planted_hierarchy_is_found_at_every_layer(widths, seed):
    data = make_hierarchical_corpus(200, widths, random_state=seed)
    model = NeuralNMFModel(data.corpus, widths, data.dictionary, random_state=seed)
    for layer, labels in enumerate(data.layer_labels):
        found = model.inference(data.corpus, layer=layer)[0].argmax(axis=1)
        assert normalized_mutual_info_score(labels, found) > 0.9


def npmi(model):
    data = lee()
    return CoherenceModel(
        model, texts=data.texts, dictionary=data.dictionary, coherence="c_npmi", processes=1
    ).get_coherence()


def test_raw_counts_and_default_options_give_better_topics_than_lda():
    data = lee()
    lda = npmi(LdaModel(data.corpus, 10, data.dictionary, passes=10, random_state=0))
    assert npmi(lee_model((10,)).level(0)) >= lda + 0.05
    assert npmi(lee_model(10).level(0)) >= lda + 0.05


# In memory


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, copy.copy, lambda model: pickle.loads(pickle.dumps(model))]
)
def test_a_copy_is_equal(duplicate):
    model = trained()
    twin = duplicate(model)
    assert fingerprint(twin) == fingerprint(model)
    assert twin[planted().corpus[0]] == model[planted().corpus[0]]
    assert twin.hierarchy.to_dict() == model.hierarchy.to_dict()
    untrained = duplicate(train())
    untrained.update(planted().corpus)
    assert_same_topics(untrained, train(planted().corpus))


def test_a_deep_copy_is_independent():
    before = fingerprint(flat())
    twin = copy.deepcopy(flat())
    twin.update(planted().corpus[:30], passes=2)
    assert fingerprint(flat()) == before
    assert fingerprint(twin) != before


def test_life_events_are_kept():
    events = train(planted().corpus).lifecycle_events
    assert [event["event"] for event in events] == ["created"]
    assert "num_terms=150" in events[0]["params"]


def test_words_of_the_topics_follow_the_dictionary():
    corpus, dictionary = animals()
    model = NeuralNMFModel(corpus, 2, dictionary, random_state=0)
    shown = {word for _, words in model.show_topics(formatted=False) for word, _ in words}
    assert shown == set(dictionary.token2id)


def test_words_without_a_weight_are_counted_in_the_log(caplog):
    corpus = [[(0, 1), (1, 1), (term, 2)] for term in range(2, 500)]
    words = {term: str(term) for term in range(501)}  # one is in no document
    with caplog.at_level("INFO", "nnmf_topics"):
        NeuralNMFModel(corpus, (2,), words, passes=1, random_state=0)
    assert "498 of 500 words are in too few documents to have a weight" in caplog.text
