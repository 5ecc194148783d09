"""Bag-of-words documents: what is one, what is wrong with one, and many as arrays.

Checking is vectorised over many documents; only where that fails is the first bad one looked for.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

import numpy as np
import scipy.sparse as sp

from nnmf_topics.pairs import INTEGER, PAIR, REAL, pair_columns

DOC2BOW = "make documents with dictionary.doc2bow(tokens)"
# So many pairs are in the cache still, and CPython keeps the memory of as many tuples for the next.
_PAIRS_AT_ONCE = 2000
_FIRST_DOCUMENTS, _MOST_DOCUMENTS = 20, 500  # at once
_LARGEST_WHOLE = 2.0**53  # floats above have no fractions to tell


def largest_weight(dtype: Any) -> float:
    """Return the largest weight of a word that is taken: sums of squares must not overflow."""
    return math.pow(np.finfo(dtype).max, 0.4)


def is_document(thing: Any) -> bool:
    """Whether this is one bag-of-words document rather than a corpus.

    An empty list is a document, as in gensim.
    """
    if isinstance(thing, (str, bytes, Iterator)) or not isinstance(thing, (Sequence, np.ndarray)):
        return False
    if len(thing) == 0:
        return True
    return _is_pair(thing[0]) and not isinstance(thing[0][0], (*PAIR, str, bytes))


def to_arrays(
    documents: Iterable[Any], first: int, num_terms: int, dtype: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the term ids and weights of documents in a row, and the length of each document.

    A few documents are held at a time: of a stream no more, and best while they are in the cache.

    Parameters
    ----------
    documents : iterable of bag-of-words documents
    first : int
        The number of the first one in its corpus, for messages.
    num_terms : int
        Term ids must be below.
    dtype : float dtype
        What the weights will be computed with.

    Raises
    ------
    TypeError, ValueError
        As `check_document` for the first bad document.
    """
    stream, number, at_once = iter(documents), first, _FIRST_DOCUMENTS
    found = [(np.empty(0, np.int32), np.empty(0), np.empty(0, np.int64))]  # there may be none
    while few := [_plain(document) for document in islice(stream, at_once)]:
        arrays = _to_arrays(few, num_terms, largest_weight(dtype))
        if arrays is None:
            raise _error(few, number, num_terms, dtype)
        found.append(arrays)
        number += len(few)
        at_once = min(1 + _PAIRS_AT_ONCE * len(few) // (1 + len(arrays[0])), _MOST_DOCUMENTS)
    ids, weights, lengths = map(np.concatenate, zip(*found, strict=True))
    return ids, weights, lengths


def _plain(document: Any) -> Any:
    """Return a table of numbers as pairs of Python's own, and anything else as it is.

    All numbers of a table are of one type: if of floats, ids are whole ones. Elsewhere an id that
    is a float is a mistake.
    """
    if not isinstance(document, np.ndarray) or document.dtype.kind not in "iuf":
        return document
    if document.ndim != 2 or document.shape[1] != 2:
        return document
    ids = document[:, 0]
    if document.dtype.kind == "f":
        if not np.all((np.abs(ids) < _LARGEST_WHOLE) & (ids == np.floor(ids))):
            return document
        ids = ids.astype(np.int64)
    return list(zip(ids.tolist(), document[:, 1].tolist(), strict=True))


def _error(documents: list[Any], first: int, num_terms: int, dtype: Any) -> Exception:
    """Return the error for the first bad document, of which there is one."""
    try:
        for number, document in enumerate(documents, first):
            check_document(document, number, num_terms, dtype)
    except (TypeError, ValueError) as error:
        return error
    last = first + len(documents) - 1
    return TypeError(f"documents {first} to {last} are no bags of words; {DOC2BOW}")


def to_matrix(documents: Iterable[Any], first: int, num_terms: int, dtype: Any) -> sp.csc_array:
    """Return documents as the columns of a sparse matrix (num_terms, documents).

    Parameters and errors are those of `to_arrays`.
    """
    ids, weights, lengths = to_arrays(documents, first, num_terms, dtype)
    starts = np.concatenate(([0], np.cumsum(lengths)))
    return columns(weights.astype(dtype), ids, starts, num_terms)


def index_dtype(*sizes: int) -> Any:
    """Return the narrower integers if they count that far.

    The products read the indices of a sparse matrix, all of them, and SciPy keeps wide ones.
    """
    return np.int32 if max(sizes) <= np.iinfo(np.int32).max else np.int64


def columns(
    weights: np.ndarray, ids: np.ndarray, starts: np.ndarray, num_terms: int
) -> sp.csc_array:
    """Return documents one after the other as a matrix: words in order, once each, without zeros.

    The weights are taken as they are, the ids copied.
    """
    shape = (num_terms, len(starts) - 1)
    index = index_dtype(starts[-1], *shape)
    matrix = sp.csc_array((weights, ids.astype(index), starts.astype(index)), shape)
    matrix.sum_duplicates()
    if not np.all(matrix.data):
        matrix.eliminate_zeros()
    return matrix


def _to_arrays(
    documents: list[Any], num_terms: int, largest: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Term ids, weights and lengths of the documents, or None if something is wrong with one."""
    try:
        if any(issubclass(kind, (str, bytes, dict)) for kind in set(map(type, documents))):
            return None
        lengths = np.fromiter(map(len, documents), np.int64, len(documents))
        pairs = list(chain.from_iterable(documents))
    except (TypeError, ValueError, OverflowError):
        return None
    found = pair_columns(pairs)
    if found is None or len(pairs) != lengths.sum():
        return None
    ids, weights = found
    known = bool(np.all((ids >= 0) & (ids < num_terms)))
    allowed = bool(np.all((weights >= 0) & (weights <= largest)))
    return (ids, weights, lengths) if known and allowed else None


def check_document(document: Any, number: int, num_terms: int, dtype: Any) -> None:
    """Raise the error that describes what is wrong with a document, if anything is.

    Raises
    ------
    TypeError
        The document is not a sequence of (int, real) pairs.
    ValueError
        A term id is outside the vocabulary; a weight is negative, NaN, infinite or huge.
    """
    if isinstance(document, dict):
        raise TypeError(f"document {number} is a dict; give list(document.items())")
    if isinstance(document, (str, bytes)) or not hasattr(document, "__len__"):
        kind = type(document).__name__
        remedy = "give list(document)" if isinstance(document, Iterator) else DOC2BOW
        raise TypeError(f"document {number} is not a bag of words but {kind}; {remedy}")
    for pair in document:
        if not _is_pair(pair):
            lone = _is_pair(document) and all(isinstance(x, REAL) for x in document)
            remedy = "for a single document give [document]" if lone else DOC2BOW
            raise TypeError(
                f"document {number} is not a bag of words: its element {pair!r:.60} is not a "
                f"(term id, count) pair; {remedy}"
            )
        term, weight = pair
        _check_pair(term, weight, f"document {number}", num_terms, largest_weight(dtype))


def _check_pair(term: Any, weight: Any, where: str, num_terms: int, largest: float) -> None:
    if not isinstance(term, INTEGER) or isinstance(term, bool):
        raise TypeError(f"{where}: term id {term!r:.60} is not an integer; {DOC2BOW}")
    if not 0 <= term < num_terms:
        raise unknown_term(where, term, num_terms)
    if not isinstance(weight, REAL):
        raise TypeError(
            f"{where}: the count {weight!r:.60} of term {term} is not a real number; {DOC2BOW}"
        )
    if not 0 <= weight <= largest:
        raise bad_weight(where, term, weight, largest)


def unknown_term(where: str, term: Any, num_terms: int) -> ValueError:
    """Return the error for a term id that cannot be."""
    return ValueError(
        f"{where}: term id {term!s:.60} is outside the vocabulary of {num_terms} terms; use "
        "the model's dictionary, or set model.id2word: words added to it are known after the "
        "next update"
    )


def bad_weight(where: str, term: Any, weight: Any, largest: float) -> ValueError:
    """Return the error for a weight that cannot be."""
    return ValueError(
        f"{where}: term {int(term)} has weight {weight!s:.60}; weights must be from 0 to "
        f"{largest:.0e}: drop or mend the document"
    )


def _is_pair(thing: Any) -> bool:
    return isinstance(thing, PAIR) and getattr(thing, "shape", (2,)) != () and len(thing) == 2
