import os
import subprocess
import sys
import time
from threading import Event, current_thread

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from nnmf_topics._threads import HostThreads, one_ahead, width_of_parts


@pytest.fixture(params=[1, 3], ids=["one thread", "three threads"])
def threads(request):
    with threadpool_limits(request.param, user_api="blas"), HostThreads() as _:
        pass  # BLAS is found, and left as it was
    host = HostThreads()
    with threadpool_limits(request.param, user_api="blas"):
        host.__enter__()
    yield host
    host.__exit__()


def test_results_come_in_the_order_of_the_items(threads):
    def slowest_first(i):
        time.sleep(0.002 * (9 - i))
        return i * i

    assert list(threads.map(slowest_first, range(10))) == [i * i for i in range(10)]


@pytest.mark.parametrize("items", [[], ["only"]])
def test_few_items_need_no_thread(threads, items):
    found = list(threads.map(lambda item: (item, current_thread().name), items))
    assert found == [(item, current_thread().name) for item in items]


@pytest.mark.parametrize("n", [1, 7, 2000, 2001, 11_293])
@pytest.mark.parametrize("most", [0, 1, 6, 2000, 20_000])
def test_parts_are_the_fewest_that_are_small_enough_and_about_one_size(n, most):
    width = width_of_parts(n, most)
    sizes = [min(width, n - first) for first in range(0, n, width)]
    assert max(sizes) <= max(most, 1)
    assert len(sizes) == -(-n // max(most, 1))
    assert sizes[-1] > width - len(sizes)
    assert width_of_parts(0, most) == 1  # a step that a range can take


def test_few_items_are_read_ahead(threads):
    read, done = [], []

    def items():
        for i in range(30):
            read.append(i)
            yield i

    for result in threads.map(lambda i: i, items()):
        done.append(result)
        assert len(read) - len(done) <= 4
    assert done == list(range(30))


def test_an_error_reaches_the_caller_in_its_place(threads):
    def fails_at_five(i):
        if i == 5:
            raise ValueError("document 5")
        return i

    results = threads.map(fails_at_five, range(10))
    assert [next(results) for _ in range(5)] == list(range(5))
    with pytest.raises(ValueError, match="document 5"):
        next(results)


def test_an_error_of_the_corpus_reaches_the_caller(threads):
    def items():
        yield from range(3)
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        list(threads.map(lambda i: i, items()))


def test_floating_point_errors_are_handled_as_the_caller_asked(threads):
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        list(threads.map(lambda i: np.ones(3) / (np.ones(3) * (i < 2)), range(4)))


def test_two_items_are_worked_on_at_once_where_there_are_threads():
    host = HostThreads()
    with threadpool_limits(2, user_api="blas"):
        host.__enter__()
    first, second = Event(), Event()

    def meet(i):
        mine, other = (first, second) if i == 0 else (second, first)
        mine.set()
        return other.wait(30)

    try:
        assert list(host.map(meet, range(2))) == [True, True]
    finally:
        host.__exit__()


def test_a_call_within_a_call_ends(threads):
    found = threads.map(lambda i: list(threads.map(lambda j: i * j, range(4))), range(6))
    assert list(found) == [[i * j for j in range(4)] for i in range(6)]


def test_nothing_is_at_work_any_more_when_an_error_leaves(threads):
    at_work = set()

    def fails_first(i):
        at_work.add(i)
        time.sleep(0.05)
        at_work.remove(i)
        if i == 0:
            raise ValueError("first")

    with pytest.raises(ValueError, match="first"):
        list(threads.map(fails_first, range(8)))
    assert not at_work


FORKED = """
import os, sys
import numpy  # brings the BLAS whose threads are counted
from nnmf_topics._threads import HOST_THREADS

with HOST_THREADS:
    assert list(HOST_THREADS.map(abs, range(5))) == list(range(5))
    child = os.fork()
    if child == 0:
        os._exit(list(HOST_THREADS.map(abs, range(5))) != list(range(5)))
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_process_that_is_forked_meanwhile_has_threads_of_its_own():
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    command = [sys.executable, "-P", "-c", FORKED]
    assert subprocess.run(command, env=environment, timeout=60, check=False).returncode == 0


# One ahead


@pytest.mark.parametrize("count", [0, 1, 2, 20])
def test_one_ahead_gives_the_results_in_the_order_of_the_items(count):
    assert list(one_ahead(lambda i: i * i, range(count))) == [i * i for i in range(count)]


def test_few_items_are_read_ahead_by_the_caller_and_all_are_worked_on_by_one_other_thread():
    readers, workers, read, done = set(), set(), [], []

    def items():
        for i in range(20):
            readers.add(current_thread())
            read.append(i)
            yield i

    def work(i):
        workers.add(current_thread())
        return i

    for result in one_ahead(work, items()):
        done.append(result)
        assert len(read) - len(done) <= 2
    assert readers == {current_thread()}
    assert len(workers) == 1
    assert not workers & readers


def test_the_next_item_is_read_while_the_last_is_worked_on():
    second_read = Event()

    def items():
        yield 1
        second_read.set()
        yield 2

    def waits(i):
        assert second_read.wait(10)
        return i

    assert list(one_ahead(waits, items())) == [1, 2]


def test_an_error_of_the_work_comes_in_its_place():
    def fails_at_three(i):
        if i == 3:
            raise ValueError("document 3")
        return i

    results = one_ahead(fails_at_three, range(9))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="document 3"):
        next(results)


@pytest.mark.parametrize("end", ["close", "error"])
def test_nothing_is_at_work_any_more_when_one_ahead_ends(end):
    begun, done = Event(), []

    def work(i):
        if i == 1:
            begun.set()
            time.sleep(0.1)
        done.append(i)
        return i

    def items():
        yield from range(2)
        begun.wait(10)
        if end == "error":
            raise ValueError("the disk is gone")
        yield from range(2, 9)

    results = one_ahead(work, items())
    assert next(results) == 0
    if end == "error":
        with pytest.raises(ValueError, match="gone"):
            next(results)
    else:
        begun.wait(10)
        results.close()
    assert done == [0, 1]


def test_one_ahead_handles_floating_point_errors_as_the_caller_asked():
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        list(one_ahead(lambda x: np.float64(1) / x, [np.float64(0)]))
