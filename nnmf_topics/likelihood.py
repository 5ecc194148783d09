"""Documents as mixtures of topics: the probability of their words, and the topic of each."""

import numpy as np
import scipy.sparse as sp

_BACKGROUND = 0.05
"""Share of a document's words that are not of its topics but of the corpus at large."""


def mixture(chunk: sp.csc_array, shares: np.ndarray, topics: np.ndarray) -> np.ndarray:
    """Return sum_k shares[d, k] topics[k, w] at the non-zeros (w, d) of a chunk, (nnz,)."""
    documents = _documents(chunk)
    total = np.zeros(chunk.nnz)
    for topic, share in zip(topics, shares.T, strict=True):
        total += share[documents].astype(np.float64) * topic[chunk.indices]
    return total


def log_likelihood(
    chunk: sp.csc_array,
    shares: np.ndarray,
    topics: np.ndarray,
    term_weights: np.ndarray | None,
    frequency: np.ndarray,
) -> float:
    """Return log2 of the probability of the words of documents, as mixtures of topics.

    Parameters
    ----------
    chunk : csc_array (terms, documents)
        Counts.
    shares : ndarray (documents, k)
        Topics of the documents; rows sum to 1.
    topics : ndarray (k, terms)
        Distributions over the weighted words; rows sum to 1.
    term_weights : ndarray (terms,) or None
        The weight of one occurrence of each term, to come back from weighted words to words.
    frequency : ndarray (terms,)
        Documents of the corpus that hold each term, for the share of the corpus at large.
    """
    if term_weights is not None:
        counted = term_weights > 0
        topics = np.where(counted, topics / np.where(counted, term_weights, 1.0), 0.0)
    totals = shares @ topics.sum(axis=1)
    totals = np.where(totals > 0, totals, 1.0)[_documents(chunk)]
    background = (frequency + 1.0) / (frequency + 1.0).sum()
    probability = (1 - _BACKGROUND) * mixture(chunk, shares, topics) / totals
    probability += _BACKGROUND * background[chunk.indices]
    return float(chunk.data @ np.log2(probability))


def expected_counts(chunk: sp.csc_array, shares: np.ndarray, topics: np.ndarray) -> np.ndarray:
    """Return how often each term comes from each topic, (k, terms); sums to the counts.

    Parameters are those of `log_likelihood`. A word that none of its document's topics has is
    divided among them by their shares.
    """
    documents = _documents(chunk)
    total = mixture(chunk, shares, topics)
    known = total > 0
    scale = np.where(known, chunk.data / np.where(known, total, 1.0), 0.0)
    left = np.where(known, 0.0, chunk.data)
    counts = np.empty((len(topics), chunk.shape[0]), dtype=topics.dtype)
    for k, (topic, share) in enumerate(zip(topics, shares.T, strict=True)):
        part = share[documents] * (scale * topic[chunk.indices] + left)
        counts[k] = np.bincount(chunk.indices, part, minlength=chunk.shape[0])
    return counts


def _documents(chunk: sp.csc_array) -> np.ndarray:
    return np.repeat(np.arange(chunk.shape[1]), np.diff(chunk.indptr))
