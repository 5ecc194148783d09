"""Chunks in a temporary file."""

import errno
import os
import resource
import signal
import subprocess
import sys
import tempfile
from contextlib import closing

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from nnmf_topics.spool import Spool


def assert_alike(found, given):
    assert found.shape == given.shape
    for name in ("data", "indices", "indptr"):
        mine, theirs = getattr(found, name), getattr(given, name)
        assert mine.dtype == theirs.dtype
        np.testing.assert_array_equal(mine, theirs)


def chunks(sizes, dtype=np.float32, index=np.int32):
    for seed, size in enumerate(sizes):
        X = sp.random_array((7, size), density=0.4, format="csc", rng=seed).astype(dtype)
        X.indices, X.indptr = X.indices.astype(index), X.indptr.astype(index)
        yield X


@settings(max_examples=25)
@given(
    st.lists(st.integers(0, 40), max_size=8),
    st.sampled_from([np.float32, np.float64]),
    st.sampled_from([np.int32, np.int64]),
)
def test_chunks_are_read_as_they_were_written_again_and_again(sizes, dtype, index):
    given = list(chunks(sizes, dtype, index))
    with closing(Spool()) as spool:
        for chunk in given:
            spool.add(chunk)
        for _ in range(2):
            for mine, theirs in zip(spool, given, strict=True):
                np.testing.assert_array_equal(mine.toarray(), theirs.toarray())
                assert mine.dtype == theirs.dtype


def test_two_readings_may_take_turns_and_chunks_be_added_between():
    first, second, third = chunks([3, 5, 2])
    with closing(Spool()) as spool:
        spool.add(first)
        spool.add(second)
        one, other = iter(spool), iter(spool)
        assert_alike(next(one), first)
        assert_alike(next(other), first)
        spool.add(third)
        assert_alike(next(one), second)
        assert_alike(next(other), second)
        assert_alike(next(one), third)


def test_what_was_read_can_be_changed_without_changing_what_is_read_next():
    (given,) = chunks([4])
    with closing(Spool()) as spool:
        spool.add(given)
        for chunk in spool:
            chunk.data[:] = 0
        (again,) = spool
        assert_alike(again, given)


def test_nothing_is_in_the_folder_while_it_is_used_and_after_a_kill(tmp_path):
    code = f"""
import os, signal
import scipy.sparse as sp
from nnmf_topics.spool import Spool
spool = Spool({str(tmp_path)!r})
spool.add(sp.eye_array(3, format="csc"))
assert not os.listdir({str(tmp_path)!r})
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_never_used_is_never_made(tmp_path):
    with closing(Spool(str(tmp_path / "nowhere"))) as spool:
        assert list(spool) == []


def test_a_gibibyte_of_the_disk_is_left_free(tmp_path, monkeypatch):
    (chunk,) = chunks([3])
    usage = type("Usage", (), {"free": 2**30 + 10})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with closing(Spool(str(tmp_path))) as spool:
        with pytest.raises(OSError, match="less than 1 GiB would be left") as caught:
            spool.add(chunk)
        assert caught.value.errno == errno.ENOSPC
        assert caught.value.filename == str(tmp_path)


def test_a_disk_that_takes_no_more_is_an_error_and_closing_is_none(tmp_path):
    (chunk,) = chunks([1000])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    spool = Spool(str(tmp_path))
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))
        with pytest.raises(OSError, match="File too large"):
            spool.add(chunk)
        spool.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)


def test_a_file_that_has_become_shorter_is_an_error():
    (chunk,) = chunks([30])
    with closing(Spool()) as spool:
        spool.add(chunk)
        spool._file.truncate(100)
        with pytest.raises(OSError, match="shorter"):
            list(spool)


def test_a_reading_after_the_end_is_an_error():
    spool = Spool()
    for chunk in chunks([3, 2]):
        spool.add(chunk)
    reading = iter(spool)
    next(reading)
    spool.close()
    spool.close()
    assert list(spool) == []
    with pytest.raises(ValueError, match="closed"):
        next(reading)


def test_the_folder_is_that_of_the_environment_else_one_that_is_on_a_disk(monkeypatch, tmp_path):
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert Spool().folder == ("/var/tmp" if os.access("/var/tmp", os.W_OK) else "/tmp")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert Spool().folder == str(tmp_path)
