"""From a gensim corpus or a SciPy matrix to sparse chunks of documents."""

from collections.abc import Iterable, Iterator
from itertools import count, islice
from mmap import mmap
from os import PathLike
from typing import Any

import numpy as np
import scipy.sparse as sp

from nnmf_topics.documents import (
    DOC2BOW,
    bad_weight,
    columns,
    largest_weight,
    to_arrays,
    to_matrix,
    unknown_term,
)

Source = Any
"""A gensim corpus, a SciPy sparse matrix (terms, documents), or a callable that makes one."""


_MOST_TERMS = 2**31 - 1
_COUNTED_AT_ONCE = 10_000


def is_one_shot(source: Source) -> bool:
    """Whether the corpus can be read only once."""
    return isinstance(source, Iterator)


def made(source: Source) -> Source:
    """Return the corpus, made by the callable if one was given in its place."""
    return source() if callable(source) and not isinstance(source, Iterable) else source


def read_chunks(
    source: Source, num_terms: int, chunksize: int, dtype: Any = np.float64, first: int = 0
) -> Iterator[sp.csc_array]:
    """Yield the corpus as CSC chunks (num_terms, at most chunksize documents).

    Parameters
    ----------
    source : gensim corpus, SciPy sparse matrix (terms, documents), or callable returning either
    num_terms : int
        Size of the vocabulary: term ids are 0 to num_terms - 1.
    chunksize : int
        Documents per chunk.
    dtype : float dtype of the values
    first : int
        The number of the first document, for messages; not for matrices.

    Raises
    ------
    TypeError, ValueError
        Naming the first document that is not a bag of words with nonnegative finite weights.
    """
    source = made(source)
    check_corpus(source, num_terms)
    if sp.issparse(source):
        yield from _matrix_chunks(source, chunksize, dtype)
        return
    stream = iter(source)
    for number in count(first, chunksize):
        chunk = to_matrix(islice(stream, chunksize), number, num_terms, dtype)
        is_last = chunk.shape[1] < chunksize
        if chunk.shape[1]:
            yield chunk
        if is_last:
            return


def check_corpus(source: Any, num_terms: int) -> None:
    """Raise an error if this cannot be a corpus; its documents are not read.

    Raises
    ------
    TypeError
        If it is no iterable of documents and no sparse matrix of real numbers.
    ValueError
        If it is a matrix with another number of rows than there are terms.
    """
    if is_matrix(source):
        if source.shape[0] != num_terms:
            raise ValueError(
                f"the matrix has {source.shape[0]} rows and the vocabulary {num_terms} terms: rows "
                "are terms and columns are documents; transpose it, make it with as many rows "
                f"(corpus2csc has num_terms={num_terms}), or give the matching id2word"
            )
        if source.dtype.kind not in "biuf":
            raise TypeError(f"the matrix must hold real numbers, not {source.dtype}")
    elif getattr(source, "ndim", 1) == 2:
        raise TypeError(
            f"a corpus is not a dense table such as {type(source).__name__}: give "
            "scipy.sparse.csc_array(table) with terms as rows and documents as columns"
        )
    elif (
        isinstance(source, (str, bytes, dict))
        or not isinstance(source, Iterable)
        or (isinstance(source, np.ndarray) and not _is_array_of_documents(source))
    ):
        remedy = DOC2BOW
        if isinstance(source, (str, bytes, PathLike)):
            remedy += ", or open a file, as MmCorpus(path) does"
        raise TypeError(
            "a corpus is an iterable of bag-of-words documents or a SciPy sparse matrix (terms, "
            f"documents), not {type(source).__name__}; {remedy}"
        )


def _is_array_of_documents(source: np.ndarray) -> bool:
    """Whether its elements are documents; those of one length become a table of pairs each."""
    if source.dtype.kind == "O":
        return source.ndim > 0
    return source.ndim == 3 and source.shape[2] == 2


def count_terms(source: Source) -> int:
    """Return one more than the largest term id of a corpus; it is read once.

    Raises
    ------
    TypeError, ValueError
        Naming the first bad document, as `read_chunks`; or if there are no words.
    """
    source = made(source)
    if is_matrix(source):
        return int(source.shape[0])
    check_corpus(source, 0)
    stream, largest = iter(source), -1
    for first in count(0, _COUNTED_AT_ONCE):
        ids, _, lengths = to_arrays(
            islice(stream, _COUNTED_AT_ONCE), first, _MOST_TERMS, np.float64
        )
        largest = max(largest, int(ids.max(initial=-1)))
        if lengths.size < _COUNTED_AT_ONCE:
            break
    if largest < 0:
        raise ValueError("the corpus has no words: it is empty or all its documents are")
    return largest + 1


def is_matrix(source: Source) -> bool:
    """Whether the documents are the columns of a SciPy sparse matrix."""
    return bool(sp.issparse(source))


def is_in_memory(source: Source) -> bool:
    """Whether the documents are in memory anyway; not the weights of columns in a mapped file."""
    if not is_matrix(source):
        return isinstance(source, (list, tuple, np.ndarray))
    array = source.data if source.format == "csc" else None
    while isinstance(array, (np.ndarray, memoryview)):
        array = array.obj if isinstance(array, memoryview) else array.base
    return not isinstance(array, mmap)


def batches(source: Source, size: int) -> Iterator[tuple[int, list[Any]]]:
    """Documents in lists, each with the number of its first document; none is held on to."""
    stream = iter(source)
    for first in count(0, size):
        held = [list(islice(stream, size))]
        if not held[0]:
            return
        yield first, held.pop()


def _matrix_chunks(matrix: Any, chunksize: int, dtype: Any) -> Iterator[sp.csc_array]:
    if matrix.format == "csr":
        matrix.check_format(full_check=True)  # to convert it SciPy does not look where it writes
    matrix, largest = sp.csc_array(matrix), largest_weight(dtype)
    for first in range(0, matrix.shape[1], chunksize):
        starts = matrix.indptr[first : first + chunksize + 1]
        if starts[0] < 0 or starts[-1] > len(matrix.indices) or np.any(np.diff(starts) < 0):
            last = first + len(starts) - 2
            raise ValueError(
                f"the matrix is damaged: its indptr of documents {first} to {last} does not rise "
                "within its indices; make it anew"
            )
        entries = slice(starts[0], starts[-1])
        data, indices = matrix.data[entries], matrix.indices[entries]
        lowest, highest = (float(extreme(data, initial=0)) for extreme in (np.min, np.max))
        if not (lowest >= 0 and highest <= largest):
            _refuse(data, indices, starts, first, largest)
        # SciPy and compiled loops do not look where they write; corpus2csc can make such a matrix.
        if indices.size and not 0 <= indices.min() <= indices.max() < matrix.shape[0]:
            at = int(np.argmax((indices < 0) | (indices >= matrix.shape[0])))
            raise unknown_term(_document_at(at, starts, first), indices[at], matrix.shape[0])
        yield columns(data.astype(dtype), indices, starts - starts[0], matrix.shape[0])


def _refuse(
    data: np.ndarray, indices: np.ndarray, starts: np.ndarray, first: int, largest: float
) -> None:
    """Raise the error that names the first weight that is negative, too large or no number."""
    with np.errstate(over="ignore"):  # what is too large even for a double is infinite
        weights = data.astype(np.float64)
    at = int(np.argmax(~((weights >= 0) & (weights <= largest))))
    raise bad_weight(_document_at(at, starts, first), indices[at], weights[at], largest)


def _document_at(entry: int, starts: np.ndarray, first: int) -> str:
    """Return the name of the document that holds an entry."""
    return f"document {first + int(np.searchsorted(starts - starts[0], entry, side='right')) - 1}"
