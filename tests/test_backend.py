import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from threading import Event, current_thread
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp
from threadpoolctl import ThreadpoolController

from nnmf_topics._backend import (
    HOST,
    Device,
    _stream_of_copies,
    device_of,
    namespace,
    resolve_device,
    to_host,
)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.bool_])
@pytest.mark.parametrize("shape", [(), (3,), (3, 4), (0, 4)])
def test_arrays_come_back_as_they_went(xp, shape, dtype):
    there = np.asarray(np.random.RandomState(0).rand(*shape) * 10).astype(dtype)
    back = to_host(xp.put(there))
    assert type(back) is np.ndarray
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, there)


def test_what_is_put_beside_is_the_same_and_the_host_puts_nothing(xp):
    X = np.random.RandomState(0).rand(30, 20)
    placed = [xp.put_beside(X) for _ in range(3)]
    xp.wait()
    if xp.is_gpu:
        for array in placed:
            np.testing.assert_array_equal(to_host(array), X)
    else:
        assert placed == [None] * 3


def test_sparse_data_multiply_as_on_the_host(store):
    rng = np.random.RandomState(1)
    X = rng.rand(30, 20) * (rng.rand(30, 20) < 0.3)
    A, V = rng.rand(30, 4), rng.rand(20, 4)
    data = store.data(X)
    np.testing.assert_allclose(to_host((data.T @ store.xp.put(A)).T), A.T @ X, atol=1e-12)
    np.testing.assert_allclose(to_host(data @ store.xp.put(V)), X @ V, atol=1e-12)


def test_new_arrays_are_made_where_their_source_is(xp):
    A = xp.put(np.ones((2, 2)))
    for made in (A.T @ A, namespace(A).zeros_like(A)):
        assert device_of(made) == device_of(A)
        assert namespace(made) is namespace(A)


def test_a_singular_matrix_is_an_error_on_every_device(xp):
    A = xp.put(np.zeros((2, 2)))
    with pytest.raises(np.linalg.LinAlgError):
        namespace(A).linalg.solve(A, xp.put(np.ones((2, 1))))


def test_the_host_copies_nothing():
    A, X = np.ones((2, 2)), sp.csc_array(np.eye(3))
    host = Device("cpu")
    assert host.put(A) is to_host(A) is A
    assert host.put(X) is X


BLAS = ThreadpoolController().select(user_api="blas").lib_controllers


def blas_threads():
    return [library.num_threads for library in BLAS]


ONE = [1] * len(BLAS)


def test_the_host_computes_with_one_blas_thread_and_restores_them():
    before = blas_threads()
    with Device("cpu").active():
        assert blas_threads() == ONE
        with Device("cpu").active():
            assert blas_threads() == ONE
        assert blas_threads() == ONE
    assert blas_threads() == before
    with pytest.raises(ZeroDivisionError), Device("cpu").active():
        _ = 1 / 0
    assert blas_threads() == before


def test_blas_has_one_thread_in_every_thread_of_the_process():
    before = blas_threads()

    def compute(_):
        with Device("cpu").active():
            return blas_threads()

    assert compute(0) == ONE
    with ThreadPoolExecutor(8) as pool:
        assert all(found == ONE for found in pool.map(compute, range(200)))
    assert blas_threads() == before


def test_blas_threads_are_restored_by_whichever_thread_leaves_last():
    before, inside, leave = blas_threads(), Event(), Event()

    def compute():
        with Device("cpu").active():
            inside.set()
            leave.wait(60)

    with ThreadPoolExecutor(1) as pool:
        with Device("cpu").active():
            last = pool.submit(compute)
            assert inside.wait(60)
        assert blas_threads() == ONE
        leave.set()
        last.result()
    assert blas_threads() == before


@pytest.mark.parametrize(
    "name", ["gpu", "", "cpu:0", "auto:1", "cuda:x", "cuda:-1", "cuda:1:2", "CPU", None, 0]
)
def test_an_unknown_device_is_named(name):
    with pytest.raises(ValueError, match="device must be") as error:
        resolve_device(name)
    assert repr(name) in str(error.value)


def test_the_host_is_always_there():
    assert resolve_device("cpu") == Device("cpu")
    assert not resolve_device("cpu").is_gpu


def test_auto_is_a_device_that_works():
    device = resolve_device()
    with device.active():
        np.testing.assert_array_equal(to_host(device.put(np.ones(3)) + 1), [2, 2, 2])


def test_without_cupy_auto_is_the_host_and_cuda_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert resolve_device("auto") == Device("cpu")
    with pytest.raises(RuntimeError, match=r"'cuda:1' cannot be used.*pip install cupy-cuda12x"):
        resolve_device("cuda:1")


def test_cupy_without_a_driver_gives_the_host_and_a_reason(monkeypatch):
    class Runtime:
        def __init__(self, index):
            raise OSError(f"no driver for {index}")

    cupy = SimpleNamespace(cuda=SimpleNamespace(Device=Runtime))
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    assert resolve_device("auto") == Device("cpu")
    with pytest.raises(RuntimeError, match=r"OSError: no driver for 2; use device=.cpu."):
        resolve_device("cuda:2")


# What a GPU is asked for, in its order. The real thing is tested where there is one.


class Asked(list):
    """A stand-in for cupy and cupyx that notes what is asked for, and in which thread."""

    def __init__(self):
        self.cuda = SimpleNamespace(
            Device=lambda index: self.within(f"device {index}"),
            Stream=lambda *, non_blocking: self.stream(f"new {non_blocking=}"),
            get_current_stream=lambda: self.stream("caller's" if self.is_caller() else "worker's"),
        )
        self.scipy = SimpleNamespace(sparse=self)
        self.get_default_memory_pool = lambda: self.pool("memory")
        self.get_default_pinned_memory_pool = lambda: self.pool("pinned memory")
        self.caller = current_thread()

    def is_caller(self):
        return current_thread() is self.caller

    def note(self, what):
        self.append((what, "caller" if self.is_caller() else "worker"))

    @contextmanager
    def within(self, what):
        self.note(f"into {what}")
        try:
            yield
        finally:
            self.note(f"out of {what}")

    def stream(self, name):
        asked = self

        class Stream:
            def __enter__(self):
                asked.note(f"into {name}")
                return self

            def __exit__(self, *_):
                asked.note(f"out of {name}")

            def synchronize(self):
                asked.note(f"wait for {name}")

        return Stream()

    def pool(self, name):
        return SimpleNamespace(free_all_blocks=lambda: self.note(f"free {name}"))

    def errstate(self, **_):
        return nullcontext()

    def asarray(self, matrix):
        if matrix.shape[0] > 5:
            raise MemoryError
        self.note("put")
        return matrix


@pytest.fixture
def asked(monkeypatch):
    asked = Asked()
    monkeypatch.setitem(sys.modules, "cupy", asked)
    monkeypatch.setitem(sys.modules, "cupyx", asked)
    monkeypatch.setitem(sys.modules, "cupyx.scipy", asked)
    monkeypatch.setitem(sys.modules, "cupyx.scipy.sparse", asked)
    _stream_of_copies.cache_clear()
    yield asked
    _stream_of_copies.cache_clear()


@pytest.mark.parametrize("fails", [False, True])
def test_a_gpu_works_ahead_on_the_device_and_the_stream_of_the_caller_and_is_waited_for(
    asked, fails
):
    def work(item):
        asked.note(item)
        if fails:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) if fails else nullcontext():
        list(Device("cuda:3").map_ahead(work, ["work"]))
    assert asked == [
        *(("into device 3", "worker"), ("into caller's", "worker"), ("work", "worker")),
        *(("wait for worker's", "worker"), ("out of caller's", "worker")),
        ("out of device 3", "worker"),
    ]


def test_a_gpu_gets_copies_beside_its_work_by_one_stream_which_is_waited_for(asked):
    device = Device("cuda:3")
    assert device.put_beside(np.ones((5, 2))).shape == (5, 2)
    done = [what for what, _ in asked if "device" not in what]
    stream = "new non_blocking=True"
    assert done == [f"into {stream}", "put", f"wait for {stream}", f"out of {stream}"]
    assert device.put_beside(np.ones((6, 2))) is None
    assert _stream_of_copies("cuda:3") is _stream_of_copies("cuda:3")


def test_a_gpu_gives_back_memory_of_its_own_whichever_is_active(asked):
    with HOST.active():
        Device("cuda:3").release()
    done = [what for what, _ in asked]
    assert done == ["into device 3", "free memory", "out of device 3", "free pinned memory"]
