import dataclasses
import itertools
import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from nnmf_topics._backend import to_host
from nnmf_topics.initializers import initialize
from nnmf_topics.network import evaluate, forward
from nnmf_topics.optimizers import unit_columns
from nnmf_topics.training import MOST_PASSES, StopReason, train

LOSSES = ("layerwise", "energy", "reconstruction")
untimed = settings(deadline=None, derandomize=True, max_examples=20)


def random_data(seed, terms=20, documents=30, density=0.4):
    rng = np.random.RandomState(seed)
    return rng.rand(terms, documents) * (rng.rand(terms, documents) < density)


def start(X, widths, seed=0, name="random"):
    return initialize(name, X, widths, np.random.RandomState(seed))


def losses_of(history):
    return (history.start_loss, *history.loss)


def assert_sound(state, dtype):
    """What must hold of any training, however odd the data."""
    for A in state.factors:
        assert A.dtype == dtype
        assert np.all(np.isfinite(A) & (A >= 0))
        np.testing.assert_allclose(np.linalg.norm(A, axis=0), 1, rtol=1e-5)
    history = state.history
    assert all(b <= a for a, b in itertools.pairwise(losses_of(history)))
    assert np.all(np.isfinite(history.errors))
    assert isinstance(history.stop_reason, StopReason)


# --- what is minimised -----------------------------------------------------------------------


@untimed
@given(
    seed=st.integers(0, 2**31),
    widths=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    loss=st.sampled_from(LOSSES),
    dtype=st.sampled_from([np.float64, np.float32]),
    name=st.sampled_from(["random", "nndsvd", "layerwise"]),
)
def test_the_loss_never_rises(seed, widths, loss, dtype, name):
    X = random_data(seed, terms=12, documents=9).astype(dtype)
    state = train([X], start(X, widths, seed, name), loss=loss, passes=15, tol=0)
    assert_sound(state, dtype)


@pytest.mark.parametrize("layers", [1, 2, 3, 4])
@pytest.mark.parametrize("loss", LOSSES)
def test_training_lowers_the_loss_of_a_random_start(loss, layers):
    X = random_data(0)
    history = train([X], start(X, (6, 5, 4, 3)[:layers]), loss=loss, passes=30).history
    assert history.loss[-1] < 0.95 * history.start_loss


def odd_data():
    X = random_data(1, terms=10, documents=8)
    yield "one document", X[:, :1]
    yield "one term", X[:1]
    yield "one entry", np.ones((1, 1))
    yield "constant", np.full((6, 7), 3.0)
    yield "zero", np.zeros((6, 7))
    yield "one word a document", np.eye(6)
    yield "zero documents", X * (np.arange(8) % 2)
    yield "zero terms", X * (np.arange(10) % 2)[:, None]
    yield "equal documents", np.repeat(X[:, :2], 5, axis=1)
    yield "tiny", 1e-12 * X
    yield "huge", 1e12 * X


@pytest.mark.parametrize("X", [pytest.param(X, id=name) for name, X in odd_data()])
@pytest.mark.parametrize(
    ("loss", "dtype"), [*((loss, np.float64) for loss in LOSSES), ("layerwise", np.float32)]
)
def test_odd_corpora_and_widths_train_soundly(loss, dtype, X):
    X = X.astype(dtype)
    for widths in [(1,), (12, 5), (2, 5), (5, 4, 3, 2, 2, 1, 1, 1)]:
        state = train([sp.csc_array(X)], start(X, widths, name="layerwise"), loss=loss, passes=3)
        assert_sound(state, dtype)


@pytest.mark.parametrize("scale", [2.0**-30, 2.0**30])
@pytest.mark.parametrize("loss", LOSSES)
def test_the_scale_of_the_data_does_not_matter(loss, scale):
    X = random_data(2)
    factors = start(X, (5, 2))
    factors[1][0] = 0  # a topic without a parent
    expected, found = (train([data], factors, loss=loss, passes=25) for data in (X, scale * X))
    np.testing.assert_allclose(losses_of(found.history), losses_of(expected.history), rtol=1e-9)


def test_the_lengths_of_the_columns_at_the_start_do_not_matter():
    X = random_data(3)
    factors = start(X, (5, 3))
    scaled = [factors[0] * [1e3, 1, 1e-3, 5, 1e6], factors[1] * 1e-6]
    expected, found = (train([X], A, loss="energy", passes=10) for A in (factors, scaled))
    np.testing.assert_allclose(losses_of(found.history), losses_of(expected.history), rtol=1e-9)


@pytest.mark.parametrize("sizes", [[1] * 40, [7] * 5 + [5], [16, 16, 8], [0, 39, 0, 1, 0]])
@pytest.mark.parametrize("loss", LOSSES)
def test_chunks_of_any_size_give_the_same_factors(loss, sizes):
    X = random_data(4, documents=40)
    edges = np.cumsum([0, *sizes])
    chunks = [sp.csc_array(X[:, a:b]) for a, b in itertools.pairwise(edges)]
    factors = start(X, (6, 3))
    found = train(chunks, factors, loss=loss, passes=6)
    expected = train([X], factors, loss=loss, passes=6)
    for A, B in zip(found.factors, expected.factors, strict=True):
        np.testing.assert_allclose(A, B, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.history.loss, expected.history.loss, rtol=1e-9)


@untimed
@given(seed=st.integers(0, 2**31), loss=st.sampled_from(LOSSES))
def test_permuting_documents_and_terms_permutes_the_factors(seed, loss):
    X, rng = random_data(seed), np.random.RandomState(seed)
    terms, documents = rng.permutation(20), rng.permutation(30)
    first, *upper = start(X, (5, 3))
    expected = train([X], [first, *upper], loss=loss, passes=4).factors
    found = train([X[terms][:, documents]], [first[terms], *upper], loss=loss, passes=4).factors
    for A, B in zip(found, (expected[0][terms], *expected[1:]), strict=True):
        np.testing.assert_allclose(A, B, rtol=0, atol=1e-8)


def test_an_all_zero_chunk_changes_nothing():
    X = random_data(5)
    factors = start(X, (5, 3))
    expected = train([X], factors, passes=10)
    found = train([np.zeros((20, 6)), X, np.zeros((20, 1))], factors, passes=10)
    for A, B in zip(found.factors, expected.factors, strict=True):
        np.testing.assert_allclose(A, B, rtol=0, atol=1e-9)


@pytest.mark.parametrize("loss", LOSSES)
def test_devices_and_kinds_of_arrays_agree(store, loss):
    X = random_data(6)
    factors = start(X, (6, 3))
    expected = train([X], factors, loss=loss, passes=8)
    chunk = X if store.data == store.xp.put else sp.csc_array(X)
    found = train([chunk], factors, loss=loss, passes=8, device=store.xp)
    for A, B in zip(found.factors, expected.factors, strict=True):
        np.testing.assert_allclose(to_host(A), B, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.history.loss, expected.history.loss, rtol=1e-8)
    np.testing.assert_allclose(found.history.errors, expected.history.errors, rtol=1e-8)


def test_single_precision_finds_nearly_the_same_errors():
    X = random_data(7, 60, 80)
    factors = start(X, (8, 4), name="layerwise")
    double, single = (
        train([X.astype(dtype)], [A.astype(dtype) for A in factors], passes=30, tol=0)
        for dtype in (np.float64, np.float32)
    )
    np.testing.assert_allclose(single.history.errors[-1], double.history.errors[-1], rtol=2e-3)


# --- what comes out --------------------------------------------------------------------------


def planted_hierarchy(seed, documents=240):
    """Six topics of ten words, pairs of them siblings: a document prefers one topic of a pair."""
    rng = np.random.RandomState(seed)
    A = np.kron(np.eye(6), rng.rand(10, 1) + 0.5)
    parent, child = rng.randint(3, size=documents), rng.randint(2, size=documents)
    S = np.zeros((6, documents))
    columns = np.arange(documents)
    S[2 * parent + child, columns] = rng.uniform(0.6, 1, documents)
    S[2 * parent + 1 - child, columns] = rng.uniform(0.3, 0.6, documents)
    X = unit_columns(A) @ S
    return X + 0.02 * rng.rand(*X.shape), unit_columns(A)


@pytest.mark.parametrize("seed", range(5))
def test_the_energy_loss_keeps_its_upper_layer_alive(seed):
    X, A = planted_hierarchy(seed)
    state = train([X], start(X, (6, 3), seed, "layerwise"), loss="energy")
    lower, upper = forward(state.factors, X).codes
    assert np.linalg.norm(lower - state.factors[1] @ upper) < 0.4 * np.linalg.norm(lower)
    assert np.linalg.norm(lower) > 0.8 * np.linalg.norm(X)
    planted = np.argmax(A.T @ state.factors[0], axis=0)
    assert sorted(planted) == list(range(6))
    children = [set(planted[column > 0.3] // 2) for column in state.factors[1].T]
    assert sorted(children, key=min) == [{0}, {1}, {2}]
    shares = state.factors[1].T / state.factors[1].sum(axis=0)[:, None]
    for share, (family,) in zip(shares, children, strict=True):
        assert share[planted // 2 == family].sum() > 0.9


def test_without_unit_columns_scale_alone_would_empty_the_upper_terms_of_the_energy_loss():
    X, _ = planted_hierarchy(0)
    factors = start(X, (6, 3), name="layerwise")
    norm = np.sum(X * X)

    def upper_term(A):
        evaluation, _ = evaluate(A, X, norm, "energy")
        return float(evaluation.value - evaluation.errors[0])

    assert upper_term([1e3 * factors[0], factors[1]]) < 1e-5 * upper_term(factors)


def blocks_with_noise(seed):
    """Data as in the paper: 9 groups in 4 in 2, 87 x 90, with noise."""
    rng = np.random.RandomState(seed)
    groups = np.arange(9)
    X = np.zeros((87, 90))
    for level, weight in ((groups, 1.0), (groups * 4 // 9, 0.5), (groups * 2 // 9, 0.3)):
        rows, columns = level[np.arange(87) * 9 // 87], level[np.arange(90) * 9 // 90]
        X += weight * (rows[:, None] == columns)
    return X * (1 + 0.1 * rng.rand(9, 1)[np.arange(87) * 9 // 87]) + 0.02 * rng.rand(87, 90)


@pytest.mark.parametrize("seed", range(3))
def test_the_errors_of_planted_data_reach_the_bounds_of_the_singular_values(seed):
    X, widths = blocks_with_noise(seed), (9, 4, 2)
    history = train([X], start(X, widths, seed, "layerwise")).history
    values = np.linalg.svd(X, compute_uv=False)
    bounds = [np.sqrt(np.sum(values[k:] ** 2) / np.sum(values**2)) for k in widths]
    assert np.all(history.errors[-1] >= np.array(bounds) * (1 - 1e-9))
    np.testing.assert_allclose(history.errors[-1], bounds, rtol=0.02)


# --- the loop --------------------------------------------------------------------------------


def test_training_stops_at_the_tolerance():
    X = random_data(8)
    history = train([X], start(X, (5, 3)), tol=1e-3).history
    assert history.stop_reason is StopReason.TOLERANCE
    *earlier, before, last = losses_of(history)
    assert 0 <= before - last < 1e-3 * before
    pairs = itertools.pairwise([*earlier, before])
    little = [a - b < 1e-3 * a for a, b in pairs if b < a]
    # One such pass may be due to a step that is too long; two of them are the end.
    assert not any(a and b for a, b in itertools.pairwise(little))


@pytest.mark.parametrize("passes", [0, 1, 7])
def test_training_makes_the_passes_asked_for(passes):
    X = random_data(9)
    factors = start(X, (5, 3))
    state = train([X], factors, passes=passes, tol=0)
    assert state.history.passes == len(state.history.errors) == passes
    assert state.history.stop_reason is StopReason.PASSES
    if passes == 0:
        for A, B in zip(state.factors, factors, strict=True):
            np.testing.assert_allclose(A, B)


def test_without_a_number_of_passes_there_is_a_limit():
    X = random_data(10)
    history = train([X], start(X, (8, 4)), tol=-1).history
    assert history.passes <= MOST_PASSES
    assert history.stop_reason in (StopReason.PASSES, StopReason.STALLED)


def test_a_callback_sees_every_pass_and_stops_training():
    X, seen = random_data(11), []

    def on_pass(state):
        assert state.history.stop_reason is None
        seen.append(state)
        return state.history.passes == 4

    found = train([X], start(X, (5, 3)), tol=0, on_pass=on_pass)
    assert found.history.stop_reason is StopReason.CALLBACK
    assert [state.history.passes for state in seen] == [1, 2, 3, 4]
    assert [state.history.loss for state in seen] == [found.history.loss[:n] for n in (1, 2, 3, 4)]
    for A, B in zip(seen[-1].factors, found.factors, strict=True):
        np.testing.assert_array_equal(A, B)


def test_training_stalls_where_no_step_lowers_the_loss():
    X = random_data(0, 30, 40, 0.3)
    history = train([X], start(X, (5, 2)), passes=1000, tol=0).history
    assert history.stop_reason is StopReason.STALLED
    assert history.loss[-1] == history.loss[-2]


def gradient_step(factors, X, loss, length):
    """A plain step of that length against the gradient, projected: an independent way down."""
    evaluation, _ = evaluate(factors, X, np.sum(X * X), loss)
    slopes = [
        G - A * np.sum(A * G, axis=0)
        for A, G in zip(factors, evaluation.gradient(factors), strict=True)
    ]
    return [
        unit_columns(np.maximum(A - length * G / np.linalg.norm(G), 0))
        for A, G in zip(factors, slopes, strict=True)
    ]


@pytest.mark.parametrize("loss", ["layerwise", "energy"])
@pytest.mark.parametrize("seed", range(3))
def test_training_does_not_stall_where_the_gradient_still_shows_a_way_down(seed, loss):
    X = random_data(seed, 30, 40, 0.3)
    state = train([X], start(X, (5, 2), seed), loss=loss, passes=150, tol=0)
    if state.history.stop_reason is StopReason.STALLED:
        value = float(evaluate(state.factors, X, np.sum(X * X), loss)[0].value)
        for length in (1e-5, 1e-4, 1e-3, 1e-2):
            moved = gradient_step(state.factors, X, loss, length)
            assert float(evaluate(moved, X, np.sum(X * X), loss)[0].value) > value * (1 - 1e-6)


def test_an_exact_fit_ends_at_once():
    X = np.kron(np.eye(3), np.ones((2, 4)))
    history = train([X], [np.kron(np.eye(3), np.ones((2, 1)))]).history
    assert history.passes <= 2
    assert history.errors[-1][0] < 1e-7


def test_a_pass_reads_the_corpus_once():
    X = random_data(12)

    class Chunks:
        readings = 0

        def __iter__(self):
            self.readings += 1
            return iter([X[:, :10], X[:, 10:]])

    chunks = Chunks()
    history = train(chunks, start(X, (5, 3)), passes=6, tol=0).history
    assert chunks.readings == history.passes + 1


def test_the_history_is_what_the_factors_say():
    X = random_data(13)
    state = train([X], start(X, (5, 3)), passes=5, tol=0)
    evaluation, _ = evaluate(state.factors, X, np.sum(X * X), "layerwise")
    np.testing.assert_allclose(state.history.loss[-1], float(evaluation.value) / np.sum(X * X))
    for layer, (error, S) in enumerate(
        zip(state.history.errors[-1], forward(state.factors, X).codes, strict=True)
    ):
        np.testing.assert_allclose(state.evaluation.usage[layer], S.sum(axis=1), rtol=1e-9)
        R = np.linalg.multi_dot([*state.factors[: layer + 1], S])
        np.testing.assert_allclose(error, np.linalg.norm(X - R) / np.linalg.norm(X), rtol=1e-9)


def test_history_and_state_are_frozen():
    X = random_data(14)
    state = train([X], start(X, (3,)), passes=2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        state.history.loss = ()
    with pytest.raises(dataclasses.FrozenInstanceError):
        state.factors = ()


def test_training_changes_neither_the_data_nor_the_start():
    X = sp.csc_array(random_data(15))
    factors = start(X, (5, 3))
    copies = X.copy(), [A.copy() for A in factors]
    train([X], factors, passes=3)
    np.testing.assert_array_equal(X.toarray(), copies[0].toarray())
    for A, B in zip(factors, copies[1], strict=True):
        np.testing.assert_array_equal(A, B)


def test_the_same_start_gives_the_same_bits():
    X = random_data(16)
    first, second = (train([X], start(X, (5, 3)), passes=10) for _ in range(2))
    for A, B in zip(first.factors, second.factors, strict=True):
        np.testing.assert_array_equal(A, B)
    assert first.history == second.history


BITS = """
import hashlib
from concurrent.futures import ThreadPoolExecutor
import numpy as np, scipy.sparse as sp
from nnmf_topics.initializers import initialize
from nnmf_topics.training import train
X = sp.random_array((300, 600), density=0.05, format="csc", rng=np.random.default_rng(0))

def bits():
    start = initialize("layerwise", X, (30, 8), np.random.RandomState(0))
    factors = train([X[:, :400], X[:, 400:]], start, passes=3).factors
    return hashlib.sha256(b"".join(A.tobytes() for A in factors)).hexdigest()

with ThreadPoolExecutor(1) as pool:
    print(bits(), pool.submit(bits).result())
"""


def test_a_seed_decides_every_bit_whatever_the_threads_and_the_hashes():
    found = set()
    for threads, hashes in [("1", "0"), ("2", "1"), ("4", "random")]:
        setting = {"PYTHONHASHSEED": hashes, "OPENBLAS_NUM_THREADS": threads}
        done = subprocess.run(
            [sys.executable, "-P", "-c", BITS],
            env={**os.environ, **setting, "OMP_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        found |= set(done.stdout.split())
    assert len(found) == 1


def test_a_corpus_without_documents_is_an_error():
    with pytest.raises(ValueError, match="the corpus has no documents"):
        train([], [np.ones((3, 2))])


def test_an_unknown_loss_is_an_error():
    with pytest.raises(ValueError, match="not 'hinge'"):
        train([random_data(17)], [np.ones((20, 2))], loss="hinge")


def test_progress_is_shown_on_request(capsys):
    X = random_data(18)
    train([X], start(X, (3,)), passes=2, tol=0)
    assert capsys.readouterr() == ("", "")
    train([X], start(X, (3,)), passes=2, progress=True)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "2/2" in shown.err
