"""The queries of gensim's topic models with ``layer=``: each is asked of the layer's `Level`."""

from typing import TYPE_CHECKING, Any

import numpy as np
from gensim.interfaces import TransformationABC
from gensim.models.basemodel import BaseTopicModel

from nnmf_topics._typing import Bow
from nnmf_topics.corpus import Source
from nnmf_topics.level import Level
from nnmf_topics.topic_queries import TopicState


class LayeredQueries(TransformationABC, BaseTopicModel):  # type: ignore[misc]
    """Methods of LdaModel for a model of several layers: 0 (default) finest, -1 coarsest."""

    if TYPE_CHECKING:  # the model has it

        def level(self, layer: int = 0) -> Level: ...  # noqa: D102

    @property
    def state(self) -> TopicState:
        """Where users of LdaModel look for the topics: ``model.state.get_lambda()``."""
        return self.level().state

    def get_topics(self, layer: int = 0) -> np.ndarray:
        """See `Level.get_topics`."""
        return self.level(layer).get_topics()

    def get_topic_terms(self, topicid: int, topn: int | None = 10, layer: int = 0) -> Any:
        """See `Level.get_topic_terms`."""
        return self.level(layer).get_topic_terms(topicid, topn)

    def show_topic(self, topicid: int, topn: int | None = 10, layer: int = 0) -> Any:
        """See `Level.show_topic`."""
        return self.level(layer).show_topic(topicid, topn)

    def show_topics(
        self,
        num_topics: int = 10,
        num_words: int = 10,
        log: bool = False,
        formatted: bool = True,
        layer: int = 0,
    ) -> Any:
        """See `Level.show_topics`."""
        return self.level(layer).show_topics(num_topics, num_words, log, formatted)

    def print_topic(self, topicno: int, topn: int = 10, layer: int = 0) -> Any:
        """Return a topic as one string."""
        return self.level(layer).print_topic(topicno, topn)

    def print_topics(self, num_topics: int = 20, num_words: int = 10, layer: int = 0) -> Any:
        """Return topics as `show_topics` does, and log them at INFO."""
        return self.level(layer).print_topics(num_topics, num_words)

    def top_topics(self, *args: Any, layer: int = 0, **kwargs: Any) -> Any:
        """See `Level.top_topics`."""
        return self.level(layer).top_topics(*args, **kwargs)

    def get_term_topics(
        self, word_id: int | str, minimum_probability: float | None = None, layer: int = 0
    ) -> Any:
        """See `Level.get_term_topics`."""
        return self.level(layer).get_term_topics(word_id, minimum_probability)

    def diff(self, other: Any, *args: Any, layer: int = 0, **kwargs: Any) -> Any:
        """See `Level.diff`; a model of several layers is compared by the same layer."""
        other = other.level(layer) if isinstance(other, LayeredQueries) else other
        return self.level(layer).diff(other, *args, **kwargs)

    def inference(
        self, chunk: Source, collect_sstats: bool = False, layer: int = 0
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """See `Level.inference`."""
        return self.level(layer).inference(chunk, collect_sstats)

    def bound(
        self,
        corpus: Source,
        gamma: np.ndarray | None = None,
        subsample_ratio: float = 1.0,
        layer: int = 0,
    ) -> float:
        """See `Level.bound`."""
        return self.level(layer).bound(corpus, gamma, subsample_ratio)

    def log_perplexity(self, chunk: Source, total_docs: int | None = None, layer: int = 0) -> float:
        """See `Level.log_perplexity`."""
        return self.level(layer).log_perplexity(chunk, total_docs)

    def get_document_topics(
        self,
        bow: Bow | Source,
        minimum_probability: float | None = None,
        minimum_phi_value: float | None = None,
        per_word_topics: bool = False,
        layer: int = 0,
    ) -> Any:
        """See `Level.get_document_topics`."""
        return self.level(layer).get_document_topics(
            bow, minimum_probability, minimum_phi_value, per_word_topics
        )

    def __getitem__(self, bow: Bow | Source) -> Any:
        """Topics of a document at the finest layer, or lazily those of every document."""
        return self.level()[bow]
