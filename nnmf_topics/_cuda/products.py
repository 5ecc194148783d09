"""The two products with sparse documents; see `nnmf_topics.products`."""

from typing import NamedTuple

from nnmf_topics._backend import namespace
from nnmf_topics._cuda.launching import launch
from nnmf_topics._typing import Array, Matrix

_THREADS = 128
_ENTRIES = 128
"""Of a term that are added up at once: a word of all documents would keep the others waiting."""


class _ByTerms(NamedTuple):
    """The entries of a matrix term by term, and how they are added up, in parts and then in all."""

    weights: Array
    documents: Array
    parts: Array  # where every part begins among the entries, and the end
    terms: Array  # where every term begins among the parts, and the end


def project(A: Array, X: Matrix) -> Array:
    """Return X^T A (n, k), for A (m, k) and X (m, n) in CSC format."""
    return _sum_rows(X.data, X.indices, X.indptr, A)


def accumulate(X: Matrix, codes: Array) -> Array:
    """Return X S^T (m, k), for X (m, n) in CSC format and the codes S^T (n, k).

    The entries are sorted by terms when X is first given, and kept with it. They are added up in an
    order that is always the same.
    """
    by_terms = getattr(X, "_by_terms", None)
    if by_terms is None:
        by_terms = X._by_terms = _sorted_by_terms(X)
    sums = _sum_rows(by_terms.weights, by_terms.documents, by_terms.parts, codes)
    return _sum_rows(None, None, by_terms.terms, sums)


def _sorted_by_terms(X: Matrix) -> _ByTerms:
    xp, rows = namespace(X.data), X.tocsr()
    starts = rows.indptr.astype(xp.int64)
    counts = -(-xp.diff(starts) // _ENTRIES)
    terms = xp.concatenate((xp.zeros(1, dtype=xp.int64), xp.cumsum(counts)))
    number = xp.arange(int(terms[-1]))
    term = xp.searchsorted(terms, number, side="right") - 1
    parts = starts[term] + (number - terms[term]) * _ENTRIES
    parts = xp.concatenate((parts, starts[-1:]))
    return _ByTerms(rows.data, rows.indices, parts.astype(xp.int32), terms.astype(xp.int32))


def _sum_rows(weights: Array | None, indices: Array | None, starts: Array, rows: Array) -> Array:
    """Add up rows (., k), from one start to the next; returns (starts - 1, k)."""
    xp = namespace(rows)
    rows = xp.ascontiguousarray(rows)
    n, k = starts.shape[0] - 1, rows.shape[1]
    total = xp.empty((n, k), dtype=rows.dtype)
    if total.size:
        together = next(count for count in (4, 2, 1) if k % count == 0)
        width = 1
        while width < 32 and width * together < k:
            width *= 2
        blocks = -(-n * width // _THREADS)
        kernel, arguments = f"sum_rows_by_{together}", (weights, indices, starts, rows, total)
        launch("products", kernel, rows, blocks, _THREADS, *arguments, n, k, width)
    return total
