from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
from conftest import NotTheHost
from sklearn.feature_extraction.text import TfidfTransformer

from nnmf_topics._backend import Device, to_host
from nnmf_topics.alternation import alternate
from nnmf_topics.initializers import initialize, layerwise
from nnmf_topics.losses import squared_norm
from nnmf_topics.network import evaluate
from nnmf_topics.nndsvd import nndsvd
from nnmf_topics.nnls import nnls
from nnmf_topics.optimizers import unit_columns
from nnmf_topics.products import in_parts
from nnmf_topics.single_layer import _rarity, alternated, from_nndsvd, from_rare_rows
from nnmf_topics.training import train
from nnmf_topics.upper_layers import Signal, restarted

NAMES = ("random", "nndsvd", "clusters", "layerwise")


def random_data(seed=0, terms=14, documents=11, density=0.5):
    rng = np.random.RandomState(seed)
    return rng.rand(terms, documents) * (rng.rand(terms, documents) < density)


def separable(widths, seed, documents=60):
    """X = A_0 ... A_L S without noise; topics share nothing, and every one has a document alone."""
    rng = np.random.RandomState(seed)
    factors = [np.kron(np.eye(widths[0]), rng.rand(8, 1) + 0.1)]
    for k, above in pairwise(widths):
        factors.append(np.kron(np.eye(above), rng.rand(k // above, 1) + 0.1))
    k = widths[-1]
    S = np.hstack([np.eye(k), rng.dirichlet([0.3] * k, documents).T])
    return np.linalg.multi_dot([*factors, S]), unit_columns(reduce(np.matmul, factors))


def hard_data():
    yield "random", random_data()
    yield "one document", random_data(documents=1)
    yield "one term", random_data(terms=1)
    yield "rank one", np.outer(np.arange(1.0, 15), np.arange(1.0, 12))
    yield "constant", np.full((14, 11), 3.0)
    yield "zero", np.zeros((14, 11))
    yield "zero documents", random_data() * (np.arange(11) % 2)
    yield "zero terms", random_data() * (np.arange(14) % 2)[:, None]
    yield "equal documents", np.repeat(random_data(documents=2), 6, axis=1)
    yield "tiny", 1e-12 * random_data()
    yield "huge", 1e12 * random_data()


@pytest.mark.parametrize("X", [pytest.param(X, id=name) for name, X in hard_data()])
@pytest.mark.parametrize(
    ("put", "dtype"),
    [(np.asarray, np.float64), (sp.csc_array, np.float32)],
    ids=["dense-double", "sparse-single"],
)
@pytest.mark.parametrize("name", NAMES)
def test_starts_are_in_normal_form(name, put, dtype, X):
    for widths in [(1,), (4, 2), (20, 3), (2, 5)]:
        factors = initialize(name, put(X.astype(dtype)), widths, np.random.RandomState(0))
        assert [A.shape for A in factors] == list(zip((len(X), *widths), widths, strict=False))
        for A in factors:
            assert A.dtype == dtype
            assert np.all(A >= 0)
            np.testing.assert_allclose(np.linalg.norm(A, axis=0), 1, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_decides_the_start(name):
    X = random_data()

    def start(seed):
        return initialize(name, X, (4, 2), np.random.RandomState(seed))

    for again, other, A in zip(start(0), start(1), start(0), strict=True):
        np.testing.assert_array_equal(again, A)
        assert not np.array_equal(other, A)


@pytest.mark.parametrize("name", NAMES)
def test_dense_and_sparse_data_start_alike_and_stay_as_they_are(name):
    X = random_data()
    sparse = sp.csc_array(X)
    dense_start, sparse_start = (
        initialize(name, data, (4, 2), np.random.RandomState(0)) for data in (X, sparse)
    )
    for A, B in zip(dense_start, sparse_start, strict=True):
        np.testing.assert_allclose(A, B, rtol=1e-8, atol=1e-10)
    np.testing.assert_array_equal(X, random_data())
    np.testing.assert_array_equal(sparse.toarray(), random_data())


class FullDevice(NotTheHost):
    """A device whose memory is used up when so many arrays have come."""

    def __init__(self, room):
        super().__init__("cuda:0")
        object.__setattr__(self, "room", room)
        object.__setattr__(self, "released", 0)

    def put(self, matrix):
        object.__setattr__(self, "room", self.room - 1)
        if self.room < 0:
            raise MemoryError
        return super().put(matrix)

    def release(self):
        object.__setattr__(self, "released", self.released + 1)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "random"])
@pytest.mark.parametrize("room", [0, 2])
def test_a_start_that_has_no_room_on_a_gpu_is_that_of_the_host(name, room, caplog):
    X = sp.csc_array(random_data(terms=60, documents=40))
    device, draws = FullDevice(room), [np.random.RandomState(3), np.random.RandomState(3)]
    found = initialize(name, X, (6, 3), draws[0], device)
    for ours, theirs in zip(found, initialize(name, X, (6, 3), draws[1]), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert draws[0].random_sample() == draws[1].random_sample()
    assert device.released == 1
    assert "too little memory for the start on cuda:0" in caplog.text


def test_an_unknown_start_is_named():
    with pytest.raises(ValueError, match=r"one of .*'clusters'.* not 'svd'"):
        initialize("svd", random_data(), (3,), np.random.RandomState(0))


@pytest.mark.parametrize("shape", [(0, 5), (5, 0)])
@pytest.mark.parametrize("name", NAMES)
def test_a_start_needs_documents_and_terms(name, shape):
    with pytest.raises(ValueError, match="needs documents and terms"):
        initialize(name, np.zeros(shape), (2,), np.random.RandomState(0))


def test_nndsvd_takes_the_dominant_half_of_every_singular_pair():
    X = random_data(1)
    U, s, Vt = np.linalg.svd(X)
    found = nndsvd(X, 4, np.random.RandomState(0))
    for j in range(4):
        halves = [(np.maximum(t * U[:, j], 0), np.maximum(t * Vt[j], 0)) for t in (1, -1)]
        u, v = max(halves, key=lambda half: np.linalg.norm(half[0]) * np.linalg.norm(half[1]))
        expected = np.sqrt(s[j] * np.linalg.norm(v) / np.linalg.norm(u)) * u
        np.testing.assert_allclose(found[u > 0, j], expected[u > 0], rtol=1e-6)
        assert np.all(found[u == 0, j] <= found.mean() / 100)


def test_nndsvd_of_rank_one_is_the_factor_itself():
    a, s = np.arange(1.0, 15), np.arange(1.0, 12)
    found = nndsvd(np.outer(a, s), 1, np.random.RandomState(0))
    np.testing.assert_allclose(found[:, 0] / np.linalg.norm(found), a / np.linalg.norm(a))


def test_topics_beyond_the_rank_differ():
    factor = initialize("nndsvd", np.full((14, 11), 3.0), (6,), np.random.RandomState(0))[0]
    cosines = factor.T @ factor
    assert np.max(cosines - np.eye(6)) < 0.999


def test_alternating_steps_lower_the_error(store):
    X = random_data(2, 30, 40)
    A, data = store.xp.put(unit_columns(nndsvd(X, 5, np.random.RandomState(0)))), store.data(X)
    factors = [alternate(data, A, steps)[0] for steps in range(5)]
    errors = [float(evaluate([A], data, squared_norm(data), "layerwise")[0].value) for A in factors]
    assert all(later < earlier for earlier, later in pairwise(errors))


def test_alternating_steps_on_parts_are_those_on_the_whole(store):
    X = random_data(3, 30, 41)
    A, data = store.xp.put(unit_columns(nndsvd(X, 9, np.random.RandomState(0)))), store.data(X)
    whole, codes = alternate(data, A, 4)
    found, joined = alternate(data, A, 4, part=12)
    np.testing.assert_allclose(to_host(found), to_host(whole), atol=1e-9)
    np.testing.assert_allclose(to_host(joined), to_host(codes), atol=1e-9)


def test_extrapolation_goes_further_in_as_many_steps(monkeypatch):
    def errors():
        for seed in range(6):
            X = random_data(seed, 60, 90)
            A = alternate(X, unit_columns(nndsvd(X, 5, np.random.RandomState(0))), 20)[0]
            yield np.linalg.norm(X - A @ nnls(A, X).S)

    with Device("cpu").active():
        further = list(errors())
        monkeypatch.setattr("nnmf_topics.alternation._extrapolated", lambda moved, *_: moved)
        assert all(error > ours for error, ours in zip(errors(), further, strict=True))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_each_start_of_a_stack_goes_as_it_would_alone(xp, dtype):
    X = random_data(4, 12, 30).astype(dtype)
    starts = np.random.RandomState(5).rand(6, 12, 4).astype(dtype)
    starts[1, :, 2] = 0
    if not xp.is_gpu:  # where the kernel for a lone start may tell equal columns apart by rounding
        starts[2, :, 1] = starts[2, :, 0]
    starts = unit_columns(starts)
    data = xp.put(X)
    A, S = map(to_host, alternate(data, xp.put(starts), 20))
    alone = [tuple(map(to_host, alternate(data, xp.put(start), 20))) for start in starts]
    assert A.dtype == S.dtype == dtype
    atol = 1e-8 if dtype is np.float64 else 2e-3
    for found, codes, (expected, exact) in zip(A, S, alone, strict=True):
        np.testing.assert_allclose(found, expected, atol=atol)
        np.testing.assert_allclose(codes, exact, atol=atol)


def test_the_codes_of_alternating_steps_are_nearly_those_of_the_factor(store):
    X = random_data(3, 30, 40)
    A, data = store.xp.put(unit_columns(nndsvd(X, 4, np.random.RandomState(0)))), store.data(X)
    A, codes = alternate(data, A, 8, part=25)
    found, exact = to_host(codes), to_host(nnls(A, data).S)
    assert np.linalg.norm(found - exact) < 1e-2 * np.linalg.norm(exact)


def test_before_the_last_sweeps_codes_have_the_scale_of_the_factor(monkeypatch):
    X = random_data(3, 30, 40)
    A = unit_columns(nndsvd(X, 4, np.random.RandomState(0)))
    monkeypatch.setattr("nnmf_topics.alternation._LAST_SWEEPS", 0)
    A, codes = alternate(X, A, 20)
    errors = [np.linalg.norm(X - A @ S) for S in (codes, nnls(A, X).S)]
    assert errors[0] < 1.001 * errors[1]


def plain(S):
    """Codes of topics that share no word."""
    return Signal(S, np.eye(len(S)))


def test_fits_of_codes_are_compared_in_words():
    rng = np.random.RandomState(0)
    A, S, B, codes = (rng.rand(*shape) for shape in ((20, 5), (5, 30), (5, 2), (2, 30)))
    left = np.sum((A @ (S - B @ codes)) ** 2, axis=0)
    assert Signal.of(A, S, 0).error((B, codes)) == pytest.approx(np.mean(left))
    assert Signal.of(A, S, 0).size() == pytest.approx(np.mean(np.sum((A @ S) ** 2, axis=0)))


def test_documents_weigh_less_by_a_power_of_their_length_in_words():
    rng = np.random.RandomState(1)
    A, S = rng.rand(20, 5), rng.rand(5, 30)
    S[:, 3] = 0
    lengths = np.linalg.norm(A @ S, axis=0)
    lengths[3] = 1
    np.testing.assert_allclose(Signal.of(A, S, 0.3).S, S / lengths**0.3)


def test_restarts_of_every_layer_are_compared_in_words(monkeypatch):
    grams = []

    def noted(signal, found, *_):
        grams.append(signal.gram)
        return found

    monkeypatch.setattr("nnmf_topics.upper_layers.restarted", noted)
    X = random_data(7, 40, 80, density=0.3)
    A, B, _ = initialize("layerwise", X, (9, 4, 2), np.random.RandomState(1))
    for gram, topics in zip(grams, (A, A @ B), strict=True):
        np.testing.assert_allclose(gram, topics.T @ topics)


class FirstDocuments(np.random.RandomState):
    """Chooses the first."""

    def choice(self, *documents_and_size, **_options):
        return np.arange(documents_and_size[1])


def test_of_different_restarts_on_a_part_the_best_for_all_documents_is_taken(monkeypatch):
    monkeypatch.setattr("nnmf_topics.upper_layers.ALTERNATIONS", 0)
    monkeypatch.setattr("nnmf_topics.upper_layers._ALTERNATIONS_OF_FINALISTS", 0)
    # Of three topics, the first is of documents among the first, on which restarts are tried.
    lengths = np.repeat([[1.0, 0.99, 0.98], [0.5, 1.0, 2.0]], [2001, 3999], axis=0).T
    S = np.tile(np.eye(3), 2000) * lengths
    best_for_part, between, best_for_all = (np.eye(3)[:, pair] for pair in ([0, 1], [0, 2], [1, 2]))
    random_state = FirstDocuments(0)
    draws = np.stack([*[best_for_part] * 4, between, best_for_all])
    monkeypatch.setattr(random_state, "random_sample", lambda _shape: draws, raising=False)
    with Device("cpu").active():
        found, _ = restarted(plain(S), (between, np.zeros((2, 6000))), random_state, restarts=6)
    np.testing.assert_array_equal(found, best_for_all)


@pytest.mark.parametrize("documents", [80, 4500])
def test_what_was_tried_on_a_part_or_with_few_steps_goes_on_with_all_documents(documents):
    S = random_data(0, 9, documents, density=0.3)
    start = unit_columns(FirstDocuments(0).random_sample((9, 4)))
    with Device("cpu").active():
        end = alternate(S[:, :2000], start, 20)[0]
        expected = alternate(S, end, 10)
        poor = end, np.zeros((4, documents))
        found = restarted(plain(S), poor, FirstDocuments(0), restarts=1)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-9)
    assert plain(S).error(found) < plain(S).error((end, nnls(end, S).S))


def test_not_always_the_best_after_few_steps_is_taken():
    ranks = set()
    for seed in range(12):
        S, draws = random_data(seed, 9, 80, density=0.3), np.random.RandomState(seed)
        starts = unit_columns(draws.random_sample((10, 9, 4)))
        poor = starts[0], np.zeros((4, 80))
        with Device("cpu").active():
            fits = list(zip(*alternate(S, starts, 20), strict=True))
            fits.sort(key=plain(S).error)
            errors = [plain(S).error(alternate(S, A, 10)) for A, _ in fits]
            found = restarted(plain(S), poor, np.random.RandomState(seed), restarts=10)
        ranks.add(np.argmin(errors))
        assert plain(S).error(found) <= min(errors[:3]) + 2e-4 * plain(S).size()
    assert len(ranks) > 1


@pytest.mark.parametrize("documents", [80, 2500])
def test_restarts_lower_the_error_of_codes_and_never_raise_it(documents):
    gains = []
    for seed in range(8):
        S = random_data(seed, 9, documents, density=0.3)
        with Device("cpu").active():
            found = from_nndsvd(S, 4, np.random.RandomState(1), 20)
            best, _ = restarted(plain(S), found, np.random.RandomState(1), restarts=20)
        errors = [float(np.sum((S - A @ nnls(A, S).S) ** 2)) for A in (best, found[0])]
        gains.append(1 - errors[0] / errors[1])
    assert min(gains) > -1e-4
    assert max(gains) > 2e-3


def noted_stacks(monkeypatch):
    """The shapes of the stacks of starts that are made from now on."""
    shapes = []

    def noted(S, A, *steps):
        if A.ndim > 2:
            shapes.append(A.shape)
        return alternate(S, A, *steps)

    monkeypatch.setattr("nnmf_topics.upper_layers.alternate", noted)
    return shapes


def test_restarts_that_do_not_go_together_are_the_same(monkeypatch):
    S, shapes = random_data(3, 9, 80, density=0.3), noted_stacks(monkeypatch)
    poor = unit_columns(np.ones((9, 4))), np.zeros((4, 80))
    with Device("cpu").active():
        together = restarted(plain(S), poor, np.random.RandomState(1), restarts=7)
        monkeypatch.setattr("nnmf_topics.upper_layers._ENTRIES_AT_ONCE", 3 * 4 * (9 + 4 + 80))
        apart = restarted(plain(S), poor, np.random.RandomState(1), restarts=7)
    numbers = [shape[0] for shape in shapes]
    assert (numbers[0], sorted(numbers[1:])) == (7, [1, 3, 3])  # those of threads in any order
    for found, expected in zip(apart, together, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize("shape", [(9, 4, 3000), (120, 100, 40), (60, 50, 900)])
def test_many_topics_or_documents_bound_what_is_made_together(monkeypatch, shape):
    k_below, k, documents = shape
    S, shapes = random_data(0, k_below, documents, density=0.3), noted_stacks(monkeypatch)
    poor = unit_columns(np.ones((k_below, k))), np.zeros((k, documents))
    with Device("cpu").active():
        restarted(plain(S), poor, np.random.RandomState(0), restarts=33)
    for number, *_ in shapes:
        assert number == 1 or number * k * (k_below + k + min(documents, 2000)) <= 2**17


def test_the_layerwise_start_tries_forty(monkeypatch):
    shapes = noted_stacks(monkeypatch)
    initialize("layerwise", random_data(1, 40, 80, density=0.3), (9, 4), np.random.RandomState(1))
    assert shapes == [(40, 9, 4)]


def test_the_layerwise_start_restarts_its_upper_layers():
    gains = []
    for seed in range(8):
        X = random_data(seed, 40, 80, density=0.3)
        restarted = initialize("layerwise", X, (9, 4), np.random.RandomState(1))
        with Device("cpu").active():
            plain = layerwise(X, (9, 4), np.random.RandomState(1), restarts=0)
        np.testing.assert_array_equal(restarted[0], plain[0])
        S = nnls(plain[0], X).S
        left = [plain[0] @ (S - A @ nnls(A, S).S) for A in (restarted[1], plain[1])]
        errors = [float(np.sum(words**2)) for words in left]
        gains.append(1 - errors[0] / errors[1])
    assert np.mean(gains) > 1e-3


def test_few_documents_do_not_decide_for_all():
    # Two topics weigh more than all others, in documents that are not among the first.
    S = np.kron(np.eye(6), np.ones((1, 1000))) * np.random.RandomState(0).rand(1, 6000)
    S[:, -2:] = 0
    S[0, -1] = S[1, -2] = 1e3
    with Device("cpu").active():
        found = from_nndsvd(S, 2, np.random.RandomState(0), 20)
        best, _ = restarted(plain(S), found, FirstDocuments(0), restarts=3)
    np.testing.assert_allclose(np.sort(np.max(best[:2], axis=1)), 1, atol=1e-3)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("changed", [sp.csc_array, lambda X: 3 * X], ids=["sparse", "scaled"])
def test_rounding_does_not_choose_between_equal_restarts(changed, seed):
    X = separable((6, 3), seed)[0] + 1e-3 * np.random.RandomState(seed).rand(48, 63)
    starts = [
        initialize("layerwise", data, (6, 3), np.random.RandomState(0)) for data in (X, changed(X))
    ]
    for expected, found in zip(*starts, strict=True):
        np.testing.assert_allclose(found, expected, atol=2e-2)


def common_and_rare(seed, documents=600, words=80):
    """One of three common words in each document, and 8 rare words of one of three topics.

    With three topics the common words explain about as much as the rare ones do.
    """
    rng = np.random.RandomState(seed)
    common, rare = np.zeros((3, documents)), np.zeros((3, words, documents))
    common[rng.randint(3, size=documents), np.arange(documents)] = 0.94
    for document in range(documents):
        rare[rng.randint(3), rng.choice(words, 8, replace=False), document] = 1
    return np.concatenate([common, rare.reshape(-1, documents)])


def test_of_optima_alike_the_start_prefers_that_of_rare_words():
    found = {from_nndsvd: 0, from_rare_rows: 0}
    for seed in range(12):
        X, errors = sp.csc_array(common_and_rare(seed)), []
        with Device("cpu").active():
            for start in found:
                A, codes = start(X, 3, np.random.RandomState(0))
                found[start] += np.sum(np.max(A[:3], axis=0) < 0.7)
                errors.append(np.linalg.norm(X - A @ codes))
        assert errors[1] < 1.005 * errors[0]
    assert found[from_rare_rows] > found[from_nndsvd] + 2


@pytest.mark.parametrize("put", [np.asarray, sp.csc_array, sp.csr_array])
def test_rare_rows_count_more_until_the_steps_on_the_data_as_they_are(put, monkeypatch):
    X = put(random_data(6, 40, 60).astype(np.float32))
    seen = []

    def noted(data, A, steps, device):
        A_and_S = alternated(data, A, steps, device)
        seen.append((data, A, A_and_S[0]))
        return A_and_S

    monkeypatch.setattr("nnmf_topics.single_layer.alternated", noted)
    with Device("cpu").active():
        A, S = from_rare_rows(X, 5, np.random.RandomState(0))
    assert A.dtype == S.dtype == np.float32
    (weighted, first, middle), (data, second, end) = seen
    weights = _rarity(X).astype(np.float32)[:, None]
    dense, many = (M.toarray() if sp.issparse(M) else M for M in (X, weighted))
    np.testing.assert_allclose(many, dense * weights, rtol=1e-6)
    assert data is X
    np.testing.assert_allclose(second, unit_columns(middle / weights), rtol=1e-6)

    def error(A, M):
        return np.linalg.norm(M - A @ nnls(A, M).S)

    assert error(middle, many) < 0.99 * error(first, many)
    assert error(second, dense) < error(middle, dense)
    assert error(end, dense) < 0.999 * error(second, dense)


@pytest.mark.parametrize("put", [np.asarray, sp.csc_array])
def test_where_every_row_is_in_as_many_documents_none_is_preferred(put):
    X = put(random_data(4, 12, 20, density=1))
    with Device("cpu").active():
        plain = alternated(X, from_nndsvd(X, 4, np.random.RandomState(0))[0], 30)[0]
        rare = from_rare_rows(X, 4, np.random.RandomState(0))[0]
    np.testing.assert_allclose(plain, rare, rtol=1e-6)


def test_rows_count_by_the_root_of_their_idf_but_frequent_ones_all_alike():
    X = random_data(5, 14, 30)
    X[0], X[1] = 0, 1
    logarithms = TfidfTransformer().fit(X.T).idf_ - 1
    assert np.min(logarithms) < 0.5 < np.sort(logarithms)[-2]
    weights = np.sqrt(np.maximum(logarithms, 0.5))
    weights[0] = np.sqrt(0.5)
    for data in (X, sp.csc_array(X), sp.csr_array(X)):
        np.testing.assert_allclose(_rarity(data), weights)


def assert_recovered(factors, topics):
    """Every planted topic has one of the highest layer that is nearly it, and only one."""
    cosines = topics.T @ unit_columns(reduce(np.matmul, factors))
    assert sorted(np.argmax(cosines, axis=0)) == list(range(topics.shape[1]))
    assert np.min(np.max(cosines, axis=0)) > 0.99


@pytest.mark.parametrize("loss", ["layerwise", "energy", "reconstruction"])
@pytest.mark.parametrize("widths", [(6,), (4, 4), (3, 3, 3)])
@pytest.mark.parametrize("seed", range(2))
def test_an_exact_model_is_recovered_at_every_layer(seed, widths, loss):
    X, topics = separable(widths, seed)
    start = initialize("layerwise", X, widths, np.random.RandomState(seed))
    found = train([X], start, loss=loss, passes=120, tol=1e-10)
    assert max(found.history.errors[-1]) < 0.01
    assert_recovered(found.factors, topics)


@pytest.mark.parametrize("seed", range(6))
def test_an_exact_hierarchy_with_more_topics_than_its_rank_is_fitted(seed):
    X, _ = separable((6, 3), seed)
    start = initialize("layerwise", X, (6, 3), np.random.RandomState(seed))
    # Most take a few hundred passes, some over a thousand: which seeds do is a matter of rounding.
    found = train([X], start, passes=3000, tol=1e-10).history
    assert found.errors[-1][0] < 0.01
    assert found.errors[-1][1] < 0.25


def test_a_part_of_all_documents_is_no_copy():
    X = sp.csc_array(random_data())
    assert in_parts(X, X.shape[1])[0] is X


def test_the_squared_norm_by_hand(store):
    assert float(squared_norm(store.data(np.array([[3.0, 0.0], [0.0, 4.0]])))) == 25


@pytest.mark.parametrize("scale", [1e-25, 1e25])
def test_the_squared_norm_of_single_precision_data_is_summed_in_double(store, scale):
    X = np.array([[3.0, 0.0], [0.0, 4.0]], np.float32) * np.float32(scale)
    norm = squared_norm(store.data(X))
    assert to_host(norm).dtype == np.float64
    np.testing.assert_allclose(float(norm), 25 * scale**2, rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", [2.0**-20, 16.0])
def test_a_start_does_not_depend_on_the_units_of_the_data(name, scale):
    X = np.maximum(np.random.RandomState(0).standard_normal((30, 40)), 0)
    starts = [initialize(name, data, (6, 3), np.random.RandomState(1)) for data in (X, scale * X)]
    for expected, found in zip(*starts, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-9)
