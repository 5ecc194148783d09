from pathlib import Path
from weakref import ref

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from bad_input import DOCUMENTS, REMEDY, TERMS
from bags import CORPUS, DOCUMENT, Stream, dense, expected
from gensim.corpora import MmCorpus
from gensim.matutils import corpus2csc
from hypothesis import given, settings
from hypothesis import strategies as st

from nnmf_topics.corpus import count_terms, is_one_shot, read_chunks
from nnmf_topics.documents import is_document, to_matrix

documents = st.lists(
    st.tuples(
        st.integers(0, TERMS - 1), st.integers(0, 9) | st.floats(0, 1e6, allow_subnormal=False)
    ),
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(documents, max_size=9), st.integers(1, 4))
def test_chunks_hold_the_corpus_with_duplicate_ids_added_up(corpus, chunksize):
    chunks = list(read_chunks(corpus, TERMS, chunksize))
    assert all(chunk.shape[1] <= chunksize for chunk in chunks)
    assert all(chunk.has_canonical_format and (chunk.data > 0).all() for chunk in chunks)
    np.testing.assert_allclose(dense(chunks), expected(corpus), rtol=1e-15)


@pytest.mark.parametrize(
    "form",
    [
        list,
        tuple,
        iter,
        Stream,
        lambda corpus: lambda: iter(corpus),
        lambda corpus: [tuple(document) for document in corpus],
        lambda corpus: [[list(pair) for pair in document] for document in corpus],
        lambda corpus: [document[::-1] for document in corpus],
        lambda corpus: [[*document, (9, 0), (9, 0.0)] for document in corpus],
        lambda corpus: [[(i, w / 2) for i, w in document] * 2 for document in corpus],
        lambda corpus: [[(np.int32(i), np.float32(w)) for i, w in doc] for doc in corpus],
        lambda corpus: [[*((np.uint64(i), w) for i, w in doc), (9, 0)] for doc in corpus],
        lambda corpus: corpus2csc(corpus, num_terms=TERMS),
        lambda corpus: corpus2csc(corpus, num_terms=TERMS).tocsr(),
        lambda corpus: sp.coo_array(expected(corpus)),
        lambda corpus: sp.csc_matrix(expected(corpus)),
        lambda corpus: sp.dok_array(expected(corpus)),
        lambda corpus: sp.lil_matrix(expected(corpus)),
    ],
)
def test_every_form_of_a_corpus_reads_alike(form):
    np.testing.assert_array_equal(
        dense(read_chunks(form(CORPUS), TERMS, chunksize=2)), expected(CORPUS)
    )


def test_entries_of_a_matrix_for_the_same_cell_are_added_up():
    matrix = sp.csc_array(([1.0, 2.0, 4.0, 8.0], [3, 0, 3, 3], [0, 3, 4]), shape=(TERMS, 2))
    (chunk,) = read_chunks(matrix, TERMS, 2)
    assert chunk.has_canonical_format
    assert (chunk[3, 0], chunk[0, 0], chunk[3, 1], chunk.nnz) == (5, 2, 8, 3)
    assert matrix.nnz == 4  # what was given is as it was


def test_integer_arrays_are_documents():
    corpus = [np.array([[0, 2], [3, 1]]), np.array([[5, 1]])]
    np.testing.assert_array_equal(dense(read_chunks(corpus, TERMS, 10)), expected(corpus))


@pytest.mark.parametrize("kind", [bool, int, np.int16, np.float32, np.longdouble])
def test_a_sparse_matrix_may_hold_any_real_numbers(kind):
    matrix = sp.csc_array((expected(CORPUS) > 0).astype(kind))
    np.testing.assert_array_equal(
        dense(read_chunks(matrix, TERMS, 2)), (expected(CORPUS) > 0).astype(float)
    )


def test_boolean_counts_are_ones_whatever_stands_beside_them():
    for corpus in ([[(0, True)]], [[(0, True), (1, 2)]], [[(0, np.True_)]]):
        np.testing.assert_array_equal(dense(read_chunks(corpus, TERMS, 2)), expected(corpus))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_chunks_have_the_dtype_asked_for(dtype):
    for source in (CORPUS, sp.csc_array(expected(CORPUS))):
        assert {chunk.dtype for chunk in read_chunks(source, TERMS, 2, dtype)} == {np.dtype(dtype)}


def test_mm_corpus_reads_alike(tmp_path):
    MmCorpus.serialize(str(tmp_path / "corpus.mm"), CORPUS)
    read = dense(read_chunks(MmCorpus(str(tmp_path / "corpus.mm")), TERMS, 2))
    np.testing.assert_array_equal(read, expected(CORPUS))


def test_no_document_gives_no_chunk_and_empty_documents_give_empty_columns():
    assert list(read_chunks([], TERMS, 2)) == []
    assert list(read_chunks(sp.csc_array((TERMS, 0)), TERMS, 2)) == []
    (chunk,) = read_chunks([[], [], []], TERMS, 5)
    assert chunk.shape == (TERMS, 3)
    assert chunk.nnz == 0


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
@pytest.mark.parametrize("where", ["alone", "first", "last", "last_chunk"])
def test_the_error_names_the_document_that_is_no_bag_of_words(document, where):
    chunksize = 3 if where == "last_chunk" else 100
    corpus = {"alone": [document], "first": [document, *CORPUS]}.get(where, [*CORPUS, document])
    number = 5 if where.startswith("last") else 0
    with pytest.raises((TypeError, ValueError), match=rf"document {number}\b") as raised:
        list(read_chunks(corpus, TERMS, chunksize, np.float32))
    assert raised.match(REMEDY)


def test_the_error_names_the_first_bad_document_and_term():
    corpus = [*CORPUS, [(2, 1), (4, -3)], [(2, -1)]]
    with pytest.raises(ValueError, match="document 5: term 4 has weight -3"):
        list(read_chunks(corpus, TERMS, 100))


@pytest.mark.parametrize("weight", [-1, np.nan, np.inf, 1e300])
@pytest.mark.parametrize("form", [sp.csc_array, sp.csr_matrix, sp.coo_array])
@pytest.mark.parametrize("chunksize", [1, 2, 100])
def test_the_error_names_the_column_and_row_of_a_bad_weight_in_a_matrix(weight, form, chunksize):
    matrix = expected(CORPUS)
    matrix[2, 3] = weight
    with pytest.raises(ValueError, match="document 3: term 2 has weight") as raised:
        list(read_chunks(form(matrix), TERMS, chunksize, np.float32))
    assert raised.match(REMEDY)


@pytest.mark.parametrize("term", [-1, TERMS, 10**6])
@pytest.mark.parametrize("chunksize", [1, 2, 100])
def test_the_error_names_the_column_of_a_row_that_a_matrix_does_not_have(term, chunksize):
    matrix = sp.csc_array(expected(CORPUS))
    matrix.indices[matrix.indptr[3]] = term  # SciPy does not look; nor does corpus2csc
    with pytest.raises(ValueError, match=f"document 3: term id {term} is outside the vocabulary"):
        list(read_chunks(matrix, TERMS, chunksize))


def test_a_matrix_by_rows_without_a_column_that_it_names_is_refused():
    matrix = sp.csr_array(expected(CORPUS))
    matrix.indices[0] = 10**6
    with pytest.raises(ValueError, match=f"indices must be < {len(CORPUS)}"):
        list(read_chunks(matrix, TERMS, 2))


def test_a_matrix_of_the_wrong_height_or_kind_is_refused():
    with pytest.raises(ValueError, match=r"150 terms.*transpose.*num_terms=150"):
        list(read_chunks(sp.csc_array(expected(CORPUS).T), TERMS, 2))
    with pytest.raises(TypeError, match="real numbers, not complex128"):
        list(read_chunks(sp.csc_array(expected(CORPUS) * 1j), TERMS, 2))


@pytest.mark.parametrize(
    "source",
    [None, 3, 2.5, "corpus", "", b"corpus", Path("a.mm"), {0: 1}, {}, object(), np.array(None)],
    ids=repr,
)
def test_what_is_no_corpus_is_a_type_error_that_tells_what_one_is(source):
    with pytest.raises(TypeError, match=r"a corpus is .* not \w+; make documents") as raised:
        list(read_chunks(source, TERMS, 2))
    assert ("MmCorpus" in str(raised.value)) is isinstance(source, (str, bytes, Path))


def test_one_document_in_the_place_of_a_corpus_is_refused():
    with pytest.raises(TypeError, match=r"document 0 is not a bag of words.* give \[document\]"):
        list(read_chunks(DOCUMENT, TERMS, 2))


@pytest.mark.parametrize(
    ("thing", "answer"),
    [
        (DOCUMENT, True),
        (tuple(DOCUMENT), True),
        ([[0, 1], [3, 2]], True),
        (np.array([[0, 1], [3, 2]]), True),
        ([], True),
        ((), True),
        ([(0, 1)], True),
        (CORPUS, False),
        ([[]], False),
        ([[], DOCUMENT], False),
        ([[(0, 1), (1, 1)]], False),
        ([DOCUMENT], False),
        (iter(CORPUS), False),
        (Stream(CORPUS), False),
        (sp.csc_array(expected(CORPUS)), False),
        ("", False),
        (b"", False),
        ("ab", False),
        ({}, False),
        (None, False),
    ],
)
def test_a_document_is_told_from_a_corpus(thing, answer):
    assert is_document(thing) is answer


def test_documents_that_became_a_chunk_are_let_go_of():
    class Document(list):
        """A document that can be watched."""

    watched = []

    def stream():
        for _ in range(12):
            documents = [Document(DOCUMENT)]
            watched.append(ref(documents[0]))
            yield documents.pop()

    for number, _ in enumerate(read_chunks(stream(), TERMS, 4)):
        assert len(watched) == 4 * (number + 1)
        assert not any(document() for document in watched)


@pytest.mark.parametrize(("words", "held"), [(0, 1000), (1, 1000), (100, 40), (5000, 40)])
def test_of_a_stream_few_documents_are_held_at_a_time(words, held):
    class Document(list):
        """A document that can be watched."""

    documents, watched, most = 200 if words > 1000 else 2000, [], 0

    def stream():
        nonlocal most
        for _ in range(documents):
            document = Document([(word, 1) for word in range(words)])
            watched.append(ref(document))
            yield document
            del document
            most = max(most, sum(old() is not None for old in watched))

    (chunk,) = read_chunks(stream(), 5000, documents)
    assert chunk.shape == (5000, documents)
    assert most <= held


def test_only_iterators_are_one_shot():
    assert is_one_shot(iter(CORPUS))
    assert is_one_shot(document for document in CORPUS)
    assert not any(map(is_one_shot, (CORPUS, Stream(CORPUS), sp.csc_array((3, 2)), None)))


@pytest.mark.parametrize("kind", [np.float32, np.int64])
def test_a_matrix_is_left_as_it_was_whatever_its_order(kind):
    # In the second document the words are not in order, the first has one twice, the last a zero.
    data, indices = np.array([1, 2, 5, 4, 0], kind), np.array([1, 1, 2, 0, 1])
    X = sp.csc_array((data, indices, np.array([0, 2, 4, 5])), (3, 3))
    before = [part.copy() for part in (X.data, X.indices, X.indptr)]
    chunks = list(read_chunks(X, 3, 2, np.float32))
    for part, was in zip((X.data, X.indices, X.indptr), before, strict=True):
        np.testing.assert_array_equal(part, was)
    for chunk in chunks:
        assert not np.shares_memory(chunk.data, X.data)
        assert chunk.has_canonical_format
        assert np.all(chunk.data)
    expected = [[0, 4, 0], [3, 0, 0], [0, 5, 0]]
    np.testing.assert_array_equal(sp.hstack(chunks).toarray(), expected)


@pytest.mark.parametrize("wide", [np.int32, np.int64])
def test_indices_of_chunks_are_narrow(wide):
    X = sp.csc_array(np.eye(3))
    X.indices, X.indptr = X.indices.astype(wide), X.indptr.astype(wide)
    for corpus in (X, [[(0, 1), (2, 3)], [], [(1, 2)]]):
        for chunk in read_chunks(corpus, 3, 2):
            assert chunk.indices.dtype == chunk.indptr.dtype == np.int32


@pytest.mark.parametrize("documents", [[[(2, 1), (0, 3), (2, 4)]], [[(1, 0), (0, 2)]], [[]], []])
def test_words_come_in_order_once_each_and_without_zeros(documents):
    found = to_matrix(documents, 0, 3, np.float64)
    expected = np.zeros((3, len(documents)))
    for number, document in enumerate(documents):
        for term, count in document:
            expected[term, number] += count
    np.testing.assert_array_equal(found.toarray(), expected)
    assert found.has_sorted_indices
    assert found.nnz == np.count_nonzero(expected)


def test_a_series_of_documents_is_a_corpus():
    documents = [[(0, 1), (2, 3)], [], [(1, 2)]]
    table = pd.DataFrame({"bow": documents}, index=[7, 5, 9])
    [found], [expected] = (list(read_chunks(c, 3, 10)) for c in (table["bow"], documents))
    np.testing.assert_array_equal(found.toarray(), expected.toarray())


@pytest.mark.parametrize("shape", [(3,), (2, 3, 3), (2, 2, 2, 2)])
def test_an_array_of_numbers_that_are_no_pairs_is_no_corpus(shape):
    with pytest.raises(TypeError, match=r"an iterable of bag-of-words documents .*, not ndarray"):
        list(read_chunks(np.ones(shape), 3, 10))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.uint8])
def test_tables_of_numbers_are_documents_and_one_of_such_tables_a_corpus(dtype):
    documents = [[(0, 2), (3, 1)], [(7, 4), (2, 2)]]
    tables = [np.array(document, dtype) for document in documents]
    for corpus in (tables, iter(tables), np.array(tables)):
        np.testing.assert_array_equal(dense(read_chunks(corpus, TERMS, 5)), expected(documents))
    assert is_document(tables[0])
    assert not is_document(np.array(tables))


@pytest.mark.parametrize("broken", [0.5, -1, np.nan, np.inf, 2.0**60, TERMS])
def test_an_id_in_a_table_that_cannot_be_one_is_an_error(broken):
    table = np.array([[0, 1], [broken, 1]])
    with pytest.raises((TypeError, ValueError), match=r"document 1: term id "):
        list(read_chunks([[(0, 1)], table], TERMS, 5))


@pytest.mark.parametrize("form", [list, iter])
@pytest.mark.parametrize("place", [19, 20, 21, 45])
def test_the_error_names_the_document_wherever_in_a_chunk_it_stands(place, form):
    corpus = [[(0, 1)] * 30 for _ in range(60)]
    corpus[place] = [(1, -2)]
    with pytest.raises(ValueError, match=rf"document {place}: term 1 has weight -2"):
        list(read_chunks(form(corpus), TERMS, 100))


def test_an_iterator_in_the_place_of_a_document_is_told_to_be_a_list():
    with pytest.raises(TypeError, match=r"document 1 .* but zip; give list\(document\)"):
        list(read_chunks([[], zip([0], [1], strict=True)], TERMS, 10))


@pytest.mark.parametrize("length", [0, 3, -1, 2**70])
def test_a_document_that_lies_about_its_length_is_an_error(length):
    class Liar(list):
        def __len__(self):
            return length

    with pytest.raises((TypeError, ValueError), match="document"):
        list(read_chunks([[(0, 1)], Liar([(1, 1)])], TERMS, 10))


def test_an_error_of_a_document_itself_does_not_hide_a_bad_one_before():
    class Broken(list):
        def __iter__(self):
            yield (0, 1)
            raise ValueError("broken")

    with pytest.raises(ValueError, match="document 0: term 1 has weight -1"):
        list(read_chunks([[(1, -1)], Broken([(0, 1)])], TERMS, 10))
    with pytest.raises(ValueError, match="broken"):
        list(read_chunks([[(1, 1)], Broken([(0, 1)])], TERMS, 10))


@pytest.mark.parametrize("starts", [[0, 3_000_000, 1, 4], [0, -5, 1, 4], [0, 2, 1, 4]])
@pytest.mark.parametrize("chunksize", [1, 2, 10])
def test_starts_of_documents_that_do_not_rise_are_an_error(starts, chunksize):
    matrix = sp.csc_array(([1.0, 1, 1, 1], [0, 1, 2, 3], [0, 1, 2, 4]), shape=(TERMS, 3))
    matrix.indptr[:] = starts
    with pytest.raises(ValueError, match="the matrix is damaged: its indptr of documents"):
        list(read_chunks(matrix, TERMS, chunksize))


def test_a_stream_that_ends_within_a_chunk_is_not_asked_for_more():
    class Once:
        def __init__(self):
            self.left, self.ended = 5, 0

        def __iter__(self):
            return self

        def __next__(self):
            if self.left == 0:
                self.ended += 1
                raise StopIteration
            self.left -= 1
            return DOCUMENT

    stream = Once()
    assert [chunk.shape[1] for chunk in read_chunks(stream, TERMS, 4)] == [4, 1]
    assert stream.ended == 1


def test_terms_are_counted_and_documents_numbered_over_many_readings(monkeypatch):
    monkeypatch.setattr("nnmf_topics.corpus._COUNTED_AT_ONCE", 2)
    assert count_terms([*CORPUS, [(11, 1)], DOCUMENT]) == 12
    with pytest.raises(ValueError, match="document 5: term 1 has weight -1"):
        count_terms([*CORPUS, [(1, -1)], DOCUMENT])


@pytest.mark.parametrize("table", [np.eye(3), pd.DataFrame(np.eye(3))])
def test_a_dense_table_is_told_how_to_become_a_corpus(table):
    with pytest.raises(TypeError, match=r"dense table .*csc_array\(table\) with terms as rows"):
        list(read_chunks(table, 3, 10))
