"""From a gensim corpus or a SciPy matrix to sparse chunks of documents, checked and weighted.

Checking is vectorised over a chunk; only a chunk that fails is searched for its first bad document.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

import numpy as np
import scipy.sparse as sp

from nnmf_topics._typing import Matrix

Source = Any
"""A gensim corpus, a SciPy sparse matrix (terms, documents), or a callable that makes one."""

_DOC2BOW = "make documents with dictionary.doc2bow(tokens)"


def is_one_shot(source: Source) -> bool:
    """Whether the corpus can be read only once."""
    return isinstance(source, Iterator)


def is_document(thing: Any) -> bool:
    """Whether this is one bag-of-words document rather than a corpus.

    An empty list is a document, as in gensim.
    """
    if sp.issparse(thing) or is_one_shot(thing) or not isinstance(thing, (Sequence, np.ndarray)):
        return False
    if len(thing) == 0:
        return True
    return _is_pair(thing[0]) and not _is_pair(thing[0][0])


def made(source: Source) -> Source:
    """Return the corpus, made by the callable if one was given in its place."""
    return source() if callable(source) and not isinstance(source, Iterable) else source


def read_chunks(
    source: Source, num_terms: int, chunksize: int, dtype: Any = np.float64
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

    Raises
    ------
    TypeError, ValueError
        Naming the first document that is not a bag of words with nonnegative finite weights.
    """
    source = made(source)
    if sp.issparse(source):
        yield from _matrix_chunks(source, num_terms, chunksize, dtype)
        return
    if isinstance(source, (str, bytes, dict, np.ndarray)) or not isinstance(source, Iterable):
        raise TypeError(
            f"a corpus is an iterable of bag-of-words documents or a SciPy sparse matrix "
            f"(terms, documents), not {type(source).__name__}; {_DOC2BOW}"
        )
    stream, first = iter(source), 0
    while documents := list(islice(stream, chunksize)):
        yield _bow_chunk(documents, first, num_terms, dtype)
        first += len(documents)


def _matrix_chunks(
    matrix: Any, num_terms: int, chunksize: int, dtype: Any
) -> Iterator[sp.csc_array]:
    if matrix.shape[0] != num_terms:
        raise ValueError(
            f"the matrix has {matrix.shape[0]} rows and the vocabulary {num_terms} terms: rows are "
            "terms and columns are documents; transpose it or give the matching id2word"
        )
    if matrix.dtype.kind not in "biuf":
        raise TypeError(f"the matrix must hold real numbers, not {matrix.dtype}")
    matrix = sp.csc_array(matrix)
    for first in range(0, matrix.shape[1], chunksize):
        chunk = matrix[:, first : first + chunksize]
        bad = ~(np.isfinite(chunk.data) & (chunk.data >= 0))
        if bad.any():
            at = int(np.argmax(bad))
            document = int(np.searchsorted(chunk.indptr, at, side="right")) - 1
            raise _bad_weight(first + document, chunk.indices[at], chunk.data[at])
        yield _clean(chunk.astype(dtype))


def _bow_chunk(documents: list[Any], first: int, num_terms: int, dtype: Any) -> sp.csc_array:
    try:
        lengths = np.fromiter(map(len, documents), np.int64, len(documents))
        pairs = list(chain.from_iterable(documents))
        ids = np.asarray([i for i, _ in pairs]) if pairs else np.zeros(0, np.int64)
        weights = np.asarray([w for _, w in pairs]) if pairs else np.zeros(0)
        good = (
            ids.dtype.kind in "iu"
            and ids.shape == weights.shape == (lengths.sum(),)
            and weights.dtype.kind in "iuf"
            and bool(np.all((ids >= 0) & (ids < num_terms)))
            and bool(np.all(np.isfinite(weights) & (weights >= 0)))
        )
    except (TypeError, ValueError, OverflowError):
        good = False
    if not good:
        for number, document in enumerate(documents, first):
            check_document(document, number, num_terms)
        raise TypeError(f"documents {first} to {first + len(documents) - 1} cannot be read")
    columns = np.repeat(np.arange(len(documents)), lengths)
    shape = (num_terms, len(documents))
    return _clean(sp.coo_array((weights.astype(dtype), (ids, columns)), shape=shape).tocsc())


def _clean(chunk: sp.csc_array) -> sp.csc_array:
    chunk.sum_duplicates()
    chunk.eliminate_zeros()
    return chunk


def check_document(document: Any, number: int, num_terms: int) -> None:
    """Raise the error that describes what is wrong with a document, if anything is.

    Raises
    ------
    TypeError
        The document is not a sequence of (int, real) pairs.
    ValueError
        A term id is outside the vocabulary; a weight is negative, infinite or NaN.
    """
    if isinstance(document, dict):
        raise TypeError(f"document {number} is a dict; give list(document.items())")
    if isinstance(document, (str, bytes)) or not hasattr(document, "__len__"):
        kind = type(document).__name__
        raise TypeError(f"document {number} is not a bag of words but {kind}; {_DOC2BOW}")
    for pair in document:
        if not _is_pair(pair):
            raise TypeError(
                f"document {number} is not a bag of words: its element {pair!r:.60} is not a "
                f"(term id, count) pair; {_DOC2BOW}"
            )
        term, weight = pair
        if not isinstance(term, (int, np.integer)) or isinstance(term, bool):
            raise TypeError(
                f"document {number}: term id {term!r:.60} is not an integer; {_DOC2BOW}"
            )
        if not 0 <= term < num_terms:
            raise ValueError(
                f"document {number}: term id {term} is outside the vocabulary of {num_terms} "
                "terms; use the dictionary that made the corpus"
            )
        if not isinstance(weight, (int, float, np.integer, np.floating)):
            raise TypeError(
                f"document {number}: the count {weight!r:.60} of term {term} is not a real number"
            )
        if not (math.isfinite(weight) and weight >= 0):
            raise _bad_weight(number, term, weight)


def _bad_weight(number: int, term: Any, weight: Any) -> ValueError:
    return ValueError(
        f"document {number}: term {int(term)} has weight {weight}; weights must be finite and "
        "nonnegative: drop or mend the document"
    )


def _is_pair(thing: Any) -> bool:
    return isinstance(thing, (tuple, list, np.ndarray)) and len(thing) == 2


class Corpus:
    """A corpus as chunks that can be read again for every pass.

    Lists, matrices and one-shot iterators are kept in memory, sparse; any other stream is read anew
    each time, in bounded memory.

    Parameters
    ----------
    source, num_terms, chunksize, dtype
        As in `read_chunks`.
    weigh : callable, optional
        Applied to every chunk; see `nnmf_topics.weighting`.
    """

    def __init__(
        self,
        source: Source,
        num_terms: int,
        chunksize: int,
        dtype: Any,
        weigh: Callable[[Matrix], Matrix] | None = None,
    ) -> None:
        self.num_terms, self.chunksize, self.dtype = num_terms, chunksize, dtype
        self.source = source
        self.weigh = weigh
        self._kept: list[sp.csc_array] | None = None
        if sp.issparse(source) or is_one_shot(source) or isinstance(source, (list, tuple)):
            self._kept = list(read_chunks(source, num_terms, chunksize, dtype))

    def __iter__(self) -> Iterator[sp.csc_array]:
        chunks: Iterable[sp.csc_array] | None = self._kept
        if chunks is None:
            chunks = read_chunks(self.source, self.num_terms, self.chunksize, self.dtype)
        return iter(chunks) if self.weigh is None else map(self.weigh, chunks)

    def weighted(self, weigh: Callable[[Matrix], Matrix]) -> "Corpus":
        """Return this corpus with every chunk weighted, kept in memory where this one is."""
        corpus = Corpus.__new__(Corpus)
        corpus.__dict__.update(self.__dict__)
        corpus._kept = None if self._kept is None else [weigh(chunk) for chunk in self._kept]
        corpus.weigh = weigh if self._kept is None else None
        return corpus

    def sample(self, documents: int, total: int, random_state: np.random.RandomState) -> Any:
        """About `documents` of the `total` documents, drawn evenly, as one CSC matrix."""
        share = documents / max(total, 1)
        picked = [
            chunk
            if share >= 1
            else chunk[:, np.flatnonzero(random_state.random_sample(chunk.shape[1]) < share)]
            for chunk in self
        ]
        return sp.hstack(picked, format="csc", dtype=self.dtype)
