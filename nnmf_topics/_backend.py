"""The one door to the GPU: which arrays, on which device, and how they come and go.

Kernels begin with ``xp = namespace(arrays)`` and then use the array-API standard; nothing outside
this module imports cupy. Importing it loads NumPy and SciPy only.
"""

import contextlib
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import numpy as np
import scipy.sparse as sp
from array_api_compat import array_namespace, is_cupy_array, is_numpy_array
from array_api_compat import device as device_of
from array_api_compat import numpy as numpy_namespace

from nnmf_topics._threads import HOST_THREADS, one_ahead
from nnmf_topics._typing import Array, Matrix
from nnmf_topics.documents import index_dtype
from nnmf_topics.grouping import Group

__all__ = [
    "HOST",
    "Device",
    "cuda_module",
    "device_of",
    "namespace",
    "on_gpu",
    "resolve_device",
    "to_host",
]

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")


def namespace(*arrays: Array) -> Any:
    """Return the array-API namespace that arrays have in common."""
    # Asked dozens of times a pass: the common case should cost nothing.
    if all(type(array) is np.ndarray for array in arrays):
        return numpy_namespace
    return array_namespace(*arrays)


def to_host(array: Array) -> np.ndarray:
    """Return a NumPy array with the values of an array of any namespace and device."""
    if is_numpy_array(array):
        return np.asarray(array)
    if is_cupy_array(array):
        return np.asarray(array.get())
    xp = namespace(array)
    return np.asarray(array.to_device(xp.__array_namespace_info__().default_device()))


def on_gpu(array: Array) -> bool:
    """Whether an array lives on a GPU."""
    return bool(is_cupy_array(array))


@dataclass(frozen=True)
class Device:
    """A place where arrays live: the host, or one GPU.

    Attributes
    ----------
    name : str
        "cpu" or "cuda:N".
    """

    name: str

    @property
    def is_gpu(self) -> bool:
        """Whether this is a CUDA device."""
        return self.name != "cpu"

    def active(self) -> contextlib.AbstractContextManager[Any]:
        """Context for computing here.

        On a GPU new arrays are made there, and a singular matrix raises as in NumPy. On the host
        BLAS has one thread; see `HostThreads`.
        """
        if not self.is_gpu:
            return HOST_THREADS
        import cupy
        import cupyx

        stack = contextlib.ExitStack()
        stack.enter_context(cupy.cuda.Device(int(self.name.split(":")[1])))
        stack.enter_context(cupyx.errstate(linalg="raise"))
        return stack

    def release(self) -> None:
        """Give memory that is kept for reuse back to the device."""
        if self.is_gpu:
            import cupy

            with self.active():  # pools are of the device that is active
                cupy.get_default_memory_pool().free_all_blocks()
            cupy.get_default_pinned_memory_pool().free_all_blocks()

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield function(item) of all items in their order; on the host several at a time.

        To be used while the device is active. Few items are read ahead, and the results do not
        depend on the number of threads.
        """
        return map(function, items) if self.is_gpu else HOST_THREADS.map(function, items)

    def map_ahead(
        self, function: Callable[[Item], Result], items: Iterable[Item]
    ) -> Iterator[Result]:
        """Do as `map`, but let a GPU work on one item while the calling thread reads the next."""
        if not self.is_gpu:
            return self.map(function, items)
        import cupy

        stream = cupy.cuda.get_current_stream()  # that of the thread, as the device is

        def work(item: Item) -> Result:
            with self.active(), stream:
                try:
                    return function(item)
                finally:
                    self.wait()

        return one_ahead(work, items)

    def put(self, matrix: Matrix) -> Matrix:
        """Move a host array, SciPy sparse matrix or `Group` here (no copy on the host)."""
        if not self.is_gpu:
            return matrix
        import cupy
        import cupyx.scipy.sparse as cusp

        with self.active():
            if isinstance(matrix, Group):
                return _put_together(matrix)
            if not sp.issparse(matrix):
                return cupy.asarray(matrix)
            return getattr(cusp, f"{matrix.format}_matrix")(_with_short_indices(matrix))

    def put_beside(self, matrix: Matrix) -> Matrix | None:
        """Move a host array or SciPy sparse matrix here while the device computes something else.

        None where there is no room, and on the host, where nothing has to be moved. `wait` before
        the last reference goes: its memory may be written to at once, by the next such move.
        """
        if not self.is_gpu:
            return None
        with self.active(), _stream_of_copies(self.name) as stream:
            try:
                placed = self.put(matrix)
                stream.synchronize()
            except MemoryError:
                return None
            return placed

    def wait(self) -> None:
        """Return when all that this thread has begun here is done."""
        if self.is_gpu:
            import cupy

            cupy.cuda.get_current_stream().synchronize()


def _with_short_indices(matrix: Any) -> Any:
    """Return a matrix with indices of 32 bits, which a GPU reads in half the time, if they do."""
    if getattr(matrix, "indices", np.zeros(0, np.int32)).dtype == np.int32:
        return matrix
    if max(matrix.nnz, *matrix.shape) > np.iinfo(np.int32).max:
        return matrix
    indices, indptr = matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32)
    return type(matrix)((matrix.data, indices, indptr), matrix.shape)


def _put_together(group: Group) -> Matrix:
    import cupy
    import cupyx.scipy.sparse as cusp

    def moved(pieces: Sequence[np.ndarray], dtype: Any) -> Any:
        placed = cupy.empty(sum(map(len, pieces)), dtype)
        if placed.size:
            joined = np.concatenate(pieces, out=_pinned(placed.shape, dtype))
            stream = cupy.cuda.get_current_stream()
            placed.data.copy_from_host_async(joined.ctypes.data, joined.nbytes, stream)
            stream.synchronize()
        return placed

    starts = group.starts()
    index = index_dtype(starts[-1], *group.shape)
    data = moved([part.data for part in group.parts], group.parts[0].dtype)
    indices = moved([part.indices for part in group.parts], index)
    return cusp.csc_matrix((data, indices, moved([starts], index)), group.shape)


def _pinned(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Return memory that stays where it is, which a GPU reads several times as fast, or any."""
    import cupy
    import cupyx

    try:
        return np.asarray(cupyx.empty_pinned(shape, dtype))
    except cupy.cuda.runtime.CUDARuntimeError as error:  # the system limits how much may stay
        _note_slower_copies(str(error))
        return np.empty(shape, dtype)


@cache
def _note_slower_copies(reason: str) -> None:
    logger.info("copies to the GPU are slower: no memory that stays in its place (%s)", reason)


HOST = Device("cpu")


@cache
def _stream_of_copies(_device: str) -> Any:
    """Return the CUDA stream for copies beside the computations of the device that is active.

    One for all times: memory that is kept for reuse is kept for every stream by itself.
    """
    import cupy

    return cupy.cuda.Stream(non_blocking=True)


def cuda_module(code: str, options: tuple[str, ...]) -> Any:
    """Return the kernels of a source in CUDA, compiled when first used, on any device."""
    import cupy

    # CuPy keeps what it compiles on disk, and loads it for every device by itself.
    return cupy.RawModule(code=code, options=options)


def resolve_device(name: str = "auto") -> Device:
    """Turn "auto", "cpu", "cuda" or "cuda:N" into a `Device` that works.

    Raises
    ------
    ValueError
        If the name is none of these.
    RuntimeError
        If a GPU is asked for by name and none works, with the reason.
    """
    match = re.fullmatch(r"(auto|cpu|cuda)|cuda:(\d{1,3})", str(name))
    if match is None:
        raise ValueError(f'device must be "auto", "cpu", "cuda" or "cuda:N", not {name!r}')
    if name == "cpu":
        return Device("cpu")
    index = int(match[2] or 0)
    reason = _gpu_problem(index)
    if reason is None:
        logger.info("using GPU cuda:%d", index)
        return Device(f"cuda:{index}")
    if name != "auto":
        raise RuntimeError(f'device={name!r} cannot be used: {reason}; use device="cpu"')
    logger.info("using the CPU: %s", reason)
    return Device("cpu")


def _gpu_problem(index: int) -> str | None:
    """Why GPU `index` cannot be used, or None. CuPy imports without a driver: allocate to know."""
    try:
        import cupy
    except ImportError:
        return "cupy is not installed (pip install cupy-cuda12x, or cupy-cuda13x)"
    try:
        with cupy.cuda.Device(index):
            cupy.zeros(1) + 1
    # Errors of the driver, the compiler and the linker have no common base class, and "auto" must
    # come back to the CPU whatever is wrong with a GPU; the reason is logged or raised above.
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None
