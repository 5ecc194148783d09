"""Kernels in CUDA against the array functions that are their specification; here emulated."""

import shutil
import subprocess

import numpy as np
import pytest
import scipy.sparse as sp
from conftest import device_named
from emulated_cuda import Emulator, emulate, kernels_of
from scipy.linalg import block_diag
from test_pivoting import CYCLE_A, CYCLE_X

from nnmf_topics import _cuda, coordinate_descent, pivoting, support_systems
from nnmf_topics._backend import HOST, namespace, to_host
from nnmf_topics._compiled import cuda_kernels_for
from nnmf_topics._cuda import columns, launching
from nnmf_topics.batched_systems import BatchedSystems
from nnmf_topics.nnls import kkt_residual, nnls, well_posed
from nnmf_topics.products import accumulate, project
from nnmf_topics.support_systems import SupportSystems
from nnmf_topics.training import train

DTYPES = pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-9), (np.float32, 2e-3)])
TOPICS = (1, 2, 4, 9, 31, 32, 33, 50, 64, 65, 100, 140)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    if shutil.which("g++") is None:
        pytest.skip("there is no g++ to compile the kernels for the host with")
    return Emulator(tmp_path_factory.mktemp("emulated"))


@pytest.fixture(params=["emulated", "cupy"])
def cuda(request, monkeypatch):
    """A device whose arrays the kernels are for."""
    if request.param == "emulated":
        emulate(monkeypatch, request.getfixturevalue("emulator"))
        yield HOST
        return
    device = device_named("cupy", monkeypatch)
    with device.active():
        yield device


def problem(k, n, dtype, seed=0):
    """A factor and documents: one has no words, one topic depends on two others."""
    rng = np.random.default_rng(seed)
    A = rng.random((2 * k + 5, k))
    if k > 8:
        A[:, 5] = A[:, 0] + A[:, 3]
    X = sp.random_array((2 * k + 5, n), density=0.3, format="csc", rng=rng)
    X.data[X.indptr[0] : X.indptr[1]] = 0
    X.eliminate_zeros()
    return A.astype(dtype), X.astype(dtype)


def test_arrays_of_a_gpu_and_no_others_are_worked_on_by_kernels(cuda):
    arrays = [cuda.put(np.ones(3, dtype)) for dtype in (np.float32, np.float64, np.int64)]
    assert cuda_kernels_for(arrays[0], topics=512) is _cuda
    assert cuda_kernels_for(arrays[0], topics=columns.MOST_TOPICS + 1) is None
    assert cuda_kernels_for(arrays[0], arrays[1]) is None
    assert cuda_kernels_for(arrays[2]) is None


def test_arrays_of_the_host_are_not():
    assert cuda_kernels_for(np.ones(3)) is None


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-12), (np.float32, 1e-4)])
def test_products_with_sparse_documents_are_those_of_scipy(cuda, dtype, rtol):
    rng = np.random.default_rng(1)
    X = sp.random_array((30, 700), density=0.2, format="csc", rng=rng).tolil()
    X[7, :] = 1  # in more documents than are added up at once
    X[9, :] = 0
    X[:, 5] = 0
    X = sp.csc_array(X.astype(dtype))
    for k in (1, 2, 3, 4, 8, 50, 64, 65, 129, 130):
        for documents in (X, X[:, :1], X[:, :0]):
            placed = cuda.put(documents)
            A = rng.standard_normal((30, k)).astype(dtype)
            S = rng.standard_normal((k, documents.shape[1])).astype(dtype)
            found = to_host(project(cuda.put(A), placed))
            assert found.dtype == dtype
            np.testing.assert_allclose(found, (documents.T @ A).T, rtol, atol=10 * rtol)
            for _ in range(2):  # sorted by terms, and as it was kept
                found = to_host(accumulate(placed, cuda.put(S)))
                np.testing.assert_allclose(found, documents @ S.T, rtol, atol=10 * rtol)


def test_indices_of_64_bits_are_shortened_on_their_way_to_a_gpu(monkeypatch):
    device = device_named("cupy", monkeypatch)
    X = sp.csc_array(np.eye(9))
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    assert device.put(X).indices.dtype == np.int32


@DTYPES
@pytest.mark.parametrize("k", TOPICS)
def test_sweeps_are_those_of_the_array_functions(cuda, dtype, rtol, k):
    A, X = problem(k, 9, dtype)
    start = np.maximum(np.random.RandomState(0).standard_normal((9, k)), 0).astype(dtype)
    gram, rhs = A.T @ A, np.ascontiguousarray(X.T @ A)
    gram[:, k // 2] = gram[k // 2] = 0  # a topic without curvature stays as it is
    for sweeps in (0, 1, 3):
        found = to_host(_cuda.descend(*map(cuda.put, (gram, rhs, start)), sweeps))
        expected = by_calls(coordinate_descent.coordinate_descent, gram, rhs.T, start.T, sweeps).T
        np.testing.assert_allclose(found, expected, rtol, atol=rtol * np.max(expected))
        np.testing.assert_array_equal(found[:, k // 2], start[:, k // 2])


def by_calls(function, *arguments):
    """Call a function without kernels or compiled loops, whatever the others are given."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (coordinate_descent, pivoting, support_systems):
            patch.setattr(module, "kernels_for", lambda *_arrays: None)
            patch.setattr(module, "cuda_kernels_for", lambda *_arrays, **_topics: None)
        return function(*arguments)


def test_nothing_comes_of_nothing(cuda):
    gram, rhs = np.eye(3), np.full((2, 3), np.nan)
    found = to_host(_cuda.descend(*map(cuda.put, (gram, rhs, np.zeros((2, 3)))), 2))
    assert np.all(np.isnan(found))


@DTYPES
@pytest.mark.parametrize("k", TOPICS)
def test_systems_of_supports_of_all_sizes_are_solved(cuda, dtype, rtol, k):
    A, X = problem(k, 12, dtype)
    gram, rhs = well_posed(A.T @ A), np.ascontiguousarray(X.T @ A)
    support = np.random.RandomState(2).random_sample((12, k)) < np.linspace(0, 1, 12)[:, None]
    found = to_host(_cuda.solve(*map(cuda.put, (gram, support, rhs))))
    for column, inside, right in zip(found, support, rhs, strict=True):
        np.testing.assert_array_equal(column[~inside], 0)
        residual = gram[np.ix_(inside, inside)].astype(np.float64) @ column[inside] - right[inside]
        scale = np.abs(gram).max() * np.abs(column).max(initial=0) + np.abs(right).max()
        assert np.abs(residual).max(initial=0) <= 20 * k * np.finfo(dtype).eps * scale + 1e-30
    if k < 9:  # none depends on others
        expected = BatchedSystems(gram, support.T).solve(rhs.T).T
        np.testing.assert_allclose(found, expected, rtol, atol=rtol * np.abs(expected).max())


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("k", TOPICS)
def test_pivoting_ends_at_the_optimum_from_any_support(cuda, dtype, k):
    A, X = problem(k, 12, dtype)
    X = X + 0.2 * (A @ np.ones((k, 12), dtype))  # most topics are wanted, with k of 140 over 64
    gram, rhs = well_posed(A.T @ A), np.ascontiguousarray(X.T @ A)
    epsilon = np.finfo(dtype).eps ** 0.75
    for start in (np.zeros((12, k), bool), np.ones((12, k), bool), rhs > rhs.mean()):
        arguments = (*map(cuda.put, (gram, rhs, start)), epsilon, 60, 3)
        codes, support, wrong = map(to_host, _cuda.pivot(*arguments))
        done = wrong == 0
        assert done.mean() > 0.8
        np.testing.assert_array_equal(codes[done] > 0, support[done])
        residual = kkt_residual(gram, rhs[done].T, codes[done].T)
        assert np.max(residual, initial=0) < 100 * epsilon
    if k == 140:
        assert support.sum(axis=1).max() > 64


def test_columns_that_take_too_many_rounds_are_told(cuda):
    gram, rhs = np.eye(3), np.array([[1.0, 1, 1], [-1, -1, -1], [-1, 1, -1]])
    start = np.zeros((3, 3), bool)
    _, support, wrong = _cuda.pivot(*map(cuda.put, (gram, rhs, start)), 1e-9, 0, 3)
    np.testing.assert_array_equal(to_host(wrong) != 0, [True, False, True])
    codes, _, _ = _cuda.pivot(*map(cuda.put, (gram, rhs, ~start)), 1e-9, 0, 3)
    np.testing.assert_array_equal(to_host(codes), np.maximum(rhs, 0))
    codes, support, wrong = map(
        to_host, _cuda.pivot(*map(cuda.put, (gram, rhs, start)), 1e-9, 1, 3)
    )
    assert not np.any(wrong)
    np.testing.assert_array_equal(codes, np.maximum(rhs, 0))
    np.testing.assert_array_equal(support, rhs > 0)


def cycling(blocks, documents=12):
    """Systems in which full exchanges go round in circles, and supports to start from."""
    rng = np.random.default_rng(0)
    A = block_diag(*[CYCLE_A] * blocks) * 10.0 ** rng.uniform(-4, 4, 5 * blocks)
    X = np.tile(CYCLE_X, (blocks, documents))
    X = np.where(rng.random(X.shape) < 0.1, rng.integers(0, 4, X.shape), X)
    X *= np.repeat(rng.random((blocks, documents)) < 2 / blocks, len(CYCLE_A), axis=0)
    shape = (documents, A.shape[1])
    starts = (np.zeros(shape, bool), np.ones(shape, bool), rng.random(shape) < 0.5)
    return A.T @ A, X.T @ A, starts


def pivoted(gram, rhs, start):
    return pivoting.solve(gram, rhs.T, SupportSystems(gram, start.T)).T


@pytest.mark.parametrize("blocks", [1, 7, 14])
@pytest.mark.parametrize("patience", [0, 1, 3])
def test_exchanges_are_those_of_the_array_functions_round_by_round(
    cuda, monkeypatch, blocks, patience
):
    gram, rhs, starts = cycling(blocks)
    epsilon, left = np.finfo(float).eps ** 0.75, set()
    monkeypatch.setattr(pivoting, "_PATIENCE", patience)
    monkeypatch.setattr(pivoting, "_active_set", lambda _, rhs: np.full_like(rhs, np.inf))
    for rounds in (1, 2, 4, 6, 9, 14, 30):
        monkeypatch.setattr(pivoting, "_MOST_ROUNDS", rounds)
        for start in starts:
            expected = by_calls(pivoted, gram, rhs, start)
            done = np.all(np.isfinite(expected), axis=1)
            arguments = (*map(cuda.put, (gram, rhs, start)), epsilon, rounds - 1, patience)
            codes, support, wrong = map(to_host, _cuda.pivot(*arguments))
            np.testing.assert_array_equal(wrong == 0, done)
            np.testing.assert_array_equal(support[done], expected[done] > 0)
            np.testing.assert_allclose(codes[done], expected[done], rtol=1e-9)
            left.add(np.count_nonzero(~done))
    assert len(left) > 3


@pytest.mark.parametrize("k", [3, 33, 70, 140])
@pytest.mark.parametrize("length", [1e-4, 1, 1e4])
def test_what_is_rounding_is_decided_in_the_metric_of_unit_topics(cuda, k, length):
    tolerance = np.finfo(float).eps ** 0.75
    for largest, other in ((0, k - 1), (k - 1, 0), (k // 2, 1)):
        gram, rhs = np.eye(k), np.full((2, k), -1e-3)
        gram[largest, largest] = gram[other, other] = length**2
        rhs[:, largest] = length
        rhs[:, other] = np.array([0.4, 2.1]) * tolerance * length
        for start in (np.zeros((2, k), bool), np.ones((2, k), bool)):
            arguments = (*map(cuda.put, (gram, rhs, start)), tolerance, 9, 3)
            codes, support, wrong = map(to_host, _cuda.pivot(*arguments))
            assert not np.any(wrong)
            expected = np.zeros((2, k), bool)
            expected[:, largest] = expected[1, other] = True
            np.testing.assert_array_equal(support, expected)
            np.testing.assert_array_equal(codes > 0, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [65, 140, 1024])
def test_systems_in_memory_lie_side_by_side_in_no_more_than_is_meant_for_them(
    cuda, monkeypatch, dtype, k
):
    row = cuda.put(np.zeros((1, k), dtype))
    many = namespace(row).broadcast_to(row, (10**9, k))
    for memory in (2**10, 2**22, columns._MEMORY):
        monkeypatch.setattr(columns, "_MEMORY", memory)
        for rhs in (row, many):
            *_, (most, place, bytes_, (warps, threads, _)) = columns._ways(rhs)
            assert (most, threads) == (k, 32)
            assert warps * bytes_ == place.nbytes <= max(memory, bytes_)
            assert warps == 1 or rhs is many
            assert bytes_ >= k * (k + 1) // 2 * dtype().itemsize + k * (dtype().itemsize + 4)
            assert bytes_ % 8 == 0


def test_every_warp_has_a_system_of_its_own_in_memory(emulator, monkeypatch):
    emulate(monkeypatch, emulator)
    places = []

    def launch(source, kernel, like, *arguments, **options):
        memory, bytes_ = arguments[-2:]
        if memory is not None:
            memory[:] = 255
            places.append(memory.reshape(-1, bytes_))
        emulator.launch(source, kernel, like, *arguments, **options)

    monkeypatch.setattr(columns, "launch", launch)
    gram, rhs = np.eye(70), np.ones((5, 70))
    full = np.ones((5, 70), bool)
    np.testing.assert_array_equal(_cuda.solve(gram, full, rhs), 1)
    np.testing.assert_array_equal(_cuda.pivot(gram, rhs, full, 1e-9, 3, 3)[0], 1)
    assert [place.shape[0] for place in places] == [5, 5]
    for place in places:
        assert np.all(np.any(place != 255, axis=1))


def test_what_does_not_fit_together_is_an_error(cuda):
    put = cuda.put
    gram, rhs, support = put(np.eye(3)), put(np.ones((2, 3))), put(np.ones((2, 3), bool))
    single = put(np.ones((2, 3), np.float32))
    for call in (
        lambda: _cuda.descend(gram, single, single, 1),
        lambda: _cuda.descend(gram, rhs, single, 1),
        lambda: _cuda.solve(gram, support, single),
        lambda: _cuda.solve(gram, rhs, rhs),
        lambda: _cuda.pivot(gram, single, support, 1e-9, 3, 3),
    ):
        with pytest.raises(TypeError, match="of dtypes float"):
            call()
    for call in (
        lambda: _cuda.descend(gram, rhs, rhs[:1], 1),
        lambda: _cuda.descend(gram[:2, :2], rhs, rhs, 1),
        lambda: _cuda.solve(gram, support[:1], rhs),
        lambda: _cuda.pivot(gram, rhs, support[:, :2], 1e-9, 3, 3),
    ):
        with pytest.raises(ValueError, match=r"shapes \("):
            call()


def test_a_topic_whose_curvature_is_next_to_nothing_stays_as_it_is(cuda):
    gram = np.diag(np.array([1, 1e-42, 1], np.float32))
    rhs, start = np.ones((1, 3), np.float32), np.array([[0, 0.5, 2]], np.float32)
    found = to_host(_cuda.descend(*map(cuda.put, (gram, rhs, start)), 2))
    np.testing.assert_array_equal(found, [[1, 0.5, 1]])


def test_a_topic_that_would_enter_by_rounding_stays_out(cuda):
    gram, rhs = np.array([[1, 0.5], [0.5, 1]]), np.array([[1, 0.5 + 1e-14]])
    for start in (np.zeros((1, 2), bool), np.ones((1, 2), bool)):
        arguments = (*map(cuda.put, (gram, rhs, start)), np.finfo(float).eps ** 0.75, 30, 3)
        codes, support, wrong = map(to_host, _cuda.pivot(*arguments))
        np.testing.assert_array_equal(support, [[True, False]])
        assert codes[0, 1] == 0
        assert wrong[0] == 0


def test_what_pivoting_leaves_goes_to_the_active_set(cuda, monkeypatch):
    monkeypatch.setattr(pivoting, "_MOST_ROUNDS", 0)
    A, X = problem(12, 9, np.float64)
    A[:, 5] += np.random.RandomState(0).random_sample(len(A))
    gram, rhs = (A.T @ A), (A.T @ X)
    systems = SupportSystems(cuda.put(gram), cuda.put(np.zeros((12, 9), bool)))
    codes = to_host(pivoting.solve(cuda.put(gram), cuda.put(rhs), systems))
    assert np.max(kkt_residual(gram, rhs, codes)) < 1e-9
    np.testing.assert_array_equal(to_host(systems.support), codes > 0)


@DTYPES
@pytest.mark.parametrize("k", [5, 40, 70])
def test_codes_and_their_derivatives_are_those_of_the_host(cuda, dtype, rtol, k):
    A, X = problem(k, 15, dtype, seed=4)
    if k > 8:
        A[:, 5] = np.random.RandomState(7).random_sample(len(A))
    dS = np.random.RandomState(1).standard_normal((k, 15)).astype(dtype)
    found = nnls(cuda.put(A), cuda.put(X))
    U = to_host(found.pullback(cuda.put(dS)).U)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nnmf_topics._compiled.is_cupy_array", lambda _array: False)
        expected = nnls(A, X)
        theirs = expected.pullback(dS).U
    np.testing.assert_array_equal(to_host(found.S) > 0, expected.S > 0)
    np.testing.assert_allclose(to_host(found.S), expected.S, rtol, atol=rtol)
    np.testing.assert_allclose(U, theirs, rtol, atol=rtol * np.max(np.abs(theirs)))


@pytest.mark.parametrize("loss", ["layerwise", "energy", "reconstruction"])
def test_training_comes_to_the_factors_of_the_host(cuda, loss):
    rng = np.random.default_rng(0)
    X = sp.random_array((40, 90), density=0.3, format="csc", rng=rng)
    start = [rng.random(shape) for shape in ((40, 8), (8, 4), (4, 2))]
    found = train([X[:, :50], X[:, 50:]], start, loss=loss, passes=4, tol=0, device=cuda)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nnmf_topics._compiled.is_cupy_array", lambda _array: False)
        expected = train([X[:, :50], X[:, 50:]], start, loss=loss, passes=4, tol=0, device=HOST)
    np.testing.assert_allclose(found.history.loss, expected.history.loss, rtol=1e-9)
    for ours, theirs in zip(found.factors, expected.factors, strict=True):
        np.testing.assert_allclose(to_host(ours), theirs, atol=1e-6)


def test_columns_do_not_depend_on_the_others_to_the_last_bit(cuda):
    A, X = problem(50, 20, np.float32)
    xp, A = namespace(cuda.put(A)), cuda.put(A)
    together = to_host(nnls(A, cuda.put(X), near=xp.zeros((50, 20), dtype=xp.float32)).S)
    for i in range(0, 20, 5):
        start = xp.zeros((50, 1), dtype=xp.float32)
        alone = to_host(nnls(A, cuda.put(X[:, i : i + 1]), near=start).S)
        np.testing.assert_array_equal(alone[:, 0], together[:, i])


def test_a_gpu_with_little_memory_goes_on_with_fewer_documents_cupy(monkeypatch, caplog):
    device = device_named("cupy", monkeypatch)
    cupy = pytest.importorskip("cupy")
    rng = np.random.default_rng(0)
    X = sp.random_array((500, 20_000), density=0.05, format="csc", rng=rng)
    start = [rng.random((500, 16)), rng.random((16, 4))]
    expected = train([X], start, passes=2, tol=0)
    pool = cupy.get_default_memory_pool()
    pool.free_all_blocks()
    pool.set_limit(size=pool.used_bytes() + 16 * 2**20)  # codes of all documents take 2.5 MB
    try:
        with caplog.at_level("WARNING"):
            found = train([X], start, passes=2, tol=0, device=device)
    finally:
        pool.set_limit(size=0)
    assert "has too little memory for 20000 documents at a time" in caplog.text
    np.testing.assert_allclose(found.history.loss, expected.history.loss, rtol=1e-9)


@pytest.mark.parametrize("source", ["products", "columns"])
@pytest.mark.parametrize("real", ["float", "double"])
def test_the_sources_are_cuda(tmp_path, source, real):
    if shutil.which("nvcc") is None:
        pytest.skip("there is no nvcc: no compiler for CUDA has seen the kernels")
    path, image = tmp_path / f"{source}.cu", tmp_path / "kernels.ptx"
    path.write_text(launching.source_of(source))
    command = ["nvcc", "-ptx", "-std=c++17", "-Werror", "all-warnings", f"-DREAL={real}"]
    subprocess.run([*command, str(path), "-o", str(image)], check=True)
    entries = {
        line.split()[2].rstrip("(")
        for line in image.read_text().splitlines()
        if line.startswith(".visible .entry")
    }
    assert entries == set(kernels_of(source))
