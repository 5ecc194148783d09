"""Questions about documents, with the names and return types of gensim's LdaModel."""

import logging
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
from gensim.interfaces import TransformedCorpus
from gensim.matutils import Sparse2Corpus

from nnmf_topics import likelihood
from nnmf_topics._typing import Bow
from nnmf_topics.corpus import Source, batches, check_corpus, made, read_chunks
from nnmf_topics.documents import check_document, is_document
from nnmf_topics.layer_view import SMALLEST, LayerView, Shares
from nnmf_topics.pairs import INTEGER

logger = logging.getLogger("nnmf_topics.model")


class DocumentQueries(LayerView):
    """Methods about documents."""

    def inference(
        self, chunk: Source, collect_sstats: bool = False
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the unnormalised topic weights of documents, (docs, num_topics).

        A document without any known word has the uniform mixture, so that rows can be divided by
        their sums; `model.encode` gives it zeros.

        Parameters
        ----------
        chunk : corpus
        collect_sstats : bool
            Also return how often each term comes from each topic, (num_topics, num_terms); it sums
            to the words of the documents. Else None in its place.
        """
        gammas, counts = [np.zeros((0, self.num_topics), self.dtype)], None
        if collect_sstats:
            counts = np.zeros((self.num_topics, self.num_terms), self.dtype)
        for X in self._chunks(chunk):
            gammas.append(self._mixtures(X))
            if counts is not None:
                counts += likelihood.expected_counts(X, _rows_of_one(gammas[-1]), self._topics)
        return np.concatenate(gammas), counts

    def bound(
        self, corpus: Source, gamma: np.ndarray | None = None, subsample_ratio: float = 1.0
    ) -> float:
        """Return log2 of the probability of the words of a corpus, each document being a mixture.

        The topics of a document are fitted to the words that are asked about, and their number
        costs nothing: compare models of equal widths by it. A twentieth of the words is taken to
        come from the corpus at large, so that no word is impossible. In bits, so that
        ``2 ** -(bound / words)``, as gensim computes it, is the perplexity.

        Parameters
        ----------
        corpus : corpus of counts
        gamma : ndarray (documents, num_topics), optional
            What `inference` returned for it.
        subsample_ratio : float
            The result is multiplied by it.
        """
        score, first = 0.0, 0
        frequency, term_weights = self.model.statistics.document_frequency, self.model.term_weights
        for X in self._chunks(corpus):
            last = first + X.shape[1]
            weights = self._mixtures(X) if gamma is None else np.asarray(gamma)[first:last]
            if weights.shape != (X.shape[1], self.num_topics):
                raise ValueError(
                    f"gamma must have a row for each document and {self.num_topics} columns"
                )
            shares = _rows_of_one(weights)
            score += likelihood.log_likelihood(X, shares, self._topics, term_weights, frequency)
            first = last
        if gamma is not None and len(gamma) != first:
            raise ValueError(f"gamma has {len(gamma)} rows for {first} documents")
        return np.float64(score * subsample_ratio)

    def log_perplexity(self, chunk: Source, total_docs: int | None = None) -> float:
        """Return the `bound` per word, at most 0, and log it with the perplexity at INFO.

        Parameters
        ----------
        chunk : corpus of counts
        total_docs : optional
            Taken as in gensim; a bound per word does not depend on it.
        """
        del total_docs
        bound, words, documents = 0.0, 0.0, 0
        for X in self._chunks(chunk):
            bound, words = bound + self.bound(X), words + float(X.sum())
            documents += X.shape[1]
        if not words:
            raise ValueError("the documents have no words: there is no perplexity")
        per_word = bound / words
        logger.info(
            "%.3f per-word bound, %.1f perplexity estimate based on a held-out corpus of %i "
            "documents with %i words",
            *(per_word, np.exp2(-per_word), documents, words),
        )
        return per_word

    def _chunks(self, corpus: Source) -> Iterator[sp.csc_array]:
        # An empty list is an empty corpus here, where a single document is not taken.
        corpus = iter(corpus) if isinstance(corpus, (list, tuple)) else corpus
        return read_chunks(corpus, self.num_terms, self.chunksize, self.dtype)

    def _mixtures(self, chunk: sp.csc_array) -> np.ndarray:
        """Return `_weights`, uniform where they are all zero."""
        weights = self._weights(chunk)
        weights[~weights.any(axis=1)] = 1 / self.num_topics
        return weights

    def _weights(self, corpus: Source, first: int = 0) -> np.ndarray:
        """Words of each document that come from each topic, (docs, num_topics)."""
        return np.ascontiguousarray(self.model.words_by_topic(self.layer, corpus, first).T)

    def __getitem__(self, bow: Bow | Source) -> Any:
        """Topics of a document, or a lazy corpus of those of every document."""
        return self.get_document_topics(bow, per_word_topics=self.per_word_topics)

    def get_document_topics(
        self,
        bow: Bow | Source,
        minimum_probability: float | None = None,
        minimum_phi_value: float | None = None,
        per_word_topics: bool = False,
    ) -> Any:
        """Return the topics of a document, or lazily those of every document of a corpus.

        Parameters
        ----------
        bow : document or corpus
        minimum_probability : float, optional
            Leave out topics with a smaller share of the document. With 0 all topics are there: with
            1e-8 in place of zeros, and alike in a document without a known word, as LdaModel has
            it.
        minimum_phi_value : float, optional
            With per_word_topics: leave out topics with a smaller share of a word.
        per_word_topics : bool
            Also return, for each word of the document, its topics from the most relevant on, and
            (topic, share of the word times its count).

        Returns
        -------
        list of (int, float), or a triple with per_word_topics, or a corpus of either
            Shares of the document's weighted words; the empty list if it has no known word.
        """
        options: dict[str, Any] = {
            "minimum_probability": minimum_probability,
            "minimum_phi_value": minimum_phi_value,
            "per_word_topics": per_word_topics,
        }
        if is_document(bow):
            return next(self._document_topics([bow], 0, **options))
        if not callable(bow) or isinstance(bow, Iterable):
            check_corpus(bow, self.num_terms)
        if isinstance(bow, (list, tuple)):
            check_document(bow[0], 0, self.num_terms, self.dtype)
        return DocumentTopics(self, bow, options)

    def _document_topics(
        self,
        documents: list[Bow],
        first: int,
        minimum_probability: float | None,
        minimum_phi_value: float | None,
        per_word_topics: bool,
    ) -> Iterator[Any]:
        weights = self._weights(iter(documents), first)
        totals = weights.sum(axis=1, keepdims=True)
        shares = np.divide(weights, totals, out=np.zeros_like(weights), where=totals > 0)
        shown = self._shown(shares, minimum_probability)
        for document, share, topics in zip(documents, shares, shown, strict=True):
            if per_word_topics:
                yield (topics, *self._word_topics(document, share, minimum_phi_value))
            else:
                yield topics

    def _shown(self, shares: np.ndarray, minimum_probability: float | None) -> Iterator[Shares]:
        """Topics of documents; all of them where the threshold is 0, as LdaModel has them."""
        least = self.minimum_probability if minimum_probability is None else minimum_probability
        if least <= SMALLEST:
            some = shares.any(axis=1, keepdims=True)
            lowest = np.where(some, SMALLEST, 1 / self.num_topics).astype(shares.dtype)
            shares = np.maximum(shares, lowest)
        return self._above(shares, least)

    def _word_topics(
        self, document: Bow, share: np.ndarray, minimum_phi_value: float | None
    ) -> tuple[list[Any], list[Any]]:
        least = self.minimum_phi_value if minimum_phi_value is None else minimum_phi_value
        order, values = [], []
        for term, count in document:
            phi = share * self._topics[:, term]
            if not phi.any():  # a word of none of them: divided by their shares, as in `inference`
                phi = share
            phi = phi / (phi.sum() or 1) * self.dtype(count)
            kept = [(int(t), phi[t]) for t in np.flatnonzero(phi >= max(least, SMALLEST))]
            values.append((term, kept))
            order.append((term, [t for t, _ in sorted(kept, key=lambda pair: -pair[1])]))
        return order, values


def _rows_of_one(weights: np.ndarray) -> np.ndarray:
    """Return weights (documents, topics) as shares; rows sum to 1."""
    shares: np.ndarray = weights / weights.sum(axis=1, keepdims=True)
    return shares


def _by_document(corpus: Source) -> Source:
    """Return a corpus that iterates over documents, as a matrix does not."""
    return Sparse2Corpus(corpus) if sp.issparse(corpus) else corpus


class DocumentTopics(TransformedCorpus):  # type: ignore[misc]
    """The topics of every document of a corpus, inferred in chunks when they are asked for."""

    def __init__(self, layer: DocumentQueries, corpus: Source, options: dict[str, Any]) -> None:
        self.obj, self.corpus, self.options = layer, _by_document(corpus), options
        self.chunksize = layer.chunksize

    def __len__(self) -> int:
        return len(self.corpus)

    def __iter__(self) -> Iterator[Any]:
        for first, documents in batches(_by_document(made(self.corpus)), self.chunksize):
            yield from self.obj._document_topics(documents, first, **self.options)

    def __getitem__(self, key: int | slice) -> Any:
        if isinstance(key, slice):
            return DocumentTopics(self.obj, self.corpus[key], self.options)
        if not isinstance(key, INTEGER):  # the label of a document in a table, or several
            return self.obj.get_document_topics(self.corpus[key], **self.options)
        number = int(key)  # Sparse2Corpus knows no others
        return next(self.obj._document_topics([self.corpus[number]], number, **self.options))
