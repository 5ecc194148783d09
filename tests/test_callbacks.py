import copy
import logging

import numpy as np
import pytest
from gensim.models.callbacks import (
    CoherenceMetric,
    ConvergenceMetric,
    DiffMetric,
    Metric,
    PerplexityMetric,
)
from models import copied, fingerprint, planted

from nnmf_topics import NeuralNMFModel
from nnmf_topics.training import StopReason


def model_with(*callbacks, **options):
    data = planted()
    options = {"passes": 4, "tol": 0, "random_state": 0, **options}
    return NeuralNMFModel(data.corpus, (6, 3), data.dictionary, callbacks=callbacks, **options)


def metrics():
    corpus = planted().corpus
    return (
        CoherenceMetric(corpus=corpus, coherence="u_mass", title="coherence"),
        PerplexityMetric(corpus=corpus, title="perplexity"),
        ConvergenceMetric(distance="jaccard", title="convergence"),
        DiffMetric(distance="kullback_leibler", diagonal=True, annotation=False, title="diff"),
    )


def test_the_metrics_of_gensim_have_one_finite_value_a_pass():
    model = model_with(*metrics())
    assert set(model.metrics) == {"coherence", "perplexity", "convergence", "diff"}
    for name, values in model.metrics.items():
        assert len(values) == model.history.passes == 4, name
        assert np.all(np.isfinite(values)), name
        assert all(hasattr(value, "ndim") for value in values), name
    assert model.metrics["diff"][0].shape == (6,)


def test_the_perplexity_falls_and_the_topics_settle():
    values = model_with(*metrics(), passes=10, init="random").metrics
    assert values["perplexity"][-1] < values["perplexity"][0]
    assert values["convergence"][-1] < values["convergence"][0]


def test_metrics_change_nothing_in_the_training():
    np.testing.assert_array_equal(model_with(*metrics()).factors[0], model_with().factors[0])


def test_a_function_sees_the_model_after_each_pass_and_can_stop():
    seen = []

    def stop_at_two(model, number):
        seen.append((number, model.history.passes, model.get_topics().shape[0]))
        return number == 2

    model = model_with(stop_at_two, passes=10)
    assert seen == [(0, 1, 6), (1, 2, 6), (2, 3, 6)]
    assert model.history.stop_reason is StopReason.CALLBACK
    assert model.history.passes == 3


def test_every_function_is_called_although_the_first_asks_to_stop():
    called = []
    model_with(lambda *_: True, lambda _, number: called.append(number))
    assert called == [0]


def test_metrics_of_ones_own_work():
    class Words(Metric):
        def get_value(self, **kwargs):
            return len(kwargs["model"].show_topics())

        def __str__(self):
            return "words"

    words = Words()
    words.logger, words.title = None, "words"
    assert model_with(words).metrics["words"] == [6, 6, 6, 6]


def test_the_shell_logger_tells_the_value_of_each_pass(caplog):
    caplog.set_level(logging.INFO, "gensim.models.ldamodel")
    model_with(PerplexityMetric(corpus=planted().corpus, logger="shell", title="perplexity"))
    assert sum("perplexity estimate" in line for line in caplog.messages) == 4


def test_an_update_starts_the_values_anew():
    model = model_with(*metrics(), passes=3)
    model.update(planted().corpus[:20], passes=2)
    assert {len(values) for values in model.metrics.values()} == {2}


@pytest.mark.parametrize("wrong", [3, "CoherenceMetric", object()])
def test_what_is_no_callback_is_a_type_error_that_shows_it(wrong):
    with pytest.raises(TypeError, match="neither a metric"):
        model_with(wrong)


def test_one_callback_that_is_in_no_list_is_a_type_error_that_says_so():
    data = planted()
    with pytest.raises(TypeError, match=r"callbacks must be a list, not .*: give \[callback\]"):
        NeuralNMFModel(data.corpus, (6, 3), data.dictionary, callbacks=print)
    with pytest.raises(TypeError, match=r"must be a list, not .*: give \[callback\]"):
        NeuralNMFModel(data.corpus, (6, 3), data.dictionary, callbacks=metrics()[0])
    for neither in ("print", 5):
        with pytest.raises(TypeError, match=f"callbacks must be a list, not {neither!r}$"):
            NeuralNMFModel(data.corpus, (6, 3), data.dictionary, callbacks=neither)


def test_an_error_in_a_callback_leaves_the_model_of_that_pass():
    def fail(_model, number):
        if number == 1:
            raise OSError("disk full")

    data = planted()
    model = NeuralNMFModel(num_topics=(6, 3), id2word=data.dictionary, callbacks=[fail])
    with pytest.raises(OSError, match="disk full"):
        model.update(data.corpus)
    assert model.history.passes == 2


def test_a_failure_before_the_first_whole_pass_leaves_all_as_it_was():
    class Broken(Metric):
        logger, title = None, "broken"

        def get_value(self, **_):
            raise OSError("gone")

        def __str__(self):
            return "broken"

    model = copied()
    before, documents = fingerprint(model), model.num_documents
    model.callbacks = [DiffMetric(), Broken()]
    corpus = planted().corpus[:20]

    def stream():
        stream.reads += 1
        for number, document in enumerate(corpus):
            if stream.reads == 3 and number == 10:
                raise OSError("the disk is gone")
            yield document

    stream.reads = 0
    with pytest.raises(OSError, match="the disk is gone"):
        model.update(stream)
    assert model.num_documents == documents
    assert fingerprint(model) == before


def test_models_can_be_copied_in_the_middle_of_a_training():
    copies = []
    model = model_with(lambda model, _: copies.append(copy.deepcopy(model)))
    assert [c.history.passes for c in copies] == [1, 2, 3, 4]
    np.testing.assert_array_equal(copies[-1].factors[0], model.factors[0])
    assert copied().metrics == {}
