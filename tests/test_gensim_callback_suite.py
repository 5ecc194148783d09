"""gensim's metrics, as callbacks of a training: what its test_lda_callback is about."""

import logging

import numpy as np
import pytest
from gensim.corpora import MmCorpus
from gensim.models import callbacks
from gensim.test.utils import datapath
from gensim_suites import CORPUS, DICTIONARY

from nnmf_topics import NeuralNMFModel


class Drawings:
    """Stands for a visdom server, which gensim's test starts: keeps what gensim has drawn."""

    def __init__(self):
        self.lines, self.heatmaps = [], []

    def line(self, X, Y, **_options):
        self.lines.append((X.item(), Y.item()))
        return "window"

    def heatmap(self, X, **_options):
        self.heatmaps.append(X)
        return "window"


@pytest.fixture
def drawings(monkeypatch):
    made = Drawings()
    monkeypatch.setattr(callbacks, "VISDOM_INSTALLED", True)
    monkeypatch.setattr(callbacks, "Visdom", lambda: made, raising=False)
    return made


def trained_with(*metrics, num_topics=2, corpus=CORPUS):
    model = NeuralNMFModel(
        id2word=DICTIONARY,
        num_topics=num_topics,
        passes=5,
        tol=0,
        init="random",
        callbacks=list(metrics),
        random_state=0,
    )
    model.update(corpus)
    return model


def test_callback_update_graph(drawings):
    # gensim's test needs a server, and sees only that nothing is raised.
    corpus = MmCorpus(datapath("testcorpus.mm"))
    metric = callbacks.CoherenceMetric(
        corpus=corpus, coherence="u_mass", logger="visdom", title="Coherence"
    )
    model = trained_with(metric, corpus=corpus)
    assert len(drawings.lines) == 5
    assert drawings.lines == list(enumerate(model.metrics["Coherence"]))


def test_differences_are_drawn_as_a_heatmap_that_grows_by_a_pass(drawings):
    model = trained_with(callbacks.DiffMetric(logger="visdom", distance="hellinger"))
    assert [X.shape for X in drawings.heatmaps] == [(2, passes) for passes in range(1, 6)]
    np.testing.assert_array_equal(drawings.heatmaps[-1].T, model.metrics["Diff"])


@pytest.mark.parametrize("num_topics", [2, (4, 2)])
def test_every_metric_is_logged_and_kept_once_a_pass(num_topics, caplog):
    metrics = {
        "Coherence": callbacks.CoherenceMetric(corpus=CORPUS, coherence="u_mass", logger="shell"),
        "Perplexity": callbacks.PerplexityMetric(corpus=CORPUS, logger="shell"),
        "Diff": callbacks.DiffMetric(distance="kullback_leibler", logger="shell"),
        "Convergence": callbacks.ConvergenceMetric(num_words=3, logger="shell"),
    }
    with caplog.at_level(logging.INFO, "gensim.models.ldamodel"):
        model = trained_with(*metrics.values(), num_topics=num_topics)
    told = [r.getMessage() for r in caplog.records if r.name == "gensim.models.ldamodel"]
    expected = [f"Epoch {p}: {name} estimate: " for p in range(5) for name in metrics]
    assert [line[: len(start)] for line, start in zip(told, expected, strict=True)] == expected
    assert {name: len(values) for name, values in model.metrics.items()} == dict.fromkeys(
        metrics, 5
    )
    assert all(np.isfinite(values).all() for values in model.metrics.values())


def test_the_last_values_are_those_of_the_trained_model():
    coherence = callbacks.CoherenceMetric(corpus=CORPUS, coherence="u_mass")
    perplexity = callbacks.PerplexityMetric(corpus=CORPUS)
    model = trained_with(coherence, perplexity)
    assert model.metrics["Coherence"][-1] == pytest.approx(coherence.get_value(model=model))
    assert model.metrics["Perplexity"][-1] == pytest.approx(perplexity.get_value(model=model))


def test_convergence_compares_with_the_model_a_pass_ago_and_is_zero_where_nothing_moved():
    metric = callbacks.ConvergenceMetric(distance="hellinger", normed=False)
    model = trained_with(metric)
    assert model.metrics["Convergence"][0] > 0
    model = NeuralNMFModel(CORPUS, 2, DICTIONARY, random_state=0, tol=0)
    model.callbacks = [metric]
    model.update(CORPUS)
    assert model.metrics["Convergence"][-1] == pytest.approx(0, abs=1e-3)
