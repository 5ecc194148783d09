from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp

from nnmf_topics import NeuralNMFModel
from nnmf_topics._backend import Device
from nnmf_topics.datasets import make_hierarchical_corpus
from nnmf_topics.initializers import initialize
from nnmf_topics.memory import Memory
from nnmf_topics.objective import Objective
from nnmf_topics.online import online_sweep
from nnmf_topics.products import in_parts
from nnmf_topics.training import train


def corpus(seed=0, documents=600):
    """Documents of six topics in three groups, in random order."""
    rng = np.random.RandomState(seed)
    topics = np.kron(np.eye(6), rng.rand(10, 1) + 0.1)
    codes = (
        rng.dirichlet([0.2] * 6, documents).T
        + np.kron(np.eye(3), np.ones((2, 1))) @ rng.dirichlet([0.2] * 3, documents).T
    )
    return sp.csc_array(rng.poisson(3 * topics @ codes).astype(np.float64))


def loss_of(X, factors, loss="layerwise"):
    with Device("cpu").active():
        evaluation = Objective([X], loss, Device("cpu"), None, False)(factors)
    return float(evaluation.value / evaluation.norm)


@pytest.mark.parametrize("seed", range(3))
def test_one_online_pass_is_better_than_one_exact_pass_from_a_random_start(seed):
    X = corpus(seed)
    start = initialize("random", X, (6, 3), np.random.RandomState(seed))
    chunks = in_parts(X, 60)
    online = train(chunks, start, passes=1, online=True)
    exact = train(chunks, start, passes=1)
    assert loss_of(X, online.factors) < loss_of(X, exact.factors)


@pytest.mark.parametrize("loss", ["layerwise", "energy", "reconstruction"])
@pytest.mark.parametrize("widths", [(4,), (6, 3), (12, 5, 2)])
@pytest.mark.parametrize("documents", [1, 7, 40])
@pytest.mark.parametrize("init", ["layerwise", "random"])
def test_the_loss_never_rises_whatever_the_chunks(loss, widths, documents, init):
    X = corpus(3, 40)
    start = initialize(init, X, widths, np.random.RandomState(0))
    final = train(in_parts(X, documents), start, loss=loss, online=True, passes=8, tol=0)
    losses = [final.history.start_loss, *final.history.loss]
    assert all(after <= before for before, after in pairwise(losses))
    assert losses[-1] < losses[0]
    assert losses[-1] == pytest.approx(loss_of(X, final.factors, loss), rel=1e-9)


def test_with_all_documents_in_one_chunk_the_steps_are_those_of_exact_training():
    X = corpus(4, 80)
    start = initialize("layerwise", X, (6, 3), np.random.RandomState(0))
    online, exact = (train([X], start, passes=3, tol=0, online=mode) for mode in (True, False))
    for A, B in zip(online.factors, exact.factors, strict=True):
        np.testing.assert_allclose(A, B, rtol=1e-8, atol=1e-10)


def test_earlier_documents_do_not_fade_in_a_sweep():
    first, second = corpus(5, 200), corpus(6, 60)
    known = train([first], initialize("layerwise", first, (6, 3), np.random.RandomState(0)))
    memory = Memory(known.factors, known.evaluation)
    chunks = in_parts(second, 5)
    final = train(chunks, known.factors, memory=memory, online=True)
    exact = train(chunks, known.factors, memory=memory)
    assert loss_of(first, final.factors) < 1.01 * loss_of(first, exact.factors)
    assert loss_of(second, final.factors) < 1.01 * loss_of(second, exact.factors)


def test_single_precision_stays_single():
    X = corpus(7, 60).astype(np.float32)
    start = initialize("layerwise", X, (6, 3), np.random.RandomState(0))
    final = train(in_parts(X, 10), start, online=True, passes=2)
    assert {A.dtype for A in final.factors} == {np.dtype(np.float32)}


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


@pytest.mark.parametrize("documents", [7, 40])
def test_no_sweep_is_made_once_the_loss_has_risen_by_one(documents, monkeypatch):
    X = corpus(0, 600)[:, :200]
    start = initialize("random", X, (6, 3), np.random.RandomState(0))
    sweeps, seen = [], []
    monkeypatch.setattr(
        "nnmf_topics.training.online_sweep",
        lambda *given: sweeps.append(given) or online_sweep(*given),
    )
    final = train(
        in_parts(X, documents),
        start,
        online=True,
        passes=30,
        tol=0,
        on_pass=lambda _: seen.append(len(sweeps)),
    )
    losses = (final.history.start_loss, *final.history.loss)
    rejected = [after == before for before, after in pairwise(losses)].index(True)
    assert seen == [min(number, rejected) + 1 for number in range(len(seen))]
