"""The threads of the host: parts of the documents at a time, and none of BLAS's own."""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from itertools import chain, islice
from typing import Any, TypeVar

import threadpoolctl
from threadpoolctl import ThreadpoolController

Item = TypeVar("Item")
Result = TypeVar("Result")


def width_of_parts(n: int, most: int) -> int:
    """Return how many of n items to take at a time, at most so many: in parts of about one size."""
    return -(-n // -(-n // max(most, 1))) if n else 1


class HostThreads:
    """Limits BLAS to one thread while at least one thread of the process is inside.

    The matrices are tall and thin: threads of BLAS cost more than they bring, 15 times the whole
    training where another process wants the cores. `map` has as many threads as BLAS had, which
    obeys OMP_NUM_THREADS and its like, `threadpool_limits` and the cores of a container.
    """

    def __init__(self) -> None:
        self._lock, self._inside, self._threads = threading.Lock(), 0, 1
        self._controller: ThreadpoolController | None = None
        self._limit: Any = None
        self._pool: ThreadPoolExecutor | None = None
        self._worker = threading.local()

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                # Looking for the loaded libraries takes milliseconds: once is enough.
                self._controller = self._controller or ThreadpoolController()
                blas = self._controller.select(user_api="blas").lib_controllers
                self._threads = max((library.num_threads or 1 for library in blas), default=1)
                self._limit = self._controller.limit(limits=1, user_api="blas")

    def __exit__(self, *_error: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                _release_blas()
                self._limit.restore_original_limits()
                _release_blas()
                if self._pool is not None:
                    self._pool.shutdown(wait=False)
                    self._pool = None

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield function(item) of all items in their order, one more read than there are threads.

        Items are read by the calling thread, which also does all the work if there is but one, or
        if it works for another call of this already: waiting for itself it would never end.
        """
        iterator = iter(items)
        first = list(islice(iterator, 2))
        items = chain(first, iterator)
        if len(first) < 2 or self._threads == 1 or hasattr(self._worker, "busy"):
            yield from map(function, items)
            return

        def work(item: Item) -> Result:
            self._worker.busy = True
            return function(item)

        pool = self._opened()
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                if len(waiting) > self._threads:
                    yield waiting.popleft().result()
                waiting.append(pool.submit(copy_context().run, work, item))
            while waiting:
                yield waiting.popleft().result()
        finally:
            # None is left behind to compete with BLAS, which gets its threads back.
            wait([future for future in waiting if not future.cancel()])

    def forget_pool(self) -> None:
        """Begin anew in a forked process, which has the lock and the pool but not its threads."""
        self._lock, self._pool = threading.Lock(), None

    def _opened(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._threads, "nnmf_topics")
            return self._pool


def one_ahead(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield function(item) of all items in their order, the next item being read meanwhile.

    Items are read by the calling thread; a second one does all the work.
    """
    pool = ThreadPoolExecutor(1, "nnmf_topics")
    at_work: Future[Result] | None = None
    try:
        for item in items:
            following = pool.submit(copy_context().run, function, item)
            if at_work is not None:
                yield at_work.result()
            at_work = following
        if at_work is not None:
            yield at_work.result()
    finally:
        pool.shutdown(cancel_futures=True)  # and waits for what has begun


HOST_THREADS = HostThreads()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=HOST_THREADS.forget_pool)


def _release_blas() -> None:
    # threadpoolctl >= 3.8 obeys one thread of the process, the first to set a limit, until it lets
    # go: without this, limits from other threads, and their end, would silently do nothing.
    release = getattr(threadpoolctl.OpenBLASController, "clear_controlling_thread", None)
    if release is not None:
        release(force=True)
