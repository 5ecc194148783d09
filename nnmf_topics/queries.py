"""The queries of gensim's topic models with ``layer=``: each is asked of the layer's `Level`."""

from typing import TYPE_CHECKING, Any

import numpy as np
from gensim.interfaces import TransformationABC
from gensim.models.basemodel import BaseTopicModel

from nnmf_topics._typing import Bow
from nnmf_topics.corpus import Source
from nnmf_topics.level import Level, TopicState


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

    def inference(self, chunk: Source, layer: int = 0) -> tuple[np.ndarray, None]:
        """See `Level.inference`."""
        return self.level(layer).inference(chunk)

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
