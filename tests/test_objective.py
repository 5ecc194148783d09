import logging
import weakref
from collections import Counter
from time import sleep

import numpy as np
import pytest
import scipy.sparse as sp

from nnmf_topics import objective
from nnmf_topics._backend import Device, to_host
from nnmf_topics._threads import one_ahead
from nnmf_topics.network import evaluate
from nnmf_topics.objective import Objective
from nnmf_topics.optimizers import unit_columns
from nnmf_topics.placement import PlacedChunks


@pytest.fixture
def chunks():
    X = sp.random_array((40, 50), density=0.3, format="csc", rng=np.random.default_rng(0))
    return [X[:, :33], X[:, 33:]]


@pytest.fixture
def factors():
    rng = np.random.RandomState(0)
    return [unit_columns(rng.rand(40, 6)), unit_columns(rng.rand(6, 3))]


class SmallDevice(Device):
    """The host, with room for so many documents, those that are kept among them."""

    def __init__(self, room):
        super().__init__("cpu")
        object.__setattr__(self, "room", room)
        object.__setattr__(self, "kept", [])
        object.__setattr__(self, "puts", 0)

    def put(self, matrix):
        if matrix.shape[1] + sum(self.kept) > self.room:
            raise MemoryError
        object.__setattr__(self, "puts", self.puts + 1)
        self.kept.append(matrix.shape[1])
        return matrix

    def release(self):
        self.kept.clear()


class StreamingDevice(SmallDevice):
    """The same, where nothing is kept that is not in use."""

    def put(self, matrix):
        self.release()
        return super().put(matrix)


def value(chunks, factors, device=None, in_memory=True, calls=1):
    device = device or Device("cpu")
    total = Objective(chunks, "layerwise", device, None, in_memory)
    with device.active():
        for _ in range(calls):
            evaluation = total(factors)
    assert total.documents == sum(chunk.shape[1] for chunk in chunks)
    return evaluation


def assert_equal(found, expected):
    np.testing.assert_allclose(float(found.value), float(expected.value), rtol=1e-12)
    np.testing.assert_allclose(found.errors, expected.errors, rtol=1e-12)
    np.testing.assert_allclose(found.data, expected.data, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.upper[0], expected.upper[0], rtol=1e-9, atol=1e-12)


def limited(most, asked):
    """Return the real evaluation, for lack of memory of so many documents at most."""

    def evaluation(factors, X, *args, **options):
        asked.append(X.shape[1])
        if X.shape[1] > most:
            raise MemoryError
        return evaluate(factors, X, *args, **options)

    return evaluation


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("most", [1, 7, 20, 49])
def test_too_little_memory_halves_the_documents_and_changes_nothing(
    chunks, factors, monkeypatch, most, in_memory
):
    expected = value(chunks, factors)
    monkeypatch.setattr(objective, "evaluate", limited(most, asked := []))
    assert_equal(value(chunks, factors, in_memory=in_memory, calls=3), expected)
    assert max(asked[-5:]) <= most  # what was learnt is kept


def test_too_little_memory_is_said_once_for_every_size(chunks, factors, monkeypatch, caplog):
    monkeypatch.setattr(objective, "evaluate", limited(20, []))
    with caplog.at_level(logging.WARNING):
        value(chunks, factors, calls=3)
    (record,) = caplog.records
    assert "too little memory for 33 documents at a time: going on with 17" in record.getMessage()


def test_too_little_memory_for_one_document_is_an_error(chunks, factors, monkeypatch):
    monkeypatch.setattr(objective, "evaluate", limited(0, []))
    with pytest.raises(MemoryError):
        value(chunks, factors)


@pytest.mark.parametrize("most", [1, 7, 20, 49])
def test_codes_of_parts_are_those_of_the_whole(chunks, factors, monkeypatch, most):
    monkeypatch.setattr(objective, "evaluate", limited(most, []))
    total = Objective(chunks, "layerwise", Device("cpu"), None, in_memory=True)
    with Device("cpu").active():
        total(factors)
        for number, X in enumerate(chunks):
            expected = evaluate(factors, X, np.sum(X.data**2), "layerwise")[1]
            for S, exact in zip(total._placed._known[number].codes, expected, strict=True):
                np.testing.assert_allclose(S, exact, rtol=1e-9, atol=1e-12)


def test_the_next_pass_starts_from_the_codes_of_the_last(chunks, factors, monkeypatch):
    starts = []

    def seen(factors, X, norm, loss, near, *rest, **options):
        starts.append(near)
        return evaluate(factors, X, norm, loss, near, *rest, **options)

    monkeypatch.setattr(objective, "evaluate", seen)
    value(chunks, factors, SmallDevice(room=1000), calls=2)
    assert [near is None for near in starts] == [True, True, False, False]


def test_chunks_in_memory_go_to_the_device_once(chunks, factors):
    device = SmallDevice(room=50)
    value(chunks, factors, device, calls=4)
    assert device.puts == len(chunks)


def test_a_stream_goes_to_the_device_in_every_pass(chunks, factors):
    device = StreamingDevice(room=50)
    value(chunks, factors, device, in_memory=False, calls=4)
    assert device.puts == 4 * len(chunks)


def test_chunks_that_do_not_fit_together_are_streamed_whole(chunks, factors, caplog):
    device = StreamingDevice(room=33)
    object.__setattr__(device, "put", lambda matrix: SmallDevice.put(device, matrix))
    with caplog.at_level(logging.INFO):
        found = value(chunks, factors, device)
    assert_equal(found, value(chunks, factors))
    assert "does not fit on cpu: streaming it" in caplog.text
    assert "too little memory" not in caplog.text


def test_a_chunk_that_does_not_fit_goes_to_the_device_in_parts(chunks, factors, caplog):
    device = StreamingDevice(room=20)
    assert_equal(value(chunks, factors, device, calls=2), value(chunks, factors))
    assert "going on with 17" in caplog.text


def test_a_corpus_that_changes_between_passes_is_named(chunks, factors):
    changing = list(chunks)
    total = Objective(changing, "layerwise", Device("cpu"), None, in_memory=True)
    with Device("cpu").active():
        total(factors)
        changing[1] = changing[1][:, :5]
        with pytest.raises(ValueError, match="chunk 1 of the corpus changed"):
            total(factors)


class BesideDevice(Device):
    """The host, with room for so many documents, where the next chunk is placed beside the work."""

    def __init__(self, room):
        super().__init__("cpu")
        object.__setattr__(self, "room", room)
        object.__setattr__(self, "counts", Counter())

    def put(self, matrix):
        documents = matrix.shape[1]
        if self.counts["alive"] + documents > self.room:
            raise MemoryError
        self.counts["puts"] += 1
        self.counts["alive"] += documents
        placed = matrix.copy()
        weakref.finalize(placed, self.counts.subtract, {"alive": documents})
        return placed

    def put_beside(self, matrix):
        self.counts["beside"] += 1
        try:
            return self.put(matrix)
        except MemoryError:
            return None

    def map(self, function, items):
        return map(function, items)

    def map_ahead(self, function, items):
        return one_ahead(function, items)

    def wait(self):
        self.counts["waits"] += 1
        self.counts["alive while waiting"] += self.counts["alive"] > 0

    def evaluate(self, factors, X, *args, **options):
        """Evaluate where there is room for as many documents once more."""
        sleep(0.02)  # until the next are there
        if self.counts["alive"] + X.shape[1] > self.room:
            raise MemoryError
        return evaluate(factors, X, *args, **options)


@pytest.fixture
def five():
    """Five chunks of 20 documents."""
    X = sp.random_array((40, 100), density=0.3, format="csc", rng=np.random.default_rng(0))
    return [X[:, first : first + 20] for first in range(0, 100, 20)]


def test_a_streamed_chunk_is_placed_once_and_waited_for_before_it_goes(five, factors):
    device = BesideDevice(room=1000)
    found = value(five, factors, device, in_memory=False, calls=3)
    assert_equal(found, value(five, factors))
    places = {name: device.counts[name] for name in ("beside", "puts", "waits")}
    assert places == dict.fromkeys(places, 3 * len(five))
    assert device.counts["alive while waiting"] == device.counts["waits"]
    assert device.counts["alive"] == 0


def test_chunks_that_are_kept_are_not_placed_beside(five, factors):
    device = BesideDevice(room=100)
    value(five, factors, device, calls=2)
    assert device.counts["puts"] == len(five)
    assert device.counts["beside"] == 0


def test_chunks_in_memory_that_do_not_fit_are_placed_beside_and_start_from_their_codes(
    five, factors, monkeypatch
):
    starts = []

    def seen(factors, X, norm, loss, near, *rest, **options):
        starts.append(near)
        return evaluate(factors, X, norm, loss, near, *rest, **options)

    monkeypatch.setattr(objective, "evaluate", seen)
    device = BesideDevice(room=60)
    assert_equal(value(five, factors, device, calls=3), value(five, factors))
    assert device.counts["beside"] == 2 * len(five)
    assert all(near is not None for near in starts[len(five) : 3 * len(five)])


@pytest.mark.parametrize("room", [41, 50, 59])
def test_what_is_placed_beside_leaves_where_the_work_needs_its_room(
    five, factors, monkeypatch, caplog, room
):
    device = BesideDevice(room)
    monkeypatch.setattr(objective, "evaluate", device.evaluate)
    with caplog.at_level(logging.INFO):
        found = value(five, factors, device, in_memory=False, calls=3)
    assert_equal(found, value(five, factors))
    assert caplog.text.count("no room on cpu for the next documents beside the work") == 1
    assert "too little memory" not in caplog.text  # 40 are enough
    assert device.counts["beside"] <= 2


@pytest.mark.parametrize(("room", "calls"), [(3, 1), (19, 3), (39, 3)])
def test_too_little_memory_with_nothing_beside_halves_the_documents(
    five, factors, monkeypatch, caplog, room, calls
):
    device = BesideDevice(room)
    monkeypatch.setattr(objective, "evaluate", device.evaluate)
    found = value(five, factors, device, in_memory=False, calls=calls)
    assert_equal(found, value(five, factors))
    assert f"going on with {max(n for n in (10, 5, 3, 2, 1) if 2 * n <= room)}" in caplog.text


def test_the_work_is_told_the_place_in_the_corpus_of_what_is_placed_beside(five):
    def work(X, _near, documents):
        return (documents.start, documents.stop, float(X.sum())), ()

    placed = PlacedChunks(five, BesideDevice(room=1000), in_memory=False)
    found = [part for part, _ in placed.map(work)]
    assert found == [(20 * n, 20 * n + 20, float(X.sum())) for n, X in enumerate(five)]


def test_any_error_of_the_work_is_waited_for(five, factors, monkeypatch):
    begun = []  # one or two: the second may have begun when the first has failed

    def fails(*_, **_options):
        begun.append(True)
        raise ZeroDivisionError

    monkeypatch.setattr(objective, "evaluate", fails)
    device = BesideDevice(room=1000)
    with pytest.raises(ZeroDivisionError):
        value(five, factors, device, in_memory=False)
    assert device.counts["waits"] == len(begun) > 0


def test_a_stream_gives_on_every_device_what_chunks_in_memory_give(xp, factors):
    dense = np.random.RandomState(0).rand(40, 90)
    parts = [dense[:, first : first + 30] for first in range(0, 90, 30)]
    factors = [xp.put(A) for A in factors]
    kept, streamed = (
        Objective(parts, "layerwise", xp, None, in_memory)(factors).mapped(to_host)
        for in_memory in (True, False)
    )
    for found, expected in zip(streamed.upper, kept.upper, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(streamed.data, kept.data, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(streamed.value, kept.value, rtol=1e-12)
