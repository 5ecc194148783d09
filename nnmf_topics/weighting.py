"""Weights of words: what counts mean before they are factorised.

Raw counts are dominated by frequent words and long documents. Weighting moves the quality of topics
more than the choice of model does; the study behind the default is in `scripts/RESULTS.md`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import scipy.sparse as sp

WeightingName = Literal["auto", "none", "tf-idf", "log-idf"]

_RARE_SHARE, _RARE_MOST = 60, 5
_IDF_POWER = 1.5


@dataclass(frozen=True)
class Statistics:
    """What weighting needs to know of a corpus.

    Attributes
    ----------
    documents : int
    document_frequency : int64 array (terms,)
        Number of documents that hold each term.
    counts : bool
        Whether all weights are whole numbers, as counts are.
    """

    documents: int
    document_frequency: np.ndarray
    counts: bool

    def __add__(self, other: "Statistics") -> "Statistics":
        return Statistics(
            self.documents + other.documents,
            self.document_frequency + other.document_frequency,
            self.counts and other.counts,
        )


def survey(chunks: Iterable[sp.csc_array], num_terms: int) -> Statistics:
    """Read a corpus once and count. Reading also checks every document."""
    total = Statistics(0, np.zeros(num_terms, np.int64), counts=True)
    for chunk in chunks:
        frequency = np.bincount(chunk.indices, minlength=num_terms)
        whole = bool(np.all(chunk.data == np.floor(chunk.data)))
        total = total + Statistics(chunk.shape[1], frequency, whole)
    return total


@dataclass(frozen=True)
class Weighting:
    """A weighting of the words of a corpus; apply it by calling it on chunks (terms, documents).

    Attributes
    ----------
    name : {"none", "tf-idf", "log-idf"}
        "none" leaves the chunk alone. The others give w = tf idf or w = log(1 + tf) idf^1.5, with
        idf = log(1 + documents / document frequency), weight 0 for rare words, and documents of
        unit Euclidean length.
    term_weights : float64 array (terms,), or None for "none"
    """

    name: WeightingName
    term_weights: np.ndarray | None = None

    def __call__(self, chunk: sp.csc_array) -> sp.csc_array:
        """Return the weighted chunk, in its own dtype."""
        if self.term_weights is None:
            return chunk
        local = np.log1p(chunk.data) if self.name == "log-idf" else chunk.data
        data = (local * self.term_weights[chunk.indices]).astype(chunk.dtype)
        words = np.diff(chunk.indptr)
        some = words > 0  # sums of the others would not be zero
        lengths = np.zeros(chunk.shape[1])
        if some.any():
            squares = np.square(data, dtype=np.float64)
            lengths[some] = np.sqrt(np.add.reduceat(squares, chunk.indptr[:-1][some]))
        data /= np.repeat(np.where(lengths > 0, lengths, 1.0).astype(chunk.dtype), words)
        weighted = sp.csc_array((data, chunk.indices.copy(), chunk.indptr.copy()), chunk.shape)
        weighted.eliminate_zeros()
        return weighted

    def grown(self, num_terms: int) -> "Weighting":
        """Return this for a vocabulary with more terms, which have no weight yet."""
        if self.term_weights is None:
            return self
        return replace(
            self, term_weights=np.pad(self.term_weights, (0, num_terms - len(self.term_weights)))
        )

    def extended(self, new: Statistics, total: Statistics) -> "Weighting":
        """Return this with a weight for the terms that new documents made frequent enough.

        All other weights stay, or else the documents seen before would mean something else now. A
        term needs twice as many documents as at the first training: seeing the same documents
        again should change nothing.
        """
        if self.term_weights is None:
            return self
        weights = _term_weights(self.name, total)
        enough = total.document_frequency >= 2 * _least_frequency(total)
        enters = (self.term_weights == 0) & (new.document_frequency > 0) & enough
        return replace(self, term_weights=np.where(enters, weights, self.term_weights))

    def without_weight(self, statistics: Statistics) -> int:
        """Return how many words of a corpus have no weight."""
        if self.term_weights is None:
            return 0
        return int(np.sum(self.term_weights[statistics.document_frequency > 0] == 0))

    def drops_all(self, statistics: Statistics) -> bool:
        """Whether no word of a corpus keeps any weight."""
        words = int(np.count_nonzero(statistics.document_frequency))
        return self.term_weights is not None and self.without_weight(statistics) == words


def fit_weighting(name: WeightingName, statistics: Statistics) -> Weighting:
    """Choose the weights of words for a corpus.

    Parameters
    ----------
    name : {"auto", "none", "tf-idf", "log-idf"}
        "auto" is "log-idf" for counts and "none" for a corpus that is weighted already.
    statistics : Statistics

    Raises
    ------
    ValueError
        For any other name.
    """
    if name not in get_args(WeightingName):
        raise ValueError(f"weighting must be one of {get_args(WeightingName)}, not {name!r}")
    if name == "auto":
        name = "log-idf" if statistics.counts else "none"
    return Weighting(name, None if name == "none" else _term_weights(name, statistics))


def _term_weights(name: WeightingName, statistics: Statistics) -> np.ndarray:
    frequency = statistics.document_frequency
    idf = np.log1p(statistics.documents / np.maximum(frequency, 1))
    power = _IDF_POWER if name == "log-idf" else 1.0
    return np.where(frequency >= _least_frequency(statistics), idf**power, 0.0)


def _least_frequency(statistics: Statistics) -> int:
    # Words of a handful of documents name no topic, but a small corpus has few others.
    return min(_RARE_MOST, max(1, statistics.documents // _RARE_SHARE))
