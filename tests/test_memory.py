import itertools
import tracemalloc

import numpy as np
import pytest
from models import animals, copied, fingerprint, lee, loaded, planted
from test_training import LOSSES, random_data, start
from threadpoolctl import threadpool_limits

from nnmf_topics import NeuralNMFModel, losses, reductions
from nnmf_topics._backend import HOST, to_host
from nnmf_topics.datasets import make_hierarchical_corpus
from nnmf_topics.memory import Memory
from nnmf_topics.network import evaluate, forward
from nnmf_topics.objective import Objective
from nnmf_topics.training import train


def evaluated(factors, X, loss="layerwise"):
    return evaluate(factors, X, np.sum(X * X), loss)[0]


def moved(factors, size, seed=0):
    rng = np.random.RandomState(seed)
    return [np.maximum(A + size * rng.standard_normal(A.shape), 0) for A in factors]


@pytest.mark.parametrize("loss", LOSSES)
def test_at_the_factors_where_documents_were_seen_their_memory_is_their_evaluation(store, loss):
    X = random_data(0)
    factors = [store.xp.put(A) for A in start(X, (5, 3))]
    norm = store.xp.put(np.sum(X * X))
    evaluation, _ = evaluate(factors, store.data(X), norm, loss)
    found = Memory(factors, evaluation, loss)(factors)
    np.testing.assert_allclose(to_host(found.value), to_host(evaluation.value))
    pairs = zip(found.gradient(factors), evaluation.gradient(factors), strict=True)
    for A, B in pairs:
        np.testing.assert_allclose(to_host(A), to_host(B), atol=1e-9)


def test_the_memory_of_one_layer_is_the_loss_with_the_codes_held_and_bounds_the_true_loss():
    X = random_data(1)
    factors = start(X, (5,))
    memory = Memory(factors, evaluated(factors, X))
    codes = forward(factors, X).codes[0]
    for size in (0.01, 0.1, 1):
        (A,) = moved(factors, size)
        held = np.sum((X - A @ codes) ** 2)
        np.testing.assert_allclose(float(memory([A]).value), held, rtol=1e-9)
        assert held >= float(evaluated([A], X).value)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_gradient_of_the_memory_equals_central_differences(loss):
    X = random_data(2)
    factors = start(X, (5, 3))
    memory, point = Memory(factors, evaluated(factors, X, loss), loss), moved(factors, 0.03)
    rng = np.random.RandomState(3)
    directions = [rng.standard_normal(A.shape) for A in point]
    slope = sum(
        np.sum(G * D) for G, D in zip(memory(point).gradient(point), directions, strict=True)
    )
    above, below = (
        float(memory([A + h * D for A, D in zip(point, directions, strict=True)]).value)
        for h in (1e-4, -1e-4)
    )
    np.testing.assert_allclose(slope, (above - below) / 2e-4, rtol=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_memory_is_the_same_with_some_rows_at_a_time(store, monkeypatch, loss):
    X = random_data(4)
    factors = start(X, (5, 3))
    evaluation = evaluated(factors, X, loss).mapped(store.xp.put)
    memory = Memory([store.xp.put(A) for A in factors], evaluation, loss)
    others = [store.xp.put(A) for A in start(X, (5, 3), seed=1)]

    def values():
        return [float(memory(others).value), float(memory.rebased(others).evaluation.value)]

    whole = values()
    assert min(abs(value / float(evaluation.value) - 1) for value in whole) > 1e-3
    for limit in ("_ENTRIES_ON_HOST", "_ENTRIES_ON_GPU"):
        monkeypatch.setattr(reductions, limit, 35)
    np.testing.assert_allclose(values(), whole, rtol=1e-12)


def test_what_other_factors_cost_takes_no_memory_of_the_size_of_the_terms():
    X = np.random.RandomState(0).rand(200_000, 3)
    factors = start(X, (10,))
    memory, others = Memory(factors, evaluated(factors, X)), moved(factors, 0.01)
    tracemalloc.start()
    try:
        with threadpool_limits(2, user_api="blas"), HOST.active():
            memory(others)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < factors[0].nbytes / 4


def test_a_memory_of_the_memory_is_the_memory():
    X = random_data(3)
    factors = start(X, (5,))
    memory = Memory(factors, evaluated(factors, X))
    near, far = moved(factors, 0.1), moved(factors, 1, seed=1)
    again = Memory(near, memory(near))
    np.testing.assert_allclose(float(again(far).value), float(memory(far).value), rtol=1e-9)


def test_training_with_a_memory_never_raises_the_loss_of_all():
    first, second = random_data(4), random_data(5)
    known = train([first], start(first, (5, 3)))
    memory = Memory(known.factors, known.evaluation)
    history = train([second], known.factors, memory=memory, tol=0, passes=20).history
    losses = [history.start_loss, *history.loss]
    assert all(after <= before for before, after in itertools.pairwise(losses))


def two_halves(seed):
    """Documents of two sub-trees of a planted hierarchy, half of the vocabulary each."""
    data = make_hierarchical_corpus(200, (8, 2), background_words=1, random_state=seed)
    roots = data.layer_labels[-1]
    halves = [
        [document for document, label in zip(data.corpus, roots, strict=True) if label == root]
        for root in sorted(set(roots))
    ]
    return halves, data.dictionary


def error(model, documents):
    """Relative error of the finest layer on documents, weighted as the model does."""
    from gensim.matutils import corpus2csc

    X = model._known.weighting(corpus2csc(documents, num_terms=model.num_terms).tocsc()).toarray()
    return np.linalg.norm(X - model.factors[0] @ model.encode(documents)[0]) / np.linalg.norm(X)


@pytest.mark.parametrize("options", [{}, {"online": True, "chunksize": 25}], ids=["", "online"])
@pytest.mark.parametrize("seed", range(3))
def test_an_update_learns_the_new_and_keeps_the_old_as_training_on_both_would(seed, options):
    (old, new), dictionary = two_halves(seed)
    model = NeuralNMFModel(old, (8, 2), dictionary, random_state=0, **options)
    assert error(model, new) > 0.9  # half of the vocabulary was never seen
    model.update(new)
    joint = NeuralNMFModel(old + new, (8, 2), dictionary, random_state=0)
    for half in (old, new):
        assert error(model, half) < 1.02 * error(joint, half)


def test_an_update_with_documents_of_the_same_kind_keeps_the_topics_and_their_numbers():
    data = planted()
    model = NeuralNMFModel(data.corpus[:60], (6, 3), data.dictionary, random_state=0)
    before = model.get_topics()
    model.update(data.corpus[60:])
    cosines = before @ model.get_topics().T
    np.testing.assert_array_equal(np.argmax(cosines, axis=1), np.arange(6))


def test_one_strange_document_does_not_undo_what_many_taught():
    data = planted()
    model = NeuralNMFModel(data.corpus, (6, 3), data.dictionary, random_state=0)
    before = error(model, data.corpus)
    model.update([[(0, 50), (149, 50)]])
    assert error(model, data.corpus) < 1.02 * before


def test_the_memory_in_terms_of_other_topics_bounds_the_true_loss_of_one_layer():
    X = random_data(6)
    factors = start(X, (5,))
    memory = Memory(factors, evaluated(factors, X))
    for seed in range(3):
        others = start(X, (5,), seed=1 + seed)
        rebased = memory.rebased(others)
        assert float(rebased(others).value) >= float(evaluated(others, X).value)
        np.testing.assert_allclose(
            float(memory.rebased(factors)(factors).value), float(memory(factors).value)
        )


def test_a_memory_in_terms_of_the_same_topics_in_another_order_is_the_same():
    X = random_data(8)
    factors = train([X], start(X, (5, 3))).factors
    memory = Memory(factors, evaluated(factors, X))
    order = [3, 1, 4, 0, 2]
    shuffled = [factors[0][:, order], factors[1][order]]
    rebased = memory.rebased(shuffled)
    np.testing.assert_allclose(float(rebased.evaluation.value), float(memory.evaluation.value))
    np.testing.assert_allclose(rebased.evaluation.usage[0], memory.evaluation.usage[0][order])
    np.testing.assert_allclose(
        rebased.evaluation.gradient(shuffled)[0],
        memory.evaluation.gradient(factors)[0][:, order],
        atol=1e-8,
    )


def test_updates_count_documents_and_words_of_all():
    data = planted()
    model = NeuralNMFModel(data.corpus[:60], (6, 3), data.dictionary, random_state=0)
    model.update(data.corpus[60:])
    whole = NeuralNMFModel(data.corpus, (6, 3), data.dictionary, random_state=0)
    assert model.num_documents == whole.num_documents
    np.testing.assert_array_equal(
        model.statistics.document_frequency, whole.statistics.document_frequency
    )
    np.testing.assert_allclose(model.topic_masses(0).sum(), 1, rtol=1e-5)


def test_training_on_after_a_load_equals_training_on_without_it():
    model, other = copied(), loaded(copied())
    documents = planted().corpus[:30]
    for each in (model, other):
        each.update(documents)
        each.update(documents[:7])
    assert fingerprint(model) == fingerprint(other)


def test_words_added_to_the_dictionary_are_learnt_by_the_next_update():
    corpus, dictionary = animals()
    model = NeuralNMFModel(corpus, (2,), dictionary, random_state=0, weighting="none")
    known = len(dictionary)
    new = [dictionary.doc2bow(["rust", "python", "rust"], allow_update=True) for _ in range(4)]
    with pytest.raises(ValueError, match=f"outside the vocabulary of {known} terms"):
        model.encode(new)
    model.update(new)
    assert model.num_terms == len(dictionary) == model.get_topics().shape[1] == known + 2
    topic = max(model[new[0]], key=lambda pair: pair[1])[0]
    assert {"rust", "python"} <= {word for word, _ in model.show_topic(topic, 4)}
    assert model.level(0).num_terms == known + 2


def test_documents_of_words_without_a_weight_are_counted_until_they_have_one(caplog):
    model = copied()
    unknown = model.id2word.doc2bow(["unheard"], allow_update=True)
    topics = model.get_topics()
    model.update([unknown])
    assert "only counted" in caplog.text
    assert model.num_documents == len(planted().corpus) + 1
    np.testing.assert_array_equal(model.get_topics()[:, : topics.shape[1]], topics)
    for _ in range(9):
        model.update([unknown])
    assert model.term_weights[unknown[0][0]] > 0


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("widths", [(5, 3), (5, 4, 3)])
def test_the_curvature_of_the_memory_is_that_of_the_loss_with_the_codes_held(loss, widths):
    X = random_data(9)
    factors = start(X, widths)
    memory = Memory(factors, evaluated(factors, X, loss), loss)
    codes = forward(factors, X).codes

    def held(point):
        gram, rhs = point[0].T @ point[0], point[0].T @ X
        return float(losses.evaluate(loss, point, codes, gram, rhs, np.sum(X * X)).value)

    rng = np.random.RandomState(0)
    for layer, A in enumerate(factors):
        D = rng.standard_normal(A.shape)
        sides = [[*factors[:layer], A + h * D, *factors[layer + 1 :]] for h in (-1, 0, 1)]
        bend = held(sides[0]) - 2 * held(sides[1]) + held(sides[2])
        slopes = [memory(point).gradient(point)[layer] for point in sides[1:]]
        np.testing.assert_allclose(np.sum(D * (slopes[1] - slopes[0])), bend, rtol=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("widths", [(10, 3), (12, 6, 3)])
@pytest.mark.parametrize("weighting", ["none", "log-idf"])
def test_updates_of_a_tiny_model_keep_the_loss_positive_and_the_file_readable(
    loss, widths, weighting
):
    data = lee()
    model = NeuralNMFModel(
        data.corpus[:4], widths, data.dictionary, loss=loss, weighting=weighting, random_state=0
    )
    for first in (4, 34, 35):
        model.update(data.corpus[first : first + 30], passes=5)
        assert min(model.history.loss) > 0
        assert fingerprint(loaded(model)) == fingerprint(model)


def test_a_dictionary_that_was_filtered_after_the_training_is_refused():
    corpus, dictionary = animals()
    model = NeuralNMFModel(corpus, (2,), dictionary, random_state=0)
    dictionary.filter_extremes(no_below=2, no_above=1.0)
    with pytest.raises(ValueError, match="it was filtered or compactified"):
        model.update(corpus)


@pytest.mark.parametrize("documents", [1, 3])
def test_words_that_trickle_in_get_a_weight_when_ten_documents_have_them(documents):
    data = planted()
    model = NeuralNMFModel(data.corpus * 3, (6, 3), copied().id2word, random_state=0, passes=2)
    new = model.id2word.doc2bow(["unheard", "unseen"], allow_update=True)
    seen, weights = 0, []
    while seen < 12:
        model.update([[*data.corpus[seen], *new]] * documents, passes=1)
        seen += documents
        weights.append((seen, model.term_weights[new[0][0]] > 0))
    assert all(has == (count >= 10) for count, has in weights)
    assert model[new]


def test_the_same_documents_again_give_no_word_a_weight():
    corpus, dictionary = animals()
    corpus = corpus * 60
    rare = dictionary.doc2bow(["rare"], allow_update=True)
    model = NeuralNMFModel([*corpus, *[rare] * 4], (2,), dictionary, random_state=0)
    before = model.term_weights.copy()
    assert before[rare[0][0]] == 0
    model.update([*corpus, *[rare] * 4])
    np.testing.assert_array_equal(model.term_weights, before)


def test_a_failed_update_with_a_grown_dictionary_changes_nothing():
    corpus, dictionary = animals()
    model = NeuralNMFModel(corpus, (2,), dictionary, random_state=0)
    terms, topics = model.num_terms, model.get_topics()
    new = dictionary.doc2bow(["rust"], allow_update=True)
    with pytest.raises(ValueError, match="document 1"):
        model.update([new, [(0, -1)]])
    assert model.num_terms == terms
    np.testing.assert_array_equal(model.get_topics(), topics)


@pytest.mark.parametrize("apart", [True, False])
def test_the_objective_is_the_sum_of_corpus_and_memory_and_says_the_share_of_each(apart):
    old, new = random_data(6), random_data(7)
    factors = start(old, (5, 3))
    memory = Memory(factors, evaluated(factors, old))
    point = moved(factors, 0.05)
    corpus, remembered = evaluated(point, new), memory(point)
    objective = Objective([new], "layerwise", HOST, memory, in_memory=True, apart=apart)
    for _ in range(2):  # neither sum may have been changed by the first call
        found = objective(point)
        np.testing.assert_allclose(found.value, corpus.value + remembered.value)
        np.testing.assert_allclose(found.data, corpus.data + remembered.data)
    np.testing.assert_allclose(objective.share, corpus.value / found.value)
    if apart:
        np.testing.assert_allclose(objective.corpus.data, corpus.data)
    else:
        assert objective.corpus is None
