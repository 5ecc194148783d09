"""Some documents of a stream, drawn evenly in one reading of it."""

from collections.abc import Iterable, Iterator

import numpy as np
import scipy.sparse as sp

from nnmf_topics._typing import Matrix

_EXCESS = 1.25  # what is kept too much, so that not every chunk is drawn from anew


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
        self._drawn: list[np.ndarray] = []
        self._kept = 0

    def of(self, chunks: Iterable[sp.csc_array]) -> Iterator[sp.csc_array]:
        """Yield the chunks as they are, and draw from them on the way."""
        for chunk in chunks:
            self._chunks.append(chunk)
            self._kept += chunk.shape[1]
            if self._kept > _EXCESS * self._size:
                self._thin()
            yield chunk

    def matrix(self) -> Matrix:
        """Return the documents drawn, in their order, as one CSC matrix (terms, documents)."""
        if self._kept > self._size:
            self._thin()
        return sp.hstack(self._chunks, format="csc", dtype=self._chunks[0].dtype)

    def _thin(self) -> None:
        for chunk in self._chunks[len(self._drawn) :]:
            self._drawn.append(self._random.random_sample(chunk.shape[1]))
        drawn = np.concatenate(self._drawn)
        least = np.partition(drawn, self._size - 1)[self._size - 1]
        stay = [np.flatnonzero(numbers <= least) for numbers in self._drawn]
        pairs = zip(self._chunks, stay, strict=True)
        self._chunks = [chunk[:, columns] for chunk, columns in pairs]
        self._drawn = [numbers[columns] for numbers, columns in zip(self._drawn, stay, strict=True)]
        self._kept = sum(map(len, stay))
