"""Corpora that are read again for every pass."""

import logging
from contextlib import closing

import joblib
import numpy as np
import pytest
import scipy.sparse as sp
from bad_input import TERMS
from bags import CORPUS, Stream, dense, expected, mapped

from nnmf_topics.rereading import Corpus
from nnmf_topics.spool import Spool


def test_a_stream_is_read_anew_each_time_and_a_list_only_once():
    stream = Stream(CORPUS)
    streamed = Corpus(stream, TERMS, 2, np.float64)
    for _ in range(3):
        np.testing.assert_array_equal(dense(streamed), expected(CORPUS))
    assert stream.readings == 3

    kept = list(CORPUS)
    corpus = Corpus(kept, TERMS, 2, np.float64)
    kept.clear()
    for _ in range(2):
        np.testing.assert_array_equal(dense(corpus), expected(CORPUS))


@pytest.mark.parametrize("form", [list, Stream, iter])
def test_weighting_applies_to_every_chunk_once(form):
    corpus = Corpus(form(CORPUS), TERMS, 2, np.float64).weighted(lambda chunk: chunk * 2)
    for _ in range(2):
        np.testing.assert_array_equal(dense(corpus), 2 * expected(CORPUS))


class Changing:
    """A stream that gives other documents in each reading."""

    def __init__(self, *readings):
        self.readings = iter(readings)

    def __iter__(self):
        return iter(next(self.readings))


@pytest.mark.parametrize("second", [CORPUS[:-1], [*CORPUS, CORPUS[0]], []])
def test_a_stream_with_another_number_of_documents_in_a_later_reading_is_an_error(second):
    corpus = Corpus(Changing(CORPUS, second), TERMS, 2, np.float64)
    assert len(dense(corpus).T) == len(CORPUS)
    with pytest.raises(ValueError, match=rf"had {len(CORPUS)} documents .* and {len(second)} in"):
        list(corpus)
    corpus = Corpus(Changing(CORPUS, second), TERMS, 2, np.float64)
    list(corpus)
    with pytest.raises(ValueError, match="its __iter__ must begin anew"):
        list(corpus.weighted(lambda chunk: chunk * 2))


def test_a_reading_that_is_broken_off_tells_nothing_of_the_number_of_documents():
    corpus = Corpus(Changing(CORPUS, CORPUS, CORPUS), TERMS, 2, np.float64)
    next(iter(corpus))
    assert len(list(corpus)) == len(list(corpus))


def test_an_array_of_documents_is_a_corpus_in_memory():
    documents = np.empty(2, object)
    documents[:] = [[(0, 1), (2, 1)], [(1, 2)]]
    corpus = Corpus(documents, 3, 10, np.float64)
    assert corpus.in_memory
    np.testing.assert_array_equal(dense(corpus, 3), [[1, 0], [0, 2], [1, 0]])


@pytest.mark.parametrize("kind", [sp.csc_array, sp.csc_matrix])
def test_a_matrix_of_columns_in_mapped_files_is_read_anew_and_not_kept(tmp_path, kind):
    corpus = Corpus(mapped(kind(expected(CORPUS)), tmp_path), TERMS, 2, np.float32)
    assert not corpus.in_memory
    for _ in range(2):
        np.testing.assert_array_equal(dense(corpus), expected(CORPUS))


def test_a_matrix_whose_columns_do_not_lie_in_files_is_kept(tmp_path):
    rows, columns = sp.csr_array(expected(CORPUS)), mapped(sp.csc_array(expected(CORPUS)), tmp_path)
    (tmp_path / "rows").mkdir()
    held = [mapped(rows, tmp_path / "rows"), sp.csc_array(rows), sp.coo_array(rows)]
    joblib.dump(sp.csc_array(rows), tmp_path / "X.joblib")
    dumped = joblib.load(tmp_path / "X.joblib", mmap_mode="r")
    assert not Corpus(dumped, TERMS, 2, np.float32).in_memory
    for matrix in (*held, columns.copy(), dumped.copy(), columns[:, :4]):
        assert Corpus(matrix, TERMS, 2, np.float32).in_memory


@pytest.mark.parametrize("wide", [np.int32, np.int64])
def test_entries_of_a_mapped_matrix_may_stand_in_any_order_and_twice(tmp_path, wide):
    arrays = np.array([1.0, 2.0, 4.0, 8.0]), np.array([3, 0, 3, 3], wide), np.array([0, 3, 4], wide)
    matrix = sp.csc_array(arrays, shape=(TERMS, 2))
    found = dense(Corpus(mapped(matrix, tmp_path), TERMS, 2, np.float64))
    np.testing.assert_array_equal(found, matrix.toarray())


def test_a_damaged_file_of_a_mapped_matrix_is_an_error(tmp_path):
    matrix = sp.csc_array(expected(CORPUS))
    matrix.indices[-1] = TERMS
    with pytest.raises(ValueError, match=f"document 4: term id {TERMS} is outside"):
        list(Corpus(mapped(matrix, tmp_path), TERMS, 2, np.float32))


def test_with_a_spool_a_stream_is_read_once_and_given_again_the_same(tmp_path):
    stream = Stream(CORPUS)
    with closing(Spool(str(tmp_path))) as spool:
        corpus = Corpus(stream, TERMS, 2, np.float32, spool=spool)
        assert not corpus.in_memory
        for _ in range(3):
            found = list(corpus)
            assert [chunk.dtype for chunk in found] == [np.float32] * 3
            np.testing.assert_array_equal(dense(found), expected(CORPUS))
        assert stream.readings == 1
        weighted = corpus.weighted(lambda chunk: chunk * 2)
        np.testing.assert_array_equal(dense(weighted), 2 * expected(CORPUS))
    assert stream.readings == 1


def test_with_a_spool_an_iterator_is_not_kept_in_memory(tmp_path):
    with closing(Spool(str(tmp_path))) as spool:
        corpus = Corpus(iter(CORPUS), TERMS, 2, np.float64, spool=spool)
        assert not corpus.in_memory
        for _ in range(2):
            np.testing.assert_array_equal(dense(corpus), expected(CORPUS))


@pytest.mark.parametrize("form", [list, sp.csc_array, np.array])
def test_what_is_in_memory_or_mapped_is_not_written(form, tmp_path):
    source = CORPUS if form is list else form(expected(CORPUS))
    if form is np.array:
        source = mapped(sp.csc_array(source), tmp_path)
    with closing(Spool(str(tmp_path / "nowhere"))) as spool:  # could not write
        corpus = Corpus(source, TERMS, 2, np.float64, spool=spool)
        np.testing.assert_array_equal(dense(corpus), expected(CORPUS))


def test_a_stream_for_which_the_disk_has_no_room_is_read_anew(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("nnmf_topics.spool._RESERVE", 2**70)
    stream = Stream(CORPUS)
    with closing(Spool(str(tmp_path))) as spool:
        corpus = Corpus(stream, TERMS, 2, np.float64, spool=spool)
        with caplog.at_level(logging.WARNING):
            for _ in range(3):
                np.testing.assert_array_equal(dense(corpus), expected(CORPUS))
    assert stream.readings == 3
    (warning,) = caplog.messages
    assert str(tmp_path) in warning
    assert "read anew" in warning


def test_an_iterator_for_which_the_disk_has_no_room_is_an_error_that_names_the_folder(tmp_path):
    with closing(Spool(str(tmp_path / "nowhere"))) as spool:
        corpus = Corpus(iter(CORPUS), TERMS, 2, np.float64, spool=spool)
        with pytest.raises(OSError, match="nowhere"):
            list(corpus)


def test_a_reading_that_is_broken_off_leaves_nothing_in_the_spool(tmp_path):
    with closing(Spool(str(tmp_path))) as spool:
        corpus = Corpus(Stream(CORPUS), TERMS, 2, np.float64, spool=spool)
        next(iter(corpus))
        for _ in range(2):
            np.testing.assert_array_equal(dense(corpus), expected(CORPUS))
