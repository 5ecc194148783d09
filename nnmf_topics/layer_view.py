"""What a layer of a model looks like to the queries about its topics and about documents."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, Protocol

import numpy as np

from nnmf_topics._typing import Bow
from nnmf_topics.corpus import Source
from nnmf_topics.weighting import Statistics

SMALLEST = 1e-8  # as in gensim: no smaller share is ever shown

Shares = list[tuple[int, Any]]


class LayeredModel(Protocol):
    """What a layer reads off the model it belongs to."""

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
    @property
    def statistics(self) -> Statistics: ...  # noqa: D102
    @property
    def term_weights(self) -> np.ndarray | None: ...  # noqa: D102
    def topic_matrix(self, layer: int = 0) -> np.ndarray: ...  # noqa: D102
    def topic_masses(self, layer: int = 0) -> np.ndarray: ...  # noqa: D102
    def words_by_topic(  # noqa: D102
        self, layer: int, corpus: Source | Bow, first: int = 0
    ) -> np.ndarray: ...


class LayerView:
    """Layer `layer` of a model: its attributes are those of a gensim topic model.

    It holds no topics of its own: train the model on, and the view has moved on too.
    """

    def __init__(self, model: LayeredModel, layer: int) -> None:
        self.model, self.layer = model, layer
        self.num_topics = model.widths[layer]
        self.id2word, self.dtype, self.chunksize = model.id2word, model.dtype, model.chunksize
        self.minimum_probability = model.minimum_probability
        self.minimum_phi_value = model.minimum_phi_value
        self.per_word_topics = model.per_word_topics

    @property
    def num_terms(self) -> int:
        """Size of the vocabulary."""
        return self.model.num_terms

    @property
    def _topics(self) -> np.ndarray:
        return self.model.topic_matrix(self.layer)

    def _above(self, values: np.ndarray, minimum_probability: float | None) -> Iterator[Shares]:
        """Yield the topics of each row (rows, topics) that have so much, with what they have."""
        least = self.minimum_probability if minimum_probability is None else minimum_probability
        rows, found = np.nonzero(values >= max(least, SMALLEST))
        pairs = zip(found.tolist(), values[rows, found], strict=True)
        for number in np.bincount(rows, minlength=len(values)).tolist():
            yield list(islice(pairs, number))
