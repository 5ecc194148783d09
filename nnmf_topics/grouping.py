"""Chunks of documents that a GPU works on together: it needs more of them to be busy."""

from collections.abc import Iterable, Iterator

import numpy as np
import scipy.sparse as sp

from nnmf_topics._typing import Matrix

DOCUMENTS = 2**17
"""At once on a GPU. Fewer take longer, as launches do; twice as many as long, and more room."""
_ENTRIES = 2**28


class Group:
    """Sparse chunks (terms, documents) side by side, in pieces on the host.

    Joined there they would be copied, into memory that the system has to find first.

    Attributes
    ----------
    parts : list of SciPy CSC matrices
    shape : tuple of int
    """

    def __init__(self, parts: list[Matrix]) -> None:
        self.parts = parts
        self.shape = (parts[0].shape[0], sum(part.shape[1] for part in parts))

    def starts(self) -> np.ndarray:
        """Return where every document begins among the entries of all parts, and the end."""
        lengths = [np.diff(part.indptr) for part in self.parts]
        return np.concatenate(([0], np.cumsum(np.concatenate(lengths), dtype=np.int64)))

    def __getitem__(self, key: tuple[slice, slice]) -> "Group":
        """Return some documents, [:, first:stop]; parts that they fill are not copied."""
        first, stop, _ = key[1].indices(self.shape[1])
        parts, before = [], 0
        for part in self.parts:
            n = part.shape[1]
            mine = slice(min(max(first - before, 0), n), min(max(stop - before, 0), n))
            if mine.start < mine.stop:
                parts.append(part if mine == slice(0, n) else part[:, mine])
            before += n
        return Group(parts or [self.parts[0][:, :0]])

    def joined(self) -> Matrix:
        """Return all documents in one CSC matrix."""
        return sp.hstack(self.parts, format="csc")


class Grouped:
    """Chunks in groups, to be read again; dense ones stay by themselves.

    Parameters
    ----------
    chunks : re-iterable of host Matrix (terms, documents)
    documents : int, optional
        A group is full with so many; by default with `DOCUMENTS`.
    """

    def __init__(self, chunks: Iterable[Matrix], documents: int | None = None) -> None:
        self._chunks, self._documents = chunks, documents or DOCUMENTS

    def __iter__(self) -> Iterator[Matrix | Group]:
        parts: list[Matrix] = []
        documents = entries = 0
        for chunk in self._chunks:
            if getattr(chunk, "format", None) != "csc":
                if parts:
                    yield Group(parts)
                    parts, documents, entries = [], 0, 0
                yield chunk
                continue
            parts.append(chunk)
            documents, entries = documents + chunk.shape[1], entries + chunk.nnz
            if documents >= self._documents or entries >= _ENTRIES:
                yield Group(parts)
                parts, documents, entries = [], 0, 0
        if parts:
            yield Group(parts)
