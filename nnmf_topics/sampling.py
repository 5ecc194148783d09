"""Some documents of a stream, drawn evenly in one reading of it."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import scipy.sparse as sp

from nnmf_topics._typing import Matrix

_EXCESS = 1.5  # what is kept too much, so that few chunks are drawn from anew


class Sample:
    """At most so many documents of the chunks that pass by, every one with the same chance.

    Every document draws a number, and those of the lowest are kept. None is drawn as long as all
    documents are.

    Parameters
    ----------
    size : int
    random_state : numpy.random.RandomState
    """

    def __init__(self, size: int, random_state: np.random.RandomState) -> None:
        self._size, self._random = size, random_state
        self._chunks: list[sp.csc_array] = []
        self._numbers: list[np.ndarray] = []
        self._kept = 0
        self._highest: float | None = None  # number of a document that is kept; None: all are

    def of(self, chunks: Iterable[sp.csc_array]) -> Iterator[sp.csc_array]:
        """Yield the chunks as they are, and draw from them on the way."""
        for chunk in chunks:
            if self._highest is None:
                self._chunks.append(chunk)
                self._kept += chunk.shape[1]
            else:
                self._keep(chunk, self._random.random_sample(chunk.shape[1]))
            if self._kept > _EXCESS * self._size:
                self._thin()
            yield chunk

    def matrix(self, weigh: Callable[[Matrix], Matrix] | None = None) -> Matrix:
        """Return the documents drawn, in their order, as one CSC matrix (terms, documents).

        They are weighed a chunk at a time, if they are, and not kept any more: to be called once.
        """
        if self._kept > self._size:
            self._thin()
        dtype, chunks, self._chunks = self._chunks[0].dtype, self._chunks[::-1], []
        drawn = []
        while chunks:
            chunk = chunks.pop()
            drawn.append(chunk if weigh is None else weigh(chunk))
        return sp.hstack(drawn, format="csc", dtype=dtype)

    def _thin(self) -> None:
        """Keep no more than the size."""
        if self._highest is None:
            sizes = [chunk.shape[1] for chunk in self._chunks]
            self._numbers = [self._random.random_sample(size) for size in sizes]
        numbers = np.concatenate(self._numbers)
        self._highest = np.partition(numbers, self._size - 1)[self._size - 1]
        pairs = zip(self._chunks, self._numbers, strict=True)
        self._chunks, self._numbers, self._kept = [], [], 0
        for chunk, drawn in pairs:
            self._keep(chunk, drawn)

    def _keep(self, chunk: sp.csc_array, drawn: np.ndarray) -> None:
        columns = np.flatnonzero(drawn <= self._highest)
        if columns.size:
            self._chunks.append(chunk[:, columns])
            self._numbers.append(drawn[columns])
            self._kept += columns.size
