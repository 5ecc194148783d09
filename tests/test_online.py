import numpy as np
import pytest
import scipy.sparse as sp

from nnmf_topics import NeuralNMFModel
from nnmf_topics._backend import Device
from nnmf_topics.datasets import make_hierarchical_corpus
from nnmf_topics.initializers import in_parts, initialize
from nnmf_topics.objective import Objective
from nnmf_topics.online import train_online
from nnmf_topics.training import StopReason, train


def corpus(seed=0, documents=600):
    """Documents of six topics in three groups, in random order."""
    rng = np.random.RandomState(seed)
    topics = np.kron(np.eye(6), rng.rand(10, 1) + 0.1)
    codes = (
        rng.dirichlet([0.2] * 6, documents).T
        + np.kron(np.eye(3), np.ones((2, 1))) @ rng.dirichlet([0.2] * 3, documents).T
    )
    return sp.csc_array(rng.poisson(3 * topics @ codes).astype(np.float64))


def loss_of(X, factors):
    with Device("cpu").active():
        evaluation, _ = Objective([X], "layerwise", Device("cpu"), None, False)(factors)
    return float(evaluation.value / evaluation.norm)


@pytest.mark.parametrize("seed", range(3))
def test_one_online_pass_is_better_than_one_exact_pass_from_a_random_start(seed):
    X = corpus(seed)
    start = initialize("random", X, (6, 3), np.random.RandomState(seed))
    chunks = in_parts(X, 60)
    online = train_online(chunks, start, documents=X.shape[1], passes=1)
    exact = train(chunks, start, passes=1)
    assert loss_of(X, online.factors) < loss_of(X, exact.factors)


@pytest.mark.parametrize("seed", range(3))
def test_a_few_online_passes_come_close_to_the_exact_training(seed):
    X = corpus(seed)
    start = initialize("layerwise", X[:, :100], (6, 3), np.random.RandomState(seed))
    online = train_online(in_parts(X, 60), start, documents=X.shape[1], passes=5)
    assert loss_of(X, online.factors) < 1.01 * loss_of(X, train([X], start).factors)


def test_with_all_documents_in_one_chunk_the_steps_are_those_of_exact_training():
    X = corpus(4, 80)
    start = initialize("layerwise", X, (6, 3), np.random.RandomState(0))
    online = train_online([X], start, documents=80, passes=1)
    exact = train([X], start, passes=1)
    for A, B in zip(online.factors, exact.factors, strict=True):
        np.testing.assert_allclose(A, B, rtol=1e-10, atol=1e-12)


def test_the_history_is_about_what_the_factors_say():
    X = corpus(5)
    start = initialize("layerwise", X, (6, 3), np.random.RandomState(0))
    final = train_online(in_parts(X, 60), start, documents=X.shape[1], passes=3)
    assert final.history.loss[-1] == pytest.approx(loss_of(X, final.factors), rel=0.02)
    assert float(final.evaluation.norm) == pytest.approx(float(np.sum(X.data**2)), rel=0.02)
    assert final.history.passes == 3
    assert final.history.stop_reason is StopReason.PASSES


def test_training_stops_at_the_tolerance_and_when_a_callback_asks():
    X = corpus(6)
    start = initialize("layerwise", X, (6, 3), np.random.RandomState(0))
    chunks = in_parts(X, 100)
    final = train_online(chunks, start, documents=X.shape[1], tol=1e-3)
    assert final.history.stop_reason is StopReason.TOLERANCE
    final = train_online(chunks, start, documents=X.shape[1], on_pass=lambda _: True)
    assert final.history.passes == 1
    assert final.history.stop_reason is StopReason.CALLBACK


def test_the_start_is_shown_once_before_the_first_step():
    X, seen = corpus(7), []
    start = initialize("layerwise", X, (6, 3), np.random.RandomState(0))
    train_online(in_parts(X, 100), start, documents=600, passes=2, on_start=seen.append)
    (state,) = seen
    for A, B in zip(state.factors, start, strict=True):
        np.testing.assert_allclose(A, B)


def test_a_corpus_without_documents_is_an_error():
    with pytest.raises(ValueError, match="the corpus has no documents"):
        train_online([], [np.ones((3, 2))], documents=1)


@pytest.fixture(scope="module")
def planted():
    return make_hierarchical_corpus(400, (6, 3), random_state=0)


def test_a_model_trains_online_from_a_stream_and_says_so_in_its_file(planted, tmp_path):
    class Stream:
        def __iter__(self):
            return iter(planted.corpus)

    model = NeuralNMFModel(
        Stream(), (6, 3), planted.dictionary, online=True, chunksize=50, passes=2, random_state=0
    )
    assert model.history.passes == 2
    exact = NeuralNMFModel(planted.corpus, (6, 3), planted.dictionary, random_state=0)
    assert model.history.errors[-1][0] < 1.02 * exact.history.errors[-1][0]
    path = tmp_path / "model"
    model.save(path)
    loaded = NeuralNMFModel.load(path)
    assert loaded.online is True
    loaded.update(planted.corpus[:100], passes=1)
    assert loaded.num_documents == 500
