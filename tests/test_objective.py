import logging

import numpy as np
import pytest
import scipy.sparse as sp

from nnmf_topics import objective
from nnmf_topics._backend import Device, to_host
from nnmf_topics.network import evaluate
from nnmf_topics.objective import Objective
from nnmf_topics.optimizers import unit_columns


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
            evaluation, corpus = total(factors)
    assert evaluation is corpus
    assert total.documents == sum(chunk.shape[1] for chunk in chunks)
    return evaluation


def assert_equal(found, expected):
    np.testing.assert_allclose(float(found.value), float(expected.value), rtol=1e-12)
    np.testing.assert_allclose(found.errors, expected.errors, rtol=1e-12)
    np.testing.assert_allclose(found.data, expected.data, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.upper[0], expected.upper[0], rtol=1e-9, atol=1e-12)


def limited(most, asked):
    """Return the real evaluation, for lack of memory of so many documents at most."""

    def evaluation(factors, X, *args):
        asked.append(X.shape[1])
        if X.shape[1] > most:
            raise MemoryError
        return evaluate(factors, X, *args)

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

    def seen(factors, X, norm, loss, near, *rest):
        starts.append(near)
        return evaluate(factors, X, norm, loss, near, *rest)

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


class BesideDevice(StreamingDevice):
    """The same, where the next chunk is placed while the last is worked on."""

    def __init__(self, room):
        super().__init__(room)
        object.__setattr__(self, "waits", 0)

    def put_beside(self, matrix):
        try:
            return self.put(matrix)
        except MemoryError:
            return None

    def wait(self):
        object.__setattr__(self, "waits", self.waits + 1)


def test_a_streamed_chunk_is_placed_once_and_waited_for(chunks, factors):
    device = BesideDevice(room=50)
    found = value(chunks, factors, device, in_memory=False, calls=3)
    assert_equal(found, value(chunks, factors))
    assert device.puts == device.waits == 3 * len(chunks)


def test_chunks_that_are_kept_are_not_placed_beside(chunks, factors, monkeypatch):
    device = SmallDevice(room=50)
    monkeypatch.setattr(SmallDevice, "put_beside", lambda *_: pytest.fail("beside"))
    value(chunks, factors, device, calls=2)
    assert device.puts == len(chunks)


def test_without_room_beside_a_chunk_goes_to_the_device_in_parts(chunks, factors):
    device = BesideDevice(room=20)
    assert_equal(value(chunks, factors, device, in_memory=False), value(chunks, factors))


@pytest.mark.parametrize("most", [1, 7, 20, 49])
def test_too_little_memory_to_work_on_what_is_placed_beside_halves_the_documents(
    chunks, factors, monkeypatch, most
):
    expected = value(chunks, factors)
    monkeypatch.setattr(objective, "evaluate", limited(most, asked := []))
    device = BesideDevice(room=1000)
    assert_equal(value(chunks, factors, device, in_memory=False, calls=3), expected)
    assert max(asked[-5:]) <= most
    assert asked.count(33) == (3 if most >= 33 else 1)  # what was too much is not tried again


def test_a_stream_gives_on_every_device_what_chunks_in_memory_give(xp, factors):
    dense = np.random.RandomState(0).rand(40, 90)
    parts = [dense[:, first : first + 30] for first in range(0, 90, 30)]
    factors = [xp.put(A) for A in factors]
    kept, streamed = (
        Objective(parts, "layerwise", xp, None, in_memory)(factors)[0].mapped(to_host)
        for in_memory in (True, False)
    )
    for found, expected in zip(streamed.upper, kept.upper, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(streamed.data, kept.data, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(streamed.value, kept.value, rtol=1e-12)
