"""Loops compiled by Numba against the array functions that are their specification."""

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

from nnmf_topics import coordinate_descent as coordinate_descent_module
from nnmf_topics._backend import HOST, Device, to_host
from nnmf_topics._compiled import kernels_for
from nnmf_topics.alternation import alternate
from nnmf_topics.coordinate_descent import coordinate_descent, descend_columns
from nnmf_topics.initializers import initialize
from nnmf_topics.losses import squared_norm
from nnmf_topics.memory import Memory
from nnmf_topics.network import evaluate
from nnmf_topics.nnls import nnls
from nnmf_topics.objective import Objective
from nnmf_topics.optimizers import unit_columns
from nnmf_topics.products import Unmade, accumulate, add_to, project, summand, whole
from nnmf_topics.reductions import column_dots, inner
from nnmf_topics.support_systems import SupportSystems
from nnmf_topics.training import train

if kernels_for(np.ones(1)) is None:
    pytest.skip("Numba is not installed, or told not to compile", allow_module_level=True)

import numba

from nnmf_topics._kernels import accelerated_descent, by_size


@pytest.fixture
def by_calls(monkeypatch):
    """A function of what to call without compiled loops."""

    def called(function, *arguments, **options):
        with monkeypatch.context() as patch:
            patch.setattr(numba.config, "DISABLE_JIT", 1)
            assert kernels_for(np.ones(1)) is None
            return function(*arguments, **options)

    return called


def problems(dtype):
    """Systems of one to many columns and topics, some of them zero."""
    rng = np.random.RandomState(3)
    for m, k, n in [(9, 1, 1), (12, 5, 63), (30, 8, 64), (40, 9, 65), (80, 33, 300), (90, 70, 9)]:
        A, X = rng.rand(m, k), rng.rand(m, n) * (rng.rand(m, n) < 0.3)
        if k > 5:
            A[:, 2], X[:, 1] = 0, 0
        yield A.astype(dtype), X.astype(dtype)


DTYPES = pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-9), (np.float32, 2e-3)])


@DTYPES
def test_sweeps_are_those_of_the_array_functions(by_calls, dtype, rtol):
    for A, X in problems(dtype):
        start = np.abs(np.random.RandomState(0).standard_normal((A.shape[1], X.shape[1])))
        arguments = (A.T @ A, A.T @ X, start.astype(dtype), 3)
        expected = by_calls(coordinate_descent, *arguments)
        found = coordinate_descent(*arguments)
        assert found.dtype == dtype
        np.testing.assert_allclose(found, expected, rtol, atol=rtol * np.max(expected))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_constants_are_overwritten_only_where_they_may_be_and_sweeps_stay_the_same(dtype):
    for A, X in problems(dtype):
        gram, rhs = A.T @ A, np.ascontiguousarray((A.T @ X).T).T
        start, kept = np.ones_like(rhs), rhs.copy()
        expected = coordinate_descent(gram, rhs, start, 2)
        np.testing.assert_array_equal(rhs, kept)
        found = coordinate_descent(gram, rhs, start, 2, overwrite_rhs=True)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("stack", [(), (3,)])
def test_a_start_of_another_shape_is_refused_and_one_of_another_precision_taken(stack):
    A, X, near = (
        np.random.RandomState(0).rand(*stack, m, n) for m, n in [(9, 4), (9, 70), (4, 70)]
    )
    gram, rhs = A.mT @ A, A.mT @ X
    with pytest.raises(ValueError, match=r"a start of shape .*3, 4\) for constants of .*70, 4\)"):
        coordinate_descent(gram, rhs, near[..., :3], 2)
    found = coordinate_descent(gram, rhs, near.astype(np.float32), 2)
    np.testing.assert_allclose(found, coordinate_descent(gram, rhs, near, 2), atol=1e-4)


@DTYPES
def test_alternating_steps_are_those_of_the_array_functions(by_calls, dtype, rtol):
    for A, X in problems(dtype):
        arguments = (X, unit_columns(A), 4)
        pairs = zip(alternate(*arguments), by_calls(alternate, *arguments), strict=True)
        for found, expected in pairs:
            assert found.dtype == dtype
            np.testing.assert_allclose(found, expected, rtol, atol=rtol * np.max(expected))


@DTYPES
def test_codes_and_their_derivatives_are_those_of_the_array_functions(by_calls, dtype, rtol):
    for A, X in problems(dtype):
        dS = np.random.RandomState(1).standard_normal((A.shape[1], X.shape[1])).astype(dtype)
        expected, found = by_calls(nnls, A, X), nnls(A, X)
        np.testing.assert_array_equal(found.S > 0, expected.S > 0)
        np.testing.assert_allclose(found.S, expected.S, rtol, atol=rtol)
        ours, theirs = found.pullback(dS), by_calls(expected.pullback, dS)
        np.testing.assert_allclose(ours.U, theirs.U, rtol, atol=rtol * np.max(np.abs(theirs.U)))


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-13), (np.float32, 1e-5)])
def test_products_with_sparse_data_are_those_of_scipy(dtype, rtol, index):
    # Every number of topics that lanes of eight and groups of 32 can be left with, and no document.
    rng = np.random.default_rng(5)
    X = sp.random_array((60, 31), density=0.2, format="csc", dtype=dtype, rng=rng)
    X.indices, X.indptr = X.indices.astype(index), X.indptr.astype(index)
    for k in range(1, 76):
        for documents in (X, X[:, :0]):
            A, S = rng.standard_normal((60, k)), rng.standard_normal((k, documents.shape[1]))
            A, S = A.astype(dtype), S.astype(dtype)
            np.testing.assert_allclose(project(A, documents), (documents.T @ A).T, rtol, atol=rtol)
            found, expected = accumulate(documents, S), documents @ S.T
            assert found.dtype == dtype
            np.testing.assert_allclose(found, expected, rtol, atol=10 * rtol)


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-13), (np.float32, 1e-5)])
def test_products_are_added_up_whether_they_are_made_or_not(dtype, rtol):
    rng = np.random.default_rng(6)
    S, total = rng.standard_normal((9, 20)).astype(dtype), np.ones((3000, 9), dtype)
    few, many = (sp.random_array((3000, 20), density=d, format="csc", rng=rng) for d in (0.01, 0.9))
    summands = [summand(X.astype(dtype), S) for X in (few, many)]
    assert [isinstance(product, Unmade) for product in summands] == [True, False]
    for product in summands:
        assert add_to(total, product) is total
    np.testing.assert_allclose(total, 1 + (few + many) @ S.T, rtol, atol=10 * rtol)
    np.testing.assert_allclose(whole(summands[0]), few @ S.T, rtol, atol=10 * rtol)
    in_columns = np.ones((3000, 9), dtype, order="F")
    np.testing.assert_allclose(add_to(in_columns, summands[0]), 1 + few @ S.T, rtol, atol=10 * rtol)
    with pytest.raises(ValueError, match="broadcast"):
        add_to(total[:9].copy(), summands[0])


def many_words(documents, dtype):
    """Chunks of which a product with many topics is not made, and a factor."""
    rng = np.random.default_rng(0)
    X = sp.random_array((20_000, documents), density=5e-4, format="csc", dtype=dtype, rng=rng)
    rows = sp.csc_array(np.ones((3, documents), dtype))  # words of all documents
    X = sp.vstack([rows, X[3:]], format="csc")
    return X, rng.random((20_000, 16)).astype(dtype)


@pytest.mark.parametrize("documents", [9, 70])
def test_a_stream_is_evaluated_as_the_same_chunks_in_memory(documents):
    X, factor = many_words(documents, np.float64)
    chunks = [X[:, [c]] for c in range(documents)]
    assert isinstance(summand(chunks[0], np.ones((16, 1))), Unmade)
    with HOST.active():
        kept, streamed = (
            Objective(chunks, "layerwise", HOST, None, in_memory=kept)([factor])
            for kept in (True, False)
        )
    for name in ("value", "errors", "norm", "data", "mix"):
        np.testing.assert_allclose(getattr(streamed, name), getattr(kept, name), rtol=1e-12)


def test_a_sum_over_many_chunks_keeps_its_digits_in_single_precision():
    X, factor = many_words(8, np.float32)
    with HOST.active():
        once, often = (
            Objective([X] * times, "layerwise", HOST, None, in_memory=False)([factor]).data
            for times in (1, 2000)
        )
    np.testing.assert_allclose(often, 2000 * once, rtol=1e-5, atol=1e-6 * np.max(np.abs(often)))


@pytest.mark.parametrize("documents", [8, 40])
def test_a_pass_over_more_chunks_takes_no_more_memory_of_the_size_of_a_factor(documents):
    X = sp.random_array((100_000, documents), density=1e-4, format="csc", dtype=np.float32)
    chunks = [X[:, [c]] for c in range(documents)]
    factor = np.random.default_rng(0).random((100_000, 16), np.float32)
    objective = Objective(chunks, "layerwise", HOST, None, in_memory=False)
    with HOST.active():
        objective([factor])  # loads the loops
        tracemalloc.start()
        try:
            objective([factor])
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 2.5 * factor.nbytes  # the sum of a block, and that of the blocks before


def test_products_of_shapes_that_do_not_fit_are_refused():
    X, wrong = sp.csc_array(np.eye(9)), np.ones((10, 8))
    with pytest.raises(ValueError, match="dimension mismatch"):
        project(wrong, X)
    with pytest.raises(ValueError, match="dimension mismatch"):
        accumulate(X, wrong.T)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_sums_of_products_are_added_up_in_double_precision(by_calls, dtype):
    A = np.full((3, 40_000), 0.1, dtype)
    A[0, 0] = 1e4
    assert inner(A, A) == pytest.approx(np.sum(A.astype(np.float64) ** 2), rel=1e-7)
    assert by_calls(inner, A, A) == pytest.approx(inner(A, A), rel=1e-7)


def test_sums_of_arrays_that_do_not_fit_are_refused():
    for function in (inner, column_dots):
        with pytest.raises(ValueError, match="broadcast"):
            function(np.ones((3, 1000)), np.ones((3, 10)))


@DTYPES
def test_unit_columns_are_those_of_the_array_functions(by_calls, dtype, rtol):
    for A, _ in problems(dtype):
        np.testing.assert_allclose(unit_columns(A), by_calls(unit_columns, A), rtol)


@DTYPES
def test_scalar_products_of_columns_are_those_of_the_array_functions(by_calls, dtype, rtol):
    for A, _ in problems(dtype):
        B = np.random.RandomState(2).standard_normal(A.shape).astype(dtype)
        found, expected = column_dots(A, B), by_calls(column_dots, A, B)
        np.testing.assert_allclose(found, expected, rtol, atol=rtol * np.linalg.norm(A * B))


@pytest.mark.parametrize("loss", ["layerwise", "energy", "reconstruction"])
def test_training_comes_to_the_factors_of_the_array_functions(by_calls, loss):
    X = np.random.RandomState(0).rand(40, 90)
    start = initialize("layerwise", X, (8, 4, 2), np.random.RandomState(0))
    expected = by_calls(train, [X[:, :50], X[:, 50:]], start, loss=loss, passes=5, tol=0)
    found = train([X[:, :50], X[:, 50:]], start, loss=loss, passes=5, tol=0)
    np.testing.assert_allclose(found.history.loss, expected.history.loss, rtol=1e-9)
    for ours, theirs in zip(found.factors, expected.factors, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_columns_do_not_depend_on_their_tile_or_thread_to_the_last_bit(monkeypatch, dtype):
    monkeypatch.setattr(coordinate_descent_module, "_ENTRIES_OF_A_THREAD", 1000)
    for A, X in problems(dtype):
        gram, rhs = A.T @ A, A.T @ X
        with Device("cpu").active():
            together = coordinate_descent(gram, rhs, np.zeros_like(rhs), 2)
        for i in range(0, X.shape[1], 7):
            alone = coordinate_descent(gram, rhs[:, [i]], np.zeros((len(gram), 1)), 2)
            np.testing.assert_array_equal(alone, together[:, [i]])


@DTYPES
def test_blocks_of_columns_on_threads_are_the_columns_together(by_calls, monkeypatch, dtype, rtol):
    for A, X in problems(dtype):
        gram, rhs = A.T @ A, A.T @ X
        arguments = (gram, rhs, np.ones_like(rhs), 3)
        together = by_calls(coordinate_descent, *arguments)
        with monkeypatch.context() as patch, Device("cpu").active():
            patch.setattr(coordinate_descent_module, "_ENTRIES_OF_A_THREAD", 7 * len(gram))
            found = by_calls(coordinate_descent, *arguments)
        np.testing.assert_allclose(found, together, rtol=rtol, atol=rtol * np.abs(together).max())


@DTYPES
def test_the_step_of_a_tall_factor_is_that_of_the_array_functions(
    by_calls, monkeypatch, dtype, rtol
):
    monkeypatch.setattr(coordinate_descent_module, "_ENTRIES_OF_A_THREAD", 1000)
    for A, X in problems(dtype):
        rng, k = np.random.RandomState(1), A.shape[1]
        tall = rng.rand(X.shape[1], k).astype(dtype)
        data, mix = -(A.T @ X).T.copy(), rng.rand(k, k).astype(dtype)
        arguments = (tall, data, mix, A.T @ A, 3)
        with Device("cpu").active():
            found = descend_columns(*arguments)
        expected = by_calls(descend_columns, *arguments)
        assert found.dtype == dtype
        np.testing.assert_allclose(found, expected, rtol, atol=rtol * np.max(expected))


def test_an_update_holds_sums_of_products_with_many_words_and_not_those_of_its_chunks():
    rng = np.random.default_rng(0)
    X = sp.random_array((200_000, 240), density=1e-4, format="csc", rng=rng, dtype=np.float32)
    A = unit_columns(rng.random((200_000, 8), np.float32))
    memory = Memory([A], evaluate([A], X, squared_norm(X), "layerwise")[0])
    chunks = [X[:, first : first + 20] for first in range(0, 240, 20)]
    objective = Objective(chunks, "layerwise", HOST, memory, in_memory=True)
    with threadpool_limits(8, user_api="blas"), HOST.active():
        objective([A])
        tracemalloc.start()
        try:
            objective([A])
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 3 * A.nbytes


@pytest.mark.parametrize("unit", [1e4, 1e6])
def test_topics_that_are_much_shorter_lose_no_digits_in_single_precision(by_calls, unit):
    rng = np.random.RandomState(2)
    A = rng.rand(60, 9)
    A[:, ::2] /= unit
    X, start = rng.rand(60, 40), rng.rand(9, 40)
    start[0] = unit
    single = [a.astype(np.float32) for a in (A.T @ A, A.T @ X, start)]
    found, expected = coordinate_descent(*single, 1), by_calls(coordinate_descent, *single, 1)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-5 * np.max(theirs))


def test_a_start_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"start of shape \(5, 3\) .* \(4, 3\)"):
        coordinate_descent(np.eye(3), np.ones((3, 4)), np.ones((3, 5)), 1)


@pytest.mark.parametrize("columns", [3, 70])
def test_what_is_no_number_does_not_become_zero(by_calls, columns):
    rhs = np.full((9, columns), np.nan)
    arguments = (np.eye(9), rhs, np.zeros_like(rhs), 2)
    assert np.all(np.isnan(coordinate_descent(*arguments)))
    assert np.all(np.isnan(by_calls(coordinate_descent, *arguments)))


@pytest.mark.parametrize(
    "arrays",
    [
        [np.ones(2, int)],
        [np.ones(2, np.float16)],
        [np.ones(2), np.ones(2, np.float32)],
        [np.ma.ones(2)],
        [[1.0]],
    ],
    ids=["integers", "half precision", "mixed", "a subclass", "a list"],
)
def test_only_numpy_arrays_of_one_precision_have_compiled_loops(arrays):
    assert kernels_for(*arrays) is None


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_supports_do_not_depend_on_the_lengths_of_topics(dtype):
    for A, X in problems(dtype):
        found, longer = nnls(A, X).S, nnls(A * dtype(2**12), X).S
        np.testing.assert_array_equal(longer > 0, found > 0)


def test_what_is_no_number_stays_in_its_column():
    support = np.arange(9)[:, None] <= np.arange(17) % 9
    systems, rhs = SupportSystems(np.eye(9) + 0.1, support), np.ones((9, 17))
    expected = systems.solve(rhs)
    rhs[:, 4] = np.nan
    others = np.arange(17) != 4
    np.testing.assert_array_equal(systems.solve(rhs)[:, others], expected[:, others])


def test_an_error_of_linear_algebra_is_no_trouble_with_files(caplog):
    with pytest.raises(np.linalg.LinAlgError):
        accelerated_descent(*(np.full((2, 2), np.nan) for _ in range(5)), 1)
    assert not caplog.records


NO_FILES = """
import numba
compile_ = numba.njit

def njit(*_, cache=False, **options):
    if cache and {when!r} == "at once":
        raise RuntimeError("cannot cache function: no locator available")

    def fail(*_):
        raise OSError(28, "No space left on device")

    return (lambda function: fail) if cache else compile_(**options)

numba.njit = njit
import numpy as np
from nnmf_topics.coordinate_descent import coordinate_descent
print(*coordinate_descent(np.eye(2), np.ones((2, 1)), np.zeros((2, 1)), 1).ravel())
"""

BAD_NUMBA = """
import sys
sys.path.insert(0, {folder!r})
import numpy as np
from nnmf_topics._compiled import kernels_for
print(kernels_for(np.ones(1)))
"""


def run(code):
    command = [sys.executable, "-P", "-W", "error", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


@pytest.mark.parametrize("when", ["at once", "at the first call"])
def test_loops_are_compiled_where_they_cannot_be_kept(when):
    done = run(NO_FILES.replace("{when!r}", repr(when)))
    assert done.stdout.split() == ["1.0", "1.0"]
    assert ("NUMBA_CACHE_DIR" in done.stderr) == (when == "at the first call")


@pytest.mark.parametrize("error", ["ImportError('needs another NumPy')", "OSError('no LLVM')"])
def test_a_numba_that_does_not_work_is_named_and_done_without(tmp_path, error, monkeypatch):
    monkeypatch.delenv("NUMBA_DISABLE_JIT", raising=False)  # else it is not looked for
    (tmp_path / "numba.py").write_text(f"raise {error}")
    done = run(BAD_NUMBA.format(folder=str(tmp_path)))
    assert done.stdout.split() == ["None"]
    assert error.split("'")[1] in done.stderr


def test_numba_that_is_told_not_to_compile_is_not_even_imported(monkeypatch):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    code = "import numpy, sys; from nnmf_topics._compiled import kernels_for as f; "
    assert run(code + "print(f(numpy.ones(2)), 'numba' in sys.modules)").stdout == "None False\n"


def test_a_tile_of_eight_columns_is_as_tall_as_the_largest_of_their_supports():
    sizes = np.random.RandomState(0).randint(0, 6, 70)
    order, rows, systems = by_size(np.arange(5)[None, :] < sizes[:, None])
    np.testing.assert_array_equal(np.sort(order), np.arange(70))
    assert np.all(np.diff(sizes[order]) >= 0)
    largest = np.array([sizes[order[first : first + 8]].max() for first in range(0, 70, 8)])
    np.testing.assert_array_equal(np.diff(rows), largest * 8)
    np.testing.assert_array_equal(np.diff(systems), largest * (largest + 1) // 2 * 8)


@pytest.mark.parametrize(
    ("dtype", "square"),
    [(np.float32, 0), (np.float32, 1e-42), (np.float64, 0), (np.float64, 1e-320)],
)
def test_a_row_with_next_to_no_curvature_stays_as_it_is(xp, dtype, square):
    gram = np.diag(np.array([1, square, 1], dtype))
    rhs, start = np.ones((3, 1), dtype), np.array([[0], [0.5], [2]], dtype)
    found = to_host(coordinate_descent(*map(xp.put, (gram, rhs, start)), 2))
    np.testing.assert_array_equal(found, [[1], [0.5], [1]])
