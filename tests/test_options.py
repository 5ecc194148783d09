import inspect
import logging
from operator import attrgetter

import numpy as np
import pytest
from gensim.models import LdaModel, LdaMulticore, Nmf
from models import animals

from nnmf_topics import NeuralNMFModel
from nnmf_topics.options import WITHOUT_MEANING, resolve_widths

ID2WORD = dict(enumerate("abcdef"))


def build(**options):
    return NeuralNMFModel(id2word=ID2WORD, **{"num_topics": 2, **options})


@pytest.mark.parametrize(
    ("num_topics", "widths"),
    [
        (1, (1,)),
        (2, (2,)),
        (3, (3,)),
        (4, (4, 2)),
        (10, (10, 3)),
        (50, (50, 7)),
        (100, (100, 10)),
        (np.int64(20), (20, 4)),
        ((50, 10, 3), (50, 10, 3)),
        ([50, 10], (50, 10)),
        ((50,), (50,)),
        ((4, 4), (4, 4)),
        (np.array([9, 3]), (9, 3)),
        (range(3, 0, -1), (3, 2, 1)),
    ],
)
def test_widths_are_resolved_as_documented(num_topics, widths):
    assert resolve_widths(num_topics) == widths
    assert all(type(width) is int for width in widths)


@pytest.mark.parametrize(
    ("num_topics", "error"),
    [
        (0, ValueError),
        (-5, ValueError),
        ((), ValueError),
        ((5, 0), ValueError),
        ((3, 10, 50), ValueError),
        ((5, 2, 3), ValueError),
        (2.0, TypeError),
        ("50,10", TypeError),
        (b"ab", TypeError),
        (None, TypeError),
        (True, TypeError),
        ((5, 2.5), TypeError),
        ((5, True), TypeError),
        ((5, "2"), TypeError),
        ((5, None), TypeError),
        ([[5]], TypeError),
        ({5: 2}, TypeError),
        ({5, 2}, TypeError),
    ],
)
def test_wrong_widths_are_an_error_that_names_num_topics(num_topics, error):
    with pytest.raises(error, match="num_topics"):
        build(num_topics=num_topics)


@pytest.mark.parametrize(
    ("option", "wrong"),
    [
        ("chunksize", (0, -1, 1.5, "100", None, True)),
        ("passes", (0, -1, 1.5, "10", True, np.nan)),
        ("eval_every", (-1, 0.5, "10", True)),
        ("tol", (-1e-9, 1.5, "0.1", np.nan, np.inf, None, 1j)),
        ("minimum_probability", (-0.1, 1.1, np.nan, "0.1", None, [0.1, 0.2])),
        ("minimum_phi_value", (-0.1, 1.1, np.nan, "0.1", None)),
        ("loss", ("kl", "", None, 3, "LAYERWISE")),
        ("weighting", ("tfidf", "", None, 3)),
        ("init", ("svd", "", None, 3)),
        ("dtype", (np.int32, "abc", None, object, complex)),
        ("device", ("gpu", "", "cuda:x", "cpu:0", "cuda:-1", None, 0)),
    ],
)
def test_a_wrong_value_is_an_error_that_names_the_option(option, wrong):
    for value in wrong:
        with pytest.raises((TypeError, ValueError), match=option):
            build(**{option: value})


@pytest.mark.parametrize("wrong", ["seed", 1.5, np.random.default_rng(0), -1, [1, "a"]])
def test_a_wrong_random_state_is_an_error(wrong):
    with pytest.raises((TypeError, ValueError)):
        build(random_state=wrong)


@pytest.mark.parametrize("option", ["chunksize", "passes", "eval_every"])
def test_update_checks_its_options_before_it_trains(option):
    corpus, dictionary = animals()
    model = NeuralNMFModel(id2word=dictionary, num_topics=2)
    for value in (-1, 1.5, "x", True):
        with pytest.raises((TypeError, ValueError), match=option):
            model.update(corpus, **{option: value})
    assert model.num_documents == 0


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("chunksize", (1, 10**9, np.int32(7))),
        ("passes", (None, 1, np.int64(3))),
        ("eval_every", (None, 0, 1)),
        ("tol", (0, 0.0, 1e-3, np.float32(0.5))),
        ("minimum_probability", (0, 1, 0.5, np.float64(0.25))),
        ("minimum_phi_value", (0, 0.02)),
        ("loss", ("layerwise", "energy", "reconstruction")),
        ("weighting", ("auto", "none", "tf-idf", "log-idf")),
        ("init", ("layerwise", "nndsvd", "random")),
        ("per_word_topics", (False, True)),
    ],
)
def test_options_are_attributes_under_their_names(option, values):
    for value in values:
        assert attrgetter(option)(build(**{option: value})) == value


@pytest.mark.parametrize("dtype", [np.float32, "float32", np.dtype("f4"), np.float64, float, "<f8"])
def test_dtype_is_kept_as_a_numpy_type(dtype):
    assert build(dtype=dtype).dtype is np.dtype(dtype).type


@pytest.mark.parametrize("options", [LdaModel, LdaMulticore, Nmf])
def test_every_option_of_gensims_models_is_accepted(options):
    parameters = inspect.signature(options.__init__).parameters
    own = set(inspect.signature(NeuralNMFModel.__init__).parameters)
    passed = {name: p.default for name, p in parameters.items() if name not in own | {"callbacks"}}
    assert set(passed) <= WITHOUT_MEANING
    build(**passed)


def test_options_without_a_meaning_are_named_in_one_logged_line(caplog):
    with caplog.at_level(logging.INFO, "nnmf_topics"):
        build(alpha="auto", workers=3, iterations=50)
    lines = [r for r in caplog.records if "without a meaning" in r.getMessage()]
    assert len(lines) == 1
    assert lines[0].levelno == logging.INFO
    assert lines[0].getMessage().endswith("alpha, iterations, workers")


def test_without_such_options_nothing_is_logged_about_them(caplog):
    with caplog.at_level(logging.DEBUG):
        build()
    assert "without a meaning" not in caplog.text


@pytest.mark.parametrize("name", ["num_topic", "minimum_propability", "Alpha", "pass", "verbose"])
def test_an_unknown_option_is_a_type_error_that_names_it(name):
    with pytest.raises(TypeError, match=f"unexpected option: {name}$"):
        build(**{name: 1})


def test_update_accepts_the_options_of_gensims_update():
    corpus, dictionary = animals()
    model = NeuralNMFModel(id2word=dictionary, num_topics=2)
    for gensims in (LdaModel.update, Nmf.update):
        own = {"self", "corpus", "chunksize", "passes", "eval_every"}
        names = [name for name in inspect.signature(gensims).parameters if name not in own]
        model.update(corpus, passes=1, **dict.fromkeys(names))
    with pytest.raises(TypeError, match="decai"):
        model.update(corpus, decai=0.5)


def test_half_precision_becomes_single_as_gensim_takes_it(caplog):
    caplog.set_level("INFO", "nnmf_topics.model")
    assert build(dtype=np.float16).dtype is np.float32
    assert "float32 is used" in caplog.text
