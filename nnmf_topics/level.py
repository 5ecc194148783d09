"""One layer of a hierarchy as a gensim topic model of its own."""

import logging
import operator
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp
from gensim.interfaces import TransformationABC, TransformedCorpus
from gensim.matutils import Sparse2Corpus
from gensim.models.basemodel import BaseTopicModel
from gensim.models.coherencemodel import CoherenceModel

from nnmf_topics._typing import Bow
from nnmf_topics.corpus import Source, batches, check_corpus, made
from nnmf_topics.documents import check_document, is_document, to_matrix
from nnmf_topics.topics import top_terms
from nnmf_topics.vocabulary import term_of, word_of

logger = logging.getLogger("nnmf_topics.model")

_SMALLEST = 1e-8  # as in gensim: a threshold of 0 still leaves out zeros

Shares = list[tuple[int, Any]]


class LayeredModel(Protocol):
    """What a level reads off the model it belongs to."""

    widths: tuple[int, ...]
    num_terms: int
    id2word: Any
    minimum_probability: float
    minimum_phi_value: float
    per_word_topics: bool
    dtype: type[np.floating[Any]]
    chunksize: int

    @property
    def num_documents(self) -> int: ...  # noqa: D102
    def topic_matrix(self, layer: int = 0) -> np.ndarray: ...  # noqa: D102
    def topic_lengths(self, layer: int = 0) -> np.ndarray: ...  # noqa: D102
    def topic_masses(self, layer: int = 0) -> np.ndarray: ...  # noqa: D102
    def encode(self, corpus: Source | Bow) -> list[np.ndarray]: ...  # noqa: D102


class Level(TransformationABC, BaseTopicModel):  # type: ignore[misc]
    """Layer `layer` of a model, with the methods and return types of gensim's LdaModel.

    It holds no topics of its own: train the model on, and the level has moved on too.

    Parameters
    ----------
    model : LayeredModel
    layer : int
        0 is the finest.
    """

    def __init__(self, model: LayeredModel, layer: int) -> None:
        self.model, self.layer = model, layer
        self.num_topics = model.widths[layer]
        self.num_terms, self.id2word = model.num_terms, model.id2word
        self.minimum_probability = model.minimum_probability
        self.minimum_phi_value = model.minimum_phi_value
        self.per_word_topics = model.per_word_topics
        self.dtype, self.chunksize = model.dtype, model.chunksize

    def __str__(self) -> str:
        return f"Level<layer={self.layer}, num_topics={self.num_topics}, model={self.model}>"

    def save(self, *_args: Any, **_options: Any) -> None:
        """Refuse: a level is a view, and gensim would pickle it. Save ``level.model``."""
        raise TypeError("a level has no file of its own: use level.model.save(path)")

    @classmethod
    def load(cls, *_args: Any, **_options: Any) -> Any:
        """Refuse: load the model, and take its level."""
        raise TypeError("a level has no file of its own: use NeuralNMFModel.load(path).level(l)")

    def get_topics(self) -> np.ndarray:
        """Return the topics as word distributions, (num_topics, num_terms); rows sum to 1."""
        return self._topics.copy()

    @property
    def _topics(self) -> np.ndarray:
        return self.model.topic_matrix(self.layer)

    @property
    def state(self) -> "TopicState":
        """What pyLDAvis and others read off an LdaModel."""
        return TopicState(self)

    def get_topic_terms(self, topicid: int, topn: int | None = 10) -> list[tuple[int, Any]]:
        """Return the topn (term id, probability) of a topic, most probable first."""
        topic = self._topics[topicid]
        return [(int(term), topic[term]) for term in top_terms(topic, topn)]

    def show_topic(self, topicid: int, topn: int | None = 10) -> list[tuple[str, Any]]:
        """Return the topn (word, probability) of a topic, most probable first."""
        terms = self.get_topic_terms(topicid, topn)
        return [(word_of(self.id2word, term), probability) for term, probability in terms]

    def show_topics(
        self, num_topics: int = 10, num_words: int = 10, log: bool = False, formatted: bool = True
    ) -> list[tuple[int, Any]]:
        """Return (topic id, words) of topics: all in order, or the num_topics largest.

        Parameters
        ----------
        num_topics : int
            -1, or as many as there are: all.
        num_words : int
            Words of each topic.
        log : bool
            Log them at INFO too.
        formatted : bool
            Words as one string; else as a list of (word, probability).
        """
        chosen = range(self.num_topics)
        if 0 <= num_topics < self.num_topics:
            chosen = top_terms(self.model.topic_masses(self.layer), num_topics).tolist()
        shown = []
        for topic in chosen:
            words: Any = self.show_topic(topic, num_words)
            if formatted:
                words = " + ".join(f'{probability:.3f}*"{word}"' for word, probability in words)
            shown.append((topic, words))
            if log:
                logger.info("topic #%i: %s", topic, words)
        return shown

    def get_term_topics(
        self, word_id: int | str, minimum_probability: float | None = None
    ) -> Shares:
        """Return the (topic id, probability of the word in it) of a term id or a word.

        Raises
        ------
        IndexError
            If the word or the id is unknown.
        """
        if isinstance(word_id, str):
            term = term_of(self.id2word, word_id)
        else:
            term = operator.index(word_id)
        if not 0 <= term < self.num_terms:
            raise IndexError(f"term id {term} is outside the vocabulary of {self.num_terms} terms")
        return self._above(self._topics[:, term], minimum_probability)

    def top_topics(
        self,
        corpus: Source = None,
        texts: Any = None,
        dictionary: Any = None,
        window_size: int | None = None,
        coherence: str = "u_mass",
        topn: int = 20,
        processes: int = -1,
    ) -> list[tuple[list[tuple[Any, str]], float]]:
        """Return ([(probability, word), ...], coherence) of every topic, most coherent first.

        The parameters are those of gensim's CoherenceModel.
        """
        coherence_model = CoherenceModel(
            model=self,
            corpus=corpus,
            texts=texts,
            dictionary=dictionary,
            window_size=window_size,
            coherence=coherence,
            topn=topn,
            processes=processes,
        )
        words = [
            [(probability, word) for word, probability in self.show_topic(topic, topn)]
            for topic in range(self.num_topics)
        ]
        scored = zip(words, coherence_model.get_coherence_per_topic(), strict=True)
        return sorted(scored, key=lambda pair: pair[1], reverse=True)

    def inference(self, chunk: Source) -> tuple[np.ndarray, None]:
        """Return (gamma, None): the unnormalised topic weights of documents, (docs, num_topics).

        A document without any known word has the uniform mixture, so that rows can be divided by
        their sums; `model.encode` gives it zeros.
        """
        # An empty list is an empty corpus here, where a single document is not taken.
        weights = self._weights(iter(chunk) if isinstance(chunk, (list, tuple)) else chunk)
        weights[~weights.any(axis=1)] = 1 / self.num_topics
        return weights, None

    def _weights(self, corpus: Source) -> np.ndarray:
        """Words of each document that come from each topic, (docs, num_topics)."""
        codes = self.model.encode(corpus)[self.layer]
        return np.ascontiguousarray((codes * self.model.topic_lengths(self.layer)[:, None]).T)

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
            Leave out topics with a smaller share of the document.
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
        return DocumentTopics(self, Sparse2Corpus(bow) if sp.issparse(bow) else bow, options)

    def _document_topics(
        self,
        documents: list[Bow],
        first: int,
        minimum_probability: float | None,
        minimum_phi_value: float | None,
        per_word_topics: bool,
    ) -> Iterator[Any]:
        weights = self._weights(to_matrix(documents, first, self.num_terms, self.dtype))
        totals = weights.sum(axis=1, keepdims=True)
        shares = np.divide(weights, totals, out=np.zeros_like(weights), where=totals > 0)
        for document, share in zip(documents, shares, strict=True):
            topics = self._above(share, minimum_probability)
            if per_word_topics:
                yield (topics, *self._word_topics(document, share, minimum_phi_value))
            else:
                yield topics

    def _word_topics(
        self, document: Bow, share: np.ndarray, minimum_phi_value: float | None
    ) -> tuple[list[Any], list[Any]]:
        least = self.minimum_phi_value if minimum_phi_value is None else minimum_phi_value
        order, values = [], []
        for term, count in document:
            phi = share * self._topics[:, term]
            phi = phi / (phi.sum() or 1) * self.dtype(count)
            kept = [(int(t), phi[t]) for t in np.flatnonzero(phi >= max(least, _SMALLEST))]
            values.append((term, kept))
            order.append((term, [t for t, _ in sorted(kept, key=lambda pair: -pair[1])]))
        return order, values

    def _above(self, values: np.ndarray, minimum_probability: float | None) -> Shares:
        least = self.minimum_probability if minimum_probability is None else minimum_probability
        return [
            (int(topic), values[topic]) for topic in np.flatnonzero(values >= max(least, _SMALLEST))
        ]


class TopicState:
    """The topics in the place where users of LdaModel look for them."""

    def __init__(self, level: Level) -> None:
        self._level = level
        self.numdocs = level.model.num_documents

    def get_lambda(self) -> np.ndarray:
        """Return the topic-word weights, (num_topics, num_terms), all positive.

        A tiny floor takes the place of exact zeros, whose logarithm tools would take.
        """
        limits = np.finfo(self._level.dtype)
        masses = self._level.model.topic_masses(self._level.layer)[:, None]
        weights: np.ndarray = self._level.get_topics() * np.maximum(masses, limits.eps)
        return weights.clip(limits.tiny, None)


class DocumentTopics(TransformedCorpus):  # type: ignore[misc]
    """The topics of every document of a corpus, inferred in chunks when they are asked for."""

    def __init__(self, level: Level, corpus: Source, options: dict[str, Any]) -> None:
        self.obj, self.corpus, self.options = level, corpus, options
        self.chunksize = level.chunksize

    def __len__(self) -> int:
        return len(self.corpus)

    def __iter__(self) -> Iterator[Any]:
        for first, documents in batches(made(self.corpus), self.chunksize):
            yield from self.obj._document_topics(documents, first, **self.options)

    def __getitem__(self, key: int | slice) -> Any:
        if isinstance(key, slice):
            return DocumentTopics(self.obj, self.corpus[key], self.options)
        return self.obj.get_document_topics(self.corpus[key], **self.options)
