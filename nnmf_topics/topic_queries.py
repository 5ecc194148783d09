"""Questions about the topics of a layer, with the names and return types of gensim's LdaModel."""

import logging
import operator
from typing import Any

import numpy as np
from gensim.models.coherencemodel import CoherenceModel

from nnmf_topics import comparison
from nnmf_topics.corpus import Source
from nnmf_topics.layer_view import LayerView, Shares
from nnmf_topics.topics import top_terms
from nnmf_topics.vocabulary import term_of, word_of

logger = logging.getLogger("nnmf_topics.model")


class TopicQueries(LayerView):
    """Methods about topics."""

    def get_topics(self) -> np.ndarray:
        """Return the topics as word distributions, (num_topics, num_terms); rows sum to 1."""
        return self._topics.copy()

    @property
    def state(self) -> "TopicState":
        """What pyLDAvis and others read off an LdaModel."""
        return TopicState(self)

    def get_topic_terms(self, topicid: int, topn: int | None = 10) -> list[tuple[int, Any]]:
        """Return the topn (term id, probability) of a topic, most probable first.

        Raises
        ------
        IndexError, TypeError
            If the layer has no such topic; if its number is no integer.
        """
        try:
            number, count = operator.index(topicid), self.num_topics
        except TypeError:
            raise TypeError(f"topicid must be an integer, not {topicid!r:.60}") from None
        if not -count <= number < count:
            raise IndexError(f"no topic {number} in layer {self.layer}: there are 0 to {count - 1}")
        topic = self._topics[number]
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
        return next(self._above(self._topics[None, :, term], minimum_probability))

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

    diff = comparison.diff


class TopicState:
    """The topics in the place where users of LdaModel look for them."""

    def __init__(self, layer: LayerView) -> None:
        self._layer = layer
        self.numdocs = layer.model.num_documents

    def get_lambda(self) -> np.ndarray:
        """Return the topic-word weights, (num_topics, num_terms), all positive.

        A tiny floor takes the place of exact zeros, whose logarithm tools would take.
        """
        limits = np.finfo(self._layer.dtype)
        masses = self._layer.model.topic_masses(self._layer.layer)[:, None]
        weights: np.ndarray = self._layer._topics * np.maximum(masses, limits.eps)
        return weights.clip(limits.tiny, None)
