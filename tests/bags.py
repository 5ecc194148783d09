"""A small corpus in several forms, and its matrix."""

import numpy as np
from bad_input import TERMS

DOCUMENT = [(0, 2), (3, 1.5), (7, 1)]
CORPUS = [DOCUMENT, [], [(1, 1)], [(7, 4), (2, 2)], [(0, 1)]]


def dense(chunks, terms=TERMS):
    chunks = list(chunks)
    return np.hstack([chunk.toarray() for chunk in chunks]) if chunks else np.zeros((terms, 0))


def expected(corpus, terms=TERMS):
    """The matrix of a corpus, one cell at a time."""
    matrix = np.zeros((terms, len(corpus)))
    for number, document in enumerate(corpus):
        for term, weight in document:
            matrix[term, number] += weight
    return matrix


class Stream:
    """Re-iterable without a length, as corpora that stream from disk are."""

    def __init__(self, corpus):
        self.corpus, self.readings = corpus, 0

    def __iter__(self):
        self.readings += 1
        yield from self.corpus


def mapped(matrix, folder):
    """The same matrix, its arrays in files that are mapped into memory."""
    arrays = []
    for name in ("data", "indices", "indptr"):
        np.save(folder / f"{name}.npy", getattr(matrix, name))
        arrays.append(np.load(folder / f"{name}.npy", mmap_mode="r"))
    return type(matrix)(tuple(arrays), shape=matrix.shape)
